/**
 * Builds modules from text and runs them plain and metered, for the tests of this folder.
 */

import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import type { MeterOptions } from "../../../src/core/metering/index.ts";
import { FUEL_IMPORT, instrument } from "../../../src/core/metering/index.ts";

/** Imports as a test spells them. */
export type TestImports = Record<string, Record<string, WebAssembly.ImportValue>>;

/** Limits that no test reaches by accident. */
export const ROOMY: MeterOptions = { maxMemoryBytes: 64 * 1024 * 1024 };

/** A budget that no test reaches by accident. */
export const PLENTY = 1_000_000_000n;

/** Assembles WAT. */
export async function assemble(wat: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await parse(wat));
}

/** A metered instance and the host's end of its counters. */
export interface MeteredInstance {
  readonly exports: WebAssembly.Exports;
  /** Calls an export by name. */
  call(name: string, ...args: unknown[]): unknown;
  /** Units used so far. */
  used(): bigint;
  left(): bigint;
  depth(): number;
  /** Gives the instance a new budget and forgets what was used. */
  refill(budget: bigint): void;
}

/** Meters and instantiates; `start` and segments run under `budget`. */
export function instantiateMetered(
  wasm: Uint8Array<ArrayBuffer>,
  options: { budget?: bigint; imports?: TestImports; limits?: MeterOptions } = {},
): MeteredInstance {
  const counters = createCounters(options.budget ?? PLENTY);
  return instantiateWith(counters, wasm, options.imports, options.limits);
}

/** The two globals that all modules of one component share. */
export interface Counters {
  readonly left: WebAssembly.Global<"i64">;
  readonly depth: WebAssembly.Global<"i32">;
  budget: bigint;
}

/** Fresh counters. */
export function createCounters(budget: bigint): Counters {
  return {
    left: new WebAssembly.Global({ value: "i64", mutable: true }, budget),
    depth: new WebAssembly.Global({ value: "i32", mutable: true }, 0),
    budget,
  };
}

/** Meters and instantiates a module on counters that other modules may share. */
export function instantiateWith(
  counters: Counters,
  wasm: Uint8Array<ArrayBuffer>,
  imports: TestImports = {},
  limits: MeterOptions = ROOMY,
): MeteredInstance {
  const metered = instrument(wasm, limits);
  const { left, depth } = counters;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(metered.wasm), {
    ...imports,
    [FUEL_IMPORT.module]: { left, depth },
  });
  return {
    exports,
    call: (name, ...args) => callExport(exports, name, args),
    used: () => counters.budget - left.value,
    left: () => left.value,
    depth: () => depth.value,
    refill: (next) => resetCounters(counters, next),
  };
}

/** Sets the counters for another run on the same instances. */
export function resetCounters(counters: Counters, budget: bigint): void {
  counters.budget = budget;
  counters.left.value = budget;
  counters.depth.value = 0;
}

/** Calls an exported function. */
export function callExport(exports: WebAssembly.Exports, name: string, args: readonly unknown[]): unknown {
  const called = exports[name];
  if (typeof called !== "function") throw new TypeError(`No exported function "${name}"`);
  return called(...args);
}
