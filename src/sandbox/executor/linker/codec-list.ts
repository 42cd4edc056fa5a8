/**
 * Codecs of texts and lists: a pointer and a length. What is behind the pointer is charged before it is read, by what
 * the element's type may become.
 */
import type { PlanType } from "../../../core/component/index.ts";
import { trapIf } from "./abi-trap.ts";
import { BorderMismatch, type Codec, OBJECT_BYTES, SCALAR_BYTES } from "./codec.ts";
import type { Passage } from "./passage.ts";
import { loadText, storeText } from "./text.ts";

/** A typed array and the buffer beneath it, beside their bytes. An empty one costs no less. */
const BUFFER_BYTES = 512;
/** Longest list, in bytes of guest memory. */
const MAX_LIST_BYTES = 2 ** 28 - 1;

type NumericArray = {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBuffer): ArrayBufferView & ArrayLike<unknown>;
};

/** Lists that are copied at once. Guest memory is little-endian, and so is every machine that runs this. */
const NUMERIC: ReadonlyMap<PlanType["kind"], NumericArray> = new Map<PlanType["kind"], NumericArray>([
  ["u8", Uint8Array],
  ["s8", Int8Array],
  ["u16", Uint16Array],
  ["s16", Int16Array],
  ["u32", Uint32Array],
  ["s32", Int32Array],
  ["u64", BigUint64Array],
  ["s64", BigInt64Array],
  ["f32", Float32Array],
  ["f64", Float64Array],
]);

/** Codec of `string`. */
export function textCodec(type: PlanType): Codec {
  function store(passage: Passage, value: unknown): readonly [at: number, units: number] {
    if (typeof value !== "string") throw new BorderMismatch("text");
    return storeText(passage, value);
  }
  return {
    type,
    hostBytes: SCALAR_BYTES,
    values: 0,
    ...pointed(loadText, store),
  };
}

/** Codec of a list. */
export function listCodec(type: PlanType, element: Codec): Codec {
  const range = rangeCodec(element);
  const { size, alignment } = element.type;
  function store(passage: Passage, value: unknown): readonly [at: number, length: number] {
    const values = listOf(value);
    trapIf(values.length * size > MAX_LIST_BYTES, "list-too-long");
    range.charge(passage, values);
    const at = passage.allocate(alignment, values.length * size);
    range.store(passage, at, values);
    return [at, values.length];
  }
  return { type, hostBytes: OBJECT_BYTES, values: 0, ...pointed(range.load, store) };
}

/** The four ways of a type that is a pointer and a length. */
function pointed(
  load: (passage: Passage, at: number, length: number) => unknown,
  store: (passage: Passage, value: unknown) => readonly [at: number, length: number],
): Pick<Codec, "load" | "store" | "lift" | "lower"> {
  return {
    load: (passage, at) =>
      load(passage, passage.view.getUint32(at, true), passage.view.getUint32(at + 4, true)),
    store(passage, value, at) {
      const [pointer, length] = store(passage, value);
      passage.view.setUint32(at, pointer, true);
      passage.view.setUint32(at + 4, length, true);
    },
    lift: (passage, flat, at) => load(passage, Number(flat[at]) >>> 0, Number(flat[at + 1]) >>> 0),
    lower(passage, value, flat) {
      flat.push(...store(passage, value));
    },
  };
}

function requireList(passage: Passage, at: number, length: number, { type }: Codec): void {
  trapIf(length * type.size > MAX_LIST_BYTES, "list-too-long");
  passage.require(at, length * type.size, type.alignment);
}

/** How values of one type that lie one after the other are read and written. */
export interface RangeCodec {
  /** @returns a typed array of numbers, an array of anything else */
  load(passage: Passage, at: number, length: number): ArrayLike<unknown>;
  /** Charges what {@link store} will do. */
  charge(passage: Passage, values: ArrayLike<unknown>): void;
  /** Writes where there is room. The passage is fresh. */
  store(passage: Passage, at: number, values: ArrayLike<unknown>): void;
}

/** Makes the range codec of an element's. */
export function rangeCodec(element: Codec): RangeCodec {
  const { size } = element.type;
  const Numbers = NUMERIC.get(element.type.kind);
  const isCopied = (values: ArrayLike<unknown>): values is ArrayLike<unknown> & ArrayBufferView =>
    Numbers !== undefined && values instanceof Numbers;

  function loadNumbers(passage: Passage, at: number, length: number, As: NumericArray): ArrayLike<unknown> {
    passage.meter.lift(length * size, 1, BUFFER_BYTES + length * size);
    // A copy, always: the guest goes on running, and its memory with it.
    return new As(passage.bytes.slice(at, at + length * size).buffer);
  }

  return {
    load(passage, at, length) {
      requireList(passage, at, length, element);
      if (Numbers !== undefined) return loadNumbers(passage, at, length, Numbers);
      passage.meter.lift(length * size, 1 + length * element.values, length * element.hostBytes);
      const items: unknown[] = [];
      for (let index = 0; index < length; index++) items.push(element.load(passage, at + index * size));
      return items;
    },
    charge(passage, values) {
      const each = isCopied(values) ? 0 : values.length * element.values;
      passage.meter.lower(values.length * size, 1 + each);
    },
    store(passage, at, values) {
      if (isCopied(values)) {
        passage.bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
        return;
      }
      for (let index = 0; index < values.length; index++)
        element.store(passage, values[index], at + index * size);
    },
  };
}

function listOf(value: unknown): ArrayLike<unknown> {
  if (Array.isArray(value)) return value;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView))
    // Every other view is a typed array.
    return value as ArrayBufferView & ArrayLike<unknown>;
  throw new BorderMismatch("list");
}
