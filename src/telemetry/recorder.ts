/**
 * Counts runs into the store, by minute: what service levels are judged by. Counted in memory and written once a second,
 * so a gateway that dies takes the last second of counts with it, and no run with it.
 *
 * Evidence is owed for every run that the observer was told of. Whether it is there, the store is asked about each run by
 * name a moment after it ended: whoever seals is not asked whether he did.
 */
import { beginRounds } from "../core/rounds.ts";
import { bucketOf } from "../core/slo/index.ts";
import type { Clock, Count, MeasureStore, RunSeen, TelemetrySink } from "../ports/index.ts";

const FLUSH_MS = 1_000;
/** A run's evidence is looked for this long after its end, and then again and again for a while. */
const DUE_MS = 1_000;
const LATE_EVERY_MS = 5_000;
const GIVEN_UP_MS = 600_000;
/** Runs asked for at once. */
const PAGE = 500;
/** Beyond this many, counts of what nobody can write any more are let go. */
const MOST_PLACES = 20_000;

/** Counts, and writes what it counted. */
export interface Recorder extends TelemetrySink {
  /** Begins to write. @returns writes what is left, and stops */
  begin(): () => Promise<void>;
  /** Writes what was counted so far. @throws whatever the store throws: then it is kept for the next time */
  flush(): Promise<void>;
}

/** Evidence that is looked for. */
interface Owed {
  readonly run: string;
  readonly place: Omit<Count, "key" | "count">;
  readonly endedAt: number;
  /** Looked for before, and counted as owed. */
  readonly isLate: boolean;
}

/** @param parts `onError`: told of writes that failed */
export function createRecorder({
  measures,
  clock,
  onError,
}: {
  readonly measures: MeasureStore;
  readonly clock: Clock;
  readonly onError: (error: unknown) => void;
}): Recorder {
  let counts = new Map<string, Count>();
  let owed: Owed[] = [];
  let late: Owed[] = [];
  let lateAskedAt = Number.NEGATIVE_INFINITY;

  function count(place: Omit<Count, "count">, by = 1): void {
    const { tool, version, measure, key } = place;
    const atMs = Math.floor(place.atMs / 60_000) * 60_000;
    const name = JSON.stringify([atMs, tool, version, measure, key]);
    const known = counts.get(name);
    if (known === undefined && counts.size >= MOST_PLACES) return;
    counts.set(name, { ...place, atMs, count: (known?.count ?? 0) + by });
  }

  function run(seen: RunSeen): void {
    const { tool, version, startedAtMs: atMs, kind } = seen;
    const at = { atMs, tool, version };
    count({ ...at, measure: "decision", key: kind === "denied" ? "deny" : "allow" });
    if (kind === "ran") {
      count({ ...at, measure: "latency", key: String(bucketOf(seen.untilMs - seen.fromMs)) });
      count({ ...at, measure: "outcome", key: seen.outcome });
    }
    if (kind !== "refused") {
      const place = { ...at, measure: "evidence" } as const;
      owed.push({ run: seen.evidence, place, endedAt: clock.monotonicMs(), isLate: false });
    }
    for (const child of seen.children) run(child);
  }

  /** @param isLast nobody asks after this: what ended just now is asked for as well */
  async function lookForEvidence(isLast: boolean): Promise<void> {
    const now = clock.monotonicMs();
    const due = owed.filter(({ endedAt }) => isLast || now - endedAt >= DUE_MS);
    owed = owed.filter(({ endedAt }) => !isLast && now - endedAt < DUE_MS);
    if (isLast || now - lateAskedAt >= LATE_EVERY_MS) {
      lateAskedAt = now;
      due.push(...late);
      late = [];
    }
    for (let from = 0; from < due.length; from += PAGE) {
      const page = due.slice(from, from + PAGE);
      let sealed: ReadonlySet<string>;
      try {
        sealed = new Set(await measures.sealedAmong([...new Set(page.map((one) => one.run))]));
      } catch (error) {
        // Nobody knows yet: asked again, and not counted before.
        owed.push(...page);
        throw error;
      }
      for (const one of page) {
        if (!one.isLate) count({ ...one.place, key: "owed" });
        if (sealed.has(one.run)) count({ ...one.place, key: "sealed" });
        else if (now - one.endedAt < GIVEN_UP_MS) late.push({ ...one, isLate: true });
      }
    }
  }

  async function flush(isLast = false): Promise<void> {
    await lookForEvidence(isLast);
    if (counts.size === 0) return;
    const written = counts;
    counts = new Map();
    try {
      await measures.add([...written.values()]);
    } catch (error) {
      for (const { count: by, ...place } of written.values()) count(place, by);
      throw error;
    }
  }

  return {
    run,
    refusal: () => undefined,
    flush: () => flush(),
    begin() {
      const stop = beginRounds({ clock, everyMs: () => FLUSH_MS, work: () => flush(), onError });
      return async () => {
        await stop();
        await flush(true).catch(onError);
      };
    },
  };
}
