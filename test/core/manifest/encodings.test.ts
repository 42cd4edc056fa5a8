import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { decodeBase64Url, encodeBase64Url } from "../../../src/core/base64.ts";
import { decodeByTable, encodeByTable, STANDARD } from "../../../src/core/base64-tables.ts";
import {
  decodeBase64,
  derToRaw,
  encodeBase64,
  isHighS,
  parseStrictJson,
  rawToDer,
} from "../../../src/core/manifest/index.ts";
import { parseInstant } from "../../../src/core/manifest/instant.ts";

const bytes = (value: string) => new TextEncoder().encode(value);

describe("decodeBase64()", () => {
  for (const text of [
    "A",
    "AA",
    "AAA",
    "AB==",
    "AAB=",
    "AA=",
    "AA==AA==",
    "A===",
    "====",
    "AA\n=",
    " AAA",
    "AAA ",
    "AAAA    ",
    "AA==\t\t\t\t",
    "A\nA\nA\nA\n",
    "A A A A ",
    "-_-_",
    "AAA\u0100",
    "🦀🦀",
  ]) {
    it(`refuses ${JSON.stringify(text)}`, () => expect(decodeBase64(text)).toBeUndefined());
  }

  it("reads back exactly what encodeBase64() writes, and nothing else of the same length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), (data) => {
        const text = encodeBase64(data);
        expect(text).toBe(Buffer.from(data).toString("base64"));
        expect(decodeBase64(text)).toEqual(data);
        expect(decodeBase64Url(encodeBase64Url(data))).toEqual(data);
        expect(encodeBase64Url(data)).toBe(Buffer.from(data).toString("base64url"));
        // Where the host has a codec of its own, the tables are what older hosts have: both say the same.
        expect(encodeByTable(data, STANDARD, true)).toBe(text);
        expect(decodeByTable(text.replace(/=+$/, ""), STANDARD)).toEqual(data);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), (text) => {
        const data = decodeBase64(text);
        if (data !== undefined) expect(encodeBase64(data)).toBe(text);
      }),
      { numRuns: 2000 },
    );
    // Letters of the alphabet, padding and white space, in any order: whatever is read has that one spelling.
    const letters = fc.constantFrom("A", "Q", "Z", "/", "+", "=", "=", " ", "\n");
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 12 }), (list) => {
        const text = list.join("");
        const data = decodeBase64(text);
        if (data !== undefined) expect(encodeBase64(data)).toBe(text);
        if (text.length % 4 === 0) expect(data).toEqual(decodeByTable(text.replace(/={1,2}$/, ""), STANDARD));
      }),
      { numRuns: 5000 },
    );
  });
});

describe("derToRaw()", () => {
  const one = [0x02, 0x01, 0x01];
  const der = (...body: number[]) => Uint8Array.from([0x30, body.length, ...body]);
  const REFUSED: readonly (readonly [string, Uint8Array])[] = [
    ["nothing", new Uint8Array()],
    ["a raw signature", new Uint8Array(64).fill(1)],
    ["a zero r", der(0x02, 0x01, 0x00, ...one)],
    ["a zero s", der(...one, 0x02, 0x01, 0x00)],
    ["a negative s", der(...one, 0x02, 0x01, 0x80)],
    ["an empty integer", der(...one, 0x02, 0x00)],
    ["a needless leading zero", der(...one, 0x02, 0x02, 0x00, 0x7f)],
    ["33 bytes of magnitude", der(...one, 0x02, 0x21, ...Array(33).fill(0x01))],
    ["a length in long form", Uint8Array.from([0x30, 0x81, 0x06, ...one, ...one])],
    ["bytes after the sequence", Uint8Array.from([...der(...one, ...one), 0x00])],
    ["bytes after the integers", der(...one, ...one, 0x05, 0x00)],
    ["a third integer", der(...one, ...one, ...one)],
    ["one integer", der(...one, 0x04, 0x01, 0x01)],
    ["an integer beyond the end", der(...one, 0x02, 0x20, 0x01)],
    ["a set instead of a sequence", Uint8Array.from([0x31, 0x06, ...one, ...one])],
  ];
  for (const [name, text] of REFUSED) it(`refuses ${name}`, () => expect(derToRaw(text)).toBeUndefined());

  it("reads back exactly what rawToDer() writes, and nothing else", () => {
    const scalar = fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .filter((digits) => digits.some((byte) => byte > 0));
    // Short scalars are where leading zeros go wrong.
    const short = fc
      .tuple(fc.integer({ min: 1, max: 31 }), scalar)
      .map(([zeros, digits]) => digits.fill(0, 0, zeros).fill(1, 31));
    const any = fc.oneof(scalar, short);
    fc.assert(
      fc.property(any, any, (r, s) => {
        const raw = Uint8Array.from([...r, ...s]);
        expect(derToRaw(rawToDer(raw))).toEqual(raw);
      }),
      { numRuns: 1000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 6, maxLength: 10 }), (body) => {
        const text = der(...body);
        const raw = derToRaw(text);
        if (raw !== undefined) expect(rawToDer(raw)).toEqual(text);
      }),
    );
    expect(() => rawToDer(new Uint8Array(63))).toThrow(RangeError);
  });

  it("isHighS() divides at half of the order", () => {
    const raw = (s: bigint) =>
      Uint8Array.from([
        ...Array(32).fill(1),
        ...(s.toString(16).padStart(64, "0").match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)),
      ]);
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    expect(isHighS(raw(order / 2n))).toBe(false);
    expect(isHighS(raw(order / 2n + 1n))).toBe(true);
  });
});

