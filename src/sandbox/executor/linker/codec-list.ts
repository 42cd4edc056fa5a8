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
  new (buffer: ArrayBuffer): ArrayBufferView;
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
  const numeric = NUMERIC.get(element.type.kind);
  const load = numeric === undefined ? loadItems(element) : loadNumbers(element, numeric);
  const store = numeric === undefined ? storeItems(element) : storeNumbers(element, numeric);
  return { type, hostBytes: OBJECT_BYTES, values: 0, ...pointed(load, store) };
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

function loadNumbers(element: Codec, Numbers: NumericArray) {
  const { size } = element.type;
  return (passage: Passage, at: number, length: number): unknown => {
    requireList(passage, at, length, element);
    passage.meter.lift(length * size, 1, BUFFER_BYTES + length * size);
    // A copy, always: the guest goes on running, and its memory with it.
    return new Numbers(passage.bytes.slice(at, at + length * size).buffer);
  };
}

function storeNumbers(element: Codec, Numbers: NumericArray) {
  const { size, alignment } = element.type;
  const storeOneByOne = storeItems(element);
  return (passage: Passage, value: unknown): readonly [at: number, length: number] => {
    if (!(value instanceof Numbers)) return storeOneByOne(passage, value);
    const length = value.byteLength;
    trapIf(length > MAX_LIST_BYTES, "list-too-long");
    passage.meter.lower(length, 1);
    const at = passage.allocate(alignment, length);
    passage.bytes.set(new Uint8Array(value.buffer, value.byteOffset, length), at);
    return [at, length / size];
  };
}

function loadItems(element: Codec) {
  const { size } = element.type;
  return (passage: Passage, at: number, length: number): unknown => {
    requireList(passage, at, length, element);
    passage.meter.lift(length * size, 1 + length * element.values, length * element.hostBytes);
    const items: unknown[] = [];
    for (let index = 0; index < length; index++) items.push(element.load(passage, at + index * size));
    return items;
  };
}

function storeItems(element: Codec) {
  const { size, alignment } = element.type;
  return (passage: Passage, value: unknown): readonly [at: number, length: number] => {
    if (!Array.isArray(value) && !(ArrayBuffer.isView(value) && Symbol.iterator in value))
      throw new BorderMismatch("list");
    // A typed array, which iterates its numbers, or an array.
    const items: readonly unknown[] = Array.isArray(value)
      ? value
      : [...(value as Iterable<unknown> & object)];
    const bytes = items.length * size;
    trapIf(bytes > MAX_LIST_BYTES, "list-too-long");
    passage.meter.lower(bytes, 1 + items.length * element.values);
    const at = passage.allocate(alignment, bytes);
    for (const [index, item] of items.entries()) element.store(passage, item, at + index * size);
    return [at, items.length];
  };
}
