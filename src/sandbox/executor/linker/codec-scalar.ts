/** Codecs of types without parts: numbers, booleans, characters. */
import type { PlanType } from "../../../core/component/index.ts";
import { trapIf } from "./abi-trap.ts";
import { BorderMismatch, type Codec, SCALAR_BYTES } from "./codec.ts";
import type { Passage } from "./passage.ts";

/** What is different between scalar types; the rest of a codec follows. */
interface Scalar {
  readonly load: (view: DataView, at: number) => unknown;
  readonly store: (view: DataView, at: number, value: unknown) => void;
  /** From a core value. */
  readonly lift: (core: unknown) => unknown;
  /** To a core value. */
  readonly lower: (value: unknown) => unknown;
}

/** The bits of every NaN, so that a guest sees the same on each machine. */
const NAN_BITS_32 = 0x7fc0_0000;
const NAN_BITS_64 = 0x7ff8_0000_0000_0000n;

const integer =
  (minimum: number, maximum: number) =>
  (value: unknown): number => {
    if (typeof value !== "number" || !(value >= minimum && value <= maximum) || !Number.isInteger(value))
      throw new BorderMismatch(`integer from ${minimum} to ${maximum}`);
    return value;
  };
const big =
  (minimum: bigint, maximum: bigint) =>
  (value: unknown): bigint => {
    if (typeof value !== "bigint" || value < minimum || value > maximum)
      throw new BorderMismatch(`bigint from ${minimum} to ${maximum}`);
    return value;
  };
const u8 = integer(0, 0xff);
const s8 = integer(-0x80, 0x7f);
const u16 = integer(0, 0xffff);
const s16 = integer(-0x8000, 0x7fff);
const u32 = integer(0, 0xffff_ffff);
const s32 = integer(-0x8000_0000, 0x7fff_ffff);
const u64 = big(0n, 2n ** 64n - 1n);
const s64 = big(-(2n ** 63n), 2n ** 63n - 1n);

function float(value: unknown): number {
  if (typeof value !== "number") throw new BorderMismatch("number");
  return value;
}

function toBoolean(value: unknown): boolean {
  if (typeof value !== "boolean") throw new BorderMismatch("boolean");
  return value;
}

function toCharacter(code: number): string {
  trapIf(code >= 0x110000 || (code >= 0xd800 && code <= 0xdfff), "invalid-character");
  return String.fromCodePoint(code);
}

function toCodePoint(value: unknown): number {
  const code = typeof value === "string" ? value.codePointAt(0) : undefined;
  if (code === undefined || (code >= 0xd800 && code <= 0xdfff)) throw new BorderMismatch("character");
  if (String.fromCodePoint(code) !== value) throw new BorderMismatch("character");
  return code;
}

const number = (core: unknown): number => Number(core);

const SCALARS: ReadonlyMap<PlanType["kind"], Scalar> = new Map<PlanType["kind"], Scalar>([
  [
    "bool",
    {
      load: (view, at) => view.getUint8(at) !== 0,
      store: (view, at, value) => view.setUint8(at, toBoolean(value) ? 1 : 0),
      lift: (core) => number(core) !== 0,
      lower: (value) => (toBoolean(value) ? 1 : 0),
    },
  ],
  [
    "u8",
    {
      load: (view, at) => view.getUint8(at),
      store: (view, at, value) => view.setUint8(at, u8(value)),
      lift: (core) => number(core) & 0xff,
      lower: u8,
    },
  ],
  [
    "s8",
    {
      load: (view, at) => view.getInt8(at),
      store: (view, at, value) => view.setInt8(at, s8(value)),
      lift: (core) => (number(core) << 24) >> 24,
      lower: s8,
    },
  ],
  [
    "u16",
    {
      load: (view, at) => view.getUint16(at, true),
      store: (view, at, value) => view.setUint16(at, u16(value), true),
      lift: (core) => number(core) & 0xffff,
      lower: u16,
    },
  ],
  [
    "s16",
    {
      load: (view, at) => view.getInt16(at, true),
      store: (view, at, value) => view.setInt16(at, s16(value), true),
      lift: (core) => (number(core) << 16) >> 16,
      lower: s16,
    },
  ],
  [
    "u32",
    {
      load: (view, at) => view.getUint32(at, true),
      store: (view, at, value) => view.setUint32(at, u32(value), true),
      lift: (core) => number(core) >>> 0,
      lower: u32,
    },
  ],
  [
    "s32",
    {
      load: (view, at) => view.getInt32(at, true),
      store: (view, at, value) => view.setInt32(at, s32(value), true),
      lift: (core) => number(core) | 0,
      lower: s32,
    },
  ],
  [
    "u64",
    {
      load: (view, at) => view.getBigUint64(at, true),
      store: (view, at, value) => view.setBigUint64(at, u64(value), true),
      lift: (core) => BigInt.asUintN(64, asBigInt(core)),
      lower: (value) => BigInt.asIntN(64, u64(value)),
    },
  ],
  [
    "s64",
    {
      load: (view, at) => view.getBigInt64(at, true),
      store: (view, at, value) => view.setBigInt64(at, s64(value), true),
      lift: (core) => BigInt.asIntN(64, asBigInt(core)),
      lower: s64,
    },
  ],
  [
    "f32",
    {
      load: (view, at) => view.getFloat32(at, true),
      store(view, at, value) {
        if (Number.isNaN(float(value))) view.setUint32(at, NAN_BITS_32, true);
        else view.setFloat32(at, float(value), true);
      },
      lift: number,
      lower: float,
    },
  ],
  [
    "f64",
    {
      load: (view, at) => view.getFloat64(at, true),
      store(view, at, value) {
        if (Number.isNaN(float(value))) view.setBigUint64(at, NAN_BITS_64, true);
        else view.setFloat64(at, float(value), true);
      },
      lift: number,
      lower: float,
    },
  ],
  [
    "char",
    {
      load: (view, at) => toCharacter(view.getUint32(at, true)),
      store: (view, at, value) => view.setUint32(at, toCodePoint(value), true),
      lift: (core) => toCharacter(number(core) >>> 0),
      lower: toCodePoint,
    },
  ],
]);

/** @returns the codec of a scalar type, `undefined` for every other */
export function scalarCodec(type: PlanType): Codec | undefined {
  const scalar = SCALARS.get(type.kind);
  if (scalar === undefined) return undefined;
  const { load, store, lift, lower } = scalar;
  return {
    type,
    hostBytes: SCALAR_BYTES,
    values: 1,
    load: (passage: Passage, at) => load(passage.view, at),
    store: (passage, value, at) => store(passage.view, at, value),
    lift: (_passage, flat, at) => lift(flat[at]),
    lower: (_passage, value, flat) => void flat.push(lower(value)),
  };
}

function asBigInt(core: unknown): bigint {
  return typeof core === "bigint" ? core : BigInt(number(core) | 0);
}
