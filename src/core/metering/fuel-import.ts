/**
 * The host's end of the counters: what a metered module imports, and how the host reads and refills it.
 */

/**
 * What a metered module imports. All core modules of one component share the same counters.
 *
 * ```js ignore
 * const left = new WebAssembly.Global({ value: "i64", mutable: true }, budget);
 * const depth = new WebAssembly.Global({ value: "i32", mutable: true }, 0);
 * imports["writ:fuel"] = { left, depth };           // and refill, where the pass was asked for it
 * ```
 *
 * - `left`: units left. The host sets it to the budget (0 ≤ budget < 2^62) before it instantiates (start functions
 *   are metered), and may lower it between calls or inside an import, to charge for its own work.
 *   While no guest code runs, and inside imports, fuel used is budget − left, exactly.
 *   `left < 0` means exhausted, and only that: a trap (`WebAssembly.RuntimeError`, unreachable) stopped the guest
 *   at most 200 units past its budget; used is the budget.
 *   The guest takes its units in slices and gives back the rest wherever it leaves wasm, an `unreachable` included. Any
 *   other trap loses the slice that was begun: its rest counts as used, the same number on every runtime. Slices grow
 *   with what the instance used, so that is at most `FIRST_SLICE` units and a `SLICE_GROWTH`th of them, and never more
 *   than `SLICE`.
 * - `depth`: frames in use, and at imports those that a call from there may take uncounted. The host sets it to 0 before each call that no guest frame is under.
 *   `depth < 0` after a trap means that the call depth limit stopped the guest.
 * - `refill`: a function without parameters and results, imported by modules that were metered with the option of
 *   that name. It is called where the guest would be stopped: `left` is below zero by what the guest already owes
 *   (usually a few units; one operator on a large size can owe much). If the host raises `left` to zero or more the
 *   guest goes on where it was; else it is exhausted and traps. So a host that keeps most of a budget to itself and
 *   hands it out in portions gets to see the guest every so many units: for a deadline, to yield (`refill` may be a
 *   `WebAssembly.Suspending`, where the export is called by way of `WebAssembly.promising`), to lend from another
 *   account. What the guest used is the sum of what was put in, less `left`: exact, whatever the portions.
 *   INVARIANT: it never throws. Guests can catch what JavaScript throws, and `left` below zero ends them for certain.
 *
 * - `refused`: imported by modules that were metered with the option `noteRefusals`. It is set to a number of
 *   {@link REFUSED_GROWTH} where a growth fails that the module itself would have allowed: for want of room under the cap,
 *   or of memory on the machine. It says what was refused last.
 *
 * An instance that was exhausted or has trapped must not be called again.
 */
export const FUEL_IMPORT = {
  module: "writ:fuel",
  left: { name: "left", type: "i64", mutable: true },
  depth: { name: "depth", type: "i32", mutable: true },
  refill: { name: "refill" },
  refused: { name: "refused", type: "i32", mutable: true },
} as const;

/** What the global `refused` of {@link FUEL_IMPORT} says could not grow; 0 where nothing was refused. */
export const REFUSED_GROWTH = { memory: 1, table: 2 } as const;
