/**
 * The programs of the metering benchmark, by suite: what each is, and how to make a caller of it out of core modules
 * that some meter has rewritten.
 *
 * Every workload gives a checksum, which has to be the same whoever metered the program.
 */
import { Buffer } from "node:buffer";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { componentize as componentizeStarlingMonkey } from "@bytecodealliance/componentize-js";
import { componentize as componentizeQuickJs } from "componentize-qjs";
import { generateParts } from "./transpile.ts";

/** Rewrites a core module; the identity for the plain program. */
export type Rewrite = (wasm: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;

/** A program of one suite, and what it is asked to do. */
export interface Program {
  readonly suite: string;
  /** Its core modules, as they are metered. */
  readonly modules: readonly Uint8Array<ArrayBuffer>[];
  readonly workloads: readonly Workload[];
  /** Makes a fresh instance. @param imports what the rewritten modules import beside their own */
  readonly instantiate: (rewrite: Rewrite, imports: WebAssembly.Imports) => Promise<Call>;
}

/** One thing that a program is asked to do. */
export interface Workload {
  readonly name: string;
  readonly size: number;
}

/** Does a workload. @returns its checksum */
export type Call = (name: string, size: number) => unknown;

const PROGRAMS = resolve(import.meta.dirname, "../programs");
const WIT = `package bench:script;
interface bench { run: func(name: string, size: u32) -> u32; }
world script { export bench; }`;

/** Sizes so that a call takes some milliseconds. */
const KERNELS = sized({
  matrix: 120,
  sieve: 500_000,
  quicksort: 40_000,
  heapsort: 40_000,
  fib: 27,
  queens: 10,
  fannkuch: 8,
  mandelbrot: 150,
  nbody: 20_000,
  levenshtein: 900,
  compress: 300_000,
  base64: 500_000,
  tokens: 400_000,
  trees: 14,
  machine: 100_000,
  callbacks: 800_000,
});
const HASHES = sized({
  sha256: 300_000,
  sha1: 500_000,
  crc32: 800_000,
  fnv1a: 1_000_000,
  xxh32: 1_000_000,
  siphash: 1_000_000,
});
/** The programs that import nothing: modules beside their sources. */
export const C_PROGRAMS: readonly {
  readonly suite: string;
  readonly path: string;
  readonly workloads: readonly Workload[];
}[] = [
  { suite: "C kernels", path: join(PROGRAMS, "kernels.wasm"), workloads: KERNELS },
  { suite: "hash functions", path: join(PROGRAMS, "hashes.wasm"), workloads: HASHES },
];
const SCRIPT = { json: 300, strings: 4000, sorting: 3000, objects: 6000, numbers: 40_000, calls: 17 };

/**
 * All programs.
 *
 * @param cache a folder for components that take seconds to build
 */
export async function loadPrograms(cache: string): Promise<readonly Program[]> {
  return [
    ...(await Promise.all(C_PROGRAMS.map(cProgram))),
    await sqlite(),
    await rust(),
    await script("QuickJS", cache, sized(SCRIPT), buildQuickJs),
    await loadStarlingMonkey(cache),
  ];
}

/** The last of them by itself, for processes that should do nothing else. */
export async function loadStarlingMonkey(cache: string): Promise<Program> {
  return script("StarlingMonkey", cache, sized(SCRIPT), buildStarlingMonkey);
}

function sized(sizes: Readonly<Record<string, number>>): readonly Workload[] {
  return Object.entries(sizes).map(([name, size]) => ({ name, size }));
}

async function cProgram({ suite, path, workloads }: (typeof C_PROGRAMS)[number]): Promise<Program> {
  const wasm = new Uint8Array(await readFile(path));
  return {
    suite,
    modules: [wasm],
    workloads,
    async instantiate(rewrite, imports) {
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(rewrite(wasm)), imports);
      return (name, size) => callNamed(exports, name, size);
    },
  };
}

function callNamed(exports: WebAssembly.Exports, name: string, size: number): unknown {
  const run = exports[name];
  if (typeof run !== "function") throw new TypeError(`The program exports no ${name}`);
  return run(size);
}

/** SQLite as sql.js builds it. */
async function sqlite(): Promise<Program> {
  const require = createRequire(import.meta.url);
  const path = require.resolve("sql.js/dist/sql-wasm.wasm");
  const wasm = new Uint8Array(await readFile(path));
  const statements: Readonly<Record<string, string>> = {
    insert: `DELETE FROM t; WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT $n)
      INSERT INTO t SELECT x, 'name ' || x, x * 7919 % 1009 FROM c; SELECT count(*) FROM t`,
    scan: "SELECT sum(value) + count(name) FROM big WHERE value > 100 AND name LIKE '%7%' AND id <= $n",
    group:
      "SELECT sum(n) FROM (SELECT value, count(*) AS n FROM big WHERE id <= $n GROUP BY value ORDER BY n, value)",
    join: "SELECT count(*) FROM big a JOIN big b ON a.id = b.value WHERE a.id <= $n",
    text: "SELECT sum(length(upper(replace(name, 'a', 'xyz')))) FROM big WHERE id <= $n",
  };
  return {
    suite: "SQLite",
    modules: [wasm],
    workloads: sized({ insert: 1500, scan: 8000, group: 4000, join: 1000, text: 5000 }),
    async instantiate(rewrite, extra) {
      const module = new WebAssembly.Module(rewrite(wasm));
      // It keeps its first instance as long as it is loaded.
      delete require.cache[require.resolve("sql.js")];
      const SQL = await require("sql.js")({
        instantiateWasm(imports: WebAssembly.Imports, done: (instance: WebAssembly.Instance) => void) {
          const instance = new WebAssembly.Instance(module, { ...imports, ...extra });
          done(instance);
          return instance.exports;
        },
      });
      const database = new SQL.Database();
      database.run(`CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, value INTEGER);
        CREATE TABLE big (id INTEGER PRIMARY KEY, name TEXT, value INTEGER);
        WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 8000)
        INSERT INTO big SELECT x, 'a name ' || x, x * 7919 % 1009 FROM c`);
      return (name, size) =>
        database.exec((statements[name] ?? "").replaceAll("$n", String(size))).at(-1)?.values[0]?.[0];
    },
  };
}

