/**
 * Metering: a pure function from a core module to one that counts its own fuel and keeps within limits.
 *
 * The fuel a run takes is the sum of the costs of the operators on the path it took, by the published table in
 * `costs.ts`; the same module and input take the same number on every runtime. How it comes about, in reading order:
 *
 * - `costs.ts`: what operators cost. `host-costs.ts`: what the host charges beside them. `limits.ts`: what is refused.
 * - `binary/`: a module read and written, as far as needed. `operators.ts` and `walker.ts` go through code, `hints.ts` tells
 *   the engine what is seldom.
 * - `placement/`: where what is charged, and where it is looked at. `scan.ts` reads all code once; what is behind it goes
 *   from stop to stop (operators that metering looks at). `callgraph.ts` finds the functions so small that their callers
 *   account for them, `depth.ts` and `cycles.ts` what takes call depth, `frames.ts` and `operands.ts` how much. A body is `regions.ts`, which `flow.ts` reads with
 *   `flow-builder.ts`; `charges.ts` says what each region charges, `checks.ts` where the count is compared with zero.
 *   `plan.ts` joins the three and notes the `sites.ts`; `sizes.ts` is what depends on an operand.
 * - `threading/`: the count is one word (`word.ts`) that travels through every function's signature, in a register; globals
 *   are touched only where control leaves the module or comes in (`wrappers.ts`), and where a slice of the budget is spent
 *   (`helpers.ts`). `labels.ts` and `inject.ts` write bodies anew, `rewrite.ts` all of them.
 * - `sections/`: what stands around the code. `assemble.ts` makes the module of it all, `instrument.ts` is the way through.
 * - `host/` is the entrance of those who run what is metered, and do not meter.
 * - `nan.ts`, by option and behind all else, makes NaNs the same everywhere.
 * - `profile/`, where one wants to know, and before all else: fuel by function.
 *
 * A worked example. This function
 *
 * ```wat
 * (func $sum (param $n i32) (result i32) (local $s i32)
 *   (loop $l
 *     (local.set $s (i32.add (local.get $s) (local.get $n)))
 *     (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
 *   (local.get $s))
 * ```
 *
 * becomes, with `$word` for the count and `charge` and `check` for the operators they stand for:
 *
 * ```wat
 * (func $sum (param $n i32) (param $word i64) (result i32 i64) (local $s i32)
 *   (charge 3)               ;; entry, clearing $s, and what is certain to follow the loop
 *   (loop $l
 *     (charge 9) (check)     ;; one turn
 *     …
 *     (br_if $l …))
 *   (local.get $s) (local.get $word))
 * ```
 *
 * Known limits: a function reference that reaches JavaScript (through a table, or as a result) has the threaded type,
 * so hosts must not call it; function types with 1,000 parameters or results do not thread; what an optimising compiler
 * keeps over a call of its own accord is not counted in the call depth.
 */

export { OPERATOR_COSTS } from "./costs.ts";
export * from "./host/index.ts";
export type { MeteredModule, MeterOptions, MeterStats } from "./instrument.ts";
export { codeBytesOf, DEFAULT_MAX_CALL_DEPTH, instrument } from "./instrument.ts";
export { DEFAULT_MAX_TABLE_ELEMENTS, MAX_MODULE_BYTES } from "./limits.ts";
export { addProfile, functionNames } from "./profile/profile.ts";
export { PROFILED_FUNCTIONS } from "./profile/profile-events.ts";
export { FIRST_SLICE, SLICE, SLICE_GROWTH } from "./word.ts";
