/**
 * Turns a core module into a metered one: the whole pass.
 *
 * What the host does with the result is said at {@link FUEL_IMPORT}.
 */

import { refuseComponent } from "../errors.ts";
import { assemble } from "./assemble.ts";
import { HintWriter, readHints } from "./binary/hints.ts";
import type { WasmModule } from "./binary/module.ts";
import { bodyBytes, readModule } from "./binary/module.ts";
import { FUEL_IMPORT } from "./fuel-import.ts";
import { checkFunctions, checkSize, DEFAULT_MAX_TABLE_ELEMENTS, decideMaxima } from "./limits.ts";
import { canonicaliseNans } from "./nan.ts";
import { rewriteCode } from "./threading/rewrite.ts";
import { Signatures } from "./threading/signatures.ts";
import { Wrappers } from "./threading/wrappers.ts";
import { MAX_CALL_DEPTH } from "./word.ts";

/** What a caller may choose. */
export interface MeterOptions {
  /** Cap on all memories that the module defines together, in bytes; rounded down to pages of 64 KiB. */
  readonly maxMemoryBytes: number;
  /** Cap on all tables that the module defines together, in elements. Default {@link DEFAULT_MAX_TABLE_ELEMENTS}. */
  readonly maxTableElements?: number;
  /**
   * Frames a call may nest, 1 to 8191. In each cycle of calls at least one function counts, for its own frame and for those
   * that do not; a frame with many locals, operands, parameters or results counts several times, a call by way of a table
   * or a reference three times, and one of an import five. Default {@link DEFAULT_MAX_CALL_DEPTH}, which ends before V8's own
   * stack of 984 KiB does.
   */
  readonly maxCallDepth?: number;
  /**
   * Has the module import `refill` of {@link FUEL_IMPORT} and call it where the guest would be stopped for want of
   * fuel. Default false: such a guest is stopped.
   */
  readonly refill?: boolean;
  /** Has the module import `refused` of {@link FUEL_IMPORT}, and note there what could not grow. Default false. */
  readonly noteRefusals?: boolean;
  /** Lets relaxed SIMD pass, whose results differ between machines. Default false. */
  readonly allowRelaxedSimd?: boolean;
  /**
   * Bytes of code that instantiation is charged for, where the module has more than its author wrote: that of a profile.
   * Default: those that it has.
   */
  readonly codeBytes?: number;
  /**
   * Makes every NaN that an operator produces the canonical one, so that a run repeats to the bit on other machines;
   * see `nan.ts`. Fuel is the same with and without. Default false.
   */
  readonly canonicalNans?: boolean;
}

/** What the pass found and did. */
export interface MeterStats {
  readonly functions: number;
  /** Functions so small that their callers account for them. */
  readonly bounded: number;
  /** Runs of operators that control enters at the top and leaves at the end only: where one could charge. */
  readonly regions: number;
  /** Regions that do charge; the others have their charge merged into one before or behind them. */
  readonly charges: number;
  /** How many charges are of 1 unit, of 2 and 3, of 4 to 7, and so on; without those that give units back. */
  readonly chargeSizes: readonly number[];
  /** Comparisons of the counter with zero. */
  readonly checks: number;
  readonly bytesBefore: number;
  readonly bytesAfter: number;
  /** Units for code, segments and tables; the host charges them before it instantiates. */
  readonly instantiationFuel: number;
  /** Whether its code may change a table, or let go of a segment. */
  readonly changesTables: boolean;
}

/** The result of {@link instrument}. */
export interface MeteredModule {
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly stats: MeterStats;
}

/** Where the caller names no depth: 768 KiB of native stack at most. */
export const DEFAULT_MAX_CALL_DEPTH = 4096;

/**
 * Meters a core module.
 *
 * The caller validates the ORIGINAL bytes first (`WebAssembly.validate`): some invalid modules would become valid
 * by being rewritten, among them ones that name the meter's own locals.
 *
 * Exactness: the units that a call takes are the sum of the costs of the operators it ran, whenever it ends by
 * returning or by an exception, and at each call of an import. A budget of exactly that is enough; on a smaller one
 * the guest is stopped, at most 200 units past it. Operators that charge by size are paid for before they act. A trap
 * other than `unreachable` takes the rest of the slice that was begun: see {@link FUEL_IMPORT}.
 *
 * @param wasm a valid core module
 * @param options limits; see {@link MeterOptions}
 * @returns the metered module and figures about it
 * @throws `GatewayError` component-refused for what is not understood or exceeds a limit, by name
 */
export function instrument(wasm: Uint8Array, options: MeterOptions): MeteredModule {
  const { maxTableElements = DEFAULT_MAX_TABLE_ELEMENTS, maxCallDepth = DEFAULT_MAX_CALL_DEPTH } = options;
  if (maxCallDepth < 1 || maxCallDepth > MAX_CALL_DEPTH) {
    throw new RangeError(`Cannot meter with maxCallDepth ${maxCallDepth}: it must be 1 to ${MAX_CALL_DEPTH}`);
  }
  checkSize(wasm);
  const module = readModule(wasm);
  checkFunctions(module);
  refuseFuelNames(module);
  const maxima = decideMaxima(module, options.maxMemoryBytes, maxTableElements);
  const { importedGlobals, definedGlobals } = module;
  const refill = options.refill === true ? module.importedFunctions : undefined;
  // The counters are imported behind the module's own imports; the size of slices is the last of its globals.
  const [left, depth] = [importedGlobals, importedGlobals + 1];
  const refused = options.noteRefusals === true ? importedGlobals + 2 : undefined;
  const addedGlobals = refused === undefined ? 2 : 3;
  const slice = importedGlobals + definedGlobals + addedGlobals;
  const counters = { left, depth, slice, maxCallDepth, refill };
  const signatures = new Signatures(module);
  const wrappers = new Wrappers(module, signatures, counters);
  const references = new Set<number>();
  const context = {
    module,
    maxima,
    relaxedSimd: options.allowRelaxedSimd ?? false,
    signatures,
    wrappers,
    refill: refill !== undefined,
    refused,
    global: (index: number): number => (index < importedGlobals ? index : index + addedGlobals),
    references,
    hints: new HintWriter(),
    ownHints: readHints(module),
  };
  const code = rewriteCode(context);
  const { out: metered, instantiationFuel } = assemble(
    context,
    code.content,
    options.codeBytes ?? bodyBytes(module),
  );
  const out = options.canonicalNans ? canonicaliseNans(metered) : metered;
  return {
    wasm: out,
    stats: {
      functions: module.bodies.length,
      bounded: code.bounded,
      regions: code.regions,
      charges: code.charges,
      chargeSizes: code.chargeSizes,
      checks: code.checks,
      bytesBefore: wasm.length,
      bytesAfter: out.length,
      instantiationFuel,
      changesTables: code.changesTables,
    },
  };
}

/** @returns what {@link MeterOptions.codeBytes} is of a valid core module @throws `GatewayError` component-refused */
export function codeBytesOf(wasm: Uint8Array): number {
  return bodyBytes(readModule(wasm));
}

/** A guest that could import the counter could refill it. */
function refuseFuelNames(module: WasmModule): void {
  const names = module.imports
    .filter((each) => each.module === FUEL_IMPORT.module)
    .map((each) => `${each.module} ${each.name}`);
  if (names.length === 0) return;
  throw refuseComponent(
    `Cannot meter wasm module: it imports "${names.join('", "')}", and ${FUEL_IMPORT.module} is the host's own`,
    names,
  );
}
