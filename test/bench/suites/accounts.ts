/** What budgets, retries, loops and the ledger add to an invocation: the bare story beside it, taking turns. */

import { stat } from "node:fs/promises";
import { join } from "node:path";
import { runtime } from "#runtime";
import { type Policy, readPolicy } from "../../../src/core/policy/index.ts";
import type { InvocationRequest } from "../../../src/gateway/index.ts";
import type { Store } from "../../../src/ports/index.ts";
import type { Registry } from "../../../src/registry/index.ts";
import { openStore } from "../../../src/stores/index.ts";
import { openAccounts } from "../../../src/wiring/index.ts";
import { planFor, rowOf } from "../harness.ts";
import type { Figure, Suite } from "../suite.ts";
import { type BenchHouse, openBenchHouse } from "../support/house.ts";
import { predicateOf } from "../support/predicate.ts";
import { loadTools, pick } from "../support/tools.ts";

/** Room for all that the suite does: what is measured is the counting, not the refusing. */
const CLAUSES = {
  windows: [
    { per: 3600, runs: 1e9, fuel: 1e15 },
    { per: 86_400, runs: 1e9, fuel: 1e15, seconds: 1_000_000_000 },
  ],
  retry_budget: { ratio: 0.2, min_per_second: 1, ttl_seconds: 10 },
  // Longer than any run: a busy machine is measured too.
  max_duration_ms: 60_000,
  loop_cap: { confidence_below: 0.5, runs: 10, backoff_seconds: 10 },
} as const satisfies Partial<Policy>;

const ASKED: InvocationRequest = {
  ...{ tool: "hash", function: "hash/fnv1a64", input: { data: "aGVsbG8=" }, purpose: "benchmark" },
  task: { id: "bench", class: "exploratory", confidence: 0.9 },
};

/** The suite. */
export const accounts: Suite = {
  name: "accounts",
  about: "the invocation with two windows, a retry budget, a loop cap and the ledger, beside one with none",
  async run({ folder, quick, seconds }) {
    const { tool } = pick(await loadTools(), "hash", "hash/fnv1a64");
    const policies = tool.policies.map((record) => ({ ...record, policy: { ...record.policy, ...CLAUSES } }));
    const find = () => ({ ...tool, policies });
    const full: Registry = { tools: [find()], find, choose: find, onSuspended: () => () => undefined };
    const patient = {
      ...tool,
      policies: tool.policies.map((record) => ({
        ...record,
        policy: { ...record.policy, max_duration_ms: CLAUSES.max_duration_ms },
      })),
    };
    const bare: Registry = { ...full, tools: [patient], find: () => patient, choose: () => patient };
    let key = 0;
    const subjects = [
      {
        name: "bare: no ledger, no clause",
        house: await openBenchHouse(join(folder, "bare"), bare, 1, "bare"),
      },
      { name: "the ledger", house: await openBenchHouse(join(folder, "ledger"), bare) },
      {
        name: "ledger, two windows, retry budget, loop cap",
        house: await openBenchHouse(join(folder, "full"), full),
      },
      {
        name: "all that, and an Idempotency-Key",
        house: await openBenchHouse(join(folder, "keys"), full),
        more: () => ({ idempotencyKey: `key-${key++}` }),
      },
    ];
    try {
      const plan = planFor(3, seconds);
      const samples = subjects.map(() => [] as number[]);
      for (const { house, more } of subjects)
        for (let turn = 0; turn < plan.warmUp; turn++) await invoke(house, more?.());
      for (let round = 0; round < plan.rounds; round++) {
        for (const [index, { house, more }] of subjects.entries()) {
          for (let turn = 0; turn < plan.perRound; turn++) {
            const at = performance.now();
            await invoke(house, more?.());
            samples[index]?.push(performance.now() - at);
          }
        }
      }
      const rows = subjects.map(({ name }, index) => rowOf(name, samples[index] ?? []));
      const [first] = rows;
      return {
        tables: [{ title: "gateway.invoke of hash, on SQLite", rows }],
        figures: [
          ...rows.slice(1).map((row) => ({
            name: row.name,
            value: row.p50 - (first?.p50 ?? Number.NaN),
            unit: "ms more at p50 than bare",
          })),
          ...(await measureProcessor(quick)),
          ...(await measurePages(folder)),
        ],
        notes: [
          "each subject has its own gateway and database; what they claim goes into the intent's transaction",
          "processor time is of intent and seal on a database in memory: it says on a busy machine too what is added",
          "pages are what SQLite writes before a commit is durable, 4 KiB each, of intent and seal together: the same on every machine",
        ],
      };
    } finally {
      for (const { house } of subjects) await house.close();
    }
  },
};

