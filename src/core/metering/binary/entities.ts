/**
 * Reads what modules define and import besides functions: limits, tables, imports, constant expressions.
 *
 * @see https://webassembly.github.io/spec/core/binary/modules.html
 */

import { refuseComponent } from "../../errors.ts";
import type { Reader } from "./reader.ts";
import { isVector, skipValueType } from "./types.ts";

/** Limits of a memory (pages) or a table (elements). */
export interface Limits {
  readonly minimum: bigint;
  readonly maximum: bigint | undefined;
  /** Whether addresses and sizes are i64. */
  readonly is64: boolean;
}

/** An import, as far as linking by name needs it. */
export interface ImportName {
  readonly module: string;
  readonly name: string;
  /** 0 function, 1 table, 2 memory, 3 global, 4 tag */
  readonly kind: number;
}

/** Reads the limits of a memory or a table. @throws `GatewayError` component-refused for shared ones, by name */
export function readLimits(reader: Reader): Limits {
  const at = reader.pos;
  const flags = reader.byte();
  if (flags & 0x02) throw refuseComponent(`Cannot meter wasm module: shared memory (threads) at ${at}`);
  if (flags > 0x05) throw refuseComponent(`Cannot meter wasm module: custom page size at ${at}`);
  const minimum = reader.u64();
  const maximum = flags & 0x01 ? reader.u64() : undefined;
  return { minimum, maximum, is64: (flags & 0x04) !== 0 };
}

/**
 * Reads a table definition up to its limits, and steps over its initialiser.
 *
 * @returns `expressionStart` is where the initialising expression begins, or undefined without one
 */
export function readTable(reader: Reader): {
  readonly typeStart: number;
  readonly typeEnd: number;
  readonly limits: Limits;
  readonly expressionStart: number | undefined;
} {
  const initialised = reader.bytes[reader.pos] === 0x40;
  if (initialised) reader.skip(2);
  const typeStart = reader.pos;
  skipValueType(reader);
  const typeEnd = reader.pos;
  const limits = readLimits(reader);
  const expressionStart = initialised ? reader.pos : undefined;
  if (initialised) skipExpression(reader);
  return { typeStart, typeEnd, limits, expressionStart };
}

/** Reads the content of a global section. @returns how many there are, and whether one of them holds a vector */
export function readGlobals(reader: Reader): { readonly count: number; readonly vectors: boolean } {
  const count = reader.u32();
  let vectors = false;
  for (let i = 0; i < count; i += 1) {
    vectors ||= isVector(reader);
    skipValueType(reader);
    reader.byte(); // mutability
    skipExpression(reader);
  }
  return { count, vectors };
}

/** Reads the content of a tag section. @returns the type index of each */
export function readTags(reader: Reader): number[] {
  const tags: number[] = [];
  for (let count = reader.u32(); count > 0; count -= 1) {
    reader.byte(); // attribute: an exception
    tags.push(reader.u32());
  }
  return tags;
}

/** Steps over a constant expression, its end included. */
export function skipExpression(reader: Reader): void {
  while (nextConstant(reader) !== 0x0b);
}

/**
 * Steps over one operator of a constant expression.
 *
 * @returns its opcode's first byte; 0x0b ends the expression
 */
export function nextConstant(reader: Reader): number {
  const code = reader.byte();
  if (code === 0x0b || (code >= 0x6a && code <= 0x7e)) return code; // end; extended constants
  if (code === 0x41 || code === 0x42 || code === 0xd0) reader.skipLeb();
  else if (code === 0x43) reader.skip(4);
  else if (code === 0x44) reader.skip(8);
  else if (code === 0x23 || code === 0xd2) reader.u32();
  else if (code === 0xfd) {
    reader.u32();
    reader.skip(16);
  } else if (code === 0xfb) {
    const sub = reader.u32();
    if (sub <= 8) reader.u32();
    if (sub === 8) reader.u32();
  } else {
    throw refuseComponent(
      `Cannot meter wasm module: operator 0x${code.toString(16)} in a constant expression at ${reader.pos}`,
    );
  }
  return code;
}

/**
 * Reads one import.
 *
 * @returns its names, its kind, where its type begins, and what the type adds to an index space
 * @throws `GatewayError` component-refused for kinds that are not metered
 */
export function readImport(reader: Reader): ImportName & {
  readonly typeStart: number;
  readonly limits: Limits | undefined;
  readonly typeIndex: number;
  /** It is a global that holds a vector. */
  readonly vector: boolean;
} {
  const module = reader.name();
  const name = reader.name();
  const at = reader.pos;
  const kind = reader.byte();
  let typeStart = reader.pos;
  let limits: Limits | undefined;
  let typeIndex = 0;
  const vector = kind === 3 && isVector(reader);
  if (kind === 0) typeIndex = reader.u32();
  else if (kind === 1) limits = readTable(reader).limits;
  else if (kind === 2) limits = readLimits(reader);
  else if (kind === 3) {
    skipValueType(reader);
    if (reader.byte() > 1) throw refuseComponent(`Cannot meter wasm module: shared global at ${at}`);
  } else if (kind === 4) {
    reader.byte(); // attribute: an exception
    typeStart = reader.pos;
    typeIndex = reader.u32();
  } else {
    throw refuseComponent(`Cannot meter wasm module: import kind ${kind} of "${module}" "${name}"`, [module]);
  }
  return { module, name, kind, typeStart, limits, typeIndex, vector };
}
