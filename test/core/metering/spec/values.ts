/**
 * Values of the spec suite's scripts, bit for bit: a call with floats or vectors goes through a small module of its
 * own, because JavaScript numbers do not keep NaN payloads and can not hold vectors at all.
 */

import { Writer } from "../../../../src/core/metering/binary/writer.ts";
import type { Expression } from "./script.ts";
import { headOf, textOf } from "./script.ts";

/** Value types with a fixed size: their code in the binary format and their bytes. */
const SIZED: Readonly<
  Record<string, { readonly code: number; readonly bytes: number; readonly store: readonly number[] }>
> = {
  i32: { code: 0x7f, bytes: 4, store: [0x36, 0, 0] },
  i64: { code: 0x7e, bytes: 8, store: [0x37, 0, 0] },
  f32: { code: 0x7d, bytes: 4, store: [0x38, 0, 0] },
  f64: { code: 0x7c, bytes: 8, store: [0x39, 0, 0] },
  v128: { code: 0x7b, bytes: 16, store: [0xfd, 0x0b, 0, 0] },
};

const CONST: Readonly<Record<string, readonly number[]>> = { f32: [0x43], f64: [0x44], v128: [0xfd, 0x0c] };

/** An argument or an expected result. */
export interface ScriptValue {
  readonly type: string;
  /** Bits of a number or vector; undefined where it is a reference or a NaN pattern. */
  readonly bits?: Uint8Array;
  /** Per lane: `nan:canonical`, `nan:arithmetic`, or exact bits. */
  readonly lanes?: readonly {
    readonly width: number;
    readonly pattern: string | undefined;
    readonly bits: Uint8Array;
  }[];
  readonly form: Expression;
}

/** Reads `(i32.const 1)`, `(v128.const f32x4 …)`, `(ref.extern 1)` and their like. */
export function readValue(form: Expression): ScriptValue {
  const head = headOf(form) ?? "";
  const items = form.kind === "list" ? form.items.slice(1).map(textOf) : [];
  const type = head.split(".")[0] ?? "";
  if (!head.endsWith(".const")) return { type: "ref", form };
  if (type === "v128") {
    const shape = items[0] ?? "";
    const width = Number(/^[if](\d+)x/.exec(shape)?.[1] ?? 0) / 8;
    const lanes = items.slice(1).map((text) => lane(shape[0] ?? "i", width, text));
    return { type, lanes, bits: concat(lanes.map((each) => each.bits)), form };
  }
  const only = lane(type[0] ?? "i", SIZED[type]?.bytes ?? 4, items[0] ?? "0");
  return { type, lanes: [only], bits: only.bits, form };
}

/** Whether a value must not pass through a JavaScript number. */
export function needsBits(value: ScriptValue): boolean {
  return value.type === "f32" || value.type === "f64" || value.type === "v128";
}

/** Calls a function with exact bits. @returns the bits of each result */
export function callBits(
  called: WebAssembly.ExportValue,
  params: readonly ScriptValue[],
  results: readonly ScriptValue[],
): Uint8Array[] {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(callerModule(params, results)), {
    m: { f: called },
  });
  const { t, memory } = exports;
  if (typeof t !== "function" || !(memory instanceof WebAssembly.Memory)) throw new TypeError("No caller");
  t();
  return results.map((result, i) => new Uint8Array(memory.buffer, i * 16, SIZED[result.type]?.bytes ?? 0));
}

/** Whether bits are what a result asks for, NaN patterns included. */
export function matchesBits(expected: ScriptValue, bits: Uint8Array): boolean {
  let offset = 0;
  return (expected.lanes ?? []).every(({ width, pattern, bits: wanted }) => {
    const seen = bits.subarray(offset, offset + width);
    offset += width;
    return pattern === undefined ? seen.every((byte, i) => byte === wanted[i]) : isNaNPattern(seen, pattern);
  });
}

function isNaNPattern(bits: Uint8Array, pattern: string): boolean {
  const value = bits.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  const [exponentAndQuiet, magnitude] =
    bits.length === 4 ? [0x7fc00000n, 0x7fffffffn] : [0x7ff8000000000000n, 0x7fffffffffffffffn];
  if (pattern === "nan:canonical") return (value & magnitude) === exponentAndQuiet;
  return (value & exponentAndQuiet) === exponentAndQuiet;
}

