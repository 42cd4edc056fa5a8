/**
 * What canonical NaNs cost a metered guest: the same workloads with and without, taking turns. For whoever wonders
 * whether to have runs noted for replay.
 */
import { join } from "node:path";
import { PROJECT_FOLDER } from "../../../src/compose.ts";
import { FUEL_IMPORT, instrument } from "../../../src/core/metering/index.ts";
import { compare, planFor } from "../harness.ts";
import type { Figure, Suite, Table } from "../suite.ts";
import { loadPrograms, type Program } from "../support/programs.ts";

const LIMITS = { maxMemoryBytes: 2 ** 30 };
const FUEL = 2n ** 60n;

/** Workloads that compute with floats, and one of each interpreter. The others have hardly a float in them. */
const WORKLOADS: Readonly<Record<string, readonly string[]>> = {
  "C kernels": ["matrix", "mandelbrot", "nbody", "sieve"],
  QuickJS: ["numbers", "objects"],
  StarlingMonkey: ["numbers", "objects"],
};

/** The suite. */
export const nan: Suite = {
  name: "nan",
  about: "metered with and without canonical NaNs: floats in C, in QuickJS, in StarlingMonkey",
  async run({ seconds, say }) {
    const tables: Table[] = [];
    const figures: Figure[] = [];
    for (const program of await loadPrograms(join(PROJECT_FOLDER, ".writ", "bench-programs"))) {
      const names = WORKLOADS[program.suite];
      if (names === undefined) continue;
      say(program.suite);
      figures.push(growthOf(program));
      const calls = await Promise.all([false, true].map((canonicalNans) => open(program, canonicalNans)));
      for (const { name, size } of program.workloads.filter((workload) => names.includes(workload.name))) {
        const subjects = calls.map((call, i) => ({
          name: i === 0 ? "metered" : "metered, canonical NaNs",
          run: () => void call(name, size),
        }));
        tables.push({
          title: `${program.suite}: ${name}`,
          rows: await compare(subjects, planFor(10, seconds / 2)),
        });
      }
    }
    return {
      tables,
      figures,
      notes: [
        "fuel is the same in both: test/conformance/generated.ts compares it over thousands of modules",
      ],
    };
  },
};

async function open(
  program: Program,
  canonicalNans: boolean,
): Promise<(name: string, size: number) => unknown> {
  const left = new WebAssembly.Global({ value: "i64", mutable: true }, FUEL);
  const depth = new WebAssembly.Global({ value: "i32", mutable: true }, 0);
  return program.instantiate((wasm) => instrument(wasm, { ...LIMITS, canonicalNans }).wasm, {
    [FUEL_IMPORT.module]: { left, depth },
  });
}

/** How much larger the metered modules get. */
function growthOf({ suite, modules }: Program): Figure {
  const bytes = [false, true].map((canonicalNans) =>
    modules.reduce((sum, wasm) => sum + instrument(wasm, { ...LIMITS, canonicalNans }).wasm.length, 0),
  );
  const [without = 1, withNans = 1] = bytes;
  return { name: `${suite}: growth by canonical NaNs`, value: (withNans / without - 1) * 100, unit: "%" };
}
