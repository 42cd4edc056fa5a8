/**
 * `stdio`: what a guest writes to standard output and standard error, captured up to the log budget.
 *
 * Writes are no events of their own: one event per stream at the run's end carries their count, size and digest.
 */
import { z } from "zod";
import { sha256Hex } from "../core/digest.ts";
import { type Capability, grantOf, OK, parseArgs, type RunContext } from "./capability.ts";
import { LineBuffer } from "./diagnostics.ts";

const writeArgs = z.strictObject({ stream: z.enum(["stdout", "stderr"]) });

/** Makes the capability live for one run. */
export function createStdio({ book, grants }: RunContext): Capability {
  const granted = grantOf(grants, "stdio") !== undefined;
  const full = () => void book.stop({ kind: "exhausted", budget: "log_lines" });
  const streams = { stdout: openStream("stdout", full), stderr: openStream("stderr", full) };
  return {
    calls: {
      "stdio/write": (args, body) => {
        const stream = streams[parseArgs(writeArgs, args).stream];
        if (!granted) {
          book.write({ import: stream.import, effect: "denied", clause: "stdio" });
          return { kind: "error", error: { tag: "closed" } };
        }
        const taken = book.charge("log_bytes", body.length);
        stream.bytes += taken;
        stream.writes += 1;
        // The part that the budget covers is kept: it is the end of the output that explains a flood.
        stream.buffer.append(body.subarray(0, taken));
        return taken < body.length ? { kind: "error", error: { tag: "closed" } } : OK;
      },
    },
    summary: () =>
      [streams.stdout, streams.stderr]
        .filter((stream) => stream.writes > 0)
        .map((stream) => ({
          import: stream.import,
          effect: "allowed",
          bytes_out: stream.bytes,
          result: `${stream.writes} writes, sha256 ${digestOf(stream.buffer)}`,
        })),
    diagnostics: () => [...streams.stdout.buffer.lines(), ...streams.stderr.buffer.lines()],
  };
}

function openStream(name: "stdout" | "stderr", full: () => void) {
  return { import: `wasi:cli/${name}`, buffer: new LineBuffer(name, full), bytes: 0, writes: 0 };
}

/** Digest of the text as diagnostics show it, so that whoever keeps those can check them. */
function digestOf(buffer: LineBuffer): string {
  return sha256Hex(
    buffer
      .lines()
      .map((line) => line.text)
      .join("\n"),
  );
}
