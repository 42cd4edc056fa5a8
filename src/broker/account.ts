/** What leaves and arrives on a run's behalf is charged to its lease and written into its event, to the byte. */
import type { HostReply } from "../ports/index.ts";
import type { EventDraft } from "./book.ts";
import type { RunContext } from "./capability.ts";
import type { Meter } from "./egress/index.ts";

/** The meter of one request or connection. */
export function meterOf({ book }: RunContext, event: EventDraft): Meter {
  // Events count what was charged: their sum is the budget's use, to the byte. What arrived beyond the budget
  // (one pull of the socket at most) was never parsed and reached nobody.
  return {
    sent(bytes: number): boolean {
      if (book.stopped !== undefined) return false;
      // All or nothing: a request that the budget does not cover is not sent, so nothing of it is charged.
      if (book.left("egress_bytes") < bytes) {
        book.stop({ kind: "exhausted", budget: "egress_bytes" });
        return false;
      }
      event.bytes_out = (event.bytes_out ?? 0) + book.charge("egress_bytes", bytes);
      return true;
    },
    received(bytes: number): boolean {
      if (book.stopped !== undefined) return false;
      const charged = book.charge("egress_bytes", bytes);
      event.bytes_in = (event.bytes_in ?? 0) + charged;
      return charged === bytes;
    },
  };
}

/** The reply of a run that has just been stopped; `serve` gives the same to every later call. */
export function stopOf({ book }: RunContext): HostReply {
  return book.stopped ?? book.stop({ kind: "revoked", reason: "closed" });
}