async function invoke(house: BenchHouse, more: Partial<InvocationRequest> = {}): Promise<void> {
  const { outcome } = await house.gateway.invoke(house.principal, { ...ASKED, ...more });
  if (outcome.kind !== "completed") throw new Error(`hash ended as ${JSON.stringify(outcome)}`);
}

/** How much of accounts a run has. */
type Kind = "bare" | "ledger" | "full";

/** @returns admits and seals one run after another, with as much of accounts as it is told */
function createRuns(store: Store): (kind: Kind) => Promise<void> {
  const books = openAccounts(runtime, "/nowhere", store);
  const { policy } = readPolicy(POLICY, "bench");
  let n = 0;
  return async (kind) => {
    const predicate = predicateOf(n++);
    const { run, tenant, tool, function: name } = predicate;
    const atMs = runtime.clock.nowMs();
    const identity = {
      ...({ run, tenant, tool, function: name, operation: "read", purpose: "benchmark" } as const),
      ...({ input: { n }, task: { id: "bench", class: "exploratory", confidence: 0.9 } } as const),
      startedAtMs: atMs,
    };
    const intent = { run, tenant, tool, function: name, admittedAtMs: atMs, predicate: "{}" };
    await store.recordIntent(intent, kind === "full" ? books.claimsOf(identity, policy) : undefined);
    const seal = { run, outcome: "completed", digest: run, bundle: "{}", entry: run, sealedAtMs: atMs };
    await store.seal(seal, kind === "bare" ? undefined : books.settlementOf(predicate));
  };
}

/** What is added to intent and seal in processor time: rounds of each in turn, median of the differences. */
async function measureProcessor(quick: boolean): Promise<readonly Figure[]> {
  const store = await openStore(runtime.openSqlite(":memory:"), { nextTurn: queueMicrotask });
  const one = createRuns(store);
  const rounds: { readonly bare: number; readonly ledger: number; readonly full: number }[] = [];
  for (let round = 0; round < (quick ? 5 : 60); round++) {
    const used = { bare: 0, ledger: 0, full: 0 };
    for (const kind of ["bare", "ledger", "full"] as const) {
      const before = process.cpuUsage();
      for (let turn = 0; turn < 50; turn++) await one(kind);
      const { user, system } = process.cpuUsage(before);
      used[kind] = (user + system) / 50 / 1000;
    }
    rounds.push(used);
  }
  await store.close();
  // The first rounds are of cold code.
  const warm = rounds.slice(2);
  const median = (of: (round: (typeof rounds)[number]) => number) =>
    warm.map(of).sort((a, b) => a - b)[Math.floor(warm.length / 2)] ?? Number.NaN;
  const unit = "ms of processor time more than bare";
  return [
    { name: "the ledger", value: median(({ bare, ledger }) => ledger - bare), unit },
    {
      name: "ledger, two windows, retry budget, loop cap",
      value: median(({ bare, full }) => full - bare),
      unit,
    },
  ];
}

/** Pages that a run's two commits write, by how much of accounts it has. */
async function measurePages(folder: string): Promise<readonly Figure[]> {
  const figures: Figure[] = [];
  for (const kind of ["bare", "ledger", "full"] as const) {
    const path = join(folder, `pages-${kind}.sqlite`);
    const database = runtime.openSqlite(path);
    const store = await openStore(database, { nextTurn: queueMicrotask });
    // Nothing is taken out of the log of writes, so that its growth is what was written.
    database.exec("PRAGMA wal_autocheckpoint = 0");
    const one = createRuns(store);
    for (let turn = 0; turn < PAGED_RUNS; turn++) await one(kind);
    const before = (await stat(`${path}-wal`)).size;
    for (let turn = 0; turn < PAGED_RUNS; turn++) await one(kind);
    const written = (await stat(`${path}-wal`)).size - before;
    await store.close();
    figures.push({ name: `${kind}: pages`, value: written / FRAME_BYTES / PAGED_RUNS, unit: "a run" });
  }
  return figures;
}

const PAGED_RUNS = 200;
/** A page in SQLite's log of writes, with its header. */
const FRAME_BYTES = 4096 + 24;

const POLICY = JSON.stringify({
  ...{ tool_id: "hash", tenant_tier: ["free"], purpose: ["benchmark"], max_duration_ms: 1000 },
  functions: { "hash/fnv1a64": { operation: "read" } },
  budget: {
    ...{ fuel: 1e8, memory_bytes: "1MiB", egress_bytes: 0, requests: 0, output_bytes: 1024, log_bytes: 0 },
  },
  windows: CLAUSES.windows,
  retry_budget: CLAUSES.retry_budget,
  loop_cap: CLAUSES.loop_cap,
});
