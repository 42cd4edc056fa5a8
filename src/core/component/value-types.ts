/**
 * Value types as the binary writes them: primitives by opcode, everything else by an index of what was defined
 * before. So a value type can not contain itself, and its depth is known when it is made.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md#type-definitions
 */
import { isLabel, lowerCamel } from "./names.ts";
import {
  type Mention,
  type ResourceNode,
  type TypeNode,
  type ValueKind,
  type ValueNode,
  valueNode,
} from "./nodes.ts";
import type { Reader } from "./reader.ts";
import type { Scope } from "./scope.ts";
import type { PrimitiveKind } from "./wit.ts";

/** Opcodes of the types without parts. */
const primitives: ReadonlyMap<number, PrimitiveKind> = new Map([
  [0x7f, "bool"],
  [0x7e, "s8"],
  [0x7d, "u8"],
  [0x7c, "s16"],
  [0x7b, "u16"],
  [0x7a, "s32"],
  [0x79, "u32"],
  [0x78, "s64"],
  [0x77, "u64"],
  [0x76, "f32"],
  [0x75, "f64"],
  [0x74, "char"],
  [0x73, "string"],
]);

/** Opcodes that are known and refused, because no engine below us runs them yet. */
const refused: ReadonlyMap<number, string> = new Map([
  [0x64, "error-context"],
  [0x67, "a list of fixed length"],
  [0x63, "a map"],
]);

/** Flags beyond this number have no place in the ABI. */
const MAX_FLAGS = 32;

/** Reads a value type where it is used: a primitive, or an index of a type defined before. */
export function readValueType(reader: Reader, scope: Scope): ValueNode {
  const start = reader.at;
  const first = reader.peek() ?? 0;
  // Signed LEB128: a single byte with bit 0x40 is a negative number, which is an opcode; all else is an index.
  if (first >= 0x40 && first < 0x80) return readDefinedPrimitive(reader);
  const type = scope.readType(reader);
  if (((reader.bytes[reader.at - 1] ?? 0) & 0x40) !== 0) throw reader.refusal("negative type index", start);
  if (type.what !== "value") throw reader.refusal(`expected a value type, found ${article(type)}`, start);
  return type;
}

function readDefinedPrimitive(reader: Reader): ValueNode {
  const start = reader.at;
  const opcode = reader.byte();
  const primitive = primitives.get(opcode);
  if (primitive !== undefined) return valueNode(primitive);
  throw reader.refusal(unknownType(opcode), start);
}

/** Reads the definition of a value type. */
export function readDefinedType(reader: Reader, scope: Scope): ValueNode {
  const opcode = reader.peek() ?? 0;
  const value = () => readValueType(reader, scope);
  switch (opcode) {
    case 0x72:
      return readLabelled(reader, "record", value);
    case 0x71:
      return readVariant(reader, value);
    case 0x70:
      reader.byte();
      return valueNode("list", { items: [value()] });
    case 0x6f:
      return readTuple(reader, value);
    case 0x6e:
      return readLabels(reader, "flags");
    case 0x6d:
      return readLabels(reader, "enum");
    case 0x6b:
      reader.byte();
      return valueNode("option", { items: [value()] });
    case 0x6a:
      reader.byte();
      return valueNode("result", { items: [optional(reader, value), optional(reader, value)] });
    case 0x69:
    case 0x68:
      reader.byte();
      return valueNode(opcode === 0x69 ? "own" : "borrow", readMention(reader, scope));
    case 0x66:
    case 0x65: {
      const start = reader.at;
      reader.byte();
      const item = optional(reader, value);
      if (opcode === 0x66 && item?.kind === "char") throw reader.refusal("a stream of characters", start);
      // What is borrowed is given back when a call ends, and a stream may outlive it.
      if (item?.borrows === true) throw reader.refusal("a stream or future of borrowed handles", start);
      return valueNode(opcode === 0x66 ? "stream" : "future", { items: [item] });
    }
    default:
      return readDefinedPrimitive(reader);
  }
}

/** Reads the index of a resource type. */
export function readResource(reader: Reader, scope: Scope): ResourceNode {
  const start = reader.at;
  const type = scope.readType(reader);
  if (type.what !== "resource") throw reader.refusal(`expected a resource, found ${article(type)}`, start);
  return type;
}

function readMention(
  reader: Reader,
  scope: Scope,
): { readonly resource: ResourceNode; readonly mention: Mention } {
  const index = scope.peekIndex(reader);
  const resource = readResource(reader, scope);
  return { resource, mention: { scope, id: scope.nameOf(index) ?? resource } };
}

function readTuple(reader: Reader, value: () => ValueNode): ValueNode {
  const start = reader.at;
  reader.byte();
  const items = reader.vector(value);
  if (items.length === 0) throw reader.refusal("tuple without parts", start);
  return valueNode("tuple", { items });
}

function readLabelled(reader: Reader, kind: ValueKind, value: () => ValueNode): ValueNode {
  const start = reader.at;
  reader.byte();
  const labels: string[] = [];
  const items = reader.vector(() => {
    labels.push(readLabel(reader));
    return value();
  }, 3);
  if (items.length === 0) throw reader.refusal(`${kind} without fields`, start);
  checkLabels(labels, reader, start);
  return valueNode(kind, { labels, items });
}

function readVariant(reader: Reader, value: () => ValueNode): ValueNode {
  const start = reader.at;
  reader.byte();
  const labels: string[] = [];
  const items = reader.vector(() => {
    labels.push(readLabel(reader));
    const payload = optional(reader, value);
    reader.oneOf([0x00], "byte after a case");
    return payload;
  }, 4);
  if (items.length === 0) throw reader.refusal("variant without cases", start);
  checkLabels(labels, reader, start);
  return valueNode("variant", { labels, items });
}

function readLabels(reader: Reader, kind: "flags" | "enum"): ValueNode {
  const start = reader.at;
  reader.byte();
  const labels = reader.vector(() => readLabel(reader), 2);
  if (labels.length === 0) throw reader.refusal(`${kind} without names`, start);
  if (kind === "flags" && labels.length > MAX_FLAGS) {
    throw reader.refusal(`${labels.length} flags, more than ${MAX_FLAGS}`, start);
  }
  checkLabels(labels, reader, start);
  return valueNode(kind, { labels });
}

/** Reads something that may be absent: a flag byte, then the thing. */
export function optional<T>(reader: Reader, read: () => T): T | undefined {
  return reader.oneOf([0x00, 0x01], "optional") === 0x01 ? read() : undefined;
}

/** Reads a kebab-case label. */
export function readLabel(reader: Reader): string {
  const start = reader.at;
  const label = reader.name();
  if (!isLabel(label)) throw reader.refusal(`name "${label}" is not in kebab case`, start);
  return label;
}

/**
 * Checks that labels of one record, variant or function differ.
 *
 * They must differ in the spelling that generated JavaScript gives them: with `a-1` and `a1` in one record,
 * one member would stand for both.
 */
export function checkLabels(labels: readonly string[], reader: Reader, at: number): void {
  const keys = new Set<string>();
  for (const label of labels) {
    const key = lowerCamel(label);
    if (keys.has(key)) throw reader.refusal(`name "${label}" is there twice, or too like another name`, at);
    keys.add(key);
  }
}

/** A type's sort with its article, for messages. */
export function article(type: TypeNode): string {
  return type.what === "instance" ? "an instance type" : `a ${type.what} type`;
}

function unknownType(opcode: number): string {
  const known = refused.get(opcode);
  return known === undefined
    ? `unknown type 0x${opcode.toString(16)}`
    : `${known} is not supported; use another type in the interface`;
}
