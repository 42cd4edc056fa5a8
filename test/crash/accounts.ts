/** What the killed processes of this folder claim and owe, and whether the books they leave are right. */
import type { WindowClaim } from "../../src/core/budget/index.ts";
import type { RunPredicate } from "../../src/core/manifest/index.ts";
import type { RunClaims, RunSettlement, Store } from "../../src/ports/index.ts";

/** What each task is billed, in billionths. */
export const TASK_PRICE = 250;
/** What each run costs. */
const RUN_COST = 7;
/** Tasks that all runs share, so that each is reported by many processes. */
const TASKS = 20;
const FUEL = { taken: 1000, used: 10 } as const;

/** A window that outlives the test, with room for all that it does. */
const WINDOW: WindowClaim = {
  class: "exploratory",
  per_seconds: 31 * 86_400,
  starts_at_ms: 0,
  limit: { runs: 1e9, fuel: 1e12 },
  take: { runs: 1, fuel: FUEL.taken, egress_bytes: 0, wall_ms: 0 },
};

/** The task of a run, by the run's own name. */
export function taskOf(run: string): string {
  return `task-${run.charCodeAt(run.length - 1) % TASKS}`;
}

/** What a run claims. */
export function claimsOf({ run, tenant, tool, function: name }: RunPredicate, atMs: number): RunClaims {
  return { ...{ run, tenant, tool, function: name, atMs }, windows: [WINDOW], expiresAtMs: atMs + 3_600_000 };
}

/** What a run comes to; of one that a later process closes too. */
export function settle(predicate: RunPredicate): RunSettlement {
  const { tenant, tool, purpose, task, outcome } = predicate;
  return {
    used: outcome.kind === "indeterminate" ? null : { runs: 1, fuel: FUEL.used, egress_bytes: 0, wall_ms: 0 },
    good: true,
    cost: {
      ...{ tenant, tool, purpose, class: "exploratory", amount: RUN_COST },
      ...(task === undefined ? {} : { task: task.id }),
      ...{ fuel: FUEL.used, egressBytes: 0, wallMs: 0, atMs: Date.parse(predicate.finished_at) },
    },
  };
}

/**
 * Looks at the books, once every run is sealed.
 *
 * @param sealed outcome of each run
 * @param billed tasks whose bill was acknowledged
 * @returns what is wrong with them
 */
export async function examineBooks(
  store: Store,
  sealed: ReadonlyMap<string, string>,
  billed: ReadonlySet<string>,
): Promise<readonly string[]> {
  const faults: string[] = [];
  const always = { where: {}, from: "0001-01-01", until: "9999-12-31", limit: 1_000_000 } as const;
  const runs = (await store.ledger.chargeback({ ...always, by: ["run"] })).filter(
    ({ keys }) => keys[0] !== "",
  );
  for (const { keys, runs: entries } of runs)
    if (entries !== 1 || !sealed.has(keys[0] ?? "")) faults.push(`${keys[0]} has ${entries} entries`);
  if (runs.length !== sealed.size)
    faults.push(`${sealed.size} runs are sealed, ${runs.length} in the ledger`);
  const tasks = await store.ledger.chargeback({ ...always, by: ["task"] });
  for (const { keys, bills, billed: amount } of tasks) {
    const [task = ""] = keys;
    if (bills > 1 || amount !== BigInt(bills * TASK_PRICE)) faults.push(`${task} is billed ${bills} times`);
    if (bills === 0 && billed.has(task)) faults.push(`${task} was said to be billed, and is not`);
  }
  const balances = await store.ledger.balances();
  const sum = [...balances.values()].reduce((total, amount) => total + amount, 0n);
  if (sum !== 0n) faults.push(`the accounts come to ${sum}`);
  if (balances.get("cost-of-runs") !== BigInt(sealed.size * RUN_COST))
    faults.push("costs are not those of the runs");
  // Every lease is gone, and what it took beyond what was used is back, once.
  const seen = [...sealed.values()].filter((outcome) => outcome !== "indeterminate").length;
  const held = await store.accounts.heldOf({ tenant: "acme", tool: "weather" }, WINDOW);
  if (held?.runs !== sealed.size || held.fuel !== seen * FUEL.used)
    faults.push(`the window holds ${held?.fuel} fuel of ${held?.runs} runs`);
  const left = await store.accounts.expire(Number.MAX_SAFE_INTEGER);
  if (left !== 0) faults.push(`${left} leases of sealed runs were left`);
  return faults;
}
