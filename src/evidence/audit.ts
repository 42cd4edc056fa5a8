/**
 * Compares what an independent observer saw with what the evidence says, run by run. Reads nothing and believes nothing:
 * whoever calls it has read the observer's files and verified the manifests.
 */
import {
  type CompletenessContext,
  findGaps,
  type ObservedLine,
  type RunPredicate,
} from "../core/manifest/index.ts";

/** Longer than any run may take: a run that was admitted less than this before the evidence was taken may be under way. */
export const IN_FLIGHT_MS = 11 * 60_000;

/** Which class a run is in that is not simply matched. */
export type AuditClass =
  | "incomplete"
  | "observed-without-receipt"
  | "receipt-without-observation"
  | "indeterminate"
  | "contradicted";

/** One thing that is not as it should be. */
export interface AuditGap {
  readonly class: AuditClass;
  readonly run: string;
  readonly detail: string;
}

/** What was found. Every observed run is in exactly one of `matched`, `incomplete`, `excluded`, `indeterminate`, `withoutReceipt`. */
export interface AuditCounts {
  /** Runs that the front door let in or turned away, without those that were refused before they could begin. */
  readonly admitted: number;
  /** Admitted, and their manifests say all that they have to. */
  readonly matched: number;
  /** Admitted, and their manifests lack something, or contradict the broker's own file. */
  readonly incomplete: number;
  readonly withoutReceipt: number;
  /** Manifests of runs that nobody observed. */
  readonly withoutObservation: number;
  /** Observed, and refused before they could begin: no evidence is owed. */
  readonly excluded: number;
  /** Admitted; nobody saw their end, or they may still be under way. */
  readonly indeterminate: number;
  /** `matched` of `admitted`; null when nothing was observed, because then nobody can say. */
  readonly ratio: number | null;
}

interface Run {
  observedAtMs?: number;
  excluded?: true;
  receipts: number;
  readonly left: string[];
  predicate?: RunPredicate;
  known?: KnownOfRun;
}

/** What is known of a run beside its manifest. */
export interface KnownOfRun extends CompletenessContext {
  /** What its manifest names and is not there, in words. */
  readonly lacks: readonly string[];
}

/** Collects both sides, then says how they compare. */
export class Audit {
  readonly #runs = new Map<string, Run>();

  /** Takes a line of the observer's files. */
  observe(line: ObservedLine): void {
    const run = this.#run(line.run);
    if (line.kind === "admitted") run.observedAtMs = Date.parse(line.at);
    else if (line.kind === "excluded") run.excluded = true;
    else run.left.push(line.target);
  }

  /** Takes a manifest that verified, and what its policy asks of it. */
  receive(predicate: RunPredicate, known: KnownOfRun): void {
    // A denial that stands for many is the receipt of each.
    for (const name of predicate.aggregate?.members.map((member) => member.run) ?? [predicate.run]) {
      const run = this.#run(name);
      run.receipts++;
      run.predicate = predicate;
      run.known = known;
    }
  }

  /**
   * @param takenAtMs when the evidence was taken: runs admitted shortly before may be under way. Undefined = all is settled
   */
  finish(takenAtMs: number | undefined): {
    readonly counts: AuditCounts;
    readonly gaps: readonly AuditGap[];
  } {
    const gaps: AuditGap[] = [];
    let [admitted, matched, incomplete, withoutReceipt, withoutObservation] = [0, 0, 0, 0, 0];
    let [excluded, indeterminate, observed] = [0, 0, 0];
    for (const [name, run] of this.#runs) {
      const gap = (kind: AuditClass, detail: string) => void gaps.push({ class: kind, run: name, detail });
      const { predicate, observedAtMs, known = { lacks: [] } } = run;
      if (observedAtMs !== undefined) observed++;
      if (run.receipts > 1) gap("contradicted", `${run.receipts} manifests of one run`);
      if (predicate === undefined) {
        if (run.excluded) {
          excluded++;
          if (run.left.length > 0) gap("contradicted", `refused before it began, and ${run.left[0]} left`);
        } else if (observedAtMs === undefined) {
          withoutReceipt++;
          gap("observed-without-receipt", `${run.left[0]} left, and nothing else is known of the run`);
        } else {
          admitted++;
          if (isInFlight(observedAtMs, takenAtMs)) indeterminate++;
          else {
            withoutReceipt++;
            gap("observed-without-receipt", `admitted ${instant(observedAtMs)}, no manifest`);
          }
        }
        continue;
      }
      if (observedAtMs === undefined) {
        withoutObservation++;
        gap(
          "receipt-without-observation",
          `a manifest of ${predicate.started_at}, and nobody saw it admitted`,
        );
        continue;
      }
      admitted++;
      const lacks = [...known.lacks, ...findGaps(predicate, known), ...compareRequests(predicate, run.left)];
      if (predicate.outcome.kind === "indeterminate") {
        indeterminate++;
        gap("indeterminate", `nobody saw its end: ${predicate.outcome.reason}`);
      } else if (lacks.length > 0) {
        incomplete++;
        for (const lack of lacks) gap("incomplete", lack);
      } else matched++;
    }
    const counts = {
      ...{ admitted, matched, incomplete, withoutReceipt, withoutObservation, excluded, indeterminate },
      ratio: observed === 0 || admitted === 0 ? null : matched / admitted,
    };
    return { counts, gaps };
  }

  #run(name: string): Run {
    const known = this.#runs.get(name);
    if (known !== undefined) return known;
    const run: Run = { receipts: 0, left: [] };
    this.#runs.set(name, run);
    return run;
  }
}

/** Every request that left has its event, and every event with an answer had a request that left. */
function compareRequests({ events }: RunPredicate, left: readonly string[]): readonly string[] {
  const unexplained = [...left];
  const lacks: string[] = [];
  for (const { seq, target, result, import: name } of events) {
    if (target === undefined) continue;
    // Of a connection the observer knows host and port alone.
    const at = unexplained.findIndex((one) => target === one || target.endsWith(one));
    if (at >= 0) unexplained.splice(at, 1);
    else if (name.startsWith("wasi:http/") && /^[1-5]\d\d$/.test(result ?? ""))
      lacks.push(`event ${seq} says that ${target} answered, and nobody saw it leave`);
  }
  return [...lacks, ...unexplained.map((one) => `${one} left, and no event says so`)];
}

function isInFlight(observedAtMs: number, takenAtMs: number | undefined): boolean {
  return takenAtMs !== undefined && observedAtMs <= takenAtMs && takenAtMs - observedAtMs < IN_FLIGHT_MS;
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}
