/**
 * `refused`: notes that a guest called an import that is present as a refusing stub. Nothing happens; the evidence
 * says that it was tried.
 */
import { z } from "zod";
import type { EventDraft } from "./book.ts";
import { type Capability, OK, parseArgs, type RunContext } from "./capability.ts";

/** `wasi:filesystem/types@0.2.12#[method]descriptor.open-at`; the executor says it, so only its shape is believed. */
const calledArgs = z.strictObject({ import: z.string().regex(/^[\x21-\x7e]{1,200}$/) });

/** Makes the capability live for one run. */
export function createRefused({ book }: RunContext): Capability {
  // One event per import, counting: a guest that tries in a loop leaves one line.
  const seen = new Map<string, { readonly event: EventDraft; calls: number }>();
  return {
    calls: {
      "refused/called": (args) => {
        const name = parseArgs(calledArgs, args).import;
        const known = seen.get(name);
        if (known !== undefined) {
          known.calls += 1;
          known.event.result = `refused ${known.calls} times`;
          return OK;
        }
        const event = book.write({
          import: name,
          effect: "denied",
          clause: "not offered",
          result: "refused",
        });
        if (event !== undefined) seen.set(name, { event, calls: 1 });
        return OK;
      },
    },
  };
}
