/**
 * Checks JSON against a WIT type before it comes near a guest: strict, and complete up to a cap, so that a
 * caller sees all faults with their paths at once. The JSON is attacker-controlled: members are looked up as own
 * properties only, so that `__proto__` or `constructor` is a name like any other.
 */

import { decodeBase64 } from "../base64.ts";
import type { Fault } from "../errors.ts";
import {
  bigBounds,
  decimalPattern,
  integerBounds,
  isBareOption,
  isBytes,
  unwritableNumbers,
} from "./json-type.ts";
import type { WitField, WitFunction, WitType } from "./wit.ts";

/** No more faults than this are reported; an input with more is broken as a whole. */
export const MAX_FAULTS = 20;

/** Longest quotation of a value in a fault, in characters. */
const MAX_QUOTE = 40;

const decimal = new RegExp(decimalPattern);

/**
 * Checks a JSON value against a type, by the table in `json-type.ts`.
 *
 * @param type what is wanted; without handles, streams and futures
 * @param json what `JSON.parse` gave
 * @returns the faults, at most {@link MAX_FAULTS}; empty when the value fits
 */
export function checkValue(type: WitType, json: unknown): readonly Fault[] {
  const faults = new Faults();
  check(type, json, "", faults);
  return faults.list;
}

/**
 * Checks the input of a function: an object with a member per parameter; those of type option may be missing.
 *
 * @returns as {@link checkValue}
 */
export function checkInput(func: WitFunction, json: unknown): readonly Fault[] {
  const faults = new Faults();
  checkMembers(func.params, json, "", faults);
  return faults.list;
}

class Faults {
  readonly list: Fault[] = [];

  get full(): boolean {
    return this.list.length >= MAX_FAULTS;
  }

  add(pointer: string, detail: string): void {
    if (!this.full) this.list.push({ pointer, detail });
  }
}

function check(type: WitType, json: unknown, pointer: string, faults: Faults): void {
  if (faults.full) return;
  const fault = scalarFault(type, json);
  if (fault !== undefined) {
    if (fault !== "") faults.add(pointer, fault);
    return;
  }
  switch (type.kind) {
    case "record":
      checkMembers(type.fields, json, pointer, faults);
      break;
    case "variant":
      checkVariant(type, json, pointer, faults);
      break;
    case "list":
      checkItems(json, pointer, faults, () => type.element);
      break;
    case "tuple":
      if (Array.isArray(json) && json.length !== type.items.length) {
        faults.add(pointer, `must have ${type.items.length} items, has ${json.length}`);
      } else checkItems(json, pointer, faults, (index) => type.items[index]);
      break;
    case "flags":
      checkFlags(type.flags, json, pointer, faults);
      break;
    case "option":
      if (json === null) break;
      if (isBareOption(type)) check(type.some, json, pointer, faults);
      else checkMembers([{ name: "some", type: type.some }], json, pointer, faults, false);
      break;
    case "result":
      checkResult(type, json, pointer, faults);
      break;
    default:
      throw new TypeError(`A type of kind "${type.kind}" has no JSON form`);
  }
}

/** @returns a fault, `""` for a scalar without fault, `undefined` when the type is no scalar */
function scalarFault(type: WitType, json: unknown): string | undefined {
  const bounds = integerBounds.get(type.kind);
  if (bounds !== undefined) {
    const [minimum, maximum] = bounds;
    const fits = Number.isInteger(json) && Number(json) >= minimum && Number(json) <= maximum;
    return fits ? "" : `must be an integer from ${minimum} to ${maximum}, is ${quote(json)}`;
  }
  if (bigBounds.has(type.kind)) return bigFault(type, json);
  if (isBytes(type)) {
    const fits = typeof json === "string" && decodeBase64(json) !== undefined;
    return fits ? "" : `must be base64 with padding (RFC 4648 section 4), is ${quote(json)}`;
  }
  switch (type.kind) {
    case "bool":
      return typeof json === "boolean" ? "" : `must be true or false, is ${quote(json)}`;
    case "f32":
    case "f64":
      return floatFault(type.kind, json);
    case "char":
      return typeof json === "string" && json.isWellFormed() && [...json.slice(0, 3)].length === 1
        ? ""
        : `must be a string of one character, is ${quote(json)}`;
    case "string":
      if (typeof json !== "string") return `must be a string, is ${quote(json)}`;
      return json.isWellFormed() ? "" : "must be Unicode text, holds a surrogate without its pair";
    case "enum":
      return typeof json === "string" && type.cases.includes(json)
        ? ""
        : `must be one of ${type.cases.map((it) => `"${it}"`).join(", ")}, is ${quote(json)}`;
    default:
      return undefined;
  }
}

