/**
 * Turns what the linker lifted out of a guest into JSON, within a limit of bytes.
 *
 * The limit counts the JSON text while it is converted, before each part is built (`output-meter.ts`). Members are read as own data
 * properties; nothing the guest supplied is ever called.
 */
import { encodeBase64 } from "../base64.ts";
import { bigBounds, integerBounds, isBareOption, isBytes, type Json } from "./json-type.ts";
import { lowerCamel } from "./names.ts";
import { Meter } from "./output-meter.ts";
import type { WitCase, WitField, WitFunction, WitType } from "./wit.ts";

/** The guest's value is not of its type: a fault in the linker, or an executor that lies. */
export class GuestValueMismatch extends TypeError {
  override readonly name = "GuestValueMismatch";
  /** RFC 6901 pointer into the output. */
  readonly pointer: string;

  /**
   * @param pointer where in the output
   * @param wanted what the type asks for
   */
  constructor(pointer: string, wanted: string) {
    super(`Cannot convert output at "${pointer}": the guest's value is not ${wanted}`);
    this.pointer = pointer;
  }
}

/** How a call ended: with what it returned, or the payload of the `err` of a result on top. */
export type GuestAnswer = { readonly returned: unknown } | { readonly failed: unknown };

/**
 * Converts the answer of a function. A top-level result is `{ ok }` for what was returned and `{ err }` for the
 * payload that was thrown; the caller tells payloads from traps before.
 *
 * @param func the function
 * @param answer `failed` only for functions whose result is a `result`
 * @param limitBytes longest JSON text, in bytes of UTF-8
 * @throws OutputTooLarge, GuestValueMismatch
 */
export function answerFromGuest(func: WitFunction, answer: GuestAnswer, limitBytes: number): Json {
  const { result } = func;
  const meter = new Meter(limitBytes);
  if (result?.kind === "result") {
    const tag = "returned" in answer ? "ok" : "err";
    return convertSide(result, tag, "returned" in answer ? answer.returned : answer.failed, "", meter);
  }
  if ("failed" in answer) throw new TypeError(`Function "${func.name}" has no result that could fail`);
  if (result === undefined) {
    meter.spend(4);
    return null;
  }
  return convert(result, answer.returned, "", meter);
}

/**
 * Converts one lifted value.
 *
 * @param type its type
 * @param value what was lifted
 * @param limitBytes longest JSON text, in bytes of UTF-8
 * @returns JSON that `checkValue` accepts for the type; options that are none are `null`, negative zero is `0`
 * @throws OutputTooLarge as soon as the text would be longer
 * @throws GuestValueMismatch when the value is not of the type
 */
export function fromGuest(type: WitType, value: unknown, limitBytes: number): Json {
  return convert(type, value, "", new Meter(limitBytes));
}

function convert(type: WitType, value: unknown, pointer: string, meter: Meter): Json {
  const bounds = integerBounds.get(type.kind);
  if (bounds !== undefined) return convertInteger(bounds, value, pointer, meter);
  if (bigBounds.has(type.kind)) return convertBig(type, value, pointer, meter);
  if (isBytes(type)) return convertBytes(value, pointer, meter);
  switch (type.kind) {
    case "bool":
      if (typeof value !== "boolean") throw new GuestValueMismatch(pointer, "a boolean");
      meter.spend(value ? 4 : 5);
      return value;
    case "f32":
    case "f64":
      return convertFloat(value, pointer, meter);
    case "char":
      return convertText(value, pointer, meter, (text) => [...text.slice(0, 3)].length === 1);
    case "string":
      return convertText(value, pointer, meter, () => true);
    case "enum":
      return convertText(value, pointer, meter, (text) => type.cases.includes(text));
    case "record":
      return convertRecord(type.fields, value, pointer, meter);
    case "variant":
      return convertVariant(type.cases, value, pointer, meter);
    case "list":
      return convertItems(value, pointer, meter, () => type.element);
    case "tuple":
      return convertItems(value, pointer, meter, (index) => type.items[index], type.items.length);
    case "flags":
      return convertFlags(type.flags, value, pointer, meter);
    case "option":
      return convertOption(type, value, pointer, meter);
    case "result": {
      const tag = own(value, "tag", pointer);
      if (tag !== "ok" && tag !== "err") throw new GuestValueMismatch(pointer, 'tagged "ok" or "err"');
      return convertSide(type, tag, own(value, "val", pointer), pointer, meter);
    }
    default:
      throw new TypeError(`A type of kind "${type.kind}" has no JSON form`);
  }
}

function convertInteger(
  bounds: readonly [number, number],
  value: unknown,
  pointer: string,
  meter: Meter,
): number {
  const [minimum, maximum] = bounds;
  if (typeof value !== "number" || !Number.isInteger(value) || value < minimum || value > maximum) {
    throw new GuestValueMismatch(pointer, `an integer from ${minimum} to ${maximum}`);
  }
  return spendNumber(value, meter);
}

function convertBig(type: WitType, value: unknown, pointer: string, meter: Meter): Json {
  const [minimum = 0n, maximum = 0n] = bigBounds.get(type.kind) ?? [];
  if (typeof value !== "bigint" || value < minimum || value > maximum) {
    throw new GuestValueMismatch(pointer, `a bigint from ${minimum} to ${maximum}`);
  }
  const number = Number(value);
  if (Number.isSafeInteger(number)) return spendNumber(number, meter);
  const text = String(value);
  meter.spendString(text);
  return text;
}

