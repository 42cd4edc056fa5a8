import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  answerFromGuest,
  checkValue,
  fromGuest,
  GuestValueMismatch,
  type Json,
  OutputTooLarge,
  toGuest,
  toGuestArguments,
  type WitFunction,
  type WitType,
} from "../../../src/core/component/index.ts";
import { jsonOf, witType } from "./arbitrary.ts";

const LIMIT = 1_000_000;
const u8: WitType = { kind: "u8" };
const list = (element: WitType): WitType => ({ kind: "list", element });
const option = (some: WitType): WitType => ({ kind: "option", some });
const typed = witType.chain((type) => fc.tuple(fc.constant(type), jsonOf(type)));

describe("toGuest() and fromGuest() on random types and values", () => {
  it("checkValue() accepts what the types allow, and the two conversions undo each other", () => {
    fc.assert(
      fc.property(typed, ([type, json]) => {
        expect(checkValue(type, json)).toEqual([]);
        expect(fromGuest(type, toGuest(type, json), LIMIT)).toEqual(json);
      }),
      { numRuns: 500 },
    );
  });

  it("fromGuest() counts exactly the bytes of the JSON text", () => {
    fc.assert(
      fc.property(typed, ([type, json]) => {
        const value = toGuest(type, json);
        const bytes = new TextEncoder().encode(JSON.stringify(json)).length;
        expect(fromGuest(type, value, bytes)).toEqual(json);
        expect(() => fromGuest(type, value, bytes - 1)).toThrow(OutputTooLarge);
      }),
      { numRuns: 500 },
    );
  });

  it("checkValue() never throws, whatever JSON it is given", () => {
    fc.assert(
      fc.property(witType, fc.jsonValue(), (type, json) => {
        expect(Array.isArray(checkValue(type, json))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe("toGuest()", () => {
  const record: WitType = {
    kind: "record",
    fields: [
      { name: "is-XML", type: { kind: "bool" } },
      { name: "constructor", type: option(u8) },
    ],
  };
  const cases: { type: WitType; json: Json; value: unknown }[] = [
    { type: { kind: "u64" }, json: 5, value: 5n },
    { type: { kind: "s64" }, json: "-9223372036854775808", value: -(2n ** 63n) },
    { type: list(u8), json: "AP8=", value: new Uint8Array([0, 255]) },
    { type: list({ kind: "s16" }), json: [-1], value: new Int16Array([-1]) },
    {
      type: list({ kind: "u64" }),
      json: ["18446744073709551615"],
      value: new BigUint64Array([2n ** 64n - 1n]),
    },
    { type: list({ kind: "f32" }), json: ["NaN"], value: new Float32Array([Number.NaN]) },
    { type: list({ kind: "bool" }), json: [true], value: [true] },
    { type: option(u8), json: null, value: undefined },
    { type: option(option(u8)), json: null, value: { tag: "none" } },
    { type: option(option(u8)), json: { some: null }, value: { tag: "some", val: undefined } },
    { type: option(option(option(u8))), json: null, value: undefined },
    { type: option(option(option(u8))), json: { some: 1 }, value: { tag: "some", val: 1 } },
    { type: { kind: "flags", flags: ["read-it", "w"] }, json: ["read-it"], value: { readIt: true } },
    { type: { kind: "result", err: u8 }, json: { err: 3 }, value: { tag: "err", val: 3 } },
    { type: { kind: "result", err: u8 }, json: { ok: null }, value: { tag: "ok", val: undefined } },
    { type: record, json: { "is-XML": true }, value: { isXml: true, constructor: undefined } },
  ];
  for (const { type, json, value } of cases) {
    it(`toGuest() gives what is lowered: ${JSON.stringify(json)} for ${type.kind}`, () => {
      const plain = (it: unknown) =>
        typeof it === "object" && it !== null && Object.getPrototypeOf(it) === null
          ? Object.fromEntries(Object.entries(it))
          : it;
      expect(plain(toGuest(type, json))).toEqual(value);
    });
  }

  it("toGuest() leaves unset a flag that has the name of an inherited member", () => {
    const flags = toGuest({ kind: "flags", flags: ["to-string", "constructor"] }, []);
    // A reader that asks Boolean(value.name) must not be misled; the cast stands for untyped code.
    const seen = flags as { toString?: unknown; constructor?: unknown };
    expect([Boolean(seen.toString), Boolean(seen.constructor)]).toEqual([false, false]);
  });

  it("toGuestArguments() puts the members in the order of the parameters", () => {
    const func: WitFunction = {
      name: "f",
      kind: "free",
      params: [
        { name: "a", type: u8 },
        { name: "b-c", type: option(u8) },
        { name: "then", type: { kind: "string" } },
      ],
      async: false,
    };
    expect(toGuestArguments(func, JSON.parse('{ "then": "x", "a": 1 }'))).toEqual([1, undefined, "x"]);
  });
});

describe("fromGuest()", () => {
  it("fromGuest() accepts numeric lists as typed arrays and as plain arrays", () => {
    expect(fromGuest(list({ kind: "u32" }), new Uint32Array([1, 2]), LIMIT)).toEqual([1, 2]);
    expect(fromGuest(list({ kind: "u32" }), [1, 2], LIMIT)).toEqual([1, 2]);
    expect(fromGuest(list({ kind: "s64" }), new BigInt64Array([-1n]), LIMIT)).toEqual([-1]);
    expect(fromGuest(list(u8), new Uint8Array([9, 255, 1]).subarray(1), LIMIT)).toBe("/wE=");
  });

  const mismatches: { type: WitType; value: unknown; pointer: string }[] = [
    { type: u8, value: 256, pointer: "" },
    { type: u8, value: 1n, pointer: "" },
    { type: { kind: "u64" }, value: 1, pointer: "" },
    { type: { kind: "u64" }, value: -1n, pointer: "" },
    { type: { kind: "string" }, value: new String("x"), pointer: "" },
    { type: { kind: "string" }, value: "\ud800", pointer: "" },
    { type: { kind: "enum", cases: ["a"] }, value: "b", pointer: "" },
    { type: list(u8), value: [1, 2], pointer: "" },
    { type: list(u8), value: new Uint16Array(2), pointer: "" },
    { type: list(option(u8)), value: [1, undefined, "x"], pointer: "/2" },
    { type: list({ kind: "bool" }), value: { length: 1, 0: true }, pointer: "" },
    { type: { kind: "tuple", items: [u8] }, value: [1, 2], pointer: "" },
    { type: { kind: "record", fields: [{ name: "to-string", type: u8 }] }, value: {}, pointer: "/to-string" },
    { type: { kind: "record", fields: [{ name: "a", type: u8 }] }, value: null, pointer: "" },
    { type: { kind: "variant", cases: [{ name: "a" }] }, value: { tag: "b" }, pointer: "" },
    { type: { kind: "result" }, value: { tag: "some" }, pointer: "" },
    { type: option(option(u8)), value: undefined, pointer: "" },
  ];
  for (const { type, value, pointer } of mismatches) {
    it(`fromGuest() refuses ${String(value)} for ${type.kind} at "${pointer}"`, () => {
      let caught: unknown;
      try {
        fromGuest(type, value, LIMIT);
      } catch (error) {
        caught = error;
      }
      expect(caught).toBeInstanceOf(GuestValueMismatch);
      expect(caught).toMatchObject({ pointer });
    });
  }

  it("fromGuest() runs no getter", () => {
    let ran = false;
    const value = {
      get a() {
        ran = true;
        return 1;
      },
    };
    const type: WitType = { kind: "record", fields: [{ name: "a", type: u8 }] };
    expect(() => fromGuest(type, value, LIMIT)).toThrow(GuestValueMismatch);
    expect(ran).toBe(false);
  });

  it("fromGuest() stops a list that refers to the same megabyte 2,000 times before it is built", () => {
    const megabyte = new Uint8Array(1_000_000);
    let read = 0;
    const amplified = new Proxy(new Array(2000).fill(megabyte), {
      get(target, key, receiver) {
        if (typeof key === "string" && /^\d+$/.test(key)) read++;
        return Reflect.get(target, key, receiver);
      },
    });
    expect(() => fromGuest(list(list(u8)), amplified, 3_000_000)).toThrow(OutputTooLarge);
    expect(read).toBe(3);
  });

  it("fromGuest() stops a long string, list or byte list at the limit", () => {
    for (const [type, value] of [
      [{ kind: "string" }, "x".repeat(1001)],
      [list({ kind: "bool" }), new Array(1001).fill(true)],
      [list(u8), new Uint8Array(1001)],
      [list({ kind: "f64" }), new Float64Array(1001)],
    ] as const) {
      expect(() => fromGuest(type, value, 1000)).toThrow(
        "Cannot convert output: it is longer than 1000 bytes of JSON",
      );
    }
  });
});

describe("answerFromGuest()", () => {
  const func = (result?: WitType): WitFunction => ({
    name: "f",
    kind: "free",
    params: [],
    ...(result ? { result } : {}),
    async: false,
  });
  const result: WitType = { kind: "result", ok: u8, err: { kind: "string" } };

  it("answerFromGuest() tells what was returned from what was thrown", () => {
    expect(answerFromGuest(func(result), { returned: 1 }, LIMIT)).toEqual({ ok: 1 });
    expect(answerFromGuest(func(result), { failed: "no" }, LIMIT)).toEqual({ err: "no" });
    expect(answerFromGuest(func({ kind: "result" }), { returned: undefined }, LIMIT)).toEqual({ ok: null });
    expect(answerFromGuest(func(u8), { returned: 1 }, LIMIT)).toBe(1);
    expect(answerFromGuest(func(), { returned: undefined }, LIMIT)).toBe(null);
  });

  it("answerFromGuest() keeps the limit for top-level results", () => {
    expect(answerFromGuest(func(result), { returned: 1 }, 8)).toEqual({ ok: 1 });
    expect(() => answerFromGuest(func(result), { returned: 1 }, 7)).toThrow(OutputTooLarge);
    expect(() => answerFromGuest(func(), { returned: undefined }, 3)).toThrow(OutputTooLarge);
  });
});
