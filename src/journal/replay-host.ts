/**
 * The host of a replay: answers a guest's calls from a journal, and from nothing else. It has no network, no secret
 * and no store; a call that the journal does not have, as it has it, ends the replay where it is.
 */
import { canonicalJson } from "../core/digest.ts";
import { isCut, type Journal, type JournaledCall } from "../core/journal/index.ts";
import type { JsonValue } from "../core/policy/index.ts";
import type { HostCall, HostReply, RunHost } from "../ports/index.ts";

/** What a replay was to do at some place, and did. */
export interface Divergence {
  /** Call number from 0; `end` for what differs at the run's end alone. */
  readonly at: number | "end";
  /** What differs: `call`, `arguments`, `body`, `fuel`, `inputs`, `outcome`, `output`, `memory`. */
  readonly what: string;
  readonly expected: JsonValue;
  readonly seen: JsonValue;
}

/** A replay's host, and what it saw. */
export interface ReplayHost extends RunHost {
  /** Calls that were as the journal has them. */
  readonly matched: number;
  /** The first call that was not. */
  readonly divergence: Divergence | undefined;
}

/** Makes one; good for one run. */
export function createReplayHost({ calls, end }: Journal): ReplayHost {
  let next = 0;
  let divergence: Divergence | undefined;
  const over: HostReply = { kind: "stop", outcome: { kind: "trapped", reason: "replay-ended" } };
  return {
    async call(seen) {
      const at = next;
      const expected = calls[at];
      // Behind the place where it was cut, nobody knows what it did.
      if (expected === undefined && isCut(end)) return over;
      divergence ??= compare(at, expected, seen);
      if (divergence !== undefined || expected === undefined) return over;
      next += 1;
      // The run ended before it had a reply, so it ends here too: the executor knows that there is nothing to wait for.
      return expected.reply ?? (await new Promise<never>(() => undefined));
    },
    close: () => undefined,
    events: [],
    usage: { egress_bytes: 0, requests: 0, log_bytes: 0 },
    denial: end.denial,
    diagnostics: [],
    get matched() {
      return next;
    },
    get divergence() {
      return divergence;
    },
  };
}

function compare(at: number, expected: JournaledCall | undefined, seen: HostCall): Divergence | undefined {
  if (expected === undefined) return { at, what: "call", expected: null, seen: summary(seen) };
  if (expected.name !== seen.name)
    return { at, what: "call", expected: summary(expected), seen: summary(seen) };
  if (canonicalJson(expected.args) !== canonicalJson(seen.args))
    return { at, what: "arguments", expected: summary(expected), seen: summary(seen) };
  if (!sameBytes(expected.body, seen.body))
    return { at, what: "body", expected: text(expected.body), seen: text(seen.body) };
  if (seen.fuelUsed !== expected.fuelUsed)
    return { at, what: "fuel", expected: expected.fuelUsed, seen: seen.fuelUsed ?? null };
  return undefined;
}

function summary({ name, args }: Pick<HostCall, "name" | "args">): JsonValue {
  return { name, args };
}

/** Bytes for people: the beginning, as far as it is text. */
function text(bytes: Uint8Array): string {
  return `${bytes.length} bytes ${JSON.stringify(new TextDecoder().decode(bytes.subarray(0, 200)))}`;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
