/**
 * Limits that metering writes into a module or refuses it for: memory and table maxima, sizes that bound the
 * work of compiling and instantiating it.
 */

import type { GatewayError } from "../errors.ts";
import { refuseComponent } from "../errors.ts";
import type { Limits } from "./binary/entities.ts";
import type { WasmModule } from "./binary/module.ts";
import type { Maxima } from "./placement/sizes.ts";

/** A module may not be larger before metering: what it takes to compile is charged by size, and bounded by this. */
export const MAX_MODULE_BYTES = 64 * 1024 * 1024;
/** V8 refuses larger function bodies; the metered body must stay below it too. */
export const MAX_BODY_BYTES = 7_654_321;
/** Functions that a module may define. Each takes a compiler's time and memory, however small it is. */
export const MAX_FUNCTIONS = 500_000;
/**
 * Calls by name that a module may have. Each is an edge of the graph whose cycles are looked for; code of compilers has one
 * for every 50 bytes or more, so a module of the largest size has a third of them.
 */
export const MAX_CALLS = 4_000_000;
/** Bytes that the metered code may have: compilers' grows by half at most, what was written for it grows by more. */
export const MAX_METERED_BYTES = 2 * MAX_MODULE_BYTES;
/** Elements of all tables of one module together, where the caller names no number. */
export const DEFAULT_MAX_TABLE_ELEMENTS = 1_000_000;

const PAGE_BYTES = 65_536;
/** V8 takes no larger maxima in a definition: for 32-bit addresses, for 64-bit addresses. */
const MAX_PAGES = [65_536n, 262_144n] as const;
const MAX_ELEMENTS = [10_000_000n, 10_000_000n] as const;
/** What an import without a smaller maximum may grow to; keeps units for growth far from overflow. */
const IMPORTED_MAXIMUM = 2n ** 32n;

/** @throws `GatewayError` component-refused when the module is larger than a compiler should be asked to take */
export function checkSize(wasm: Uint8Array): void {
  if (wasm.length <= MAX_MODULE_BYTES) return;
  throw refuseComponent(
    `Cannot meter wasm module: ${wasm.length} bytes exceed the limit of ${MAX_MODULE_BYTES}`,
  );
}

/** @throws `GatewayError` component-refused when there are too many functions, or a too large one */
export function checkFunctions({ bodies, importedFunctions }: WasmModule): void {
  if (bodies.length > MAX_FUNCTIONS) {
    throw refuseComponent(
      `Cannot meter wasm module: ${bodies.length} functions exceed the limit of ${MAX_FUNCTIONS}`,
    );
  }
  const large = bodies.findIndex(({ start, end }) => end - start > MAX_BODY_BYTES);
  const body = bodies[large];
  if (body !== undefined) throw refuseBody(large + importedFunctions, body.end - body.start);
}

/** @throws `GatewayError` component-refused when there are more calls than are worth following */
export function checkCalls(calls: number): void {
  if (calls <= MAX_CALLS) return;
  throw refuseComponent(`Cannot meter wasm module: ${calls} calls and more exceed the limit of ${MAX_CALLS}`);
}

/** @throws `GatewayError` component-refused when the metered code, as far as it is written, is too large */
export function checkMetered(bytes: number): void {
  if (bytes <= MAX_METERED_BYTES) return;
  throw refuseComponent(
    `Cannot meter wasm module: its code would exceed the limit of ${MAX_METERED_BYTES} bytes once metered`,
  );
}

/** The refusal of a body, as it was or metered, that engines would not compile. */
export function refuseBody(index: number, length: number): GatewayError {
  return refuseComponent(
    `Cannot meter wasm function ${index}: ${length} bytes exceed the limit of ${MAX_BODY_BYTES}`,
  );
}

/**
 * Decides the maxima that the metered module will declare.
 *
 * The cap holds for all memories of the module together, and likewise for its tables: the minima are set aside
 * first, what is left goes to the memories in index order. A module with one memory gets the whole cap.
 *
 * @param maxMemoryBytes cap on all defined memories, rounded down to pages
 * @param maxTableElements cap on all defined tables
 * @throws `GatewayError` component-refused when the minima alone exceed a cap
 */
export function decideMaxima(module: WasmModule, maxMemoryBytes: number, maxTableElements: number): Maxima {
  const pages = BigInt(Math.floor(maxMemoryBytes / PAGE_BYTES));
  return {
    memories: share(module.memories, module.importedMemories, pages, MAX_PAGES, "memory pages"),
    tables: share(
      module.tables,
      module.importedTables,
      BigInt(maxTableElements),
      MAX_ELEMENTS,
      "table elements",
    ),
  };
}

function share(
  all: readonly Limits[],
  imported: number,
  cap: bigint,
  most: readonly [narrow: bigint, wide: bigint],
  what: string,
): bigint[] {
  const defined = all.slice(imported);
  const minima = defined.reduce((sum, limits) => sum + limits.minimum, 0n);
  if (minima > cap) {
    throw refuseComponent(
      `Cannot meter wasm module: it needs ${minima} ${what} at least, the limit is ${cap}`,
    );
  }
  let rest = cap - minima;
  const maxima = all
    .slice(0, imported)
    .map(({ maximum }) => least(maximum ?? IMPORTED_MAXIMUM, IMPORTED_MAXIMUM));
  for (const { minimum, maximum, is64 } of defined) {
    const engine = is64 ? most[1] : most[0];
    const wanted = least(maximum ?? engine, engine) - minimum;
    const extra = wanted < 0n ? 0n : least(wanted, rest);
    maxima.push(minimum + extra);
    rest -= extra;
  }
  return maxima;
}

function least(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}
