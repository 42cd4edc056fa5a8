/** What it costs to be watched: the same invocation with nobody told, with metrics and service levels, and with traces. */
import { join } from "node:path";
import { runtime } from "#runtime";
import type { Outgoing, Store, TelemetrySink } from "../../../src/ports/index.ts";
import { createMetrics, createRecorder, openTraces } from "../../../src/telemetry/index.ts";
import { compare, planFor } from "../harness.ts";
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
      const spent = kinds.map(() => ({ runs: 0, microseconds: 0 }));
      const rows = await compare(
        kinds.map(([name], index) => ({
          name,
          async run() {
            const before = process.cpuUsage();
            await invoke(houses[index]);
            const { user, system } = process.cpuUsage(before);
            const own = spent[index];
            if (own === undefined) return;
            own.runs += 1;
            own.microseconds += user + system;
          },
        })),
        planFor(3, quick ? 0.2 : seconds * 2),
      );
      const perRun = rows.map(({ name }, index): Figure => {
        const { runs, microseconds } = spent[index] ?? { runs: 1, microseconds: 0 };
        return {
          name: `${name}: CPU of this process`,
          value: Math.round(microseconds / runs) / 1000,
          unit: "ms/run",
        };
      });
      return {
        tables: [{ title: "one invocation of hash, in process", rows }],
        figures: perRun,
        notes: [
          "three gateways, each with its own database; every second the second and third also write what they counted and look for the evidence of the runs before, which is in their figures",
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