/** A program built by rustc that is here anyway: the assembler and printer of the component tools. */
async function rust(): Promise<Program> {
  const folder = resolve(import.meta.dirname, "../../../node_modules/@bytecodealliance/jco-transpile/vendor");
  const names = ["wasm-tools.core.wasm", "wasm-tools.core2.wasm"];
  const modules = await Promise.all(
    names.map(async (name) => new Uint8Array(await readFile(join(folder, name)))),
  );
  const glue = await readFile(join(folder, "wasm-tools.js"), "utf8");
  const input = new Uint8Array(await readFile(join(PROGRAMS, "kernels.wasm")));
  return {
    suite: "Rust (wasm-tools)",
    modules,
    workloads: sized({ print: 2, parse: 2 }),
    async instantiate(rewrite, extra) {
      const rewritten = names.map((name, i) => [name, rewrite(modules[i] ?? new Uint8Array())] as const);
      const tools = await importGlue(folder, glue, Object.fromEntries(rewritten), extra);
      const text = tools.print(input);
      return (name, size) => {
        let sum = 0;
        for (let i = 0; i < size; i += 1) {
          sum += name === "print" ? tools.print(input).length : tools.parse(text).length;
        }
        return sum;
      };
    },
  };
}

interface WasmTools {
  print(wasm: Uint8Array): string;
  parse(text: string): Uint8Array;
}

/** Runs the glue with other core modules than those that lie beside it. */
async function importGlue(
  folder: string,
  glue: string,
  modules: Readonly<Record<string, Uint8Array>>,
  extra: WebAssembly.Imports,
): Promise<WasmTools> {
  const key = `writ-bench-${Math.random()}`;
  Reflect.set(globalThis, key, { modules, extra });
  const patched = glue
    .replace(
      "const instantiateCore = WebAssembly.instantiate;",
      `const { modules: $modules, extra: $extra } = globalThis[${JSON.stringify(key)}];
       const instantiateCore = (module, imports) => WebAssembly.instantiate(module, { ...imports, ...$extra });`,
    )
    .replaceAll(
      /fetchCompile\(new URL\('\.\/(wasm-tools\.core2?\.wasm)', import\.meta\.url\)\)/g,
      'WebAssembly.compile($modules["$1"])',
    )
    .replaceAll(/from '(@[^']+)'/g, (_, name) => {
      const found = createRequire(join(folder, "x.js")).resolve(name);
      return `from ${JSON.stringify(pathToFileURL(found).href)}`;
    });
  const module = await import(`data:text/javascript;base64,${Buffer.from(patched).toString("base64")}`);
  await module.$init;
  return module.tools;
}

async function script(
  suite: string,
  cache: string,
  workloads: readonly Workload[],
  build: (cache: string) => Promise<Uint8Array>,
): Promise<Program> {
  const path = join(cache, `${suite}.wasm`);
  const component = await readFile(path).catch(async () => {
    await mkdir(cache, { recursive: true });
    const built = await build(cache);
    await writeFile(path, built);
    return built;
  });
  const { glue, names, modules } = await generateParts(new Uint8Array(component));
  return {
    suite,
    modules,
    workloads,
    async instantiate(rewrite, extra) {
      const { instantiate } = await import(
        `data:text/javascript;base64,${Buffer.from(glue).toString("base64")}`
      );
      const compiled = new Map(
        modules.map((wasm, i) => [names[i], new WebAssembly.Module(rewrite(wasm))] as const),
      );
      const link = (module: WebAssembly.Module, imports: WebAssembly.Imports) =>
        new WebAssembly.Instance(module, { ...imports, ...extra });
      const { bench } = instantiate((name: string) => compiled.get(name), {}, link);
      return (name, size) => bench.run(name, size);
    },
  };
}

async function buildStarlingMonkey(): Promise<Uint8Array> {
  const { component } = await componentizeStarlingMonkey({
    sourcePath: join(PROGRAMS, "script.js"),
    // The package's types know `witWorld` only from its deprecated signature.
    ...{ witWorld: WIT },
    worldName: "script",
    disableFeatures: ["stdio", "random", "clocks", "http", "fetch-event"],
  });
  return component;
}

async function buildQuickJs(cache: string): Promise<Uint8Array> {
  const witPath = join(cache, "script.wit");
  await writeFile(witPath, WIT);
  const { component } = await componentizeQuickJs({
    witPath,
    jsSource: await readFile(join(PROGRAMS, "script.js"), "utf8"),
    world: "script",
    sync: true,
    optSize: true,
    stubWasi: true,
  });
  return new Uint8Array(component);
}
