/**
 * Runs one module three ways, plain, metered and counted by operator, through the same calls, and says where they
 * disagree. The modules are those of binaryen's generator: their imports only log.
 */

import { FUEL_EXPORT, FUEL_IMPORT, instrument } from "../../../src/core/metering/index.ts";
import { countByOperator, REFERENCE_EXPORT } from "./reference.ts";
import { createCounters, leftOf, resetCounters } from "./support.ts";

const BUDGET = 1n << 40n;
const LIMITS = { maxMemoryBytes: 2 ** 48, maxTableElements: 2 ** 40, maxCallDepth: 8191 };
/** A trap may leave the rest of its region paid and not run. */
const REGION_SLACK = 400n;
/** A trap other than `unreachable` may leave what was taken since the last check unseen. */
const UNSEEN_SLACK = 200n;

/** What one call left behind. */
interface Step {
  readonly call: string;
  readonly end: string;
  readonly state: string;
  readonly units: bigint | undefined;
}

/** @returns disagreements in words; empty when all three runs agree. Undefined: the module does not run plain */
export function compareRuns(wasm: Uint8Array<ArrayBuffer>): string[] | undefined {
  if (!WebAssembly.validate(wasm)) return undefined;
  const plain = run(wasm, undefined);
  if (plain === undefined) return undefined;
  const rewritten = instrument(wasm, LIMITS).wasm;
  const metered = run(rewritten, createMeter([]));
  const counted = run(countByOperator(wasm), "reference");
  if (metered === undefined || counted === undefined) return ["a rewritten module does not instantiate"];
  const differences: string[] = [];
  plain.forEach((step, i) => {
    const other = metered[i];
    const reference = counted[i];
    if (other === undefined || reference === undefined) return;
    // The engine's own stack ends at another depth in every build: nothing to compare behind that.
    if ([step, other, reference].some(({ end }) => end.includes("RangeError"))) return;
    if ((reference.units ?? 0n) >= BUDGET) return;
    differences.push(...compareSteps("metered", step, other));
    if (reference.end !== step.end) return;
    const over = (other.units ?? 0n) - (reference.units ?? 0n);
    const trapped = step.end.startsWith("trap");
    if (trapped ? over > REGION_SLACK || over < -UNSEEN_SLACK : over !== 0n) {
      differences.push(`${step.call}: ${other.units} units, by operator ${reference.units} (${step.end})`);
    }
  });
  return [...differences, ...compareBudgets(rewritten, metered)];
}

/** A budget of exactly what a call takes is enough, and one below stops it. */
function compareBudgets(rewritten: Uint8Array<ArrayBuffer>, metered: readonly Step[]): string[] {
  if (metered.some(({ end }) => end.includes("RangeError"))) return [];
  const budgets = metered.map(({ end, units }) => (end.startsWith("trap") ? BUDGET : (units ?? BUDGET)));
  const differences: string[] = [];
  run(rewritten, createMeter(budgets))?.forEach((step, i) => {
    const other = metered[i];
    if (other !== undefined) differences.push(...compareSteps("on an exact budget", other, step));
  });
  budgets.forEach((units, i) => {
    if (units === BUDGET || i >= 12) return;
    const short = units - (BigInt(i) * units) / 13n - 1n;
    const step = run(rewritten, createMeter([...budgets.slice(0, i), short]), i + 1)?.[i];
    const past = (step?.units ?? 0n) - short;
    if (step === undefined || (!step.end.startsWith("return") && past > 0n && past <= 200n)) return;
    differences.push(`${step.call}: ${step.end} with ${past} past a budget of ${short}, it takes ${units}`);
  });
  return differences;
}

function compareSteps(what: string, step: Step, other: Step): string[] {
  if (other.end !== step.end) return [`${step.call}: ${step.end}, ${what} ${other.end}`];
  return other.state === step.state ? [] : [`${step.call}: state ${step.state}, ${what} ${other.state}`];
}

/** @param budgets by step; plenty where there is none */
function createMeter(budgets: readonly bigint[]): Meter {
  const counters = createCounters(BUDGET);
  return {
    imports: { left: counters.left, depth: counters.depth },
    reset: (exports, step) => resetCounters(counters, budgets[step] ?? BUDGET, exports ? [exports] : []),
    units: (exports) => counters.budget - leftOf(counters, [exports]),
  };
}

/** The host's end of a metered run. */
interface Meter {
  readonly imports: WebAssembly.ModuleImports;
  readonly reset: (exports: WebAssembly.Exports | undefined, step: number) => void;
  readonly units: (exports: WebAssembly.Exports) => bigint;
}

