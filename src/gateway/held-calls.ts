/**
 * Between a guest and its host, until the run's intent is durable.
 *
 * That the intent is durable before the run is there for one thing: nothing that a run does to the world, and nothing
 * that anybody learns of it, may be without evidence. A guest that computes does neither. So it computes before, and whoever
 * asks nothing of its host is made durable once, by its seal.
 *
 * INVARIANT: no call of its host is served before its intent is durable, whatever its executor asks or says: the first
 * waits here for a sync, and the others behind it. Its output is looked at by nobody before the seal.
 *
 * A loss of power before the sync leaves no intent, none of what it claimed, and a computation that was lost with its
 * executor: as if it had never been. A sync that failed ends the run here; what it asked for is not done any more.
 */
import type { Outcome } from "../core/manifest/index.ts";
import { withCalls } from "../journal/index.ts";
import type { HostCall, HostReply, RunHost } from "../ports/index.ts";

/** What a guest ends as that asked for something, and whose intent could not be made durable. */
const UNRECORDED: Extract<Outcome, { kind: "revoked" }> = { kind: "revoked", reason: "evidence-unavailable" };

/** A host whose calls wait. */
export interface HeldCalls {
  readonly host: RunHost;
  /** Why nothing was served, where the sync failed: what the caller is told in place of an answer. */
  failure(): unknown;
}

/**
 * @param host the run's own
 * @param sync makes its intent durable, once that is stored; asked at most once
 */
export function holdCalls(host: RunHost, sync: () => Promise<void>): HeldCalls {
  let syncing: Promise<void> | undefined;
  let isSynced = false;
  let failure: unknown;

  async function call(asked: HostCall): Promise<HostReply> {
    if (!isSynced) {
      syncing ??= sync();
      try {
        await syncing;
        isSynced = true;
      } catch (error) {
        failure = error;
        return { kind: "stop", outcome: UNRECORDED };
      }
    }
    return await host.call(asked);
  }

  return { host: withCalls(host, call), failure: () => failure };
}
