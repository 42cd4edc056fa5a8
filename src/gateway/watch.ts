/**
 * Looks over the shoulder of one invocation: wraps what it goes through, notes when each step began and ended, and tells
 * it all once the invocation is over, with the runs that it led to. Nothing of the story waits for it or fails because of
 * it; where nobody is told, nothing is wrapped.
 */
import { toHex } from "../core/digest.ts";
import { GatewayError } from "../core/errors.ts";
import type { RunPredicate } from "../core/manifest/index.ts";
import type { Evidence, KnownBeforeRun } from "../evidence/index.ts";
import type { Clock, Entropy, Observer, RunSeen, Sandbox, Step, TelemetrySink } from "../ports/index.ts";
import type { InvokeParts } from "./parts.ts";
import type { InvocationAnswer, InvocationRequest } from "./types.ts";
import { type SeenCalls, watchHost } from "./watch-host.ts";

/** What is watched. */
export interface WatchedParts {
  readonly observer: Observer;
  readonly evidence: Evidence;
  readonly sandbox: Sandbox;
}

/** Whom to tell, and by which clock. */
export interface WatchOptions {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly sinks: readonly TelemetrySink[];
  /** Given what is still to be told, for whoever waits until nothing is. */
  readonly track: (telling: Promise<void>) => void;
}

/**
 * Invokes, and tells what was seen of it: in the event loop's next turn, when the caller has been answered.
 *
 * @param invoke given the same parts, watched
 */
export async function watchInvocation<P extends WatchedParts>(
  { clock, entropy, sinks, track }: WatchOptions,
  parts: P,
  request: InvocationRequest,
  invoke: (parts: P) => Promise<InvocationAnswer>,
): Promise<InvocationAnswer> {
  const [, , parentSpanId, flags = "01"] = request.traceparent?.split("-") ?? [];
  // The last bit of the flags; see https://www.w3.org/TR/trace-context/#sampled-flag
  const watch = new InvocationWatch(clock, entropy, (Number.parseInt(flags, 16) & 1) === 1);
  let refused: GatewayError | undefined;
  try {
    return await invoke({ ...parts, ...watch.parts(parts) });
  } catch (error) {
    if (error instanceof GatewayError) refused = error;
    throw error;
  } finally {
    track(
      new Promise<void>((resolve) => void setImmediate(resolve)).then(() => {
        if (refused !== undefined) {
          const tool = refused.code === "unknown-tool" ? {} : { tool: request.tool };
          const refusal = { code: refused.code, ...tool };
          tell(sinks, (sink) => sink.refusal(refusal));
        }
        const seen = watch.finish(parentSpanId);
        if (seen !== undefined) tell(sinks, (sink) => sink.run(seen));
      }),
    );
  }
}

/** Whoever counts badly must not take an answer away from its caller. */
function tell(sinks: readonly TelemetrySink[], what: (sink: TelemetrySink) => void): void {
  for (const sink of sinks) {
    try {
      what(sink);
    } catch {
      // The next one is told all the same.
    }
  }
}

/** What of a run is noted while it is under way. */
interface Noted {
  readonly run: string;
  readonly spanId: string;
  readonly fromMs: number;
  readonly startedAtMs: number;
  readonly steps: Step[];
  untilMs: number;
  calls: SeenCalls | undefined;
  known: KnownBeforeRun | undefined;
  end: RunPredicate | undefined;
  /** Of a run that was refused before it began: the code. */
  refused: string | undefined;
  queuedMs: number;
  readonly resends: { sent: number; refused: number };
  evidence: string;
}

/** One invocation: the run that a principal called, and those that it called. */
class InvocationWatch {
  readonly #clock: Clock;
  readonly #entropy: Entropy;
  readonly #sampled: boolean;
  /** In the order in which they were let in, the principal's first. */
  readonly #runs = new Map<string, Noted>();
  /** Their spans. */
  readonly #spans = new Map<string, string>();

  constructor(clock: Clock, entropy: Entropy, sampled: boolean) {
    this.#clock = clock;
    this.#sampled = sampled;
    this.#entropy = entropy;
  }

