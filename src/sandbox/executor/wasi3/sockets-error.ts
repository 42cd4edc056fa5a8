/** Words of 0.2 as cases of the error variants of `wasi:sockets` 0.3, where what has no case is `other`. */
import { GuestError } from "../guard.ts";

const OF_SOCKETS: ReadonlySet<string> = new Set([
  "access-denied",
  "invalid-argument",
  "timeout",
  "invalid-state",
  "remote-unreachable",
  "connection-refused",
  "connection-reset",
]);
const OF_LOOK_UPS: ReadonlySet<string> = new Set([
  "access-denied",
  "invalid-argument",
  "name-unresolvable",
  "temporary-resolver-failure",
]);

/** An error of `types`. @param word of 0.2 */
export function socketError(word: string): GuestError {
  return asCase(word, OF_SOCKETS);
}

/**
 * What went wrong with a socket, as 0.3 says it.
 *
 * @throws whatever is no error of the interface: it is the run's end
 */
export function asSocketError(error: unknown): GuestError {
  return asCase(wordOf(error), OF_SOCKETS);
}

/** The same of a look-up. */
export function asLookUpError(error: unknown): GuestError {
  return asCase(wordOf(error), OF_LOOK_UPS);
}

function wordOf(error: unknown): string {
  if (error instanceof GuestError) return String(error.payload);
  throw error;
}

function asCase(word: string, cases: ReadonlySet<string>): GuestError {
  return new GuestError(cases.has(word) ? { tag: word } : { tag: "other", val: word });
}
