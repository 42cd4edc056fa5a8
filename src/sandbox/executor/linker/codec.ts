/**
 * How values of one type cross the border: read from memory or from core values, written to memory or to core values.
 * Made once per type and component, as closures over what the plan says; no run makes any, and no code is generated.
 *
 * In JavaScript: numbers, bigints, booleans and strings; `Uint8Array` for `list<u8>`, other typed arrays for other
 * numeric lists, arrays for the rest; records and flags as objects with camelCase keys; `{ tag, val }` for variants and
 * results; the name for enums; `undefined` or the value for options, `{ tag: "some" | "none", val }` where an option
 * is directly in an option; a handle's representation for handles.
 */
import type { PlanType } from "../../../core/component/index.ts";
import type { Passage } from "./passage.ts";

/** A type's codec. */
export interface Codec {
  readonly type: PlanType;
  /** Host memory that a value takes when it is lifted, at most, in bytes; texts and lists add their own. */
  readonly hostBytes: number;
  /** Values that it counts for in fuel, at most; texts and lists add their own. */
  readonly values: number;
  /** Reads from memory. The passage is fresh, and the bytes at `at` are in memory and aligned. */
  load(passage: Passage, at: number): unknown;
  /** Writes to memory. Room at `at` is there; views may be stale afterwards, which `store` itself refreshes. */
  store(passage: Passage, value: unknown, at: number): void;
  /** Reads from core values, the first of which is `flat[at]`. */
  lift(passage: Passage, flat: readonly unknown[], at: number): unknown;
  /** Appends core values. */
  lower(passage: Passage, value: unknown, flat: unknown[]): void;
}

/** A record, tuple, variant or flags object with its slots. */
export const OBJECT_BYTES = 64;
/** A number, a bigint, a text of one character, a slot of an array that doubles. */
export const SCALAR_BYTES = 48;

/** The value is not of its type: what a binding returned, or an input that nobody checked. A bug, not the guest's. */
export class BorderMismatch extends TypeError {
  override readonly name = "BorderMismatch";

  constructor(wanted: string) {
    super(`Cannot lower a value: it is no ${wanted}`);
  }
}

/** Own data members only: `toString` of a prototype is no member of a record. */
export function memberOf(value: unknown, key: string): unknown {
  if (typeof value !== "object" || value === null) throw new BorderMismatch("object");
  return Object.hasOwn(value, key) ? (value as { readonly [key: string]: unknown })[key] : undefined;
}