function bigFault(type: WitType, json: unknown): string {
  const [minimum = 0n, maximum = 0n] = bigBounds.get(type.kind) ?? [];
  const wanted = `must be an integer from ${minimum} to ${maximum}, as a number or a decimal string`;
  if (typeof json === "number") {
    if (!Number.isInteger(json)) return `${wanted}, is ${quote(json)}`;
    if (!Number.isSafeInteger(json)) {
      return `is ${quote(json)}, more than a JSON number carries exactly; write it as a decimal string`;
    }
  } else if (typeof json !== "string" || !decimal.test(json)) return `${wanted}, is ${quote(json)}`;
  const value = BigInt(json);
  return value >= minimum && value <= maximum ? "" : `${wanted}, is ${quote(json)}`;
}

function floatFault(kind: "f32" | "f64", json: unknown): string {
  if (typeof json === "string" && unwritableNumbers.some((it) => it === json)) return "";
  if (typeof json !== "number" || !Number.isFinite(json)) {
    return `must be a number, "NaN", "Infinity" or "-Infinity", is ${quote(json)}`;
  }
  return kind === "f64" || Number.isFinite(Math.fround(json))
    ? ""
    : `is ${quote(json)}, out of range for f32`;
}

function checkItems(
  json: unknown,
  pointer: string,
  faults: Faults,
  typeAt: (index: number) => WitType | undefined,
): void {
  if (!Array.isArray(json)) {
    faults.add(pointer, `must be an array, is ${quote(json)}`);
    return;
  }
  for (let index = 0; index < json.length && !faults.full; index++) {
    const type = typeAt(index);
    if (type !== undefined) check(type, json[index], `${pointer}/${index}`, faults);
  }
}

/** @param optional whether members of type option may be missing */
function checkMembers(
  fields: readonly WitField[],
  json: unknown,
  pointer: string,
  faults: Faults,
  optional = true,
): void {
  const members = ownMembers(json);
  if (members === undefined) {
    faults.add(pointer, `must be an object, is ${quote(json)}`);
    return;
  }
  for (const { name, type } of fields) {
    const path = `${pointer}/${name}`;
    if (members.has(name)) check(type, members.get(name), path, faults);
    else if (!optional || type.kind !== "option") faults.add(path, "is required");
    members.delete(name);
  }
  for (const name of members.keys()) faults.add(`${pointer}/${escapePointer(name)}`, "is unknown");
}

function checkVariant(
  type: WitType & { kind: "variant" },
  json: unknown,
  pointer: string,
  faults: Faults,
): void {
  const tag = ownMembers(json)?.get("tag");
  const found = type.cases.find((it) => it.name === tag);
  if (found === undefined) {
    const tags = type.cases.map((it) => `"${it.name}"`).join(", ");
    faults.add(`${pointer}/tag`, `must be one of ${tags}, is ${quote(tag)}`);
    return;
  }
  // The tag has been checked; what remains is to find unknown members and to check the payload.
  const fields: WitField[] = [{ name: "tag", type: { kind: "enum", cases: [found.name] } }];
  if (found.type !== undefined) fields.push({ name: "val", type: found.type });
  checkMembers(fields, json, pointer, faults);
}

function checkResult(
  type: WitType & { kind: "result" },
  json: unknown,
  pointer: string,
  faults: Faults,
): void {
  const members = ownMembers(json);
  const [side, ...more] = [...(members?.keys() ?? [])];
  if (more.length > 0 || (side !== "ok" && side !== "err")) {
    faults.add(pointer, `must be an object with either "ok" or "err", is ${quote(json)}`);
    return;
  }
  const payload = side === "ok" ? type.ok : type.err;
  const value = members?.get(side);
  if (payload !== undefined) check(payload, value, `${pointer}/${side}`, faults);
  else if (value !== null) faults.add(`${pointer}/${side}`, `must be null, is ${quote(value)}`);
}

function checkFlags(flags: readonly string[], json: unknown, pointer: string, faults: Faults): void {
  if (!Array.isArray(json)) {
    faults.add(pointer, `must be an array of names, is ${quote(json)}`);
    return;
  }
  const seen = new Set<unknown>();
  for (let index = 0; index < json.length && !faults.full; index++) {
    const flag: unknown = json[index];
    if (typeof flag !== "string" || !flags.includes(flag)) {
      const names = flags.map((it) => `"${it}"`).join(", ");
      faults.add(`${pointer}/${index}`, `must be one of ${names}, is ${quote(flag)}`);
    } else if (seen.has(flag)) faults.add(`${pointer}/${index}`, `"${flag}" is there twice`);
    seen.add(flag);
  }
}

/** The own members of a JSON object; `undefined` for anything else. */
function ownMembers(json: unknown): Map<string, unknown> | undefined {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return undefined;
  return new Map(Object.entries(json));
}

function escapePointer(name: string): string {
  return name.slice(0, MAX_QUOTE).replaceAll("~", "~0").replaceAll("/", "~1");
}

/** A short quotation: a stranger's megabyte does not come back to him, or into the log. */
function quote(json: unknown): string {
  if (json === undefined) return "missing";
  if (Array.isArray(json)) return "an array";
  if (typeof json === "object" && json !== null) return "an object";
  const text = typeof json === "string" ? JSON.stringify(json.slice(0, MAX_QUOTE)) : String(json);
  return typeof json === "string" && json.length > MAX_QUOTE ? `${text}…` : text;
}
