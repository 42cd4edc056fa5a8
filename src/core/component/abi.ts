/**
 * How value types lie in linear memory and travel as core values: sizes, alignments, flat forms. Computed once per
 * type when links are planned, so that no run ever asks for the size of a type.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#alignment
 */
import { refuseComponent } from "../errors.ts";
import type { ValueKind } from "./nodes.ts";

/** Core types that a flat value consists of. */
export type FlatType = "i32" | "i64" | "f32" | "f64";

/** Core values that parameters may take before they go through memory. */
export const MAX_FLAT_PARAMS = 16;
/** The same of an asynchronous `canon lower`. */
export const MAX_FLAT_ASYNC_PARAMS = 4;
/** Core values that a result may take before it goes through memory. */
export const MAX_FLAT_RESULTS = 1;
/** Largest value type, in bytes: far above any real type, far below where an offset stops being a 32-bit number. */
const MAX_VALUE_BYTES = 2 ** 28 - 1;

/** Where a type's values lie. */
export interface Layout {
  /** Bytes in memory. */
  readonly size: number;
  /** 1, 2, 4 or 8. */
  readonly alignment: number;
  /** Core values; `null` when they are more than {@link MAX_FLAT_PARAMS}. */
  readonly flat: readonly FlatType[] | null;
}

const scalars: ReadonlyMap<ValueKind, readonly [size: number, flat: FlatType]> = new Map<
  ValueKind,
  readonly [size: number, flat: FlatType]
>([
  ["bool", [1, "i32"]],
  ["u8", [1, "i32"]],
  ["s8", [1, "i32"]],
  ["u16", [2, "i32"]],
  ["s16", [2, "i32"]],
  ["u32", [4, "i32"]],
  ["s32", [4, "i32"]],
  ["char", [4, "i32"]],
  ["f32", [4, "f32"]],
  ["u64", [8, "i64"]],
  ["s64", [8, "i64"]],
  ["f64", [8, "f64"]],
  ["own", [4, "i32"]],
  ["borrow", [4, "i32"]],
  ["stream", [4, "i32"]],
  ["future", [4, "i32"]],
]);

/**
 * @param kind the type's kind
 * @param labels how many labels it has: cases of an enum, names of flags
 * @param items layouts of its parts, `undefined` for a case without payload
 * @throws GatewayError `component-refused` when a value is larger than an offset may be
 */
export function layoutOf(kind: ValueKind, labels: number, items: readonly (Layout | undefined)[]): Layout {
  const scalar = scalars.get(kind);
  if (scalar !== undefined) return { size: scalar[0], alignment: scalar[0], flat: [scalar[1]] };
  switch (kind) {
    case "string":
    case "list":
      return { size: 8, alignment: 4, flat: ["i32", "i32"] };
    case "record":
    case "tuple":
      return structLayout(items);
    case "flags": {
      const size = labels <= 8 ? 1 : labels <= 16 ? 2 : 4;
      return { size, alignment: size, flat: ["i32"] };
    }
    case "enum": {
      const size = discriminantBytes(labels);
      return { size, alignment: size, flat: ["i32"] };
    }
    case "option":
      return variantLayout([undefined, items[0]]);
    default:
      // variant and result: one item per case.
      return variantLayout(items);
  }
}

/** Bytes of a variant's discriminant. */
export function discriminantBytes(cases: number): 1 | 2 | 4 {
  return cases <= 0x100 ? 1 : cases <= 0x10000 ? 2 : 4;
}

/** Where a variant's payload begins. */
export function payloadOffset(cases: readonly (Layout | undefined)[]): number {
  let alignment = 1;
  for (const it of cases) alignment = Math.max(alignment, it?.alignment ?? 1);
  return alignUp(discriminantBytes(cases.length), alignment);
}

/** The least multiple of `alignment` that is not below `offset`. */
export function alignUp(offset: number, alignment: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

function structLayout(items: readonly (Layout | undefined)[]): Layout {
  let size = 0;
  let alignment = 1;
  let flat: FlatType[] | null = [];
  for (const item of items) {
    if (item === undefined) throw new TypeError("A part of a record has no layout");
    size = alignUp(size, item.alignment) + item.size;
    alignment = Math.max(alignment, item.alignment);
    flat = capped(flat === null || item.flat === null ? null : [...flat, ...item.flat]);
  }
  return { size: checked(alignUp(size, alignment)), alignment, flat };
}

function variantLayout(cases: readonly (Layout | undefined)[]): Layout {
  let payload = 0;
  let alignment: number = discriminantBytes(cases.length);
  let flat: FlatType[] | null = [];
  for (const item of cases) {
    if (item === undefined) continue;
    payload = Math.max(payload, item.size);
    alignment = Math.max(alignment, item.alignment);
    flat = flat === null || item.flat === null ? null : joined(flat, item.flat);
  }
  const size = checked(alignUp(payloadOffset(cases) + payload, alignment));
  return { size, alignment, flat: capped(flat === null ? null : ["i32", ...flat]) };
}

/** Two payloads share their places: each place gets a type that holds both. */
function joined(one: readonly FlatType[], other: readonly FlatType[]): FlatType[] {
  const longer = one.length >= other.length ? one : other;
  const shorter = longer === one ? other : one;
  return longer.map((type, index) => {
    const second = shorter[index];
    if (second === undefined || second === type) return type;
    return isNarrow(type) && isNarrow(second) ? "i32" : "i64";
  });
}

function isNarrow(type: FlatType): boolean {
  return type === "i32" || type === "f32";
}

function capped(flat: FlatType[] | null): FlatType[] | null {
  return flat !== null && flat.length > MAX_FLAT_PARAMS ? null : flat;
}

function checked(size: number): number {
  if (size <= MAX_VALUE_BYTES) return size;
  throw refuseComponent(
    `Cannot link component: a value type takes ${size} bytes in memory, more than ${MAX_VALUE_BYTES}`,
  );
}
