/** Codecs of variants, options and results: a discriminant, and the payload of its case. */
import type { FlatType, PlanType } from "../../../core/component/index.ts";
import { AbiTrap } from "./abi-trap.ts";
import { BorderMismatch, type Codec, memberOf, OBJECT_BYTES } from "./codec.ts";
import { readUnsigned, writeUnsigned } from "./codec-struct.ts";
import type { Passage } from "./passage.ts";

/** How a case looks in JavaScript. */
interface Shape {
  /** The value of case `index` with its payload. */
  readonly wrap: (index: number, payload: unknown) => unknown;
  /** The reverse. @throws BorderMismatch */
  readonly unwrap: (value: unknown) => { readonly index: number; readonly payload: unknown };
}

/**
 * @param cases codecs of the payloads, `undefined` where a case has none
 * @param isBare for an option: whether it is the value itself or `undefined`
 */
export function variantCodec(type: PlanType, cases: readonly (Codec | undefined)[], isBare: boolean): Codec {
  const { wrap, unwrap } = isBare ? BARE_OPTION : tagged(tagsOf(type));
  const tagBytes = cases.length <= 0x100 ? 1 : cases.length <= 0x10000 ? 2 : 4;
  let alignment = 1;
  for (const codec of cases) alignment = Math.max(alignment, codec?.type.alignment ?? 1);
  const payloadAt = Math.ceil(tagBytes / alignment) * alignment;
  const joined = type.flat?.slice(1) ?? [];

  function checked(index: number): number {
    if (index >= cases.length) throw new AbiTrap("invalid-discriminant");
    return index;
  }

  return {
    type,
    hostBytes: OBJECT_BYTES + cases.reduce((most, it) => Math.max(most, it?.hostBytes ?? 0), 0),
    values: 1 + cases.reduce((most, it) => Math.max(most, it?.values ?? 0), 0),
    load(passage, at) {
      const index = checked(readUnsigned(passage.view, at, tagBytes));
      return wrap(index, cases[index]?.load(passage, at + payloadAt));
    },
    store(passage, value, at) {
      const { index, payload } = unwrap(value);
      writeUnsigned(passage.view, at, tagBytes, index);
      cases[index]?.store(passage, payload, at + payloadAt);
    },
    lift(passage, flat, at) {
      const index = checked(Number(flat[at]) >>> 0);
      return wrap(index, liftPayload(passage, cases[index], joined, flat, at + 1));
    },
    lower(passage, value, flat) {
      const { index, payload } = unwrap(value);
      flat.push(index);
      lowerPayload(passage, cases[index], joined, payload, flat);
    },
  };
}

const BARE_OPTION: Shape = {
  wrap: (index, payload) => (index === 0 ? undefined : payload),
  unwrap: (value) =>
    value === undefined || value === null ? { index: 0, payload: undefined } : { index: 1, payload: value },
};

function tagsOf(type: PlanType): readonly string[] {
  if (type.kind === "option") return ["none", "some"];
  return type.kind === "result" ? ["ok", "err"] : type.labels;
}

function tagged(tags: readonly string[]): Shape {
  const indices = new Map(tags.map((tag, index) => [tag, index]));
  return {
    wrap: (index, payload) =>
      payload === undefined ? { tag: tags[index] } : { tag: tags[index], val: payload },
    unwrap(value) {
      const tag = memberOf(value, "tag");
      const index = typeof tag === "string" ? indices.get(tag) : undefined;
      if (index === undefined) throw new BorderMismatch("value tagged with one of its cases");
      return { index, payload: memberOf(value, "val") };
    },
  };
}

/** The payload's core values travel in places that fit every case: each is turned back into its own type first. */
function liftPayload(
  passage: Passage,
  codec: Codec | undefined,
  joined: readonly FlatType[],
  flat: readonly unknown[],
  at: number,
): unknown {
  if (codec === undefined) return undefined;
  const own = codec.type.flat ?? [];
  if (own.every((type, index) => type === joined[index])) return codec.lift(passage, flat, at);
  const narrowed = own.map((type, index) => narrow(joined[index], type, flat[at + index]));
  return codec.lift(passage, narrowed, 0);
}

function lowerPayload(
  passage: Passage,
  codec: Codec | undefined,
  joined: readonly FlatType[],
  payload: unknown,
  flat: unknown[],
): void {
  const start = flat.length;
  codec?.lower(passage, payload, flat);
  const own = codec?.type.flat ?? [];
  joined.forEach((type, index) => {
    const mine = own[index];
    if (mine === undefined) flat.push(type === "i64" ? 0n : 0);
    else if (mine !== type) flat[start + index] = widen(mine, type, flat[start + index]);
  });
}

const bits = new DataView(new ArrayBuffer(8));

function narrow(from: FlatType | undefined, to: FlatType, value: unknown): unknown {
  if (from === to) return value;
  if (typeof value === "bigint") {
    if (to === "i32") return Number(BigInt.asIntN(32, value));
    bits.setBigInt64(0, value, true);
    return to === "f32" ? bits.getFloat32(0, true) : bits.getFloat64(0, true);
  }
  bits.setInt32(0, Number(value), true);
  return bits.getFloat32(0, true);
}

function widen(from: FlatType, to: FlatType, value: unknown): unknown {
  if (from === "i32") return BigInt(Number(value) >>> 0);
  if (from === "f64") {
    bits.setFloat64(0, Number(value), true);
    return bits.getBigInt64(0, true);
  }
  bits.setFloat32(0, Number(value), true);
  return to === "i32" ? bits.getInt32(0, true) : BigInt(bits.getUint32(0, true));
}
