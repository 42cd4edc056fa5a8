/**
 * What frames take of the native stack, in slots of eight bytes, and how many of these a unit of call depth covers.
 *
 * An engine's first compiler has a place on the stack for every local and every operand; its second one keeps in registers
 * what it can. Parameters that no register takes are laid there by the caller, and often once more by the function called;
 * for results the caller makes room before it calls. So a frame counts for its parameters and locals, operands, and
 * what travels outside of registers. The default depth times what a unit covers of all that leaves a fifth of V8's stack.
 *
 * Known to remain: values that an optimising compiler computes once and keeps over a call, where the code computes them twice.
 *
 * Nearly every frame has so few operands for its locals that the locals are what counts: {@link slotsOf} says how.
 */

import type { FunctionType } from "../binary/types.ts";
import { CROSSING_FRAMES, UNKNOWN_FRAMES } from "../word.ts";
import type { ScannedBody } from "./scan.ts";

/** Slots that one unit of call depth covers, where locals alone are counted: a large frame takes several. */
export const SLOTS_PER_DEPTH = 16;
/** Slots that it covers of all that is on the native stack. */
const WHOLE_SLOTS_PER_DEPTH = 24;
/** What a frame takes beside its locals, operands and what is passed. */
const FRAME_OVERHEAD = 8;
/** Parameters, and results beside the fuel word, that travel in registers on every machine. */
const PARAMS_IN_REGISTERS = 4;
const RESULTS_IN_REGISTERS = 1;

/** A body's frame: its locals, or two thirds of all that it has, where that is more; so that a unit covers what it does. */
export function slotsOf(scanned: ScannedBody | undefined): number {
  if (scanned === undefined) return FRAME_OVERHEAD;
  const { operandSlots, body } = scanned;
  const locals = FRAME_OVERHEAD + body.slots;
  const whole = locals + operandSlots + passedSlots(body.type);
  return Math.max(locals, Math.ceil((whole * SLOTS_PER_DEPTH) / WHOLE_SLOTS_PER_DEPTH));
}

/**
 * Call depth that a call of an import takes for the wrappers on both sides, where they are larger than what any such call
 * takes for them: they hold parameters and results up to three times.
 */
export function crossingDepth(type: FunctionType): number {
  const params = type.params.count + type.params.vectors;
  const results = type.results.count + type.results.vectors;
  const wrapper = FRAME_OVERHEAD + params + Math.max(params, results) + passedSlots(type);
  return Math.max(0, Math.ceil((2 * wrapper) / WHOLE_SLOTS_PER_DEPTH) - (CROSSING_FRAMES - UNKNOWN_FRAMES));
}

function passedSlots({ params, results }: FunctionType): number {
  return (
    Math.max(0, params.count + params.vectors - PARAMS_IN_REGISTERS) +
    Math.max(0, results.count + results.vectors - RESULTS_IN_REGISTERS)
  );
}