describe("parseStrictJson()", () => {
  const REFUSED: readonly (readonly [string, Uint8Array, string])[] = [
    ["duplicate keys", bytes('{"a":1,"a":1}'), 'duplicate key "a"'],
    ["duplicate keys written differently", bytes('{"a":1,"\\u0061":2}'), 'duplicate key "a"'],
    ["duplicate keys deep inside", bytes('[{"x":[{"k":{},"k":[]}]}]'), 'duplicate key "k"'],
    [
      "duplicate keys after a nested object of the same key",
      bytes('{"a":{"a":1},"b":2,"a":3}'),
      'duplicate key "a"',
    ],
    ["duplicate __proto__", bytes('{"__proto__":1,"__proto__":2}'), 'duplicate key "__proto__"'],
    ["too much nesting", bytes(`${"[".repeat(257)}${"]".repeat(257)}`), "nested deeper than 256"],
    ["very much nesting", bytes("[".repeat(1_000_000)), "not JSON"],
    ["a byte order mark", bytes("\ufeff{}"), "not JSON"],
    ["broken UTF-8", Uint8Array.from([0x22, 0xff, 0x22]), "not JSON"],
    ["two values", bytes("{}{}"), "not JSON"],
    ["a comment", bytes("{}//"), "not JSON"],
    ["nothing", bytes(""), "not JSON"],
  ];
  for (const [name, text, reason] of REFUSED) {
    it(`refuses ${name}`, () =>
      expect(parseStrictJson(text)).toEqual({ ok: false, reason: expect.stringContaining(reason) }));
  }

  it("gives what JSON.parse() gives for every JSON value", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(undefined, 1, "\t"), (value, space) => {
        const text = JSON.stringify(value, null, space);
        expect(parseStrictJson(bytes(text))).toEqual({ ok: true, value: JSON.parse(text) });
      }),
      { numRuns: 1000 },
    );
    const tricky = '{"a":"}{][:,\\"\\\\","b\\"":["\\\\"],"c":{"a":1},"d":[{"a":1},{"a":2}],"":{"":0}}';
    expect(parseStrictJson(bytes(tricky))).toEqual({ ok: true, value: JSON.parse(tricky) });
  });
});

describe("parseInstant()", () => {
  it("agrees with the host's calendar from 1900 to 9999", () => {
    fc.assert(
      fc.property(
        fc.date({ min: new Date("1900-01-01"), max: new Date("9999-12-31"), noInvalidDate: true }),
        (date) => {
          expect(parseInstant(date.toISOString())).toBe(date.getTime());
        },
      ),
      { numRuns: 2000 },
    );
    expect(parseInstant("2026-01-01")).toBeNaN();
  });
});
