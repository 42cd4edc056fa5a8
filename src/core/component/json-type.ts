/**
 * How WIT types look in JSON, decided once for the schema, the check and both conversions:
 *
 * | WIT | JSON |
 * |---|---|
 * | u8 … s32 | integer in range |
 * | u64, s64 | integer within ±(2^53 - 1), or a decimal string; written as a number when safe, else as a string |
 * | f32, f64 | number, or `"NaN"`, `"Infinity"`, `"-Infinity"` |
 * | char | string of one code point |
 * | list<u8> | base64 (RFC 4648 section 4, padded) |
 * | other lists, tuples | array |
 * | record | object; members of type option may be missing |
 * | flags | array of the names that are set, each once |
 * | enum | string |
 * | variant | `{ "tag": … }` or `{ "tag": …, "val": … }` |
 * | option | `null` or the value; an option directly in an option is `null` or `{ "some": … }` |
 * | result | `{ "ok": … }` or `{ "err": … }`, `null` where there is no payload |
 * | own, borrow, stream, future | refused: they live only during a call |
 */
import { refuseComponent } from "../errors.ts";
import type { WitFunction, WitType } from "./wit.ts";

/** A JSON value. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** Types written as JSON integers with the bounds of their width. */
export const integerBounds: ReadonlyMap<WitType["kind"], readonly [minimum: number, maximum: number]> =
  new Map([
    ["u8", [0, 0xff]],
    ["u16", [0, 0xffff]],
    ["u32", [0, 0xffffffff]],
    ["s8", [-0x80, 0x7f]],
    ["s16", [-0x8000, 0x7fff]],
    ["s32", [-0x80000000, 0x7fffffff]],
  ]);

/** The 64-bit types with their bounds. */
export const bigBounds: ReadonlyMap<WitType["kind"], readonly [minimum: bigint, maximum: bigint]> = new Map([
  ["u64", [0n, 2n ** 64n - 1n]],
  ["s64", [-(2n ** 63n), 2n ** 63n - 1n]],
]);

/** A 64-bit integer as a string: canonical decimal, so that each number has one spelling. */
export const decimalPattern = "^(?:0|-?[1-9][0-9]{0,19})$";

/** The numbers that JSON has no literal for. */
export const unwritableNumbers = ["NaN", "Infinity", "-Infinity"] as const;

/**
 * Whether an option is written as `null` or the bare value. It is not when the value inside may be `null`
 * itself; the linker alternates by the same rule (`undefined` or the value, else `{ tag, val }`).
 */
export function isBareOption(type: WitType): boolean {
  return type.kind === "option" && !isBareOption(type.some);
}

/** Whether a list is written as base64. */
export function isBytes(type: WitType): boolean {
  return type.kind === "list" && type.element.kind === "u8";
}

/**
 * Says why a function can not be called with JSON.
 *
 * @returns the reason, naming parameter or result; `undefined` when it can be called
 */
export function jsonObstacle(func: WitFunction): string | undefined {
  if (func.kind !== "free") return `"${func.name}" belongs to a resource, which lives only during a call`;
  for (const param of func.params) {
    const found = liveType(param.type);
    if (found !== undefined)
      return `parameter "${param.name}" holds ${found}, which lives only during a call`;
  }
  const found = func.result && liveType(func.result);
  return found === undefined ? undefined : `the result holds ${found}, which lives only during a call`;
}

/** Refuses a function that can not be called with JSON; see {@link jsonObstacle}. */
export function assertJsonCallable(func: WitFunction): void {
  const obstacle = jsonObstacle(func);
  if (obstacle !== undefined) {
    throw refuseComponent(`Cannot describe function "${func.name}" as JSON: ${obstacle}`);
  }
}

function liveType(type: WitType): string | undefined {
  switch (type.kind) {
    case "own":
    case "borrow":
      return `a handle of the resource "${type.resource}"`;
    case "stream":
    case "future":
      return `a ${type.kind}`;
    default:
      return partsOf(type)
        .map(liveType)
        .find((found) => found !== undefined);
  }
}

/** The types directly inside a type. */
export function partsOf(type: WitType): readonly WitType[] {
  switch (type.kind) {
    case "record":
      return type.fields.map((field) => field.type);
    case "variant":
      return type.cases.flatMap((it) => it.type ?? []);
    case "tuple":
      return type.items;
    case "list":
      return [type.element];
    case "option":
      return [type.some];
    case "result":
      return [type.ok ?? [], type.err ?? []].flat();
    case "stream":
    case "future":
      return type.element === undefined ? [] : [type.element];
    default:
      return [];
  }
}
