/**
 * What counting fuel costs a guest: the same code plain, metered, and metered in two other ways, taking turns. And how
 * much fuel everyday calls take, which is the same number in every run.
 */
import { Buffer } from "node:buffer";
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { FUEL_IMPORT, instrument } from "../../../src/core/metering/index.ts";
import type { JsonValue } from "../../../src/core/policy/index.ts";
import { compare, planFor, type Row } from "../harness.ts";
import type { Figure, Suite, SuiteContext, Table } from "../suite.ts";
import { type Baseline, meterLike } from "../support/baselines.ts";
import { KERNELS } from "../support/kernels.ts";
import { openBenchSandbox } from "../support/sandbox.ts";
import { loadTools } from "../support/tools.ts";
import { type GeneratedParts, generateParts } from "../support/transpile.ts";

const LIMITS = { maxMemoryBytes: 64 * 1024 * 1024 };
/** Never runs out: the counter is set anew before it could. */
const FUEL = 2n ** 62n;

/** The suite. */
export const metering: Suite = {
  name: "metering",
  about: "plain, metered, and two other ways to meter: kernels and tools; fuel of everyday calls",
  async run(context) {
    const { seconds, say } = context;
    const tables: Table[] = [];
    for (const { name, about, wat, argument } of KERNELS) {
      say(name);
      const wasm = new Uint8Array(await parse(wat));
      const subjects = WAYS.map((way) => ({
        name: way.name,
        call: instance(way.rewrite(wasm), way.imports()),
      }));
      const results = new Set(subjects.map(({ call }) => call(argument)));
      if (results.size !== 1) throw new Error(`${name}: plain and metered disagree`);
      const rows = await compare(
        subjects.map((each) => ({ name: each.name, run: () => void each.call(argument) })),
        planFor(5, seconds / 2),
      );
      tables.push({ title: `${name}: ${about}`, rows });
    }

    const registry = await loadTools();
    for (const { tool, title, call } of TOOL_CALLS) {
      const component = registry.find(tool)?.component.bytes;
      if (component === undefined) continue;
      say(title);
      const parts = await generateParts(component);
      const subjects = [];
      for (const { name, rewrite, imports } of WAYS) {
        const fresh = await load(parts, tool, rewrite, imports());
        subjects.push({ name, run: () => void call(fresh()) });
      }
      tables.push({ title, rows: await compare(subjects, planFor(8, seconds)) });
    }
    say("fuel of everyday calls");
    return {
      tables: [...tables, means(tables)],
      figures: await fuelOfCalls(context),
      notes: [
        "same engine, same process, no pipe: the ratio is the meter's alone; compilation is not in it",
        "the baselines charge no sizes, count no depth and find their counter in the module itself: all in their favour",
        "the last table's rows are geometric means of the ratios above, not times",
      ],
    };
  },
};

/** The ways to run the same code. Plain comes first: the others are compared with it. */
const WAYS: readonly {
  readonly name: string;
  readonly rewrite: (wasm: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
  readonly imports: () => WebAssembly.Imports;
}[] = [
  { name: "plain", rewrite: (wasm) => wasm, imports: () => ({}) },
  { name: "metered (threaded)", rewrite: (wasm) => instrument(wasm, LIMITS).wasm, imports: counters },
  baseline("block decrement of a global", "global"),
  baseline("local, saved around calls", "local"),
];

function baseline(name: string, kind: Baseline): (typeof WAYS)[number] {
  return { name, rewrite: (wasm) => meterLike(kind, wasm), imports: () => ({}) };
}

/** Geometric means of the ratios of all tables. */
function means(tables: readonly Table[]): Table {
  const rows = WAYS.slice(1).map(({ name }): Row => {
    const ratios = tables.flatMap(
      (table) => table.rows.find((row) => row.name === name)?.ratio?.median ?? [],
    );
    const mean = Math.exp(ratios.reduce((sum, each) => sum + Math.log(each), 0) / ratios.length);
    const ratio = { to: "plain", median: mean, low: Math.min(...ratios), high: Math.max(...ratios) };
    return { name, samples: ratios.length, min: mean, p10: mean, p50: mean, p95: mean, p99: mean, ratio };
  });
  return { title: "geometric mean of the ratios", rows };
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

type Exports = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

const CSV = Array.from({ length: 200 }, (_, row) => `${row},name ${row},"quoted, ${row}"`).join("\n");
const BYTES = new Uint8Array(100_000).fill(7);

const TOOL_CALLS: readonly {
  readonly tool: string;
  readonly title: string;
  readonly call: (exports: Exports) => unknown;
}[] = [
  {
    tool: "text",
    title: "text tool (QuickJS), fresh instance and slug of two words",
    call: (text) => text["slug"]?.("Hello World", undefined),
  },
  {
    tool: "text",
    title: "text tool (QuickJS), fresh instance and stats of 200 lines",
    call: (text) => text["stats"]?.(CSV),
  },
  {
    tool: "hash",
    title: "hash tool, fresh instance and SHA-256 of 100 kB",
    call: (hash) => hash["sha256"]?.(BYTES),
  },
];

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

function instance(
  wasm: Uint8Array<ArrayBuffer>,
  imports: WebAssembly.Imports,
): (argument: number) => unknown {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), imports);
  const run = exports["run"];
  if (typeof run !== "function") throw new TypeError("A kernel exports no run");
  return (argument) => run(argument);
}

/** @returns what makes a fresh instance of the component and gives its interface */
async function load(
  { glue, names, modules }: GeneratedParts,
  exported: string,
  rewrite: (wasm: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>,
  extra: WebAssembly.Imports,
): Promise<() => Exports> {
  const { instantiate } = await import(`data:text/javascript;base64,${Buffer.from(glue).toString("base64")}`);
  const compiled = new Map(
    modules.map((wasm, index) => [names[index], new WebAssembly.Module(rewrite(wasm))]),
  );
  const link = (module: WebAssembly.Module, imports: WebAssembly.Imports) =>
    new WebAssembly.Instance(module, { ...imports, ...extra });
  return () => instantiate((name: string) => compiled.get(name), {}, link)[exported];
}
