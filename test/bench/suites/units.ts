/**
 * What a unit of fuel buys where code is written to get much time for it: nanoseconds of processor time for a unit, the
 * engine's other threads among them. Beside them the programs of the metering suite, for what ordinary code gets.
 */
import { join } from "node:path";
import { cpuUsage } from "node:process";
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { PROJECT_FOLDER } from "../../../src/compose.ts";
import { FUEL_IMPORT, instrument } from "../../../src/core/metering/index.ts";
import { median } from "../stats.ts";
import type { Figure, Suite } from "../suite.ts";
import { DEAR_CODE } from "../support/dear-code.ts";
import { loadPrograms } from "../support/programs.ts";

const LIMITS = { maxMemoryBytes: 2 ** 28 };
const PLENTY = 1n << 60n;
const MOST_TURNS = 2 ** 28;

/** The suite. */
export const units: Suite = {
  name: "units",
  about: "what a unit of fuel buys at most: code that is written to be slow, and ordinary programs",
  async run({ quick, say }) {
    const figures: Figure[] = [];
    const runMs = quick ? 2 : 40;
    const rounds = quick ? 1 : 5;
    for (const program of await loadPrograms(join(PROJECT_FOLDER, ".writ", "bench-programs"))) {
      say(program.suite);
      const counters = createCounters();
      const call = await program.instantiate((wasm) => instrument(wasm, LIMITS).wasm, counters.imports);
      const all = program.workloads.map(({ name, size }) => {
        const one = (): number => nanosecondsForUnit(counters.left, () => call(name, size));
        return median(Array.from({ length: rounds + 2 }, one));
      });
      figures.push({ name: `${program.suite}: least`, value: Math.min(...all), unit: "ns/unit" });
      figures.push({ name: `${program.suite}: most`, value: Math.max(...all), unit: "ns/unit" });
    }
    for (const [name, fields] of Object.entries(DEAR_CODE)) {
      say(name);
      figures.push({ name, value: await dearness(fields, runMs, rounds), unit: "ns/unit" });
    }
    return {
      tables: [],
      figures,
      notes: [
        "processor time of all the process' threads: collections and compilations that the code brings about are in it",
        "each figure is the median of five runs, each in a new instance and long enough to be optimised",
        "first touch is bounded by the memory that a policy allows, all else by fuel and time alone",
      ],
    };
  },
};

/** Nanoseconds for a unit of a module whose `f` takes a number of turns: as many as take a while. */
async function dearness(fields: string, runMs: number, rounds: number): Promise<number> {
  const wasm = new Uint8Array(await parse(`(module ${fields})`));
  const module = new WebAssembly.Module(instrument(wasm, LIMITS).wasm);
  const once = (turns: number): { readonly forUnit: number; readonly ms: number } => {
    const { left, imports } = createCounters();
    const { f, before } = new WebAssembly.Instance(module, imports).exports;
    if (typeof f !== "function") throw new TypeError("The module exports no f");
    if (typeof before === "function") before();
    left.value = PLENTY;
    const forUnit = nanosecondsForUnit(left, () => f(turns));
    return { forUnit, ms: (forUnit * Number(PLENTY - left.value)) / 1e6 };
  };
  let turns = 16;
  for (let { ms } = once(turns); ms < runMs && turns < MOST_TURNS; { ms } = once(turns)) turns *= 4;
  return median(Array.from({ length: rounds }, () => once(turns).forUnit));
}

function nanosecondsForUnit(left: WebAssembly.Global<"i64">, action: () => unknown): number {
  const before = left.value;
  const start = cpuUsage();
  action();
  const { user, system } = cpuUsage(start);
  return ((user + system) * 1000) / Number(before - left.value);
}

function createCounters(): {
  readonly left: WebAssembly.Global<"i64">;
  readonly imports: WebAssembly.Imports;
} {
  const left = new WebAssembly.Global({ value: "i64", mutable: true }, PLENTY);
  const depth = new WebAssembly.Global({ value: "i32", mutable: true }, 0);
  return { left, imports: { [FUEL_IMPORT.module]: { left, depth } } };
}
