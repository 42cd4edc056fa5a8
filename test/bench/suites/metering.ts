/**
 * What counting fuel costs a guest: the same code plain, metered, and metered in two other ways, taking turns. And how
 * much fuel everyday calls take, which is the same number in every run.
 */
import { Buffer } from "node:buffer";
import { join } from "node:path";
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { PROJECT_FOLDER } from "../../../src/compose.ts";
import { FUEL_IMPORT, instrument } from "../../../src/core/metering/index.ts";
import type { JsonValue } from "../../../src/core/policy/index.ts";
import { compare, planFor, type Row } from "../harness.ts";
import { median } from "../stats.ts";
import type { Figure, Suite, SuiteContext, Table } from "../suite.ts";
import { meterLike } from "../support/baselines.ts";
import type { Call, Program, Rewrite } from "../support/programs.ts";
import { loadPrograms } from "../support/programs.ts";
import { openBenchSandbox } from "../support/sandbox.ts";

const LIMITS = { maxMemoryBytes: 256 * 1024 * 1024 };
/** Never runs out: the counter is set anew before it could. */
const FUEL = 2n ** 62n;

/** The suite. */
export const metering: Suite = {
  name: "metering",
  about: "plain, metered, and two other ways to meter: six suites of programs; fuel of everyday calls",
  async run(context) {
    const { say } = context;
    const programs = await loadPrograms(join(PROJECT_FOLDER, ".writ", "bench-programs"));
    const { tables, sizes } = await compareWays(WAYS, programs, context);
    say("cost of the pass, of a host's reading");
    const pass = measurePass(programs);
    say("fuel of everyday calls");
    return {
      tables,
      figures: [...sizes, ...pass, ...(await hostAccess()), ...(await fuelOfCalls(context))],
      notes: [
        "same engine, same process, no pipe: the ratio is the meter's alone; compilation is not in it",
        "the baselines charge no sizes, count no depth and find their counter in the module itself: all in their favour",
        "the rows of geometric means are ratios, not times",
        "wasmtime itself is no npm package and is not among the subjects",
      ],
    };
  },
};

/** A way to run the same code. */
export interface Way {
  readonly name: string;
  readonly rewrite: Rewrite;
}

/** Runs all workloads in several ways, turn by turn. Plain comes first: the others are compared with it. */
export async function compareWays(
  ways: readonly Way[],
  programs: readonly Program[],
  { seconds, say }: SuiteContext,
): Promise<{ readonly tables: readonly Table[]; readonly sizes: readonly Figure[] }> {
  const tables: Table[] = [];
  const suites: { readonly suite: string; readonly tables: readonly Table[] }[] = [];
  const sizes: Figure[] = [];
  for (const program of programs) {
    say(program.suite);
    const own: Table[] = [];
    const { subjects, growth } = await instantiateAll(ways, program);
    sizes.push(...growth);
    for (const { name, size } of program.workloads) {
      const results = new Set(subjects.map(({ call }) => String(call(name, size))));
      if (results.size !== 1) throw new Error(`${program.suite} ${name}: plain and metered disagree`);
      const rows = await compare(
        subjects.map((subject) => ({ name: subject.name, run: () => void subject.call(name, size) })),
        planFor(5, seconds / 3),
      );
      own.push({ title: `${program.suite}: ${name}`, rows });
    }
    tables.push(...own);
    suites.push({ suite: program.suite, tables: own });
  }
  for (const { suite, tables: own } of suites) tables.push(means(ways, `${suite}: geometric mean`, own));
  tables.push(means(ways, "geometric mean of the suites", tables.slice(-suites.length)));
  return { tables, sizes };
}

const WAYS: readonly Way[] = [
  { name: "plain", rewrite: (wasm) => wasm },
  { name: "metered (threaded)", rewrite: (wasm) => instrument(wasm, LIMITS).wasm },
  { name: "block decrement of a global", rewrite: (wasm) => meterLike("global", wasm) },
  { name: "local, saved around calls", rewrite: (wasm) => meterLike("local", wasm) },
];

/** One instance of a program for each way, and by how much its code grew. */
async function instantiateAll(
  ways: readonly Way[],
  program: Program,
): Promise<{
  readonly subjects: readonly { readonly name: string; readonly call: Call }[];
  readonly growth: readonly Figure[];
}> {
  const subjects = [];
  const growth: Figure[] = [];
  const before = program.modules.reduce((sum, { length }) => sum + length, 0);
  for (const { name, rewrite } of ways) {
    let after = 0;
    const measured: Rewrite = (wasm) => {
      const rewritten = rewrite(wasm);
      after += rewritten.length;
      return rewritten;
    };
    subjects.push({ name, call: await program.instantiate(measured, counters()) });
    if (name !== "plain") {
      growth.push({ name: `${program.suite}: size, ${name}`, value: after / before, unit: "of plain" });
    }
  }
  return { subjects, growth };
}

/** What the pass takes for a megabyte, by module size. */
function measurePass(programs: readonly Program[]): Figure[] {
  const figures: Figure[] = [];
  for (const { suite, modules } of programs) {
    const [wasm] = modules.toSorted((a, b) => b.length - a.length);
    if (wasm === undefined || wasm.length < 500_000) continue;
    const samples = Array.from({ length: 5 }, () => {
      const before = performance.now();
      instrument(wasm, LIMITS);
      return performance.now() - before;
    });
    const megabytes = wasm.length / 1e6;
    figures.push({
      name: `${suite}: instrument ${megabytes.toFixed(1)} MB`,
      value: median(samples) / megabytes,
      unit: "ms/MB",
    });
  }
  return figures;
}

