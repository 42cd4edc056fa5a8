/**
 * A run as OpenTelemetry spans: one for the run, one for each step of its story, one for each call of its guest to the
 * host, and those of the runs that it called.
 *
 * INVARIANT: attributes are names of ours, names of the operator's and figures. No input, output, secret, URL or path.
 */
import type { JsonTraceSerializer } from "@opentelemetry/otlp-transformer";
import type { RunSeen } from "../ports/index.ts";

/** A span as the serializer takes it. */
export type Span = Parameters<(typeof JsonTraceSerializer)["serializeRequest"]>[0][number];

/** What all spans of a gateway have in common. */
export interface SpanSource {
  /** One object for all: spans are sent under their resource. */
  readonly resource: Span["resource"];
  /** Version of Writ. */
  readonly version: string;
  /** @returns a new span's id: 16 hex digits, not all of them 0 */
  readonly newSpanId: () => string;
}

/** OpenTelemetry's numbers for a span's kind and status. */
const INTERNAL = 0;
const SERVER = 1;
const CLIENT = 2;
const UNSET = 0;
const ERROR = 2;
/** Sampled. */
const FLAGS = 1;

interface Parts {
  readonly name: string;
  readonly kind: typeof INTERNAL | typeof SERVER | typeof CLIENT;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly failed: boolean;
  readonly attributes: Readonly<Record<string, string | number>>;
}

/** @returns the spans of a run and of those that it called */
export function spansOf(seen: RunSeen, source: SpanSource): readonly Span[] {
  const span = (parts: Parts) => createSpan(seen, parts, source);
  const { run, tenant, tool, purpose, outcome, version, fuelUsed, egressBytes } = seen;
  const spans = [
    span({
      name: `run ${tool}`,
      kind: SERVER,
      spanId: seen.spanId,
      parentSpanId: seen.parentSpanId,
      fromMs: seen.fromMs,
      untilMs: seen.untilMs,
      failed: outcome !== "completed",
      attributes: {
        "writ.run": run,
        "writ.tenant": tenant,
        "writ.tool": tool,
        "writ.function": seen.function,
        "writ.purpose": purpose,
        "writ.outcome": outcome,
        "writ.version": version,
        "writ.fuel": fuelUsed,
        "writ.egress_bytes": egressBytes,
      },
    }),
  ];
  for (const step of seen.steps) {
    const spanId = source.newSpanId();
    spans.push(
      span({ ...step, kind: INTERNAL, spanId, parentSpanId: seen.spanId, attributes: { "writ.run": run } }),
    );
    if (step.name !== "run") continue;
    const inside = { spanId: source.newSpanId(), parentSpanId: spanId, failed: false, attributes: {} };
    if (seen.queuedMs >= 1)
      spans.push(
        span({
          ...inside,
          name: "queue",
          kind: INTERNAL,
          fromMs: step.fromMs,
          untilMs: step.fromMs + seen.queuedMs,
        }),
      );
    for (const call of seen.hostCalls)
      spans.push(
        span({
          ...call,
          kind: CLIENT,
          parentSpanId: spanId,
          attributes: { "writ.reply": call.reply },
        }),
      );
  }
  return [...spans, ...seen.children.flatMap((child) => spansOf(child, source))];
}

function createSpan(seen: RunSeen, parts: Parts, { resource, version }: SpanSource): Span {
  const { traceId } = seen;
  const atMs = (monotonicMs: number) => seen.startedAtMs + (monotonicMs - seen.fromMs);
  const [startTime, endTime] = [toTime(atMs(parts.fromMs)), toTime(atMs(parts.untilMs))];
  const context = (spanId: string) => ({ traceId, spanId, traceFlags: FLAGS });
  return {
    name: parts.name,
    kind: parts.kind,
    spanContext: () => context(parts.spanId),
    ...(parts.parentSpanId === undefined ? {} : { parentSpanContext: context(parts.parentSpanId) }),
    startTime,
    endTime,
    duration: toTime(parts.untilMs - parts.fromMs),
    ended: true,
    status: { code: parts.failed ? ERROR : UNSET },
    attributes: parts.attributes,
    links: [],
    events: [],
    resource,
    instrumentationScope: { name: "writ", version },
    droppedAttributesCount: 0,
    droppedEventsCount: 0,
    droppedLinksCount: 0,
  };
}

/** Who sends the spans. */
export function createResource(attributes: Readonly<Record<string, string>>): Span["resource"] {
  const resource: Span["resource"] = {
    attributes,
    merge: () => resource,
    getRawAttributes: () => Object.entries(attributes),
  };
  return resource;
}

/** Seconds and nanoseconds. */
function toTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.max(0, Math.round((ms - seconds * 1000) * 1e6))];
}
