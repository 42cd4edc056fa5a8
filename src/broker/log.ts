/**
 * `log`: structured entries of `writ:host/log`.
 *
 * Entries are no events of their own, or a guest could flood the manifest: one event at the run's end carries
 * their count, size and digest. The text goes to the operator's diagnostics.
 */
import { z } from "zod";
import { sha256Hex } from "../core/digest.ts";
import { type Capability, grantOf, OK, parseArgs, type RunContext } from "./capability.ts";
import { LineBuffer } from "./diagnostics.ts";

const IMPORT = "writ:host/log#write";

const writeArgs = z.strictObject({
  level: z.enum(["debug", "info", "warn", "error"]),
  message: z.string(),
  fields: z.array(z.tuple([z.string(), z.string()])),
});

/** Makes the capability live for one run. */
export function createLog({ book, grants }: RunContext): Capability {
  const granted = grantOf(grants, "log") !== undefined;
  const buffer = new LineBuffer("log", () => book.stop({ kind: "exhausted", budget: "log_lines" }));
  let entries = 0;
  let bytes = 0;
  return {
    calls: {
      "log/write": (args) => {
        const { level, message, fields } = parseArgs(writeArgs, args);
        if (!granted) {
          book.write({ import: IMPORT, effect: "denied", clause: "log" });
          // The interface's only word for "not kept".
          return { kind: "error", error: { tag: "budget-spent" } };
        }
        const cost = [message, ...fields.flat()].reduce((sum, text) => sum + utf8Length(text), 0);
        const taken = book.charge("log_bytes", cost);
        bytes += taken;
        if (taken < cost) return { kind: "error", error: { tag: "budget-spent" } };
        entries += 1;
        buffer.add([level, message, ...fields.map(([name, value]) => `${name}=${value}`)].join(" "));
        return OK;
      },
    },
    summary: () => {
      if (bytes === 0 && entries === 0) return [];
      const text = buffer
        .lines()
        .map((line) => line.text)
        .join("\n");
      const result = `${entries} entries, sha256 ${sha256Hex(text)}`;
      return [{ import: IMPORT, effect: "allowed", bytes_out: bytes, result }];
    },
    diagnostics: () => buffer.lines(),
  };
}

function utf8Length(text: string): number {
  return new TextEncoder().encode(text).length;
}
