/**
 * What a service is told of the trace that a request belongs to, where the policy lets it be told.
 *
 * INVARIANT: a guest gives none of it and is given none of it. Which trace a run belongs to is no secret (a run may ask
 * `run-info`), but what a caller's systems wrote into `tracestate` is theirs.
 *
 * @see https://www.w3.org/TR/trace-context/
 */
import type { Header } from "./egress/index.ts";

/** The trace of a run. */
export interface RunTrace {
  /** W3C, version 00: the trace, the run's own span, whether it is recorded. */
  readonly traceparent: string;
  /** As the caller sent it, in a form that is valid; absent = none. */
  readonly tracestate?: string;
}

/** One request's place in it. */
export interface RequestTrace {
  readonly fields: readonly Header[];
  /** The span that the service's own spans are below. */
  readonly spanId: string;
  /** Texts that give the trace away. */
  readonly names: readonly string[];
}

/**
 * @param spanId of the call that asks for the request; undefined = nobody notes calls, and the run's own stands for it
 */
export function traceOfRequest(
  { traceparent, tracestate }: RunTrace,
  spanId: string | undefined,
): RequestTrace {
  const [version = "", traceId = "", run = "", flags = ""] = traceparent.split("-");
  const parent = spanId ?? run;
  const fields: Header[] = [["traceparent", `${version}-${traceId}-${parent}-${flags}`]];
  if (tracestate !== undefined) fields.push(["tracestate", tracestate]);
  return { fields, spanId: parent, names: [traceId, parent] };
}
