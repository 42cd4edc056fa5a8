/** Counts by minute and by hour, and alerts. Each count is written twice, so that a long window reads few rows. */
import { MEASURES } from "../core/slo/index.ts";
import type { AlertRow, Count, MeasureStore } from "../ports/index.ts";
import { all, type Database, type Lock, run } from "./database.ts";
import * as queries from "./measure-queries.ts";
import type { AlertsTable } from "./schema.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const MINUTES_KEPT_MS = 2 * HOUR_MS;
const HOURS_KEPT_MS = 36 * 24 * HOUR_MS;

/** Counts and alerts in a database, beside the runs. */
export function createMeasures(database: Database): MeasureStore {
  return {
    add: (counts) =>
      database.write(function* () {
        // In one order, so that two gateways that add the same never wait for each other crosswise.
        const ordered = counts.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
        for (const resolution of [MINUTE_MS, HOUR_MS])
          for (const some of inChunks(merged(ordered, resolution)))
            yield* run(queries.addCounts(some, resolution));
      }),
    async sums(nowMs, spanMs) {
      const resolution = spanMs <= HOUR_MS ? MINUTE_MS : HOUR_MS;
      const sinceMs = floor(nowMs - spanMs, resolution) + resolution;
      return (await database.read(queries.selectSums(resolution, sinceMs))).flatMap(toSum);
    },
    sumsOf: async (tool, sinceMs) =>
      (await database.read(queries.selectSumsOf(MINUTE_MS, floor(sinceMs, MINUTE_MS), tool))).flatMap(toSum),
    sealedAmong: async (runs) =>
      runs.length === 0 ? [] : (await database.read(queries.selectSealed(runs))).map((row) => row.run),
    forget: (nowMs) =>
      database.write(function* () {
        yield* run(queries.deleteCounts(MINUTE_MS, nowMs - MINUTES_KEPT_MS));
        yield* run(queries.deleteCounts(HOUR_MS, nowMs - HOURS_KEPT_MS));
      }),
    listAlerts: async () => (await database.read(queries.selectAlerts())).map(toAlert),
    async setAlert({ name, firing, detail }, nowMs) {
      const isSo = (row: AlertsTable | undefined) => (row?.firing === 1) === firing;
      // Mostly nothing changes, and then nothing is written.
      if (isSo((await database.read(queries.selectAlert(name)))[0])) return false;
      return await database.write(
        function* () {
          const [row] = yield* all(queries.selectAlert(name));
          if (isSo(row)) return false;
          const turned = row === undefined ? queries.insertAlert : queries.turnAlert;
          yield* run(turned(name, firing, nowMs, detail));
          return true;
        },
        [ALERTS],
      );
    },
    claimAlert: async (nowMs, leaseMs) => {
      if ((await database.read(queries.selectUntold(nowMs))).length === 0) return undefined;
      return await database.write(
        function* () {
          const [row] = yield* all(queries.selectUntold(nowMs));
          if (row === undefined) return undefined;
          yield* run(queries.claimAlert(row.name, row.change, row.attempts, nowMs + leaseMs));
          return { ...toAlert(row), attempt: row.attempts + 1 };
        },
        [ALERTS],
      );
    },
    settleAlert: (name, change) =>
      database.write(function* () {
        yield* run(queries.settleAlert(name, change));
      }),
  };
}

/** Whoever turns or claims an alert takes this lock. */
const ALERTS: Lock = { name: "alerts" };

/** Counts of the same thing as one: a statement may change a row once. */
function merged(counts: readonly Count[], resolutionMs: number): readonly Count[] {
  const byPlace = new Map<string, Count>();
  for (const count of counts) {
    const { tool, version, measure, key } = count;
    const place = JSON.stringify([floor(count.atMs, resolutionMs), tool, version, measure, key]);
    byPlace.set(place, { ...count, count: count.count + (byPlace.get(place)?.count ?? 0) });
  }
  return [...byPlace.values()];
}

/** Few lengths, so that few statements are prepared. */
function* inChunks(counts: readonly Count[]): Generator<readonly Count[]> {
  let from = 0;
  for (const size of [32, 8, 1])
    for (; counts.length - from >= size; from += size) yield counts.slice(from, from + size);
}

function floor(ms: number, resolutionMs: number): number {
  return Math.floor(ms / resolutionMs) * resolutionMs;
}

/** Words that this version does not know are counts of another one: they say nothing here. */
function toSum(row: {
  readonly tool: string;
  readonly version: string;
  readonly measure: string;
  readonly key: string;
  readonly count: number | string;
}) {
  const measure = MEASURES.find((name) => name === row.measure);
  // A sum may come as text: databases let sums be larger than what they are of.
  return measure === undefined ? [] : [{ ...row, measure, count: Number(row.count) }];
}

function toAlert({ name, firing, since_ms, change, detail }: AlertsTable): AlertRow {
  return { name, firing: firing === 1, sinceMs: since_ms, change, detail };
}