/** Runs every exported function twice. */
function run(
  wasm: Uint8Array<ArrayBuffer>,
  meter: "reference" | Meter | undefined,
  mostSteps = Number.POSITIVE_INFINITY,
): Step[] | undefined {
  const log: string[] = [];
  const module = new WebAssembly.Module(wasm);
  const steps: Step[] = [];
  let exports: WebAssembly.Exports | undefined;
  const imports: WebAssembly.Imports = {
    __fuzz_import: foreign(module),
    "fuzzing-support": support(log, () => exports),
    ...(typeof meter === "object" && { [FUEL_IMPORT.module]: meter.imports }),
  };
  if (typeof meter === "object") meter.reset(undefined, -1);
  const start = attempt(() => {
    exports = new WebAssembly.Instance(module, imports).exports;
  });
  if (exports === undefined)
    return start.startsWith("trap") || start.startsWith("exception") ? [] : undefined;
  const names = WebAssembly.Module.exports(module).filter(({ kind }) => kind === "function");
  for (const { name } of [...names, ...names]) {
    const found = exports[name];
    if (typeof found !== "function") continue;
    if (steps.length >= mostSteps) break;
    if (typeof meter === "object") meter.reset(exports, steps.length);
    const counter = exports[REFERENCE_EXPORT];
    if (counter instanceof WebAssembly.Global) counter.value = 0n;
    const end = attempt(() =>
      found(...Array.from({ length: found.length }, (_, i) => String((i * 7 + name.length) % 5))),
    );
    const units =
      typeof meter === "object"
        ? meter.units(exports)
        : counter instanceof WebAssembly.Global
          ? counter.value
          : undefined;
    steps.push({ call: name, end, state: `${log.join()} ${stateOf(exports)}`, units });
    log.length = 0;
  }
  return steps;
}

/** Imported globals: references, of which only those to strings may not be null. */
function foreign(module: WebAssembly.Module): WebAssembly.ModuleImports {
  const names = WebAssembly.Module.imports(module).map(({ name }) => name);
  // A reference global takes any JavaScript value; TypeScript's types know numbers only.
  return Object.fromEntries(
    names.map((name) => [
      name,
      (name.startsWith("extern") ? name : null) as unknown as WebAssembly.ImportValue,
    ]),
  );
}

/** Numbers reach a call as strings, because a string converts to every number type and an i64 takes no number. */
function support(log: string[], exports: () => WebAssembly.Exports | undefined): WebAssembly.ModuleImports {
  const called = (index: number): unknown => {
    count();
    const found = Object.values(exports() ?? {})[index];
    return typeof found === "function"
      ? found(...Array.from({ length: found.length }, () => "1"))
      : undefined;
  };
  // Exports that call exports through the host can go on for hours within any stack.
  const count = (): void => {
    log.push("");
    if (log.length > 200) throw new Error("too many imports called");
  };
  const swallow = (action: () => unknown): number => {
    try {
      action();
      return 0;
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw error;
      return 1;
    }
  };
  const logs = ["i32", "i64", "f32", "f64", "anyref", "funcref", "externref", "v128"].map((type) => [
    `log-${type}`,
    (value: unknown): void => {
      count();
      log.push(`${type}:${typeof value === "object" || typeof value === "function" ? "ref" : String(value)}`);
    },
  ]);
  return {
    ...Object.fromEntries(logs),
    throw: () => {
      throw new WebAssembly.Exception(JS_TAG, []);
    },
    "call-export": (index: number) => void called(index),
    "call-export-catch": (index: number) => swallow(() => called(index)),
    // A function reference that reaches the host has the threaded type: the host must not call it.
    "call-ref": () => count(),
    "call-ref-catch": () => 0,
    sleep: (_: number, id: number) => id,
    "table-get": () => null,
    "table-set": () => {},
    wasmtag: new WebAssembly.Tag({ parameters: ["i32"] }),
    jstag: JS_TAG,
  };
}

const JS_TAG = new WebAssembly.Tag({ parameters: ["externref"] });

function attempt(action: () => unknown): string {
  try {
    const result = action();
    return typeof result === "object" || typeof result === "function" ? "return" : `return ${String(result)}`;
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) return `trap ${error.message}`;
    if (error instanceof WebAssembly.Exception) return "exception";
    return String(error);
  }
}

/** Exported globals and a digest of exported memories. */
function stateOf(exports: WebAssembly.Exports): string {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(exports)) {
    if (value instanceof WebAssembly.Global && name !== REFERENCE_EXPORT && name !== FUEL_EXPORT) {
      const held = attemptValue(() => value.value);
      parts.push(`${name}=${typeof held === "object" || typeof held === "function" ? "ref" : String(held)}`);
    } else if (value instanceof WebAssembly.Memory) {
      let digest = 0;
      for (const byte of new Uint8Array(value.buffer).subarray(0, 1 << 17)) digest = (digest * 31 + byte) | 0;
      parts.push(`${name}=${value.buffer.byteLength}:${digest}`);
    }
  }
  return parts.join();
}

function attemptValue(read: () => unknown): unknown {
  try {
    return read();
  } catch {
    return "unreadable";
  }
}
