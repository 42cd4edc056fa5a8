/** What budgets, retries, loops and the ledger add to an invocation: the bare story beside it, taking turns. */
import { join } from "node:path";
import type { Policy } from "../../../src/core/policy/index.ts";
import type { InvocationRequest } from "../../../src/gateway/index.ts";
import type { Registry } from "../../../src/registry/index.ts";
import { planFor, rowOf } from "../harness.ts";
import type { Suite } from "../suite.ts";
import { type BenchHouse, openBenchHouse } from "../support/house.ts";
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
  async run({ folder, seconds }) {
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
        figures: rows.slice(1).map((row) => ({
          name: row.name,
          value: row.p50 - (first?.p50 ?? Number.NaN),
          unit: "ms more at p50 than bare",
        })),
        notes: [
          "each subject has its own gateway and database; what they claim goes into the intent's transaction",
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
