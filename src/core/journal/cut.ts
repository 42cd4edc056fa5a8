/** Runs that were ended from outside: what is known of them ends before they do. */
import type { InputTrace, Journal, JournalEnd } from "./types.ts";

/**
 * Whether the run was stopped or killed from outside (its time, its gateway, its executor): then it did what the
 * journal has, and something more of which nothing is known.
 */
export function isCut({ outcome, inputs, returnedHash }: JournalEnd): boolean {
  // What was withheld of a run that returned by itself is no end from outside.
  if (returnedHash !== undefined) return false;
  return inputs?.trace === undefined || outcome.kind === "timed-out" || outcome.kind === "revoked";
}

/** All that reached the guest, in order, as far as the journal says what it was. */
export function traceOf({ calls, end }: Journal): InputTrace {
  const traces = calls.map(({ trace }) => trace);
  if (end.inputs?.trace !== undefined) traces.push(end.inputs.trace);
  const order = traces.flatMap((trace) => trace.order);
  // A run that is stopped is woken by replies that nobody gave.
  const unknown = order.findIndex((id) => id >= 0 && calls[id]?.reply === undefined);
  return {
    clock: traces.flatMap(({ clock }) => clock),
    order: unknown < 0 || !isCut(end) ? order : order.slice(0, unknown),
  };
}
