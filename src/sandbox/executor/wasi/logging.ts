/**
 * `wasi:logging/logging`: entries go where those of `writ:host/log` go, under the same budget. The interface has no
 * way to say that an entry was not kept: a run that spends its log budget ends, as it does there.
 */
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";

/** Its levels in the words of `writ:host/log`. */
const LEVELS: ReadonlyMap<string, string> = new Map([
  ["trace", "debug"],
  ["debug", "debug"],
  ["info", "info"],
  ["warn", "warn"],
  ["error", "error"],
  ["critical", "error"],
]);

/** Binding of `wasi:logging/logging`. */
export function createLogging(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      async log(level: string, scope: string, message: string): Promise<void> {
        const fields = scope === "" ? [] : [["context", scope]];
        await context.call("log/write", { level: LEVELS.get(level) ?? "error", message, fields });
      },
    },
  };
}
