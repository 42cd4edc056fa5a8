import { describe, expect, it } from "vitest";
import {
  checkInput,
  checkValue,
  MAX_FAULTS,
  type WitFunction,
  type WitType,
} from "../../../src/core/component/index.ts";

const u8: WitType = { kind: "u8" };
const text: WitType = { kind: "string" };
const bytes: WitType = { kind: "list", element: u8 };
const point: WitType = {
  kind: "record",
  fields: [
    { name: "x", type: { kind: "s32" } },
    { name: "label", type: { kind: "option", some: text } },
  ],
};
const shape: WitType = { kind: "variant", cases: [{ name: "none-at" }, { name: "circle", type: u8 }] };
const access: WitType = { kind: "flags", flags: ["read", "to-string"] };
const nested: WitType = { kind: "option", some: { kind: "option", some: u8 } };

describe("checkValue()", () => {
  const refused: { type: WitType; json: unknown; pointer: string; detail: string }[] = [
    { type: u8, json: 256, pointer: "", detail: "must be an integer from 0 to 255, is 256" },
    { type: u8, json: -1, pointer: "", detail: "must be an integer from 0 to 255, is -1" },
    { type: u8, json: 1.5, pointer: "", detail: "must be an integer from 0 to 255, is 1.5" },
    { type: u8, json: "1", pointer: "", detail: 'must be an integer from 0 to 255, is "1"' },
    { type: u8, json: true, pointer: "", detail: "must be an integer from 0 to 255, is true" },
    { type: { kind: "s8" }, json: 128, pointer: "", detail: "must be an integer from -128 to 127, is 128" },
    { type: { kind: "u64" }, json: 2 ** 53, pointer: "", detail: "write it as a decimal string" },
    { type: { kind: "u64" }, json: "18446744073709551616", pointer: "", detail: "must be an integer from 0" },
    { type: { kind: "u64" }, json: "-1", pointer: "", detail: "must be an integer from 0" },
    {
      type: { kind: "s64" },
      json: "-9223372036854775809",
      pointer: "",
      detail: "must be an integer from -9",
    },
    { type: { kind: "s64" }, json: "0x10", pointer: "", detail: "as a number or a decimal string" },
    { type: { kind: "s64" }, json: "007", pointer: "", detail: "as a number or a decimal string" },
    { type: { kind: "s64" }, json: "", pointer: "", detail: "as a number or a decimal string" },
    { type: { kind: "s64" }, json: " 1", pointer: "", detail: "as a number or a decimal string" },
    { type: { kind: "s64" }, json: "1\n", pointer: "", detail: "as a number or a decimal string" },
    { type: { kind: "f64" }, json: "1", pointer: "", detail: 'must be a number, "NaN"' },
    { type: { kind: "f64" }, json: "-NaN", pointer: "", detail: 'must be a number, "NaN"' },
    { type: { kind: "f32" }, json: 1e39, pointer: "", detail: "out of range for f32" },
    { type: { kind: "bool" }, json: 1, pointer: "", detail: "must be true or false" },
    { type: { kind: "char" }, json: "ab", pointer: "", detail: "must be a string of one character" },
    { type: { kind: "char" }, json: "", pointer: "", detail: "must be a string of one character" },
    { type: { kind: "char" }, json: "\ud800", pointer: "", detail: "must be a string of one character" },
    { type: text, json: "a\udc00", pointer: "", detail: "holds a surrogate without its pair" },
    { type: text, json: 5, pointer: "", detail: "must be a string, is 5" },
    { type: bytes, json: "AA=", pointer: "", detail: "must be base64" },
    { type: bytes, json: "AA", pointer: "", detail: "must be base64" },
    { type: bytes, json: "AB==", pointer: "", detail: "must be base64" },
    { type: bytes, json: "A-_=", pointer: "", detail: "must be base64" },
    { type: bytes, json: "AAAA\n", pointer: "", detail: "must be base64" },
    { type: bytes, json: [1], pointer: "", detail: "must be base64" },
    { type: point, json: null, pointer: "", detail: "must be an object" },
    { type: point, json: [], pointer: "", detail: "must be an object, is an array" },
    { type: point, json: {}, pointer: "/x", detail: "is required" },
    { type: point, json: { x: 1, y: 2 }, pointer: "/y", detail: "is unknown" },
    { type: point, json: { x: 1, "a/b~c": 2 }, pointer: "/a~1b~0c", detail: "is unknown" },
    { type: point, json: JSON.parse('{"x":1,"__proto__":{}}'), pointer: "/__proto__", detail: "is unknown" },
    { type: point, json: Object.create({ x: 1 }), pointer: "/x", detail: "is required" },
    { type: shape, json: { tag: "square" }, pointer: "/tag", detail: 'must be one of "none-at", "circle"' },
    { type: shape, json: {}, pointer: "/tag", detail: "is missing" },
    { type: shape, json: "none-at", pointer: "/tag", detail: "is missing" },
    { type: shape, json: { tag: "none-at", val: null }, pointer: "/val", detail: "is unknown" },
    { type: shape, json: { tag: "circle" }, pointer: "/val", detail: "is required" },
    { type: shape, json: { tag: "circle", val: 256 }, pointer: "/val", detail: "from 0 to 255" },
    { type: access, json: ["read", "read"], pointer: "/1", detail: '"read" is there twice' },
    { type: access, json: ["write"], pointer: "/0", detail: 'must be one of "read", "to-string"' },
    { type: access, json: ["toString"], pointer: "/0", detail: "must be one of" },
    { type: access, json: { read: true }, pointer: "", detail: "must be an array of names" },
    { type: { kind: "enum", cases: ["a"] }, json: "constructor", pointer: "", detail: 'must be one of "a"' },
    { type: { kind: "tuple", items: [u8, u8] }, json: [1], pointer: "", detail: "must have 2 items, has 1" },
    { type: { kind: "tuple", items: [u8, u8] }, json: [1, "x"], pointer: "/1", detail: "from 0 to 255" },
    { type: { kind: "list", element: text }, json: ["a", 1], pointer: "/1", detail: "must be a string" },
    { type: { kind: "list", element: text }, json: { length: 1 }, pointer: "", detail: "must be an array" },
    { type: nested, json: 1, pointer: "", detail: "must be an object" },
    { type: nested, json: {}, pointer: "/some", detail: "is required" },
    {
      type: { kind: "result", ok: u8 },
      json: { ok: 1, err: null },
      pointer: "",
      detail: 'either "ok" or "err"',
    },
    { type: { kind: "result", ok: u8 }, json: {}, pointer: "", detail: 'either "ok" or "err"' },
    { type: { kind: "result", ok: u8 }, json: { err: 1 }, pointer: "/err", detail: "must be null, is 1" },
    { type: { kind: "result", ok: u8 }, json: { ok: null }, pointer: "/ok", detail: "from 0 to 255" },
  ];
  for (const { type, json, pointer, detail } of refused) {
    it(`checkValue() refuses ${JSON.stringify(json)} for ${type.kind}: ${detail}`, () => {
      const faults = checkValue(type, json);
      expect(faults.map((fault) => fault.pointer)).toEqual([pointer]);
      expect(faults[0]?.detail).toContain(detail);
    });
  }

  const accepted: { type: WitType; json: unknown }[] = [
    { type: { kind: "u64" }, json: "18446744073709551615" },
    { type: { kind: "s64" }, json: "-9223372036854775808" },
    { type: { kind: "s64" }, json: -(2 ** 53) + 1 },
    { type: { kind: "f32" }, json: "-Infinity" },
    { type: { kind: "char" }, json: "💩" },
    { type: bytes, json: "" },
    { type: bytes, json: "AP8=" },
    { type: point, json: { x: 1 } },
    { type: point, json: { x: 1, label: null } },
    { type: nested, json: null },
    { type: nested, json: { some: null } },
    { type: nested, json: { some: 7 } },
    { type: { kind: "result" }, json: { ok: null } },
    { type: access, json: [] },
  ];
  for (const { type, json } of accepted) {
    it(`checkValue() accepts ${JSON.stringify(json)} for ${type.kind}`, () => {
      expect(checkValue(type, json)).toEqual([]);
    });
  }

  it("checkValue() reports all faults at once, up to the cap", () => {
    const list: WitType = { kind: "list", element: point };
    expect(checkValue(list, [{ x: "a" }, { x: 1 }, { z: 1 }])).toEqual([
      { pointer: "/0/x", detail: 'must be an integer from -2147483648 to 2147483647, is "a"' },
      { pointer: "/2/x", detail: "is required" },
      { pointer: "/2/z", detail: "is unknown" },
    ]);
    expect(checkValue(list, new Array(1000).fill(null))).toHaveLength(MAX_FAULTS);
  });

  it("checkValue() quotes no more than the beginning of a long value", () => {
    expect(checkValue(u8, "x".repeat(1_000_000))[0]?.detail.length).toBeLessThan(120);
    const unknown = checkValue(point, { x: 1, ["k".repeat(1_000_000)]: 1 });
    expect(unknown[0]?.pointer.length).toBeLessThan(120);
  });
});

describe("checkInput()", () => {
  const func: WitFunction = {
    name: "forecast",
    kind: "free",
    params: [
      { name: "city", type: text },
      { name: "days", type: { kind: "option", some: u8 } },
    ],
    async: false,
  };
  it("checkInput() wants each parameter but options, and nothing else", () => {
    expect(checkInput(func, { city: "Bern" })).toEqual([]);
    expect(checkInput(func, { days: 300, town: "Bern" })).toEqual([
      { pointer: "/city", detail: "is required" },
      { pointer: "/days", detail: "must be an integer from 0 to 255, is 300" },
      { pointer: "/town", detail: "is unknown" },
    ]);
    expect(checkInput(func, undefined)).toEqual([{ pointer: "", detail: "must be an object, is missing" }]);
  });
});
