/**
 * Turns checked JSON into the values that the linker lowers into a guest's memory.
 *
 * Objects have no prototype: a flag called `to-string` would find a member in one.
 */
import { decodeBase64 } from "../base64.ts";
import { isBareOption } from "./json-type.ts";
import { lowerCamel } from "./names.ts";
import type { WitFunction, WitType } from "./wit.ts";

/** Numeric lists become typed arrays, which are copied at once. */
const numericLists: ReadonlyMap<WitType["kind"], (items: readonly unknown[]) => ArrayBufferView> = new Map<
  WitType["kind"],
  (items: readonly unknown[]) => ArrayBufferView
>([
  ["s8", (items) => Int8Array.from(items, Number)],
  ["u16", (items) => Uint16Array.from(items, Number)],
  ["s16", (items) => Int16Array.from(items, Number)],
  ["u32", (items) => Uint32Array.from(items, Number)],
  ["s32", (items) => Int32Array.from(items, Number)],
  ["u64", (items) => BigUint64Array.from(items, toBigInt)],
  ["s64", (items) => BigInt64Array.from(items, toBigInt)],
  ["f32", (items) => Float32Array.from(items, Number)],
  ["f64", (items) => Float64Array.from(items, Number)],
]);

/**
 * Converts the input of a function into positional arguments.
 *
 * @param func the function
 * @param input accepted by `checkInput` for the same function
 * @throws TypeError when the input was not checked
 */
export function toGuestArguments(func: WitFunction, input: unknown): readonly unknown[] {
  return func.params.map((param) => toGuest(param.type, own(input, param.name)));
}

/**
 * Converts one JSON value.
 *
 * @param type its type
 * @param json accepted by `checkValue` for the same type; `undefined` for a missing option
 * @returns bigint for 64-bit integers, `Uint8Array` for `list<u8>`, typed arrays for other numeric lists,
 *   records with camelCase keys, `{ tag, val }` for variants and results, `undefined` for none
 * @throws TypeError when the value was not checked
 */
export function toGuest(type: WitType, json: unknown): unknown {
  switch (type.kind) {
    case "u64":
    case "s64":
      return toBigInt(json);
    case "f32":
    case "f64":
      return Number(json);
    case "record":
      return bare(type.fields.map((it) => [lowerCamel(it.name), toGuest(it.type, own(json, it.name))]));
    case "variant": {
      const tag = own(json, "tag");
      const payload = type.cases.find((it) => it.name === tag)?.type;
      const val = payload === undefined ? undefined : toGuest(payload, own(json, "val"));
      return bare([
        ["tag", tag],
        ["val", val],
      ]);
    }
    case "list":
      return toGuestList(type.element, json);
    case "tuple":
      return type.items.map((item, index) => toGuest(item, array(json)[index]));
    case "flags":
      return bare(array(json).map((flag) => [lowerCamel(String(flag)), true]));
    case "option":
      return toGuestOption(type, json);
    case "result": {
      const tag = own(json, "ok") === undefined ? "err" : "ok";
      const payload = type[tag];
      const val = payload === undefined ? undefined : toGuest(payload, own(json, tag));
      return bare([
        ["tag", tag],
        ["val", val],
      ]);
    }
    case "own":
    case "borrow":
    case "stream":
    case "future":
      throw new TypeError(`A type of kind "${type.kind}" has no JSON form`);
    default:
      return json;
  }
}

function toGuestOption(type: WitType & { kind: "option" }, json: unknown): unknown {
  const none = json === null || json === undefined;
  if (isBareOption(type)) return none ? undefined : toGuest(type.some, json);
  if (none) return bare([["tag", "none"]]);
  return bare([
    ["tag", "some"],
    ["val", toGuest(type.some, own(json, "some"))],
  ]);
}

function toGuestList(element: WitType, json: unknown): unknown {
  if (element.kind === "u8") {
    const bytes = typeof json === "string" ? decodeBase64(json) : undefined;
    if (bytes === undefined) throw new TypeError("Cannot convert bytes: the text is not base64");
    return bytes;
  }
  const numeric = numericLists.get(element.kind);
  return numeric === undefined ? array(json).map((item) => toGuest(element, item)) : numeric(array(json));
}

function toBigInt(json: unknown): bigint {
  if (typeof json !== "number" && typeof json !== "string") {
    throw new TypeError("Cannot convert an integer: it is neither a number nor a string");
  }
  return BigInt(json);
}

function array(json: unknown): readonly unknown[] {
  if (!Array.isArray(json)) throw new TypeError("Cannot convert a list: the value is no array");
  return json;
}

/** An own member; `undefined` when missing, whatever the prototype may offer under that name. */
function own(json: unknown, name: string): unknown {
  if (typeof json !== "object" || json === null)
    throw new TypeError("Cannot convert: the value is no object");
  return Object.getOwnPropertyDescriptor(json, name)?.value;
}

function bare(entries: readonly (readonly [string, unknown])[]): object {
  return Object.assign(Object.create(null), Object.fromEntries(entries));
}
