/**
 * Runs one module plain, metered and counted by operator, through the same calls, and says where they disagree. Then on
 * exact budgets, on short ones, and with canonical NaNs. The modules are those of generators: `fuzz-host.ts` has their
 * imports.
 */

import {
  FIRST_SLICE,
  FUEL_IMPORT,
  instrument,
  SLICE,
  SLICE_GROWTH,
} from "../../../src/core/metering/index.ts";
import { canonicaliseNans } from "../../../src/core/metering/nan.ts";
import { createFuzzHost } from "./fuzz-host.ts";
import { countByOperator, REFERENCE_EXPORT } from "./reference.ts";
import { createCounters, resetCounters } from "./support.ts";

const BUDGET = 1n << 40n;
const LIMITS = { maxMemoryBytes: 2 ** 48, maxTableElements: 2 ** 40, maxCallDepth: 8191 };
/** A trap may leave the rest of its region paid and not run: operators up to the next branch, a growth among them. */
const REGION_SLACK = 2500n;
/** What the word already owed when a trap took it. */
const UNSEEN_SLACK = 200n;
/** Calls whose budget is cut short, of each module. */
const SHORT_BUDGETS = 6;

/** What was compared, and what disagreed. */
export interface Comparison {
  /** In words; empty when all runs agree. */
  readonly differences: readonly string[];
  /** Calls compared, by how they end plain. */
  readonly returned: number;
  readonly trapped: number;
  readonly thrown: number;
  /** Calls left out, because the engine's own stack ended, or the depth that metering allows. */
  readonly leftOut: number;
  /** Runs that were stopped on a short budget. */
  readonly stopped: number;
}

const TOO_DEEP = "stopped by its call depth";

/** What one call left behind. */
interface Step {
  readonly call: string;
  readonly end: string;
  readonly state: string;
  readonly units: bigint | undefined;
}

/** @returns what was compared; undefined where the module does not even run plain */
export function compareRuns(wasm: Uint8Array<ArrayBuffer>): Comparison | undefined {
  if (!WebAssembly.validate(wasm)) return undefined;
  const plain = run(new WebAssembly.Module(wasm), undefined);
  if (plain === undefined) return undefined;
  const rewritten = new WebAssembly.Module(instrument(wasm, LIMITS).wasm);
  const metered = run(rewritten, createMeter([]));
  const counted = run(new WebAssembly.Module(countByOperator(wasm)), "reference");
  const counts = { returned: 0, trapped: 0, thrown: 0, leftOut: 0, stopped: 0 };
  if (metered === undefined || counted === undefined)
    return { ...counts, differences: ["a rewritten module does not instantiate"] };
  const differences: string[] = [];
  if (metered.length !== plain.length)
    differences.push(`${metered.length} calls metered, ${plain.length} plain`);
  let total = 0n;
  for (const [i, step] of plain.entries()) {
    const other = metered[i];
    const reference = counted[i];
    if (other === undefined || reference === undefined) break;
    // The engine's own stack ends at another depth in every build, and metering's before it: nothing to compare behind.
    if ([step, other, reference].some(endsInStack) || (reference.units ?? 0n) >= BUDGET) {
      counts.leftOut += plain.length - i;
      break;
    }
    counts[kindOf(step)] += 1;
    differences.push(...compareSteps("metered", step, other));
    if (reference.end !== step.end) {
      differences.push(`${step.call}: ${step.end}, counted by operator ${reference.end}`);
      break;
    }
    const over = (other.units ?? 0n) - (reference.units ?? 0n);
    total += other.units ?? 0n;
    if (kindOf(step) === "trapped" ? over > trapSlack(total) || over < -UNSEEN_SLACK : over !== 0n) {
      differences.push(`${step.call}: ${other.units} units, by operator ${reference.units} (${step.end})`);
    }
  }
  if (!metered.some(endsInStack)) {
    differences.push(...compareExact(rewritten, metered), ...compareCanonical(wasm));
    const short = compareShort(rewritten, metered);
    differences.push(...short.differences);
    counts.stopped = short.stopped;
  }
  return { ...counts, differences };
}

/** A trap takes the rest of the slice that was begun. @param total units that the instance used */
function trapSlack(total: bigint): bigint {
  const slice = BigInt(FIRST_SLICE) + total / BigInt(SLICE_GROWTH);
  return (slice < BigInt(SLICE) ? slice : BigInt(SLICE)) + REGION_SLACK;
}

/** A budget of exactly what a call takes is enough. */
function compareExact(rewritten: WebAssembly.Module, metered: readonly Step[]): string[] {
  const exact = run(rewritten, createMeter(metered.map(budgetOf)));
  return (exact ?? []).flatMap((step, i) => {
    const other = metered[i];
    return other === undefined ? [] : compareSteps("on an exact budget", other, step);
  });
}

/** A smaller budget stops the call, at most 200 units past it. */
function compareShort(
  rewritten: WebAssembly.Module,
  metered: readonly Step[],
): { readonly differences: string[]; readonly stopped: number } {
  const budgets = metered.map(budgetOf);
  const differences: string[] = [];
  let stopped = 0;
  for (let i = 0, tried = 0; i < budgets.length && tried < SHORT_BUDGETS; i += 1) {
    const units = budgets[i] ?? BUDGET;
    if (units === BUDGET || units === 0n) continue;
    tried += 1;
    const short = units - (BigInt(i) * units) / 13n - 1n;
    const step = run(rewritten, createMeter([...budgets.slice(0, i), short]), i + 1)?.[i];
    const past = (step?.units ?? 0n) - short;
    if (step === undefined || (!step.end.startsWith("return") && past > 0n && past <= 200n)) stopped += 1;
    else
      differences.push(`${step.call}: ${step.end} with ${past} past a budget of ${short}, it takes ${units}`);
  }
  return { differences, stopped };
}

