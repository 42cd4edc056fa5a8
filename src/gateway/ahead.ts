/**
 * A guest that computes while its intent is on its way to the disk, which takes about as long.
 *
 * That the intent is durable before the run is there for one thing: nothing that a run does to the world, and nothing
 * that anybody learns of it, may be without evidence. A guest that computes does neither. So its command may go out as
 * soon as everything is decided, and until the intent is durable
 *
 * - INVARIANT: no call of its host is served, whatever its executor asks or says: each waits here;
 * - its output is looked at by nobody: the caller of {@link createAhead} waits for its intent first.
 *
 * A crash in between leaves no intent, and a computation that was lost with its executor: as if it had never been. A
 * store that failed ends the run here; what it asked for was not done, and is not done any more.
 */
import type { Outcome } from "../core/manifest/index.ts";
import { withCalls } from "../journal/index.ts";
import type { HostCall, HostReply, RunHost } from "../ports/index.ts";
import type { Ended, HeldRun } from "./guest.ts";

/** What a guest ends as that ran ahead of an intent which never came to be. */
const UNRECORDED: Extract<Outcome, { kind: "revoked" }> = { kind: "revoked", reason: "evidence-unavailable" };

/** A run, and what lets it have an effect. */
export interface Ahead {
  /** Lets it begin, to compute and for nothing else. For the store to call: at most once, and it never throws. */
  begin(): void;
  /** Its intent is durable: it begins now, where it has not, and its calls are served. */
  goOn(): Promise<Ended>;
  /** There is no intent: it ends, or never begins. */
  end(): void;
}

/**
 * @param host the run's own
 * @param run runs the guest, to an end that can be sealed; never rejects
 */
export function createAhead(host: RunHost, run: (held: HeldRun) => Promise<Ended>): Ahead {
  const recorded = Promise.withResolvers<boolean>();
  /** Undefined until it is known whether there is an intent. */
  let isRecorded: boolean | undefined;
  let ended: Promise<Ended> | undefined;
  let tell: ((reason: string) => void) | undefined;

  async function call(asked: HostCall): Promise<HostReply> {
    if (isRecorded ?? (await recorded.promise)) return await host.call(asked);
    return { kind: "stop", outcome: UNRECORDED };
  }

  function decide(is: boolean): void {
    isRecorded ??= is;
    recorded.resolve(isRecorded);
  }

  const held: HeldRun = {
    host: withCalls(host, call),
    onUnrecorded(revoke) {
      if (isRecorded === false) revoke(UNRECORDED.reason);
      tell = revoke;
      return () => {
        tell = undefined;
      };
    },
  };
  return {
    begin() {
      ended ??= run(held);
    },
    goOn() {
      decide(true);
      ended ??= run(held);
      return ended;
    },
    end() {
      decide(false);
      tell?.(UNRECORDED.reason);
    },
  };
}
