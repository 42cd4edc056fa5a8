/**
 * Function bodies: the declaration of locals in front, and what an operator costs inside a given module.
 */

import { refuseComponent } from "../../errors.ts";
import { UNITS_PER_ARRAY_ELEMENT, UNITS_PER_FIELD } from "../costs.ts";
import type { WasmModule } from "./module.ts";
import { functionType } from "./module.ts";
import { Reader } from "./reader.ts";
import type { FunctionType } from "./types.ts";
import { isVector, skipValueType } from "./types.ts";
import type { Walker } from "./walker.ts";
import { OP } from "./walker.ts";

/** V8 accepts 50,000 locals, parameters included; metering adds a few of its own. */
export const MAX_LOCALS = 49_900;

/** One defined function, ready to be walked. */
export interface FunctionBody {
  /** Its index among all functions, imports included. */
  readonly index: number;
  readonly type: FunctionType;
  /** Groups of declared locals, and where they are spelled (behind their count). */
  readonly localGroups: number;
  readonly localsStart: number;
  readonly declaredLocals: number;
  /** Slots of eight bytes that parameters and locals take of a native frame. */
  readonly slots: number;
  /** Offset of the first operator, and one past the last. */
  readonly codeStart: number;
  readonly codeEnd: number;
}

/** Reads the head of the defined function at `position`. @throws `GatewayError` component-refused */
export function readBody(module: WasmModule, position: number): FunctionBody {
  const range = module.bodies[position];
  const index = module.importedFunctions + position;
  const typeIndex = module.functions[index];
  if (range === undefined || typeIndex === undefined) {
    throw refuseComponent(`Cannot meter wasm module: function ${index} has no body`);
  }
  const reader = new Reader(module.bytes, range.start, range.end);
  const localGroups = reader.u32();
  const localsStart = reader.pos;
  const type = functionType(module, typeIndex);
  let slots = type.params.count + type.params.vectors;
  let declaredLocals = 0;
  for (let i = 0; i < localGroups; i += 1) {
    const count = reader.u32();
    declaredLocals += count;
    slots += isVector(reader) ? count * 2 : count;
    skipValueType(reader);
  }
  if (declaredLocals + type.params.count > MAX_LOCALS) {
    throw refuseComponent(
      `Cannot meter wasm function ${index}: ${declaredLocals} locals exceed the limit of ${MAX_LOCALS}`,
    );
  }
  return {
    index,
    type,
    localGroups,
    localsStart,
    declaredLocals,
    slots,
    codeStart: reader.pos,
    codeEnd: range.end,
  };
}

/** What the walker's operator costs for certain: its class, and the sizes its immediates state. */
export function fixedCost(module: WasmModule, walker: Walker): number {
  const { opcode, cost } = walker;
  if (opcode < 0xfb000) return cost;
  if (opcode === OP.structNew || opcode === OP.structNewDefault) {
    const type = module.types[walker.first];
    return cost + (type === undefined || type.kind === "func" ? 0 : type.fields) * UNITS_PER_FIELD;
  }
  if (opcode === OP.arrayNewFixed) return cost + walker.second * UNITS_PER_ARRAY_ELEMENT;
  return cost;
}
