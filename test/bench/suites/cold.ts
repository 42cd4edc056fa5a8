/**
 * A tool's first call in a fresh process, which compiles what it meets: plain, metered, and with parts of metering left out, for
 * what no scheme that adds as much code can go below. Metering itself is not in it: that happens at registration.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROJECT_FOLDER } from "../../../src/compose.ts";
import { instrument } from "../../../src/core/metering/index.ts";
import { type Row, rowOf } from "../harness.ts";
import { median } from "../stats.ts";
import type { Figure, Suite, Table } from "../suite.ts";
import { takeOut, type Without } from "../support/parts.ts";
import { loadStarlingMonkey, type Rewrite } from "../support/programs.ts";
import { runScript } from "../support/script.ts";

const ROUNDS = 30;
/** No further round begins after that. */
const MOST_MS = 900_000;

/** What one process says. */
interface Cold {
  readonly instantiateMs: number;
  readonly firstMs: number;
  readonly cpuMs: number;
}

/** The suite. */
export const cold: Suite = {
  name: "cold",
  about: "StarlingMonkey's first call in a fresh process: plain, metered, metered in part",
  async run({ quick, say }) {
    const folder = await mkdtemp(join(tmpdir(), "writ-cold-"));
    try {
      const built = join(PROJECT_FOLDER, ".writ", "bench-programs");
      const figures = await writeModules(built, folder);
      const samples = WAYS.map((): Cold[] => []);
      const until = performance.now() + MOST_MS;
      for (let round = 0; round < (quick ? 2 : ROUNDS) && performance.now() < until; round += 1) {
        say(`round ${round + 1}`);
        for (const [way, own] of samples.entries())
          own.push(await runScript<Cold>("cold-process.ts", built, join(folder, `${way}-`)));
      }
      return {
        tables: [
          table(samples, "compile, instantiate and call once", (each) => each.instantiateMs + each.firstMs),
          table(samples, "compile and instantiate", ({ instantiateMs }) => instantiateMs),
          table(samples, "call once", ({ firstMs }) => firstMs),
          table(samples, "all of it, processor time of all threads", ({ cpuMs }) => cpuMs),
        ],
        figures,
        notes: ["each time in a process of its own, which has metered nothing"],
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};

const LIMITS = { maxMemoryBytes: 2 ** 30 };
const WAYS: readonly { readonly name: string; readonly rewrite: Rewrite }[] = [
  { name: "plain", rewrite: (wasm) => wasm },
  { name: "metered", rewrite: (wasm) => instrument(wasm, LIMITS).wasm },
  { name: "metered, without its checks", rewrite: (wasm) => without(wasm, { checks: true, charges: false }) },
  { name: "the word alone", rewrite: (wasm) => without(wasm, { checks: true, charges: true }) },
];

function without(wasm: Uint8Array, parts: Without): Uint8Array<ArrayBuffer> {
  const { wasm: metered, stats } = instrument(wasm, LIMITS);
  return takeOut(metered, stats.functions, parts);
}

/** Writes the modules of each way to files. @returns their sizes */
async function writeModules(built: string, folder: string): Promise<Figure[]> {
  const program = await loadStarlingMonkey(built);
  const figures: Figure[] = [];
  for (const [way, { name, rewrite }] of WAYS.entries()) {
    let bytes = 0;
    for (const [i, wasm] of program.modules.entries()) {
      const rewritten = rewrite(wasm);
      bytes += rewritten.length;
      await writeFile(join(folder, `${way}-${i}.wasm`), rewritten);
    }
    figures.push({ name: `size, ${name}`, value: bytes / 1e6, unit: "MB" });
  }
  return figures;
}

function table(samples: readonly (readonly Cold[])[], what: string, of: (each: Cold) => number): Table {
  const plain = samples[0]?.map(of) ?? [];
  const rows = samples.map((own, way): Row => {
    const all = own.map(of);
    const row = rowOf(WAYS[way]?.name ?? "", all);
    if (way === 0) return row;
    const ratios = all.map((ms, i) => ms / (plain[i] ?? ms));
    const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
    return { ...row, ratio: { to: "plain", median: median(ratios), low, high } };
  });
  return { title: `StarlingMonkey: ${what}`, rows };
}
