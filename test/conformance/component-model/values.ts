/** Values of the component model's scripts: what they are on the linker's border, and whether one is another. */
import { lowerCamel } from "../../../src/core/component/index.ts";
import type { Expression } from "../../core/metering/spec/script.ts";
import { headOf, textOf } from "../../core/metering/spec/script.ts";

/** Reads `(u32.const 1)`, `(list.const …)`, `(variant.const "a" …)` and their like, as the linker takes them. */
export function readValue(form: Expression): unknown {
  const parts = form.kind === "list" ? form.items.slice(1) : [];
  const text = textOf(parts[0]);
  switch (headOf(form)) {
    case "bool.const":
      return text === "true";
    case "u64.const":
    case "s64.const":
      return BigInt(text.replaceAll("_", ""));
    case "f32.const":
      return Math.fround(floatOf(text));
    case "f64.const":
      return floatOf(text);
    case "char.const":
    case "str.const":
    case "enum.const":
      return text;
    case "list.const":
    case "tuple.const":
      return parts.map(readValue);
    case "record.const":
      return Object.fromEntries(parts.map(readField));
    case "flags.const":
      return Object.fromEntries(parts.map((part) => [lowerCamel(textOf(part)), true]));
    case "variant.const":
      return parts[1] === undefined ? { tag: text } : { tag: text, val: readValue(parts[1]) };
    case "option.none":
      return undefined;
    case "option.some":
      return parts[0] === undefined ? undefined : readValue(parts[0]);
    case "result.ok":
      return tagged("ok", parts[0]);
    case "result.err":
      return tagged("err", parts[0]);
    default:
      return integerOf(text);
  }
}

/** Whether a value that was lifted is the one that a script expects; NaN is NaN, and flags not set may be left out. */
export function isSame(expected: unknown, seen: unknown): boolean {
  if (Array.isArray(expected)) {
    const items = itemsOf(seen);
    return items?.length === expected.length && expected.every((item, index) => isSame(item, items[index]));
  }
  if (!isObject(expected)) return Object.is(expected, seen);
  if (!isObject(seen)) return false;
  return [...new Set([...Object.keys(expected), ...Object.keys(seen)])].every((key) => {
    const [wanted, there] = [Reflect.get(expected, key), Reflect.get(seen, key)];
    return isSame(wanted, there) || (wanted === undefined && there === false);
  });
}

/** `(field "a" u32.const 1)`: the value stands without parentheses of its own. */
function readField(form: Expression): [string, unknown] {
  const [, name, ...value] = form.kind === "list" ? form.items : [];
  const only = value[0]?.kind === "list" ? value[0] : { ...form, kind: "list" as const, items: value };
  return [lowerCamel(textOf(name)), readValue(only)];
}

function tagged(tag: string, payload: Expression | undefined): unknown {
  return payload === undefined ? { tag } : { tag, val: readValue(payload) };
}

function integerOf(text: string): number {
  const plain = text.replaceAll("_", "");
  return plain.startsWith("-") ? -Number(plain.slice(1)) : Number(plain);
}

function floatOf(text: string): number {
  if (/^[+-]?nan/.test(text)) return Number.NaN;
  const infinite = /^([+-]?)inf$/.exec(text);
  if (infinite !== null) return infinite[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  const hex = /^([+-]?)0x([0-9a-f]*)\.?([0-9a-f]*)(?:p([+-]?\d+))?$/i.exec(text.replaceAll("_", ""));
  if (hex === null) return Number(text.replaceAll("_", ""));
  const [, sign, whole = "", part = "", exponent = "0"] = hex;
  const value = Number(`0x${whole}${part}`) * 2 ** (Number(exponent) - 4 * part.length);
  return sign === "-" ? -value : value;
}

function itemsOf(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value;
  return ArrayBuffer.isView(value) && Symbol.iterator in value
    ? [...(value as Iterable<unknown> & object)]
    : undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