function callerModule(
  params: readonly ScriptValue[],
  results: readonly ScriptValue[],
): Uint8Array<ArrayBuffer> {
  const codes = (values: readonly ScriptValue[]): number[] =>
    values.map(({ type }) => SIZED[type]?.code ?? 0);
  const section = (id: number, write: (content: Writer) => void): void => {
    const content = new Writer();
    write(content);
    module.section(id, content);
  };
  const module = new Writer();
  module.bytes(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
  section(1, (w) =>
    w.bytes(2, 0x60, params.length, ...codes(params), results.length, ...codes(results), 0x60, 0, 0),
  );
  section(2, (w) => w.bytes(1, 1, 0x6d, 1, 0x66, 0, 0));
  section(3, (w) => w.bytes(1, 1));
  section(5, (w) => w.bytes(1, 0, 1));
  section(7, (w) => {
    w.byte(2);
    w.name("t");
    w.bytes(0, 1);
    w.name("memory");
    w.bytes(2, 0);
  });
  section(10, (w) => {
    const body = new Writer();
    body.u32(results.length);
    for (const code of codes(results)) body.bytes(1, code);
    for (const { type, bits } of params) {
      const value = bits ?? new Uint8Array();
      if (type === "i32" || type === "i64") {
        const signed = value.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
        body.byte(type === "i32" ? 0x41 : 0x42);
        signedLeb(body, BigInt.asIntN(value.length * 8, signed));
      } else {
        body.bytes(...(CONST[type] ?? []), ...value);
      }
    }
    body.bytes(0x10, 0);
    for (let i = results.length - 1; i >= 0; i -= 1) body.bytes(0x21, i);
    results.forEach(({ type }, i) => {
      body.byte(0x41);
      body.signed(i * 16);
      body.bytes(0x20, i, ...(SIZED[type]?.store ?? []));
    });
    body.byte(0x0b);
    w.byte(1);
    w.sized(body);
  });
  return module.toBytes();
}

function signedLeb(writer: Writer, value: bigint): void {
  let rest = value;
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && low < 0x40) || (rest === -1n && low >= 0x40)) {
      writer.byte(low);
      return;
    }
    writer.byte(low | 0x80);
  }
}

function lane(
  kind: string,
  width: number,
  text: string,
): { width: number; pattern: string | undefined; bits: Uint8Array } {
  const bits = new Uint8Array(width);
  const view = new DataView(bits.buffer);
  const plain = text.replaceAll("_", "");
  if (plain === "nan:canonical" || plain === "nan:arithmetic") return { width, pattern: plain, bits };
  const integer = kind === "i" ? integerOf(plain) : nanBits(plain, width);
  if (integer !== undefined) {
    for (let i = 0; i < width; i += 1) bits[i] = Number(BigInt.asUintN(8, integer >> BigInt(8 * i)));
  } else if (width === 4) view.setFloat32(0, floatOf(plain, 4), true);
  else view.setFloat64(0, floatOf(plain, 8), true);
  return { width, pattern: undefined, bits };
}

function integerOf(text: string): bigint {
  const negative = text.startsWith("-");
  const magnitude = BigInt(text.replace(/^[+-]/, ""));
  return negative ? -magnitude : magnitude;
}

function nanBits(text: string, width: number): bigint | undefined {
  const match = /^([+-]?)nan(?::0x([0-9a-fA-F]+))?$/.exec(text);
  if (match === null) return undefined;
  const [exponent, quiet, sign] =
    width === 4 ? [0x7f800000n, 0x400000n, 1n << 31n] : [0x7ff0000000000000n, 1n << 51n, 1n << 63n];
  const payload = match[2] === undefined ? quiet : BigInt(`0x${match[2]}`);
  return exponent | payload | (match[1] === "-" ? sign : 0n);
}

/** Reads decimal and hexadecimal floats, rounding once: a hexadecimal one is cut to its width by integer means. */
function floatOf(text: string, width: number): number {
  const sign = text.startsWith("-") ? -1 : 1;
  const body = text.replace(/^[+-]/, "");
  if (body === "inf") return sign * Number.POSITIVE_INFINITY;
  const hex = /^0x([0-9a-fA-F]*)\.?([0-9a-fA-F]*)(?:[pP]([+-]?\d+))?$/.exec(body);
  if (hex === null) return sign * (width === 4 ? roundDecimal(body) : Number(body));
  const digits = `${hex[1]}${hex[2]}`;
  let mantissa = BigInt(`0x${digits || "0"}`);
  let exponent = Number(hex[3] ?? 0) - 4 * (hex[2]?.length ?? 0);
  if (mantissa === 0n) return sign * 0;
  const [precision, least] = width === 4 ? [24, -149] : [53, -1074];
  const length = mantissa.toString(2).length;
  const drop = Math.max(length - precision, least - exponent);
  if (drop > 0) {
    const half = 1n << BigInt(drop - 1);
    const rest = mantissa & ((1n << BigInt(drop)) - 1n);
    mantissa >>= BigInt(drop);
    if (rest > half || (rest === half && mantissa & 1n)) mantissa += 1n;
    exponent += drop;
  }
  let value = Number(mantissa);
  for (; exponent > 1000; exponent -= 1000) value *= 2 ** 1000;
  for (; exponent < -1000; exponent += 1000) value *= 2 ** -1000;
  return sign * value * 2 ** exponent;
}

/** A decimal as a 32-bit float. Double rounding is possible in principle; both runs of a script share it. */
function roundDecimal(text: string): number {
  return Math.fround(Number(text));
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    bytes.set(part, offset);
    offset += part.length;
  }
  return bytes;
}
