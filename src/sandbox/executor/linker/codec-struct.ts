/** Codecs of records, tuples, flags and enums. */
import { lowerCamel, type PlanType } from "../../../core/component/index.ts";
import { AbiTrap } from "./abi-trap.ts";
import { BorderMismatch, type Codec, memberOf, OBJECT_BYTES, SCALAR_BYTES } from "./codec.ts";

/** One part of a record or tuple, and where it is. */
interface Part {
  readonly key: string;
  readonly codec: Codec;
  readonly offset: number;
  readonly flatAt: number;
}

/** Codec of a record or a tuple. */
export function structCodec(type: PlanType, items: readonly Codec[]): Codec {
  const parts = placed(type, items);
  const isTuple = type.kind === "tuple";
  const build = isTuple ? buildTuple(parts) : buildRecord(parts);
  const partsOf = (value: unknown): ((part: Part, index: number) => unknown) => {
    if (!isTuple) return (part) => memberOf(value, part.key);
    if (!Array.isArray(value) || value.length !== parts.length)
      throw new BorderMismatch(`tuple of ${parts.length}`);
    return (_part, index) => value[index];
  };
  return {
    type,
    hostBytes: OBJECT_BYTES + sum(items, "hostBytes"),
    values: sum(items, "values"),
    load: (passage, at) => build((part) => part.codec.load(passage, at + part.offset)),
    lift: (passage, flat, at) => build((part) => part.codec.lift(passage, flat, at + part.flatAt)),
    store(passage, value, at) {
      const partOf = partsOf(value);
      for (const [index, part] of parts.entries())
        part.codec.store(passage, partOf(part, index), at + part.offset);
    },
    lower(passage, value, flat) {
      const partOf = partsOf(value);
      for (const [index, part] of parts.entries()) part.codec.lower(passage, partOf(part, index), flat);
    },
  };
}

function placed(type: PlanType, items: readonly Codec[]): readonly Part[] {
  let offset = 0;
  let flatAt = 0;
  return items.map((codec, index) => {
    const { size, alignment, flat } = codec.type;
    offset = Math.ceil(offset / alignment) * alignment;
    const part = { key: lowerCamel(type.labels[index] ?? ""), codec, offset, flatAt };
    offset += size;
    flatAt += flat?.length ?? 0;
    return part;
  });
}

type Read = (part: Part) => unknown;

function buildTuple(parts: readonly Part[]): (read: Read) => unknown {
  return (read) => parts.map(read);
}

function buildRecord(parts: readonly Part[]): (read: Read) => unknown {
  return (read) => {
    const record: Record<string, unknown> = {};
    // A label in camelCase is never `__proto__`, so this makes own members and nothing else.
    for (const part of parts) record[part.key] = read(part);
    return record;
  };
}

function sum(items: readonly Codec[], what: "hostBytes" | "values"): number {
  return items.reduce((total, item) => total + item[what], 0);
}

/** Codec of flags: an object with a boolean per name. */
export function flagsCodec(type: PlanType): Codec {
  const keys = type.labels.map(lowerCamel);
  const { size } = type;
  function unpack(bits: number): unknown {
    const flags: Record<string, boolean> = {};
    keys.forEach((key, index) => {
      flags[key] = ((bits >>> index) & 1) === 1;
    });
    return flags;
  }
  function pack(value: unknown): number {
    let bits = 0;
    keys.forEach((key, index) => {
      if (memberOf(value, key) === true) bits |= 1 << index;
    });
    return bits >>> 0;
  }
  return {
    type,
    hostBytes: OBJECT_BYTES + 8 * keys.length,
    values: 1,
    load: ({ view }, at) => unpack(readUnsigned(view, at, size)),
    store: ({ view }, value, at) => writeUnsigned(view, at, size, pack(value)),
    lift: (_passage, flat, at) => unpack(Number(flat[at]) >>> 0),
    lower: (_passage, value, flat) => void flat.push(pack(value)),
  };
}

/** Codec of an enum: the case's name. */
export function enumCodec(type: PlanType): Codec {
  const indices = new Map(type.labels.map((label, index) => [label, index]));
  const { size } = type;
  function nameOf(index: number): string {
    const name = type.labels[index];
    if (name === undefined) throw new AbiTrap("invalid-discriminant");
    return name;
  }
  function indexOf(value: unknown): number {
    const index = typeof value === "string" ? indices.get(value) : undefined;
    if (index === undefined) throw new BorderMismatch("case of its enum");
    return index;
  }
  return {
    type,
    hostBytes: SCALAR_BYTES,
    values: 1,
    load: ({ view }, at) => nameOf(readUnsigned(view, at, size)),
    store: ({ view }, value, at) => writeUnsigned(view, at, size, indexOf(value)),
    lift: (_passage, flat, at) => nameOf(Number(flat[at]) >>> 0),
    lower: (_passage, value, flat) => void flat.push(indexOf(value)),
  };
}

/** Reads an unsigned integer of 1, 2 or 4 bytes. */
export function readUnsigned(view: DataView, at: number, size: number): number {
  if (size === 1) return view.getUint8(at);
  return size === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
}

/** Writes one; see {@link readUnsigned}. */
export function writeUnsigned(view: DataView, at: number, size: number, value: number): void {
  if (size === 1) view.setUint8(at, value);
  else if (size === 2) view.setUint16(at, value, true);
  else view.setUint32(at, value, true);
}
