/**
 * What metering costs before anything runs: the pass itself by size of module, its memory, and a tool's first call in a
 * fresh process, which compiles what it meets. Each in processes of their own.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execPath } from "node:process";
import { promisify } from "node:util";
import { PROJECT_FOLDER } from "../../../src/compose.ts";
import { instrument } from "../../../src/core/metering/index.ts";
import { type Row, rowOf } from "../harness.ts";
import { median } from "../stats.ts";
import type { Figure, Suite, Table } from "../suite.ts";
import { takeOut, type Without } from "../support/parts.ts";
import { loadPrograms, type Rewrite } from "../support/programs.ts";

const SUPPORT = join(import.meta.dirname, "../support");
const LARGE = 500_000;
/** A module is metered until so much has been: the median is of a pass that is compiled, as the first is not. */
const WARM_BYTES = 60e6;
/** Times that the largest module's functions are there, for the growth of time and memory with size. */
const COPIES = [1, 2, 4, 6];
const COLD_ROUNDS = 25;

interface Cold {
  readonly instantiateMs: number;
  readonly firstMs: number;
  readonly cpuMs: number;
}

interface Metered {
  readonly bytes: number;
  readonly metered: number;
  readonly cpuMs: readonly number[];
  readonly addedBytes: number;
}

/** The suite. */
export const pass: Suite = {
  name: "pass",
  about: "the metering pass by size of module, its memory; the first call in a fresh process",
  async run({ quick, say }) {
    const folder = await mkdtemp(join(tmpdir(), "writ-pass-"));
    const built = join(PROJECT_FOLDER, ".writ", "bench-programs");
    const figures: Figure[] = [];
    const tables: Table[] = [];
    try {
      const modules: { readonly suite: string; readonly path: string; readonly length: number }[] = [];
      for (const program of await loadPrograms(built)) {
        const [wasm] = program.modules.toSorted((a, b) => b.length - a.length);
        if (wasm === undefined || wasm.length < LARGE) continue;
        const path = join(folder, `${modules.length}.wasm`);
        await writeFile(path, wasm);
        modules.push({ suite: program.suite, path, length: wasm.length });
      }
      for (const { suite, path, length } of modules) {
        say(`pass: ${suite}`);
        const { bytes, metered, cpuMs } = await run<Metered>(
          "meter-process.ts",
          path,
          "1",
          String(quick ? 2 : Math.max(12, Math.ceil(WARM_BYTES / length))),
        );
        const name = `${suite}, ${(bytes / 1e6).toFixed(1)} MB`;
        const perMegabyte = cpuMs.map((ms) => (ms / bytes) * 1e6);
        figures.push({ name: `${name}: first in a process`, value: perMegabyte[0] ?? 0, unit: "ms/MB" });
        figures.push({ name: `${name}: median`, value: median(perMegabyte), unit: "ms/MB" });
        figures.push({ name: `${name}: size`, value: metered / bytes, unit: "of plain" });
      }
      const largest = modules.toSorted((a, b) => b.length - a.length)[0];
      for (const copies of quick ? COPIES.slice(0, 1) : COPIES) {
        if (largest === undefined) break;
        say(`pass: ${copies} times ${largest.suite}`);
        const { bytes, cpuMs, addedBytes } = await run<Metered>(
          "meter-process.ts",
          largest.path,
          String(copies),
          "1",
        );
        const name = `${copies} × ${largest.suite}, ${(bytes / 1e6).toFixed(0)} MB`;
        figures.push({ name: `${name}: once`, value: ((cpuMs[0] ?? 0) / bytes) * 1e6, unit: "ms/MB" });
        figures.push({ name: `${name}: memory at most`, value: addedBytes / bytes, unit: "of the module" });
      }
      say("first call in a fresh process");
      tables.push(...(await coldCalls(built, folder, quick ? 2 : COLD_ROUNDS)));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    return {
      tables,
      figures,
      notes: [
        "times of the pass are processor time of all its process' threads, the engine's own compilers among them",
        "memory is what the process held at its peak beyond what it held before, garbage of the engine included",
      ],
    };
  },
};

const LIMITS = { maxMemoryBytes: 2 ** 30 };
/** What is called: as it was, and metered in whole and in part, for what no scheme that adds as much can go below. */
const COLD_WAYS: readonly { readonly name: string; readonly rewrite: Rewrite }[] = [
  { name: "plain", rewrite: (wasm) => wasm },
  { name: "metered", rewrite: (wasm) => instrument(wasm, LIMITS).wasm },
  { name: "metered, without its checks", rewrite: (wasm) => without(wasm, { checks: true, charges: false }) },
  { name: "the word alone", rewrite: (wasm) => without(wasm, { checks: true, charges: true }) },
];

function without(wasm: Uint8Array, parts: Without): Uint8Array<ArrayBuffer> {
  const { wasm: metered, stats } = instrument(wasm, LIMITS);
  return takeOut(metered, stats.functions, parts);
}

/** Compile and instantiate, then call: in turns, each time in a new process. */
async function coldCalls(built: string, folder: string, rounds: number): Promise<readonly Table[]> {
  const program = (await loadPrograms(built)).find(({ suite }) => suite === "StarlingMonkey");
  for (const [way, { rewrite }] of COLD_WAYS.entries()) {
    for (const [i, wasm] of (program?.modules ?? []).entries())
      await writeFile(join(folder, `cold-${way}-${i}.wasm`), rewrite(wasm));
  }
  const samples = COLD_WAYS.map(({ name }) => ({ name, ms: [] as number[], cpuMs: [] as number[] }));
  for (let round = 0; round < rounds; round += 1) {
    for (const [way, { ms, cpuMs }] of samples.entries()) {
      const cold = await run<Cold>("cold-process.ts", built, join(folder, `cold-${way}-`));
      ms.push(cold.instantiateMs + cold.firstMs);
      cpuMs.push(cold.cpuMs);
    }
  }
  const table = (title: string, of: (each: (typeof samples)[number]) => readonly number[]): Table => {
    const [plain] = samples;
    const rows = samples.map((each, way): Row => {
      const row = rowOf(each.name, of(each));
      if (way === 0 || plain === undefined) return row;
      const ratios = of(each).map((ms, i) => ms / (of(plain)[i] ?? ms));
      const [low, high] = [Math.min(...ratios), Math.max(...ratios)];
      return { ...row, ratio: { to: "plain", median: median(ratios), low, high } };
    });
    return { title, rows };
  };
  return [
    table("StarlingMonkey: compile, instantiate and call once in a fresh process", ({ ms }) => ms),
    table("the same, processor time of all threads", ({ cpuMs }) => cpuMs),
  ];
}

/** Runs a script of `support/` on this runtime, and reads the JSON that it prints. */
async function run<T>(script: string, ...args: readonly string[]): Promise<T> {
  const flags = "Deno" in globalThis ? ["run", "-A"] : ["--disable-warning=ExperimentalWarning"];
  const { stdout } = await promisify(execFile)(execPath, [...flags, join(SUPPORT, script), ...args], {
    maxBuffer: 2 ** 20,
  });
  return JSON.parse(stdout);
}