  parts({ observer, evidence, sandbox }: WatchedParts): WatchedParts & Pick<InvokeParts, "watcher"> {
    return {
      watcher: {
        span: (run, spanId) => void this.#spans.set(run, spanId),
        resent: (run, allowed) => {
          const resends = this.#runs.get(run)?.resends;
          if (resends !== undefined) resends[allowed ? "sent" : "refused"] += 1;
        },
      },
      observer: {
        ...observer,
        admitted: (observed) =>
          this.#step(this.#begin(observed.run), "observe", () => observer.admitted(observed)),
        excluded: (run, reason) => {
          const noted = this.#runs.get(run);
          if (noted !== undefined) noted.refused = reason;
          return observer.excluded(run, reason);
        },
      },
      evidence: {
        ...evidence,
        admit: (known, ...rest) => {
          const noted = this.#runs.get(known.run);
          if (noted !== undefined) noted.known = known;
          return this.#step(noted, "intent", () => evidence.admit(known, ...rest));
        },
        seal: (predicate, ...rest) =>
          this.#step(this.#ending(predicate), "seal", () => evidence.seal(predicate, ...rest)),
        refuse: async (predicate) => {
          const noted = this.#ending(predicate);
          const recorded = await this.#step(noted, "refuse", () => evidence.refuse(predicate));
          if (noted !== undefined) noted.evidence = recorded.run;
          return recorded;
        },
      },
      sandbox: {
        ...sandbox,
        run: async (run) => {
          const noted = this.#runs.get(run.run);
          if (noted === undefined) return await sandbox.run(run);
          const { host, calls } = watchHost(run.host, this.#clock, () => toHex(this.#entropy.bytes(8)));
          noted.calls = calls;
          const end = await this.#step(noted, "run", () => sandbox.run({ ...run, host }));
          noted.queuedMs = end.queuedMs ?? 0;
          return end;
        },
      },
    };
  }

  /** @returns the principal's run with the others in it; undefined when none was let in */
  finish(parentSpanId: string | undefined): RunSeen | undefined {
    const [root] = this.#runs.values();
    return root && this.#describe(root, parentSpanId);
  }

  #begin(run: string): Noted {
    const fromMs = this.#clock.monotonicMs();
    const noted: Noted = {
      run,
      spanId: this.#spans.get(run) ?? toHex(this.#entropy.bytes(8)),
      fromMs,
      startedAtMs: this.#clock.nowMs(),
      steps: [],
      untilMs: fromMs,
      calls: undefined,
      known: undefined,
      end: undefined,
      refused: undefined,
      queuedMs: 0,
      resends: { sent: 0, refused: 0 },
      evidence: run,
    };
    this.#runs.set(run, noted);
    return noted;
  }

  #ending(predicate: RunPredicate): Noted | undefined {
    const noted = this.#runs.get(predicate.run);
    if (noted !== undefined) noted.end = predicate;
    return noted;
  }

  async #step<T>(noted: Noted | undefined, name: string, does: () => Promise<T>): Promise<T> {
    const fromMs = this.#clock.monotonicMs();
    let failed = true;
    try {
      const result = await does();
      failed = false;
      return result;
    } finally {
      const untilMs = this.#clock.monotonicMs();
      if (noted !== undefined) {
        noted.steps.push({ name, fromMs, untilMs, failed });
        noted.untilMs = untilMs;
      }
    }
  }

  #describe(noted: Noted, parentSpanId: string | undefined): RunSeen | undefined {
    const { spanId, end, known, refused, steps } = noted;
    const said = end ?? known;
    // Refused before anything of it was written down: the door has counted it.
    if (said === undefined) return undefined;
    const isSealed = end !== undefined && steps.at(-1)?.failed === false;
    const isDenied = end?.outcome.kind === "denied";
    return {
      run: noted.run,
      tenant: said.tenant,
      tool: said.tool,
      version: versionOf(said),
      function: said.function,
      purpose: said.purpose,
      traceId: said.trace_id,
      spanId,
      parentSpanId,
      sampled: this.#sampled,
      outcome: refused ?? (isSealed ? end.outcome.kind : "unsealed"),
      kind: refused !== undefined ? "refused" : isDenied ? "denied" : "ran",
      startedAtMs: noted.startedAtMs,
      fromMs: noted.fromMs,
      untilMs: noted.untilMs,
      steps,
      hostCalls: noted.calls?.seen ?? [],
      queuedMs: noted.queuedMs,
      resends: noted.resends,
      fuelUsed: end?.budget?.fuel.used ?? 0,
      egressBytes: end?.budget?.egress_bytes.used ?? 0,
      evidence: noted.evidence,
      children: this.#childrenOf(noted),
    };
  }

  #childrenOf({ run, spanId }: Noted): readonly RunSeen[] {
    return [...this.#runs.values()]
      .filter(({ end, known }) => (end ?? known)?.parent?.run === run)
      .map((child) => this.#describe(child, spanId))
      .filter((seen) => seen !== undefined);
  }
}

/** A version without its number, from what a manifest says. */
export function versionOf({
  artifact_hash,
  policy_id,
}: {
  readonly artifact_hash: string;
  readonly policy_id: string | null;
}): string {
  return `${artifact_hash.slice(7, 19)}-${policy_id?.slice(7, 19) ?? "none"}`;
}
