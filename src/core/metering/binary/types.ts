/**
 * Decodes the type section: recursion groups of function, struct and array types, flattened to type indices.
 *
 * Value types are kept as the bytes that spell them, because metering only ever copies them.
 *
 * @see https://webassembly.github.io/spec/core/binary/types.html
 */

import { refuseComponent } from "../../errors.ts";
import type { Reader } from "./reader.ts";

/** A run of value types as it is spelled in the module. */
export interface ValueTypes {
  readonly count: number;
  /** How many of them are vectors: values of sixteen bytes. */
  readonly vectors: number;
  /** Offset of the first value type's first byte. */
  readonly start: number;
  /** One past the last value type's last byte. */
  readonly end: number;
}

/** Where a type stands. */
export interface TypePlace {
  /** Where its entry begins and ends, subtype declaration included. */
  readonly entryStart: number;
  readonly entryEnd: number;
  /** The recursion group it is part of: the type index of its first member, and how many there are. */
  readonly group: { readonly first: number; readonly size: number };
}

/** A function type. */
export interface FunctionType extends TypePlace {
  readonly kind: "func";
  readonly params: ValueTypes;
  readonly results: ValueTypes;
  /** Offset of the byte 0x60 that begins it, and one past its end. */
  readonly start: number;
  readonly end: number;
  /** Whether it may have no subtypes. A plain function type is final. */
  readonly final: boolean;
  /** Type indices of the declared supertypes; at most one is valid. */
  readonly supers: readonly number[];
}

/** A type that is no function: metering needs its number of fields, and how many are vectors. An array has one. */
export interface AggregateType extends TypePlace {
  readonly kind: "struct" | "array";
  readonly fields: number;
  readonly vectors: number;
}

/** One entry of the type index space. */
export type TypeDefinition = FunctionType | AggregateType;

/** Reads the content of a type section, up to the reader's end. @throws `GatewayError` component-refused */
export function readTypes(reader: Reader): TypeDefinition[] {
  const types: TypeDefinition[] = [];
  for (let groups = reader.u32(); groups > 0; groups -= 1) {
    const isRecursive = reader.bytes[reader.pos] === 0x4e;
    if (isRecursive) reader.pos += 1;
    const group = { first: types.length, size: isRecursive ? reader.u32() : 1 };
    for (let i = 0; i < group.size; i += 1) {
      const entryStart = reader.pos;
      const type = readSubType(reader);
      types.push({ ...type, entryStart, entryEnd: reader.pos, group });
    }
  }
  return types;
}

/**
 * Steps over one value type (or packed storage type).
 *
 * @throws `GatewayError` component-refused for types of proposals that are not metered, by name
 */
export function skipValueType(reader: Reader): void {
  const at = reader.pos;
  const code = reader.byte();
  if (code === 0x63 || code === 0x64) {
    skipHeapType(reader);
    return;
  }
  if (code >= 0x7b && code <= 0x7f) return; // numbers and v128
  if (code === 0x77 || code === 0x78) return; // packed storage
  if (code >= 0x69 && code <= 0x74) return; // abstract reference types
  throw refuseComponent(
    `Cannot meter wasm type 0x${code.toString(16)} at ${at}: it belongs to a proposal not supported`,
  );
}

/** Whether the value type that the reader stands on is a vector. */
export function isVector({ bytes, pos }: Reader): boolean {
  return bytes[pos] === 0x7b;
}

/** Whether a block type is whole in its first byte: none, a value type, or the index of a function type. */
export function isShortBlockType(code: number): boolean {
  return code <= 0x40 || (code >= 0x7b && code <= 0x7f) || (code >= 0x69 && code <= 0x74);
}

/** Steps over a heap type: an abstract one, or a type index. */
export function skipHeapType(reader: Reader): void {
  const at = reader.pos;
  const value = reader.s33();
  if (value >= 0 || (value >= 0x69 - 0x80 && value <= 0x74 - 0x80)) return;
  throw refuseComponent(`Cannot meter wasm heap type at ${at}: it belongs to a proposal not supported`);
}

type Shape = Omit<FunctionType, keyof TypePlace> | Omit<AggregateType, keyof TypePlace>;

function readSubType(reader: Reader): Shape {
  const code = reader.bytes[reader.pos];
  if (code !== 0x50 && code !== 0x4f) return readComposite(reader, true, []);
  reader.pos += 1;
  const supers: number[] = [];
  for (let count = reader.u32(); count > 0; count -= 1) supers.push(reader.u32());
  return readComposite(reader, code === 0x4f, supers);
}

function readComposite(reader: Reader, final: boolean, supers: readonly number[]): Shape {
  const start = reader.pos;
  const code = reader.byte();
  if (code === 0x60) {
    const params = readValueTypes(reader);
    const results = readValueTypes(reader);
    return { kind: "func", params, results, start, end: reader.pos, final, supers };
  }
  if (code === 0x5e || code === 0x5f) {
    const fields = code === 0x5e ? 1 : reader.u32();
    let vectors = 0;
    for (let i = 0; i < fields; i += 1) {
      if (isVector(reader)) vectors += 1;
      skipValueType(reader);
      reader.byte(); // mutability
    }
    return { kind: code === 0x5e ? "array" : "struct", fields, vectors };
  }
  throw refuseComponent(
    `Cannot meter wasm type form 0x${code.toString(16)} at ${start}: it belongs to a proposal not supported`,
  );
}

function readValueTypes(reader: Reader): ValueTypes {
  const count = reader.u32();
  const start = reader.pos;
  let vectors = 0;
  for (let i = 0; i < count; i += 1) {
    if (isVector(reader)) vectors += 1;
    skipValueType(reader);
  }
  return { count, vectors, start, end: reader.pos };
}
