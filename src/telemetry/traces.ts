/**
 * Sends spans to the operator's collector: OTLP over HTTP as JSON, by the OpenTelemetry project's own serializer and
 * through the gateway's own way out. Spans are kept for a moment and sent together; a collector that is away costs spans
 * and nothing else, and how many is said.
 */

import { toHex } from "../core/digest.ts";
import { beginRounds } from "../core/rounds.ts";
import type { Clock, Entropy, Outgoing, OutgoingCredentials, TelemetrySink } from "../ports/index.ts";
import { createResource, type Span, spansOf } from "./spans.ts";

const FLUSH_MS = 1_000;
/** Spans sent at once, and spans kept while the collector does not take any. */
const BATCH = 512;
const MOST_KEPT = 4_096;
const TIMEOUT_MS = 5_000;
const MOST_ANSWER_BYTES = 64 * 1024;

/** Where spans go, and whose they are. */
export interface TraceOptions {
  /** The collector's address for traces, path included: `http://127.0.0.1:4318/v1/traces`. */
  readonly endpoint: string;
  /** CIDR blocks that it may be in although they are not public. */
  readonly allowAddresses: readonly string[];
  /**
   * What goes along, and who may vouch for the collector beside the public authorities; asked for each request, since
   * secrets are rotated. What it throws is told, and the spans are kept. Default: nothing.
   */
  readonly credentials?: () => OutgoingCredentials;
  /** Version of Writ. */
  readonly version: string;
  readonly outgoing: Outgoing;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly log: (line: object) => void;
}

/** Sends the spans of the runs that it is told of. */
export interface Traces extends TelemetrySink {
  /** Sends what is kept; never rejects. */
  flush(): Promise<void>;
  /** Sends what is left, and stops. */
  stop(): Promise<void>;
}

/** @returns traces that are being sent until `stop` */
export async function openTraces(options: TraceOptions): Promise<Traces> {
  // Loaded here: a gateway that traces nothing does not wait for it.
  const { JsonTraceSerializer } = await import("@opentelemetry/otlp-transformer");
  const { endpoint, version, outgoing, clock, entropy, log } = options;
  const source = {
    version,
    resource: createResource({
      "service.name": "writ",
      "service.version": version,
      "service.instance.id": toHex(entropy.bytes(8)),
    }),
    newSpanId: () => toHex(entropy.bytes(8)),
  };
  let kept: Span[] = [];
  let lost = 0;
  let flushing: Promise<void> | undefined;

  async function sendAll(): Promise<void> {
    while (kept.length > 0) {
      const batch = kept.slice(0, BATCH);
      try {
        const body = JsonTraceSerializer.serializeRequest(batch);
        const { status } = await outgoing.post(endpoint, new TextDecoder().decode(body), {
          timeoutMs: TIMEOUT_MS,
          maxBytes: MOST_ANSWER_BYTES,
          allowAddresses: options.allowAddresses,
          contentType: "application/json",
          ...(options.credentials === undefined ? {} : { credentials: options.credentials() }),
        });
        // Refused for good: sending it again would be refused again. Anything else is tried with the next round.
        if (status >= 400 && status < 500 && status !== 429) lost += batch.length;
        else if (status < 200 || status >= 300) throw new Error(`status ${status}`);
        kept = kept.slice(batch.length);
      } catch (error) {
        log({ event: "spans-not-sent", spans: kept.length, error: String(error) });
        break;
      }
    }
    if (lost === 0) return;
    log({ event: "spans-lost", spans: lost });
    lost = 0;
  }

  const flush = (): Promise<void> => {
    flushing ??= sendAll().finally(() => {
      flushing = undefined;
    });
    return flushing;
  };
  const onError = (error: unknown) => log({ event: "spans-not-sent", error: String(error) });
  const stop = beginRounds({ clock, everyMs: () => FLUSH_MS, work: flush, onError });

  return {
    run(seen) {
      // Whoever began the trace said that it is not recorded.
      if (!seen.sampled) return;
      const spans = spansOf(seen, source);
      if (kept.length + spans.length > MOST_KEPT) lost += spans.length;
      else kept.push(...spans);
    },
    refusal: () => undefined,
    flush,
    async stop() {
      await stop();
      await flush();
    },
  };
}
