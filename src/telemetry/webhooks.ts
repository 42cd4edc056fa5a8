/**
 * Tells alerts to whom the operator named: one signed POST each, through the gateway's own way out, tried a few times.
 * What is sent names tools and figures, never a tenant's data.
 */
import { signWebhook } from "../core/slo/index.ts";
import type { ClaimedAlert, Clock, Outgoing, OutgoingCredentials } from "../ports/index.ts";

/** Tries of one gateway, and the pauses before the second and the third. */
const PAUSES_MS = [0, 1_000, 5_000] as const;
const TIMEOUT_MS = 5_000;
const MOST_ANSWER_BYTES = 64 * 1024;
/** Gateways that try one after another, each its own tries. */
const MOST_ATTEMPTS = 5;

/** One who is told. */
export interface Webhook {
  readonly url: string;
  readonly secret: Uint8Array;
  readonly allowAddresses: readonly string[];
  /** Name of the secret profile that goes along; absent = none. */
  readonly profile?: string;
}

/**
 * @returns tells all of them; true when each has taken it, or it was tried often enough. Once `stopping` is aborted
 *   nothing is tried again: whoever claims the alert next tells it
 */
export function createWebhooks(parts: {
  /** Those of this moment. */
  readonly hooks: () => readonly Webhook[];
  /** What a hook's profile gives at this moment: secrets are rotated. What it throws is told like an answer that did not come. */
  readonly credentials: (profile: string, url: string) => OutgoingCredentials;
  readonly outgoing: Outgoing;
  readonly clock: Clock;
  readonly log: (line: object) => void;
}): (alert: ClaimedAlert, stopping: AbortSignal) => Promise<boolean> {
  const { hooks, credentials, outgoing, clock, log } = parts;

  async function send(hook: Webhook, id: string, body: string, stopping: AbortSignal): Promise<boolean> {
    let why = "";
    for (const pauseMs of PAUSES_MS) {
      if (pauseMs > 0) await pause(clock, pauseMs, stopping);
      if (stopping.aborted) return false;
      try {
        const { status } = await outgoing.post(hook.url, body, {
          timeoutMs: TIMEOUT_MS,
          maxBytes: MOST_ANSWER_BYTES,
          allowAddresses: hook.allowAddresses,
          contentType: "application/json",
          headers: signWebhook(hook.secret, { id, atMs: clock.nowMs(), body }),
          ...(hook.profile === undefined ? {} : { credentials: credentials(hook.profile, hook.url) }),
        });
        if (status >= 200 && status < 300) return true;
        why = `status ${status}`;
      } catch (error) {
        why = error instanceof Error ? error.message : String(error);
      }
    }
    log({ event: "webhook-failed", url: hook.url, id, error: why });
    return false;
  }

  return async ({ name, firing, sinceMs, change, detail, attempt }, stopping) => {
    const id = `${name}.${change}`;
    const body = JSON.stringify({
      type: firing ? "alert.firing" : "alert.resolved",
      timestamp: new Date(sinceMs).toISOString(),
      data: { alert: name, firing, since: new Date(sinceMs).toISOString(), detail },
    });
    const taken = await Promise.all(hooks().map((hook) => send(hook, id, body, stopping)));
    return taken.every(Boolean) || attempt >= MOST_ATTEMPTS;
  };
}

/** Waits, or no longer than until `stopping` is aborted. */
function pause(clock: Clock, ms: number, stopping: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      cancel();
      stopping.removeEventListener("abort", end);
      resolve();
    };
    const cancel = clock.after(ms, end);
    stopping.addEventListener("abort", end);
    if (stopping.aborted) end();
  });
}
