/** A run's host with its calls noted: what was asked, how long it took, and what kind of reply it was. */
import { withCalls } from "../journal/index.ts";
import type { Clock, HostCall, HostCallSeen, HostReply, RunHost } from "../ports/index.ts";

/** Calls of one run that are told one by one; a guest makes as many as it likes. */
const MOST_CALLS = 128;
/** Form of our own names of calls. What an executor asks for beside them is refused, and named `other`. */
const NAME = /^[a-z][a-z-]{0,31}\/[a-z][a-z-]{0,31}$/;

/** Calls so far. */
export interface SeenCalls {
  readonly seen: readonly HostCallSeen[];
}

/**
 * @param newSpanId names a call; those that are not noted have no name, and what they lead to belongs to the run
 * @returns the same host, and what is noted of it
 */
export function watchHost(
  host: RunHost,
  clock: Clock,
  newSpanId: () => string,
): { readonly host: RunHost; readonly calls: SeenCalls } {
  const seen: HostCallSeen[] = [];
  async function call(asked: HostCall): Promise<HostReply> {
    if (seen.length >= MOST_CALLS) return await host.call(asked);
    const spanId = newSpanId();
    const fromMs = clock.monotonicMs();
    const note = (reply: HostCallSeen["reply"], failed: boolean) =>
      void seen.push({
        name: NAME.test(asked.name) ? asked.name : "other",
        spanId,
        fromMs,
        untilMs: clock.monotonicMs(),
        failed,
        reply,
      });
    try {
      const reply = await host.call({ ...asked, spanId });
      note(reply.kind, reply.kind !== "ok");
      return reply;
    } catch (error) {
      note("stop", true);
      throw error;
    }
  }
  return { host: withCalls(host, call), calls: { seen } };
}
