/** What grows with what: the invocation with many tools, and with many past runs. */
import { join } from "node:path";
import type { Registry, Tool } from "../../../src/registry/index.ts";
import { planFor, type Row, rowOf } from "../harness.ts";
import type { Figure, Suite } from "../suite.ts";
import { type BenchHouse, openBenchHouse } from "../support/house.ts";
import { fillPastRuns, folderOf } from "../support/past-runs.ts";
import { loadTools, pick } from "../support/tools.ts";

/** The suite. */
export const growth: Suite = {
  name: "growth",
  about: "p50 with 10 → 10,000 tools and 1 → 1,000,000 past runs",
  async run({ folder, quick, seconds, say }) {
    const figures: Figure[] = [];
    const { tool } = pick(await loadTools(), "hash", "hash/fnv1a64");

    const tools: Row[] = [];
    const toolCounts = quick ? [10, 100] : [10, 100, 1000, 10_000];
    const houses = await Promise.all(
      toolCounts.map(async (count) => openBenchHouse(join(folder, `tools-${count}`), copies(tool, count))),
    );
    try {
      say(`${toolCounts.join(", ")} tools`);
      const samples = await takeTurns(houses, (house, turn) => invoke(house, `hash-${turn % 10}`), seconds);
      for (const [index, count] of toolCounts.entries())
        tools.push(rowOf(`${count} tools`, samples[index] ?? []));
    } finally {
      for (const house of houses) await house.close();
    }

    const runs: Row[] = [];
    const reads: Row[] = [];
    const runCounts = quick ? [1, 1000] : [1, 1000, 100_000, 1_000_000];
    const stores = [];
    for (const count of runCounts) {
      const house = await openBenchHouse(folderOf(count, folder), copies(tool, 10));
      stores.push(house);
      await fillPastRuns(house.store, count, (written) => say(`${written} of ${count} past runs`));
    }
    try {
      const samples = await takeTurns(stores, (house) => invoke(house, "hash-0"), seconds);
      const listing = await takeTurns(
        stores,
        async (house) => void (await house.store.listRuns("bench", 20)),
        seconds / 4,
      );
      for (const [index, count] of runCounts.entries()) {
        runs.push(rowOf(`${count} past runs`, samples[index] ?? []));
        reads.push(rowOf(`${count} past runs`, listing[index] ?? []));
      }
    } finally {
      for (const house of stores) await house.close();
    }
    const growthOf = (name: string, rows: readonly Row[]): Figure => ({
      name,
      value: (rows.at(-1)?.p50 ?? Number.NaN) / (rows[0]?.p50 ?? Number.NaN),
      unit: "× p50, largest against smallest",
    });
    figures.push(growthOf("tools", tools), growthOf("past runs", runs), growthOf("listing runs", reads));
    return {
      tables: [
        { title: "gateway.invoke of hash, by number of tools", rows: tools },
        { title: "gateway.invoke of hash, by number of past runs", rows: runs },
        { title: "listing the newest 20 runs", rows: reads },
      ],
      figures,
      notes: [
        "the tools are one component under many names: it grows the registry and the policies, not the executors; an executor holds the compiled code of every component that it has run",
        "every size has its own gateway and database, and they take turns; past runs were written by the store itself, and the log has every one of them",
      ],
    };
  },
};

/** The tool under many names, each with its own policies. */
function copies(tool: Tool, count: number): Registry {
  const tools = Array.from({ length: count }, (_, index) => {
    const name = `hash-${index}`;
    const policies = tool.policies.map((record) => ({
      ...record,
      policy: { ...record.policy, tool_id: name },
    }));
    return { ...tool, name, policies };
  });
  const byName = new Map(tools.map((copy) => [copy.name, copy]));
  const find = (name: string) => byName.get(name);
  return { tools, find, choose: find, onSuspended: () => () => undefined };
}

async function invoke(house: BenchHouse, tool: string): Promise<void> {
  const { outcome } = await house.gateway.invoke(house.principal, {
    tool,
    function: "hash/fnv1a64",
    input: { data: "aGVsbG8=" },
    purpose: "benchmark",
  });
  if (outcome.kind !== "completed") throw new Error(`${tool} ended as ${JSON.stringify(outcome)}`);
}

async function takeTurns(
  houses: readonly BenchHouse[],
  run: (house: BenchHouse, turn: number) => Promise<void>,
  seconds: number,
): Promise<readonly number[][]> {
  const plan = planFor(2, seconds);
  for (const house of houses) for (let i = 0; i < plan.warmUp; i++) await run(house, i);
  const samples = houses.map(() => [] as number[]);
  for (let round = 0; round < plan.rounds; round++) {
    for (const [index, house] of houses.entries()) {
      for (let turn = 0; turn < plan.perRound; turn++) {
        const at = performance.now();
        await run(house, turn);
        samples[index]?.push(performance.now() - at);
      }
    }
  }
  return samples;
}
