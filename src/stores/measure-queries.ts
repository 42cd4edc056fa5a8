/** The statements about counts and alerts; see `queries.ts`. */
import { sql } from "kysely";
import type { Count } from "../ports/index.ts";
import { db } from "./queries.ts";

const ALERT = [
  "name",
  "firing",
  "since_ms",
  "change",
  "told",
  "attempts",
  "claimed_until_ms",
  "detail",
] as const;

/** Adds to counts, or begins them. @param counts no two of the same; of few different lengths: each is prepared */
export function addCounts(counts: readonly Count[], resolutionMs: number) {
  const rows = counts.map(({ atMs, tool, version, measure, key, count }) => ({
    ...{ resolution_ms: resolutionMs, at_ms: Math.floor(atMs / resolutionMs) * resolutionMs },
    ...{ tool, version, measure, key, count },
  }));
  return db
    .insertInto("measures")
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .columns(["resolution_ms", "at_ms", "tool", "version", "measure", "key"])
        .doUpdateSet({ count: sql<number>`measures.count + excluded.count` }),
    )
    .compile();
}

/** Sums since, of whatever tool. */
export function selectSums(resolutionMs: number, sinceMs: number) {
  return sums(resolutionMs, sinceMs).compile();
}

/** Sums since, of one tool. */
export function selectSumsOf(resolutionMs: number, sinceMs: number, tool: string) {
  return sums(resolutionMs, sinceMs).where("tool", "=", tool).compile();
}

/** Forgets counts of before. */
export function deleteCounts(resolutionMs: number, beforeMs: number) {
  return db
    .deleteFrom("measures")
    .where("resolution_ms", "=", resolutionMs)
    .where("at_ms", "<", beforeMs)
    .compile();
}

/** Which of the runs are sealed. */
export function selectSealed(runs: readonly string[]) {
  return db.selectFrom("seals").select("run").where("run", "in", runs).compile();
}

/** All alerts, by name. */
export function selectAlerts() {
  return db.selectFrom("alerts").select(ALERT).orderBy("name").compile();
}

/** One alert. */
export function selectAlert(name: string) {
  return db.selectFrom("alerts").select(ALERT).where("name", "=", name).compile();
}

/** An alert that was never heard of. */
export function insertAlert(name: string, firing: boolean, nowMs: number, detail: string) {
  return db
    .insertInto("alerts")
    .values({
      name,
      firing: firing ? 1 : 0,
      since_ms: nowMs,
      change: 1,
      told: 0,
      attempts: 0,
      claimed_until_ms: 0,
      detail,
    })
    .compile();
}

/** Turns an alert over. */
export function turnAlert(name: string, firing: boolean, nowMs: number, detail: string) {
  return db
    .updateTable("alerts")
    .set({
      firing: firing ? 1 : 0,
      since_ms: nowMs,
      change: sql<number>`change + 1`,
      attempts: 0,
      claimed_until_ms: 0,
      detail,
    })
    .where("name", "=", name)
    .compile();
}

/** The first alert whose change nobody has told, and nobody is telling. */
export function selectUntold(nowMs: number) {
  return db
    .selectFrom("alerts")
    .select(ALERT)
    .whereRef("told", "<", "change")
    .where("claimed_until_ms", "<=", nowMs)
    .orderBy("since_ms")
    .orderBy("name")
    .limit(1)
    .compile();
}

/** Claims it: one row exactly when nobody was faster. */
export function claimAlert(name: string, change: number, attempts: number, untilMs: number) {
  return db
    .updateTable("alerts")
    .set({ claimed_until_ms: untilMs, attempts: attempts + 1 })
    .where("name", "=", name)
    .where("change", "=", change)
    .where("attempts", "=", attempts)
    .compile();
}

/** It was told. */
export function settleAlert(name: string, change: number) {
  return db
    .updateTable("alerts")
    .set({ told: change })
    .where("name", "=", name)
    .where("told", "<", change)
    .compile();
}

function sums(resolutionMs: number, sinceMs: number) {
  return db
    .selectFrom("measures")
    .select(["tool", "version", "measure", "key", sql<number>`sum(count)`.as("count")])
    .where("resolution_ms", "=", resolutionMs)
    .where("at_ms", ">=", sinceMs)
    .groupBy(["tool", "version", "measure", "key"]);
}
