/**
 * Operators whose cost depends on an operand: bulk memory, table and array work, and growth.
 *
 * The size operand is on top of the stack for all of them. One row per operator says how wide it is and how many
 * units it stands for. All of it is charged before the operator acts, so a guest that can not pay has not made
 * the engine do the work.
 */

import type { Limits } from "../binary/entities.ts";
import type { WasmModule } from "../binary/module.ts";
import type { Walker } from "../binary/walker.ts";
import { OP } from "../binary/walker.ts";
import {
  BULK_BYTES_PER_UNIT,
  UNITS_PER_ARRAY_ELEMENT,
  UNITS_PER_PAGE,
  UNITS_PER_TABLE_ELEMENT,
} from "../costs.ts";

/** How the size operand of one operator becomes units. */
export interface SizeCharge {
  /** Whether the operand is an i64. */
  readonly wide: boolean;
  /** Units per counted thing, or its inverse for bytes; exactly one of both is 1. Both are powers of two. */
  readonly unitsPerItem: number;
  readonly itemsPerUnit: number;
  /** For growth: what grows, whose size must stay within `maximum` or the growth fails and costs nothing more. */
  readonly growth?: {
    readonly kind: "memory" | "table";
    readonly index: number;
    readonly maximum: bigint;
    /** The module itself declares no smaller maximum: where this one ends growth, that is the cap's doing. */
    readonly capped: boolean;
  };
}

/** The maxima that the metered module will declare, by index; undefined where an import leaves it open. */
export interface Maxima {
  readonly memories: readonly bigint[];
  readonly tables: readonly bigint[];
}

/** @returns how the walker's operator charges by size, or undefined when it does not */
export function sizeChargeOf(module: WasmModule, maxima: Maxima, walker: Walker): SizeCharge | undefined {
  const { opcode, first, second } = walker;
  const memories = module.memories;
  const tables = module.tables;
  switch (opcode) {
    case OP.memoryGrow: {
      const maximum = maxima.memories[first] ?? 0n;
      const capped = isCapped(memories[first], maximum) || first < module.importedMemories;
      return items(is64(memories, first), UNITS_PER_PAGE, { kind: "memory", index: first, maximum, capped });
    }
    case OP.tableGrow: {
      const maximum = maxima.tables[first] ?? 0n;
      const capped = isCapped(tables[first], maximum) || first < module.importedTables;
      return items(is64(tables, first), UNITS_PER_TABLE_ELEMENT, {
        kind: "table",
        index: first,
        maximum,
        capped,
      });
    }
    case OP.memoryFill:
      return bytes(is64(memories, first));
    case OP.memoryCopy: // the narrower of both memories gives the operand's type
      return bytes(is64(memories, first) && is64(memories, second));
    case OP.memoryInit:
      return bytes(false);
    case OP.tableInit:
      return items(false, UNITS_PER_TABLE_ELEMENT);
    case OP.tableFill:
      return items(is64(tables, first), UNITS_PER_TABLE_ELEMENT);
    case OP.tableCopy:
      return items(is64(tables, first) && is64(tables, second), UNITS_PER_TABLE_ELEMENT);
    case OP.arrayNew:
    case OP.arrayNewDefault:
    case OP.arrayNewData:
    case OP.arrayNewElem:
    case OP.arrayFill:
    case OP.arrayCopy:
    case OP.arrayInitData:
    case OP.arrayInitElem:
      return items(false, UNITS_PER_ARRAY_ELEMENT);
    default:
      return undefined;
  }
}

function bytes(wide: boolean): SizeCharge {
  return { wide, unitsPerItem: 1, itemsPerUnit: BULK_BYTES_PER_UNIT };
}

function items(wide: boolean, unitsPerItem: number, growth?: SizeCharge["growth"]): SizeCharge {
  return { wide, unitsPerItem, itemsPerUnit: 1, ...(growth && { growth }) };
}

function isCapped(own: Limits | undefined, maximum: bigint): boolean {
  return (own?.maximum ?? maximum + 1n) > maximum;
}

function is64(space: readonly Limits[], index: number): boolean {
  return space[index]?.is64 ?? false;
}
