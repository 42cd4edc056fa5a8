/**
 * What is told of runs to whoever counts and measures. Told when a run is over, all at once, so that nobody waits for it
 * and nothing half-told is left; a sink that throws harms no run.
 *
 * INVARIANT: no input, output, secret, URL, path or host of a guest's is in here: names of our own words, times, sums.
 */

/** A part of a run's story, by the monotonic clock. */
export interface Step {
  /** `observe`, `intent`, `run`, `seal`, `refuse`: a word of ours. */
  readonly name: string;
  readonly fromMs: number;
  readonly untilMs: number;
  readonly failed: boolean;
}

/** A call of a guest to its host. */
export interface HostCallSeen extends Step {
  /** 16 hex digits; a request that it led to may have told it to a service. */
  readonly spanId: string;
  /** `ok`, `error` (a word of the interface), or `stop`. */
  readonly reply: "ok" | "error" | "stop";
}

/** A run that is over, as far as this gateway has to do with it. */
export interface RunSeen {
  readonly run: string;
  readonly tenant: string;
  readonly tool: string;
  /** Component and policy that decided, each by twelve letters of its digest: a version without its number. */
  readonly version: string;
  readonly function: string;
  readonly purpose: string;
  readonly traceId: string;
  /** Span of the run itself, 16 hex digits; what it calls continues from it. */
  readonly spanId: string;
  /** Of the caller, when he has one. */
  readonly parentSpanId: string | undefined;
  /** Whether whoever began the trace wants it recorded. */
  readonly sampled: boolean;
  /** Name of the outcome; of what was refused before it ran, the refusal's code; `unsealed` = its evidence failed. */
  readonly outcome: string;
  /** `ran`: it has an outcome. `denied`: by policy. `refused`: it was let in and could not begin. */
  readonly kind: "ran" | "denied" | "refused";
  /** Wall clock, ms, with the fraction of the monotonic one. */
  readonly startedAtMs: number;
  /** Monotonic. */
  readonly fromMs: number;
  readonly untilMs: number;
  readonly steps: readonly Step[];
  readonly hostCalls: readonly HostCallSeen[];
  /** Requests of its guest that met a dead connection: made a second time, or not because no retry was left. */
  readonly resends: { readonly sent: number; readonly refused: number };
  /** Of what it waited for an executor. */
  readonly queuedMs: number;
  readonly fuelUsed: number;
  readonly egressBytes: number;
  /** The run whose seal is its evidence: its own, but for denials that share a statement. */
  readonly evidence: string;
  /** Runs that it called. */
  readonly children: readonly RunSeen[];
}

/** Something that was turned away before it was a run. */
export interface RefusalSeen {
  readonly code: string;
  /** Absent where there is no such tool. */
  readonly tool?: string;
}

/** Receives what is told. */
export interface TelemetrySink {
  /** A run that a principal called, with those that it called itself. */
  run(seen: RunSeen): void;
  refusal(seen: RefusalSeen): void;
}
