/**
 * The encodings of the binary format, read and written, malformed ones first.
 */

import { expect, test } from "vitest";
import { GatewayError } from "../../../src/core/errors.ts";
import { Reader } from "../../../src/core/metering/binary/reader.ts";
import { Writer } from "../../../src/core/metering/binary/writer.ts";

const MALFORMED: readonly (readonly [string, readonly number[], (reader: Reader) => unknown])[] = [
  ["a byte behind the end", [], (reader) => reader.byte()],
  ["an integer that ends early", [0x80], (reader) => reader.u32()],
  ["an integer of six bytes", [0x80, 0x80, 0x80, 0x80, 0x80, 0x00], (reader) => reader.u32()],
  ["an integer of 33 bits", [0xff, 0xff, 0xff, 0xff, 0x1f], (reader) => reader.u32()],
  ["a name longer than what is left", [0x05, 0x61], (reader) => reader.name()],
  ["a name that is not UTF-8", [0x01, 0xff], (reader) => reader.name()],
  ["a skip behind the end", [0x00], (reader) => reader.skip(2)],
  ["an endless integer", new Array<number>(11).fill(0x80), (reader) => reader.skipLeb()],
];

for (const [name, bytes, read] of MALFORMED) {
  test(`Reader refuses ${name}`, () => {
    expect(() => read(new Reader(Uint8Array.from(bytes)))).toThrow(GatewayError);
  });
}

test("Reader and Writer agree on unsigned integers", () => {
  for (const value of [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32 - 1]) {
    const writer = new Writer();
    writer.u32(value);
    writer.u64(BigInt(value));
    const reader = new Reader(writer.toBytes());
    expect([reader.u32(), reader.u64(), reader.done]).toEqual([value, BigInt(value), true]);
  }
});

test("Reader and Writer agree on signed integers", () => {
  for (const value of [
    0,
    1,
    -1,
    63,
    64,
    -64,
    -65,
    8191,
    -8192,
    2 ** 31,
    -(2 ** 31),
    2 ** 32 - 1,
    -(2 ** 32),
  ]) {
    const writer = new Writer();
    writer.signed(value);
    expect(new Reader(writer.toBytes()).s33()).toBe(value);
  }
});

test("Writer writes signed integers as the engine reads them", async () => {
  for (const value of [2 ** 48, -(2 ** 48), 2 ** 52, -200, 16_384 * 77]) {
    const body = new Writer();
    body.bytes(0, 0x42);
    body.signed(value);
    body.byte(0x0b);
    const module = new Writer();
    module.bytes(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00);
    module.bytes(1, 5, 1, 0x60, 0, 1, 0x7e, 3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0, 10);
    const code = new Writer();
    code.byte(1);
    code.sized(body);
    module.sized(code);
    const { instance } = await WebAssembly.instantiate(module.toBytes());
    const { f } = instance.exports;
    expect(typeof f === "function" && f()).toBe(BigInt(value));
  }
});