/** Canonical NaNs take no fuel: the counter by operator, made canonical behind its counting, says the same. */
function compareCanonical(wasm: Uint8Array<ArrayBuffer>): string[] {
  const rewritten = instrument(wasm, { ...LIMITS, canonicalNans: true }).wasm;
  const metered = run(new WebAssembly.Module(rewritten), createMeter([]));
  const counted = run(new WebAssembly.Module(canonicaliseNans(countByOperator(wasm))), "reference");
  if (metered === undefined || counted === undefined) return ["with canonical NaNs it does not instantiate"];
  for (const [i, step] of counted.entries()) {
    const other = metered[i];
    if (other === undefined || [step, other].some(endsInStack) || (step.units ?? 0n) >= BUDGET) return [];
    const differences = compareSteps("with canonical NaNs", step, other);
    if (differences.length > 0) return differences;
    if (kindOf(step) !== "trapped" && other.units !== step.units)
      return [`${step.call}: with canonical NaNs ${other.units} units, by operator ${step.units}`];
  }
  return [];
}

function budgetOf({ end, units }: Step): bigint {
  return end.startsWith("trap") ? BUDGET : (units ?? BUDGET);
}

function kindOf({ end }: Step): "returned" | "trapped" | "thrown" {
  if (end.startsWith("return")) return "returned";
  return end.startsWith("trap") ? "trapped" : "thrown";
}

function endsInStack({ end }: Step): boolean {
  return end.includes("RangeError") || end === TOO_DEEP;
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
    reset: (step) => resetCounters(counters, budgets[step] ?? BUDGET),
    units: () => counters.budget - counters.left.value,
    tooDeep: () => counters.depth.value < 0,
  };
}

/** The host's end of a metered run. */
interface Meter {
  readonly imports: WebAssembly.ModuleImports;
  readonly reset: (step: number) => void;
  readonly units: () => bigint;
  readonly tooDeep: () => boolean;
}

/** Runs every exported function twice. */
function run(
  module: WebAssembly.Module,
  meter: "reference" | Meter | undefined,
  mostSteps = Number.POSITIVE_INFINITY,
): Step[] | undefined {
  const steps: Step[] = [];
  let exports: WebAssembly.Exports | undefined;
  const host = createFuzzHost(module, () => exports);
  const imports = {
    ...host.imports,
    ...(typeof meter === "object" && { [FUEL_IMPORT.module]: meter.imports }),
  };
  if (typeof meter === "object") meter.reset(-1);
  const start = attempt(() => {
    exports = new WebAssembly.Instance(module, imports).exports;
  });
  if (exports === undefined) return /^(trap|exception|RangeError)/.test(start) ? [] : undefined;
  const names = WebAssembly.Module.exports(module).filter(({ kind }) => kind === "function");
  for (const { name } of [...names, ...names]) {
    const found = exports[name];
    if (typeof found !== "function") continue;
    if (steps.length >= mostSteps) break;
    if (typeof meter === "object") meter.reset(steps.length);
    const counter = exports[REFERENCE_EXPORT];
    if (counter instanceof WebAssembly.Global) counter.value = 0n;
    // Numbers reach a call as strings, because a string converts to every number type and an i64 takes no number.
    const called = attempt(() =>
      found(...Array.from({ length: found.length }, (_, i) => String((i * 7 + name.length) % 5))),
    );
    const end = typeof meter === "object" && meter.tooDeep() ? TOO_DEEP : called;
    const units =
      typeof meter === "object"
        ? meter.units()
        : counter instanceof WebAssembly.Global
          ? counter.value
          : undefined;
    steps.push({ call: name, end, state: `${host.takeLog()} ${stateOf(exports)}`, units });
  }
  return steps;
}

function attempt(action: () => unknown): string {
  try {
    return `return ${spell(action())}`;
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
    if (value instanceof WebAssembly.Global && name !== REFERENCE_EXPORT) {
      parts.push(`${name}=${attemptValue(() => spell(value.value))}`);
    } else if (value instanceof WebAssembly.Memory) {
      let digest = 0;
      for (const word of new Int32Array(value.buffer, 0, Math.min(value.buffer.byteLength, 1 << 17) / 4)) {
        digest = (Math.imul(digest, 31) + word) | 0;
      }
      parts.push(`${name}=${value.buffer.byteLength}:${digest}`);
    } else if (value instanceof WebAssembly.Table) {
      parts.push(`${name}=${value.length}`);
    }
  }
  return parts.join();
}

/** References are only that: each instance has its own. */
function spell(value: unknown): string {
  if (Array.isArray(value)) return value.map(spell).join();
  return typeof value === "object" || typeof value === "function"
    ? value === null
      ? "null"
      : "ref"
    : String(value);
}

function attemptValue(read: () => string): string {
  try {
    return read();
  } catch {
    return "unreadable";
  }
}
