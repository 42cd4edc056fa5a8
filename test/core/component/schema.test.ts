import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import {
  inputSchema,
  jsonObstacle,
  outputSchema,
  typeSchema,
  type WitFunction,
  type WitType,
} from "../../../src/core/component/index.ts";
import { GatewayError } from "../../../src/core/errors.ts";
import { jsonOf, witType } from "./arbitrary.ts";

const u8: WitType = { kind: "u8" };
const byte = { type: "integer", minimum: 0, maximum: 255 };

describe("typeSchema()", () => {
  const cases: { type: WitType; schema: object }[] = [
    { type: { kind: "s8" }, schema: { type: "integer", minimum: -128, maximum: 127 } },
    {
      type: { kind: "u64" },
      schema: {
        anyOf: [
          { type: "integer", minimum: 0, maximum: 9007199254740991 },
          { type: "string", pattern: "^(?:0|[1-9][0-9]{0,19})$" },
        ],
      },
    },
    {
      type: { kind: "f32" },
      schema: { anyOf: [{ type: "number" }, { enum: ["NaN", "Infinity", "-Infinity"] }] },
    },
    { type: { kind: "list", element: u8 }, schema: { type: "string", contentEncoding: "base64" } },
    {
      type: { kind: "list", element: { kind: "bool" } },
      schema: { type: "array", items: { type: "boolean" } },
    },
    {
      type: { kind: "flags", flags: ["a", "b"] },
      schema: { type: "array", items: { enum: ["a", "b"] }, uniqueItems: true },
    },
    {
      type: { name: "colour", kind: "enum", cases: ["a"] },
      schema: { title: "colour", type: "string", enum: ["a"] },
    },
    { type: { kind: "option", some: u8 }, schema: { anyOf: [byte, { type: "null" }] } },
    {
      type: { kind: "tuple", items: [u8] },
      schema: { type: "array", prefixItems: [byte], minItems: 1, maxItems: 1 },
    },
    {
      type: { kind: "variant", cases: [{ name: "a" }, { name: "b", type: u8 }] },
      schema: {
        oneOf: [
          {
            type: "object",
            properties: { tag: { const: "a" } },
            required: ["tag"],
            additionalProperties: false,
          },
          {
            type: "object",
            properties: { tag: { const: "b" }, val: byte },
            required: ["tag", "val"],
            additionalProperties: false,
          },
        ],
      },
    },
    {
      type: { kind: "result", ok: u8 },
      schema: {
        oneOf: [
          { type: "object", properties: { ok: byte }, required: ["ok"], additionalProperties: false },
          {
            type: "object",
            properties: { err: { type: "null" } },
            required: ["err"],
            additionalProperties: false,
          },
        ],
      },
    },
  ];
  for (const { type, schema } of cases) {
    it(`typeSchema() describes ${type.kind}`, () => expect(typeSchema(type)).toEqual(schema));
  }

  it("typeSchema() accepts the JSON of its type, by another reader of JSON Schema", () => {
    const typed = witType.chain((type) => fc.tuple(fc.constant(type), jsonOf(type)));
    fc.assert(
      fc.property(typed, ([type, json]) => {
        expect(z.fromJSONSchema(JSON.parse(JSON.stringify(typeSchema(type)))).safeParse(json).success).toBe(
          true,
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe("inputSchema() and outputSchema()", () => {
  const func: WitFunction = {
    name: "forecast",
    kind: "free",
    params: [
      { name: "city", type: { kind: "string" } },
      { name: "days", type: { kind: "option", some: u8 } },
    ],
    result: { kind: "string" },
    async: false,
  };

  it("inputSchema() requires all parameters but options and closes the object", () => {
    expect(inputSchema(func)).toEqual({
      type: "object",
      properties: { city: { type: "string" }, days: { anyOf: [byte, { type: "null" }] } },
      required: ["city"],
      additionalProperties: false,
    });
    expect(outputSchema(func)).toEqual({ type: "string" });
  });

  it("outputSchema() is null for a function without result", () => {
    const { result: _, ...silent } = func;
    expect(outputSchema(silent)).toEqual({ type: "null" });
  });

  const live: { type: WitType; reason: string }[] = [
    { type: { kind: "own", resource: "brush" }, reason: 'a handle of the resource "brush"' },
    {
      type: { kind: "list", element: { kind: "borrow", resource: "brush" } },
      reason: 'the resource "brush"',
    },
    { type: { kind: "result", err: { kind: "stream", element: u8 } }, reason: "a stream" },
    { type: { kind: "variant", cases: [{ name: "a", type: { kind: "future" } }] }, reason: "a future" },
  ];
  for (const { type, reason } of live) {
    it(`inputSchema() refuses a parameter that holds ${reason}, and says which`, () => {
      const refused = { ...func, params: [{ name: "with", type }] };
      expect(jsonObstacle(refused)).toContain(`parameter "with" holds`);
      expect(jsonObstacle(refused)).toContain(reason);
      expect(() => inputSchema(refused)).toThrow(GatewayError);
      expect(() => outputSchema({ ...func, result: type })).toThrow("the result holds");
    });
  }

  it("inputSchema() refuses methods", () => {
    expect(() => inputSchema({ ...func, kind: "method", name: "[method]a.b" })).toThrow(
      "belongs to a resource",
    );
  });
});
