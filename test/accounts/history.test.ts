/**
 * No order of concurrent claims and settlements takes a window over its limit, refuses what there is room for, or loses
 * count: on SQLite, and on PostgreSQL with three gateways. `WRIT_HISTORY=50000` plays a longer one.
 */
import { join } from "node:path";
import { expect, it } from "vitest";
import { runtime } from "#runtime";
import { openPostgresStore, openStore } from "../../src/stores/index.ts";
import { postgresOfFile } from "../support/postgres.ts";
import { temporaryFolder } from "../support/sqlite.ts";
import { type History, playHistory } from "./history.ts";

const OPERATIONS = Number(runtime.env("WRIT_HISTORY") ?? 1500);
/** A long one on a busy machine takes its time: that is no fault. */
const LIMITS = { timeout: 600_000 + OPERATIONS * 60 };
const postgres = postgresOfFile();

/** Mulberry32: the same claims in every run; their order is the machine's. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

function expectGood({ faults, claims, refused, operations }: History): void {
  expect(faults.slice(0, 5)).toEqual([]);
  expect(operations).toBeGreaterThanOrEqual(OPERATIONS * 0.9);
  // Both happened, or nothing was tried.
  expect(claims).toBeGreaterThan(100);
  expect(refused).toBeGreaterThan(100);
}

it("one window, many claims at once: SQLite", LIMITS, async () => {
  const folder = await temporaryFolder();
  const store = await openStore(runtime.openSqlite(join(folder.path, "writ.db")));
  expectGood(await playHistory([store], OPERATIONS, seeded(1)));
  await store.close();
  await folder.remove();
});

it("one window, many claims at once: three gateways on PostgreSQL", LIMITS, async () => {
  const url = await postgres.createSchema();
  const open = async () => openPostgresStore(await runtime.openPostgres(url));
  const stores = await Promise.all([open(), open(), open()]);
  expectGood(await playHistory(stores, OPERATIONS, seeded(2)));
  await Promise.all(stores.map((store) => store.close()));
});
