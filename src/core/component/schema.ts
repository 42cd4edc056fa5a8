/**
 * JSON Schema (2020-12) of functions and types, by the table in `json-type.ts`. For callers, OpenAPI and MCP;
 * the gateway itself checks with `checkInput`, which says the same and names the path of each fault.
 */
import {
  assertJsonCallable,
  bigBounds,
  decimalPattern,
  integerBounds,
  isBareOption,
  isBytes,
  type Json,
  unwritableNumbers,
} from "./json-type.ts";
import type { WitFunction, WitType } from "./wit.ts";

/** A JSON Schema as data. */
export type JsonSchema = { readonly [keyword: string]: Json };

/**
 * The schema of a function's input: an object with one member per parameter.
 *
 * @throws GatewayError `component-refused` when a parameter or the result has no JSON form
 * @example
 * ```ts
 * import { inputSchema } from "./index.ts";
 * const u8 = { kind: "u8" } as const;
 * const schema = inputSchema({ name: "f", kind: "free", params: [{ name: "n", type: u8 }], async: false });
 * if (JSON.stringify(schema.required) !== '["n"]') throw new Error("a plain parameter is required");
 * ```
 */
export function inputSchema(func: WitFunction): JsonSchema {
  assertJsonCallable(func);
  return objectOf(func.params);
}

/** The schema of a function's output; `{ "type": "null" }` when it has no result. See {@link inputSchema}. */
export function outputSchema(func: WitFunction): JsonSchema {
  assertJsonCallable(func);
  return func.result === undefined ? { type: "null" } : typeSchema(func.result);
}

/**
 * The schema of a type. Named types carry their name as `title`.
 *
 * 64-bit integers are accepted as integer or decimal string; an output is a number when it is safe, and a
 * decimal string when it is not.
 *
 * @throws TypeError for handles, streams and futures; `jsonObstacle` finds them beforehand
 */
export function typeSchema(type: WitType): JsonSchema {
  const schema = structureSchema(type);
  return type.name === undefined ? schema : { title: type.name, ...schema };
}

function structureSchema(type: WitType): JsonSchema {
  const bounds = integerBounds.get(type.kind);
  if (bounds !== undefined) return { type: "integer", minimum: bounds[0], maximum: bounds[1] };
  if (bigBounds.has(type.kind)) return bigSchema(type.kind === "u64");
  if (isBytes(type)) return { type: "string", contentEncoding: "base64" };
  switch (type.kind) {
    case "bool":
      return { type: "boolean" };
    case "f32":
    case "f64":
      return { anyOf: [{ type: "number" }, { enum: [...unwritableNumbers] }] };
    case "char":
      return { type: "string", minLength: 1, maxLength: 1 };
    case "string":
      return { type: "string" };
    case "record":
      return objectOf(type.fields);
    case "variant":
      return { oneOf: type.cases.map((it) => tagged(it.name, it.type)) };
    case "list":
      return { type: "array", items: typeSchema(type.element) };
    case "tuple": {
      const { length } = type.items;
      return { type: "array", prefixItems: type.items.map(typeSchema), minItems: length, maxItems: length };
    }
    case "flags":
      return { type: "array", items: { enum: type.flags }, uniqueItems: true };
    case "enum":
      return { type: "string", enum: type.cases };
    case "option": {
      const some = typeSchema(type.some);
      return { anyOf: [isBareOption(type) ? some : closed({ some }, ["some"]), { type: "null" }] };
    }
    case "result":
      return {
        oneOf: [closed({ ok: payload(type.ok) }, ["ok"]), closed({ err: payload(type.err) }, ["err"])],
      };
    default:
      throw new TypeError(`A type of kind "${type.kind}" has no JSON form`);
  }
}

function objectOf(fields: readonly { readonly name: string; readonly type: WitType }[]): JsonSchema {
  const properties = Object.fromEntries(fields.map((field) => [field.name, typeSchema(field.type)]));
  return closed(
    properties,
    fields.filter((field) => field.type.kind !== "option").map((field) => field.name),
  );
}

function closed(properties: JsonSchema, required: readonly string[]): JsonSchema {
  return { type: "object", properties, required, additionalProperties: false };
}

function tagged(tag: string, type: WitType | undefined): JsonSchema {
  return type === undefined
    ? closed({ tag: { const: tag } }, ["tag"])
    : closed(
        { tag: { const: tag }, val: typeSchema(type) },
        type.kind === "option" ? ["tag"] : ["tag", "val"],
      );
}

function payload(type: WitType | undefined): JsonSchema {
  return type === undefined ? { type: "null" } : typeSchema(type);
}

function bigSchema(unsigned: boolean): JsonSchema {
  const maximum = Number.MAX_SAFE_INTEGER;
  const pattern = unsigned ? decimalPattern.replace("-?", "") : decimalPattern;
  return {
    anyOf: [
      { type: "integer", minimum: unsigned ? 0 : -maximum, maximum },
      { type: "string", pattern },
    ],
  };
}
