/** What it costs to be watched: the same invocation with nobody told, with metrics and service levels, and with traces. */
import { join } from "node:path";
import { runtime } from "#runtime";
import type { Outgoing, Store, TelemetrySink } from "../../../src/ports/index.ts";
import { createMetrics, createRecorder, openTraces } from "../../../src/telemetry/index.ts";
import { runSeen } from "../../telemetry/support.ts";
import { compare, planFor } from "../harness.ts";
import { median } from "../stats.ts";
import type { Figure, Suite } from "../suite.ts";
import { type BenchHouse, openBenchHouse } from "../support/house.ts";
import { loadTools } from "../support/tools.ts";

/** The suite. */
export const watching: Suite = {
  name: "watching",
  about: "hash with nobody told, with metrics and service levels, and with traces as well",
  async run({ folder, seconds, quick, say }) {
    const registry = await loadTools();
    const { clock, entropy } = runtime;
    const stops: (() => Promise<void>)[] = [];
    const counting = (store: Store): readonly TelemetrySink[] => {
      const recorder = createRecorder({ measures: store.measures, clock, onError: fail });
      stops.push(recorder.begin());
      return [createMetrics(), recorder];
    };
    const traces = await openTraces({
      ...{ clock, entropy, endpoint: "http://127.0.0.1/v1/traces", allowAddresses: [], version: "bench" },
      outgoing: takesAll,
      log: (line) => fail(new Error(JSON.stringify(line))),
    });
    const kinds: readonly (readonly [string, (store: Store) => readonly TelemetrySink[]])[] = [
      ["nobody is told", () => []],
      ["metrics and service levels", counting],
      ["metrics, service levels and traces", (store) => [...counting(store), traces]],
    ];
    const houses: BenchHouse[] = [];
    try {
      for (const [index, [, sinksOf]] of kinds.entries())
        houses.push(await openBenchHouse(join(folder, `house-${index}`), registry, 1, "kept", sinksOf));
      say("preparing");
      for (const house of houses) await prepare(house);
      say("invoking, in turns");
      // By kind, one figure for each turn: turns of one number were taken one after another, so they are pairs.
      const spent = kinds.map((): number[] => []);
      const rows = await compare(
        kinds.map(([name], index) => ({
          name,
          async run() {
            const before = process.cpuUsage();
            await invoke(houses[index]);
            const { user, system } = process.cpuUsage(before);
            spent[index]?.push((user + system) / 1000);
          },
        })),
        planFor(3, quick ? 0.2 : seconds * 2),
      );
      const written = await costOfWriting(houses[1]);
      return {
        tables: [{ title: "one invocation of hash, in process", rows }],
        figures: [
          {
            name: "nobody is told: CPU of this process",
            value: round(median(spent[0] ?? [])),
            unit: "ms/run",
          },
          ...kinds.slice(1).flatMap(([name], at) => addedBy(name, spent[0] ?? [], spent[at + 1] ?? [])),
          { name: "written once a second: CPU of it, shared by the runs of that second", ...written },
        ],
        notes: [
          "three gateways, each with its own database. CPU is compared in pairs: of each turn, what a run took beyond the run of the first gateway in the same turn; the median of these, and between which two it lies in 95 of 100 such measurements. The wall times above are mostly of waiting for the disk",
          "what is written once a second falls into few turns, so it is measured by itself, for 500 runs",
          "the collector takes everything at once and is not measured; serializing for it is",
        ],
      };
    } finally {
      await traces.stop();
      for (const stop of stops) await stop();
      for (const house of houses) await house.close();
    }
  },
};

/** What one kind takes beyond the first, pair by pair. */
function addedBy(name: string, first: readonly number[], own: readonly number[]): readonly Figure[] {
  const pairs = Math.min(first.length, own.length);
  const added = Array.from({ length: pairs }, (_, n) => (own[n] ?? 0) - (first[n] ?? 0)).sort(
    (a, b) => a - b,
  );
  // Order statistics of a median, by the normal approximation of the binomial distribution.
  const reach = Math.ceil(0.98 * Math.sqrt(pairs));
  const at = (index: number) => round(added[Math.min(Math.max(index, 0), pairs - 1)] ?? 0);
  const middle = Math.floor(pairs / 2);
  return [
    { name: `${name}: CPU beyond that, median of ${pairs} pairs`, value: at(middle), unit: "ms/run" },
    { name: `${name}: not below`, value: at(middle - reach), unit: "ms/run" },
    { name: `${name}: not above`, value: at(middle + reach), unit: "ms/run" },
  ];
}

/** Counts many runs and writes them. */
async function costOfWriting(house: BenchHouse | undefined): Promise<Pick<Figure, "value" | "unit">> {
  if (house === undefined) throw new TypeError("There is no such house");
  const recorder = createRecorder({ measures: house.store.measures, clock: runtime.clock, onError: fail });
  const told = 500;
  const stop = recorder.begin();
  for (let n = 0; n < told; n++) recorder.run({ ...runSeen({ startedAtMs: Date.now() }), run: `run_${n}` });
  const before = process.cpuUsage();
  await stop();
  const { user, system } = process.cpuUsage(before);
  return { value: round((user + system) / 1000 / told), unit: "ms/run" };
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

const takesAll: Outgoing = {
  post: async () => ({ status: 200, text: "" }),
  get: async () => ({ status: 200, text: "" }),
};

function fail(error: unknown): never {
  throw error;
}

/** The first invocation waits for the component to be prepared, and may be over before that is. */
async function prepare(house: BenchHouse): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt++) {
    try {
      return await invoke(house);
    } catch (error) {
      if (attempt === 19) throw error;
    }
  }
}

async function invoke(house: BenchHouse | undefined): Promise<void> {
  if (house === undefined) throw new TypeError("There is no such house");
  const { outcome } = await house.gateway.invoke(house.principal, {
    tool: "hash",
    function: "hash/fnv1a64",
    input: { data: "aGVsbG8=" },
    purpose: "benchmark",
  });
  if (outcome.kind !== "completed") throw new Error(`hash ended as ${JSON.stringify(outcome)}`);
}