function convertFloat(value: unknown, pointer: string, meter: Meter): Json {
  if (typeof value !== "number") throw new GuestValueMismatch(pointer, "a number");
  if (Number.isFinite(value)) return spendNumber(value, meter);
  meter.spendString(String(value));
  return String(value);
}

function spendNumber(value: number, meter: Meter): number {
  // JSON has no negative zero of its own: `JSON.stringify(-0)` is "0". Say so here and not somewhere below.
  const plain = value === 0 ? 0 : value;
  meter.spend(String(plain).length);
  return plain;
}

function convertText(value: unknown, pointer: string, meter: Meter, fits: (text: string) => boolean): string {
  if (typeof value !== "string" || !fits(value)) throw new GuestValueMismatch(pointer, "text of its type");
  meter.spendString(value);
  if (!value.isWellFormed()) throw new GuestValueMismatch(pointer, "Unicode text");
  return value;
}

function convertBytes(value: unknown, pointer: string, meter: Meter): string {
  if (!isTypedArray(value, "Uint8Array")) throw new GuestValueMismatch(pointer, "a Uint8Array");
  meter.spend(2 + Math.ceil(value.byteLength / 3) * 4);
  return encodeBase64(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
}

function convertRecord(fields: readonly WitField[], value: unknown, pointer: string, meter: Meter): Json {
  meter.spendFrame(fields.length);
  return fromEntries(
    fields.map((field) => {
      meter.spendKey(field.name);
      const member = own(value, lowerCamel(field.name), pointer);
      return [field.name, convert(field.type, member, `${pointer}/${field.name}`, meter)];
    }),
  );
}

function convertVariant(cases: readonly WitCase[], value: unknown, pointer: string, meter: Meter): Json {
  const tag = own(value, "tag", pointer);
  const found = cases.find((it) => it.name === tag);
  if (found === undefined) throw new GuestValueMismatch(pointer, "tagged with one of its cases");
  meter.spendFrame(found.type === undefined ? 1 : 2);
  meter.spendKey("tag");
  meter.spendString(found.name);
  if (found.type === undefined) return { tag: found.name };
  meter.spendKey("val");
  return { tag: found.name, val: convert(found.type, own(value, "val", pointer), `${pointer}/val`, meter) };
}

function convertSide(
  type: WitType & { kind: "result" },
  tag: "ok" | "err",
  value: unknown,
  pointer: string,
  meter: Meter,
): Json {
  meter.spendFrame(1);
  meter.spendKey(tag);
  const payload = type[tag];
  if (payload === undefined) meter.spend(4);
  return { [tag]: payload === undefined ? null : convert(payload, value, `${pointer}/${tag}`, meter) };
}

function convertOption(
  type: WitType & { kind: "option" },
  value: unknown,
  pointer: string,
  meter: Meter,
): Json {
  const isBare = isBareOption(type);
  const tag = isBare ? undefined : own(value, "tag", pointer);
  if (isBare ? value === undefined || value === null : tag === "none") {
    meter.spend(4);
    return null;
  }
  if (isBare) return convert(type.some, value, pointer, meter);
  if (tag !== "some") throw new GuestValueMismatch(pointer, 'tagged "some" or "none"');
  meter.spendFrame(1);
  meter.spendKey("some");
  return { some: convert(type.some, own(value, "val", pointer), `${pointer}/some`, meter) };
}

function convertItems(
  value: unknown,
  pointer: string,
  meter: Meter,
  typeAt: (index: number) => WitType | undefined,
  length?: number,
): Json {
  const isList = Array.isArray(value) || isTypedArray(value);
  if (!isList || (length !== undefined && value.length !== length)) {
    throw new GuestValueMismatch(pointer, length === undefined ? "a list" : `a list of ${length} items`);
  }
  meter.spendFrame(value.length);
  const converted: Json[] = [];
  for (let index = 0; index < value.length; index++) {
    const type = typeAt(index);
    const item: unknown = value[index];
    if (type !== undefined) converted.push(convert(type, item, `${pointer}/${index}`, meter));
  }
  return converted;
}

function convertFlags(flags: readonly string[], value: unknown, pointer: string, meter: Meter): Json {
  const set = flags.filter((flag) => own(value, lowerCamel(flag), pointer) === true);
  meter.spendFrame(set.length);
  for (const flag of set) meter.spendString(flag);
  return set;
}

/** An own data property. Inherited members and accessors count as missing: a getter would be code. */
function own(value: unknown, name: string, pointer: string): unknown {
  if (typeof value !== "object" || value === null) throw new GuestValueMismatch(pointer, "an object");
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}

/** Members under any name, `__proto__` included, become own members. */
function fromEntries(entries: readonly (readonly [string, Json])[]): Json {
  return Object.fromEntries(entries);
}

type NumericArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

/** Tells typed arrays by their internal slot: `instanceof` fails when the value is of another realm. */
const typedArrayName = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  Symbol.toStringTag,
)?.get;

function isTypedArray(value: unknown, name?: string): value is NumericArray {
  const found: unknown = typedArrayName?.call(value);
  return name === undefined ? found !== undefined : found === name;
}
