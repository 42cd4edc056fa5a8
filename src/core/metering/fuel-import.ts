/**
 * The host's end of the counters: what a metered module imports and exports, and how the host reads it.
 */

import { DEPTH_BITS, MAX_UNITS } from "./word.ts";

/**
 * What a metered module imports. All core modules of one component share the same two globals.
 *
 * ```js ignore
 * const left = new WebAssembly.Global({ value: "i64", mutable: true }, budget);
 * const depth = new WebAssembly.Global({ value: "i32", mutable: true }, 0);
 * imports["writ:fuel"] = { left, depth };
 * ```
 *
 * - `left`: units left. The host sets it to the budget (0 ≤ budget < 2^62) before it instantiates (start functions
 *   are metered), and may lower it between calls or inside an import, to charge for its own work.
 *   While no guest code runs, and inside imports, fuel used is budget − left.
 *   `left < 0` means exhausted, and only that: a trap (`WebAssembly.RuntimeError`, unreachable) stopped the guest
 *   at most 200 units past its budget; used is the budget.
 * - `depth`: frames in use. The host sets it to 0 before each call that no guest frame is under.
 *   `depth < 0` after a trap means that the call depth limit stopped the guest.
 *
 * After any other trap, what the guest used since it was last entered or came back from an import is in
 * {@link FUEL_EXPORT} of the instance: read it with {@link leftAfterTrap}.
 *
 * An instance that was exhausted or has trapped must not be called again.
 */
export const FUEL_IMPORT = {
  module: "writ:fuel",
  left: { name: "left", type: "i64", mutable: true },
  depth: { name: "depth", type: "i32", mutable: true },
} as const;

/**
 * A mutable i64 global that every metered module exports: the count as its last check saw it, in a form of its own.
 * A host that raises `left` in the middle of a run (no need to otherwise) also sets it back to 2^62 in all instances.
 */
export const FUEL_EXPORT = "writ:fuel";

/**
 * Units left after a trap.
 *
 * Exact where the guest trapped by `unreachable`; after any other trap the count is that of the last check, at most
 * 200 units of fuel short, the same on every runtime. (Of budgets above 2^48 it may say less than was left.)
 *
 * @param left the imported counter's value
 * @param seen the values of {@link FUEL_EXPORT} of all instances that share the counter
 * @returns units left; negative when exhausted
 */
export function leftAfterTrap(left: bigint, seen: Iterable<bigint>): bigint {
  const uncounted = left > BigInt(MAX_UNITS) ? left - BigInt(MAX_UNITS) : 0n;
  let least = left;
  for (const word of seen) {
    const units = (word >> BigInt(DEPTH_BITS)) + uncounted;
    if (units < least) least = units;
  }
  return least;
}
