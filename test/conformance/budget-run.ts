/**
 * One configuration of `budgets.ts`: runs every program on many budgets in this process, and prints one line of JSON for
 * each program: what each run left behind. Whatever runtime and tier it is started under, the lines are the same.
 *
 *   node budget-run.ts <budgets> <cache folder> [part of a suite's name]
 */
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { argv, stdout } from "node:process";
import { pathToFileURL } from "node:url";
import { FUEL_IMPORT, instrument } from "../../src/core/metering/index.ts";
import type { Call, Program, Workload } from "../bench/support/programs.ts";
import { loadPrograms } from "../bench/support/programs.ts";
import { nanProgram } from "./nan-program.ts";

const [BUDGETS = 200, CACHE = ".writ/bench", ONLY = ""] = [Number(argv[2] ?? 200), argv[3], argv[4]];
const PLENTY = 1n << 44n;
const LIMITS = { maxMemoryBytes: 2 ** 30, canonicalNans: true };
/** The benchmark's workloads take milliseconds in optimised code; these are run hundreds of times in the other. */
const smaller = (size: number): number => Math.ceil(size > 200 ? size / 20 : size * 0.6);

/** The memories of the newest instance, as every way to make one is watched. */
const memories = new Set<WebAssembly.Memory>();
/** Counts what the programs ask the host that is otherwise another answer every time; from 0 in every run. */
let asked = 0;
watchInstances();
await makeHostRepeat();

const { left, depth } = {
  left: new WebAssembly.Global({ value: "i64", mutable: true }, PLENTY),
  depth: new WebAssembly.Global({ value: "i32", mutable: true }, 0),
};

for (const program of [...(await loadPrograms(CACHE)), await nanProgram()]) {
  if (!program.suite.includes(ONLY)) continue;
  stdout.write(`${JSON.stringify({ suite: program.suite, ends: await runProgram(program) })}\n`);
}

async function runProgram(program: Program): Promise<string[]> {
  const metered = new Map<Uint8Array, Uint8Array<ArrayBuffer>>();
  const rewrite = (wasm: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> => {
    const known = metered.get(wasm) ?? instrument(wasm, LIMITS).wasm;
    metered.set(wasm, known);
    return known;
  };
  const ends: string[] = [];
  const random = randomFrom(program.suite.length);
  const workloads = program.workloads.map(({ name, size }) => ({ name, size: smaller(size) }));
  const totals = new Map<string, bigint>();
  for (let i = 0; i < BUDGETS + workloads.length; i += 1) {
    const workload = workloads[i % workloads.length];
    if (workload === undefined) break;
    const total = totals.get(workload.name);
    // The first run of each workload is whole, and says how much there is to cut.
    const budget = total === undefined ? PLENTY : BigInt(Math.floor(random() * (Number(total) + 1)));
    const run = await runOnce(program, rewrite, workload, budget);
    if (total === undefined) totals.set(workload.name, run.used);
    ends.push(`${workload.name} ${budget} ${run.used} ${run.end} ${run.image}`);
  }
  return ends;
}

async function runOnce(
  program: Program,
  rewrite: (wasm: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
  workload: Workload,
  budget: bigint,
): Promise<{ readonly used: bigint; readonly end: string; readonly image: number }> {
  memories.clear();
  asked = 0;
  [left.value, depth.value] = [PLENTY, 0];
  const call = await program.instantiate(rewrite, { [FUEL_IMPORT.module]: { left, depth } });
  [left.value, depth.value] = [budget, 0];
  const end = attempt(call, workload);
  return { used: budget - left.value, end, image: digest() };
}

function attempt(call: Call, { name, size }: Workload): string {
  try {
    return String(call(name, size));
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) return left.value < 0n ? "exhausted" : "trapped";
    // Glue that catches a trap throws another error for it.
    return left.value < 0n ? "exhausted" : `threw ${String(error).slice(0, 60)}`;
  }
}

/** All bytes of all memories. */
function digest(): number {
  let sum = 0;
  for (const { buffer } of memories) {
    sum = (Math.imul(sum, 31) + buffer.byteLength) | 0;
    for (const word of new Int32Array(buffer)) sum = (Math.imul(sum, 31) + word) | 0;
  }
  return sum >>> 0;
}

async function makeHostRepeat(): Promise<void> {
  const next = (): number => {
    asked += 1;
    return asked;
  };
  const fill = <T extends ArrayBufferView | null>(view: T): T => {
    if (view !== null) new Uint8Array(view.buffer, view.byteOffset, view.byteLength).fill(next());
    return view;
  };
  // Never the same again within a process, since it also names modules; the same in every process.
  let drawn = 0;
  Math.random = () => {
    drawn += 1;
    return drawn / 2 ** 32;
  };
  performance.now = next;
  // What SQLite's own environment variables are made of.
  argv[1] = "program";
  Object.defineProperty(globalThis, "navigator", { value: { language: "C" }, configurable: true });
  Date.now = () => 1_700_000_000_000 + next();
  crypto.getRandomValues = fill;
  createRequire(import.meta.url)("node:crypto").randomFillSync = fill;
  const vendor = resolve(
    import.meta.dirname,
    "../../node_modules/@bytecodealliance/jco-transpile/vendor/x.js",
  );
  const shim = createRequire(vendor).resolve("@bytecodealliance/preview2-shim/random");
  const { random } = await import(pathToFileURL(shim).href);
  random.getRandomBytes = (length: bigint) => fill(new Uint8Array(Number(length)));
}

function watchInstances(): void {
  const note = <T extends WebAssembly.Instance>(instance: T): T => {
    for (const value of Object.values(instance.exports)) {
      if (value instanceof WebAssembly.Memory) memories.add(value);
    }
    return instance;
  };
  const { Instance, instantiate } = WebAssembly;
  WebAssembly.Instance = new Proxy(Instance, {
    construct: (target, [module, imports]) => note(new target(module, imports)),
  });
  const watched = async (source: WebAssembly.Module, imports?: WebAssembly.Imports) => {
    const made: unknown = await instantiate(source, imports);
    return made instanceof Instance ? note(made) : made;
  };
  Reflect.set(WebAssembly, "instantiate", watched);
}

/** A small generator with a seed. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