/** What it takes a host to read the counter, and to raise it: by a global, and by functions of a small module. */
async function hostAccess(): Promise<Figure[]> {
  const left = new WebAssembly.Global({ value: "i64", mutable: true }, FUEL);
  const wasm = new Uint8Array(await parse(HOST_WAT));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), { "": { left } });
  const { charge, used } = exports as Record<string, (units: number) => number>;
  if (charge === undefined || used === undefined) throw new TypeError("The helper exports nothing");
  const nanoseconds = (action: () => unknown): number => {
    for (let i = 0; i < 20_000; i += 1) action();
    const rounds = Array.from({ length: 7 }, () => {
      const before = performance.now();
      for (let i = 0; i < 200_000; i += 1) action();
      return ((performance.now() - before) * 1e6) / 200_000;
    });
    return median(rounds);
  };
  return [
    { name: "host reads the counter, global", value: nanoseconds(() => left.value), unit: "ns" },
    { name: "host charges or refills, helper module", value: nanoseconds(() => charge(1)), unit: "ns" },
    { name: "host reads the counter, helper module", value: nanoseconds(() => used(0)), unit: "ns" },
  ];
}

/** Numbers cross the border faster than BigInts: exact as long as what is read stays below 2^53. */
const HOST_WAT = `(module (import "" "left" (global $left (mut i64)))
  (func (export "charge") (param f64) (result f64)
    (global.set $left (i64.sub (global.get $left) (i64.trunc_sat_f64_s (local.get 0))))
    (f64.convert_i64_s (global.get $left)))
  (func (export "used") (param f64) (result f64) (f64.convert_i64_s (global.get $left))))`;

/** Geometric means of the ratios of all tables. */
function means(ways: readonly Way[], title: string, tables: readonly Table[]): Table {
  const rows = ways.slice(1).map(({ name }): Row => {
    const ratios = tables.flatMap(
      (table) => table.rows.find((row) => row.name === name)?.ratio?.median ?? [],
    );
    const mean = Math.exp(ratios.reduce((sum, each) => sum + Math.log(each), 0) / ratios.length);
    const ratio = { to: "plain", median: mean, low: Math.min(...ratios), high: Math.max(...ratios) };
    return { name, samples: ratios.length, min: mean, p10: mean, p50: mean, p95: mean, p99: mean, ratio };
  });
  return { title, rows };
}

/** Fuel of one call in a fresh instance, instantiation and host calls included. */
async function fuelOfCalls(context: SuiteContext): Promise<readonly Figure[]> {
  const sandbox = await openBenchSandbox(context);
  const figures: Figure[] = [];
  try {
    for (const { name, tool, function: callee, input } of EVERYDAY) {
      const { fuelUsed, outcome } = await sandbox.end(tool, callee, input, 20_000);
      if (outcome.kind !== "completed" || fuelUsed === null) {
        throw new Error(`${name} ended as ${JSON.stringify(outcome)}`);
      }
      figures.push({ name, value: fuelUsed, unit: "fuel" });
    }
  } finally {
    await sandbox.close();
  }
  return figures;
}

const CSV = Array.from({ length: 200 }, (_, row) => `${row},name ${row},"quoted, ${row}"`).join("\n");
/** Calls that a policy's author may compare their own with. */
const EVERYDAY: readonly {
  readonly name: string;
  readonly tool: string;
  readonly function: string;
  readonly input: JsonValue;
}[] = [
  { name: "hash: FNV-1a of 5 bytes", tool: "hash", function: "hash/fnv1a64", input: { data: "aGVsbG8=" } },
  { name: "hash: FNV-1a of 1 MB", tool: "hash", function: "hash/fnv1a64", input: { data: zeros(1_000_000) } },
  { name: "hash: SHA-256 of 1 MB", tool: "hash", function: "hash/sha256", input: { data: zeros(1_000_000) } },
  {
    name: "QuickJS: slug of two words",
    tool: "text",
    function: "text/slug",
    input: { title: "Hello World" },
  },
  {
    name: "QuickJS: 1 KB of CSV to JSON",
    tool: "text",
    function: "text/csv-to-json",
    input: { csv: CSV.slice(0, CSV.lastIndexOf("\n", 1000)), options: { delimiter: null, header: false } },
  },
  {
    name: "QuickJS: words of 1 KB",
    tool: "text",
    function: "text/stats",
    input: { text: CSV.slice(0, 1000) },
  },
  {
    name: "StarlingMonkey: one HTTP request, its JSON parsed",
    tool: "weather",
    function: "weather/forecast",
    input: { place: { latitude: 1, longitude: 2 } },
  },
];

/** That many zero bytes, as JSON has them. */
function zeros(count: number): string {
  return Buffer.alloc(count).toString("base64");
}

function counters(): WebAssembly.Imports {
  const { module, left, depth } = FUEL_IMPORT;
  return {
    [module]: {
      [left.name]: new WebAssembly.Global({ value: "i64", mutable: true }, FUEL),
      [depth.name]: new WebAssembly.Global({ value: "i32", mutable: true }, 0),
    },
  };
}
