/** Random WIT types, and random JSON that fits them in the form `fromGuest` writes. */
import fc from "fast-check";
import type { Json, WitType } from "../../../src/core/component/index.ts";

const kebab = fc
  .array(fc.stringMatching(/^[a-z][a-z0-9]{0,3}$/), { minLength: 1, maxLength: 2 })
  .map((words) => words.join("-"));
const labels = fc.uniqueArray(
  fc.oneof(kebab, fc.constantFrom("constructor", "to-string", "then", "is-XML")),
  {
    minLength: 1,
    maxLength: 4,
    selector: (label) => label.toLowerCase().replaceAll("-", ""),
  },
);
const primitive = fc
  .constantFrom("bool", "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "f32", "f64", "char", "string")
  // The list holds the primitive kinds only, which the compiler does not see through fast-check's types.
  .map((kind) => ({ kind }) as WitType);

/** A type without handles and streams, nested a few levels. */
export const witType: fc.Arbitrary<WitType> = fc.letrec<{ type: WitType }>((tie) => ({
  type: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    primitive,
    labels.map((cases) => ({ kind: "enum", cases }) as const),
    labels.map((flags) => ({ kind: "flags", flags }) as const),
    tie("type").map((element) => ({ kind: "list", element }) as const),
    tie("type").map((some) => ({ kind: "option", some }) as const),
    fc.array(tie("type"), { minLength: 1, maxLength: 3 }).map((items) => ({ kind: "tuple", items }) as const),
    fc
      .record({ ok: fc.option(tie("type")), err: fc.option(tie("type")) })
      .map(({ ok, err }): WitType => ({ kind: "result", ...(ok ? { ok } : {}), ...(err ? { err } : {}) })),
    fc.tuple(labels, fc.array(tie("type"), { minLength: 4, maxLength: 4 })).map(
      ([names, types]): WitType => ({
        kind: "record",
        fields: names.map((name, i) => ({ name, type: types[i] ?? { kind: "bool" } })),
      }),
    ),
    fc.tuple(labels, fc.array(fc.option(tie("type")), { minLength: 4, maxLength: 4 })).map(
      ([names, types]): WitType => ({
        kind: "variant",
        cases: names.map((name, i) => ({ name, ...(types[i] ? { type: types[i] } : {}) })),
      }),
    ),
  ),
})).type;

const unicode = fc.string({ unit: "binary", maxLength: 6 });
const big = (min: bigint, max: bigint) =>
  fc
    .bigInt({ min, max })
    .map((value): Json => (Number.isSafeInteger(Number(value)) ? Number(value) : String(value)));
const float = (values: fc.Arbitrary<number>) =>
  values.map((value): Json => (Number.isFinite(value) ? (value === 0 ? 0 : value) : String(value)));

const scalars: { readonly [kind: string]: fc.Arbitrary<Json> } = {
  bool: fc.boolean(),
  u8: fc.integer({ min: 0, max: 255 }),
  u16: fc.integer({ min: 0, max: 65_535 }),
  u32: fc.integer({ min: 0, max: 4_294_967_295 }),
  s8: fc.integer({ min: -128, max: 127 }),
  s16: fc.integer({ min: -32_768, max: 32_767 }),
  s32: fc.integer({ min: -2_147_483_648, max: 2_147_483_647 }),
  u64: big(0n, 2n ** 64n - 1n),
  s64: big(-(2n ** 63n), 2n ** 63n - 1n),
  f32: float(fc.float()),
  f64: float(fc.double()),
  char: fc.string({ unit: "binary", minLength: 1, maxLength: 1 }),
  string: unicode,
};

/** Whether the type's JSON may be null by itself, told apart from the code under test. */
function mayBeNull(type: WitType): boolean {
  return type.kind === "option" && !mayBeNull(type.some);
}

/** JSON of a type. */
export function jsonOf(type: WitType): fc.Arbitrary<Json> {
  switch (type.kind) {
    case "enum":
      return fc.constantFrom(...type.cases);
    case "flags":
      return fc.subarray([...type.flags]);
    case "list":
      return type.element.kind === "u8"
        ? fc.uint8Array({ maxLength: 7 }).map((bytes) => Buffer.from(bytes).toString("base64"))
        : fc.array(jsonOf(type.element), { maxLength: 3 });
    case "tuple":
      return fc.tuple(...type.items.map(jsonOf));
    case "record":
      return fc
        .tuple(...type.fields.map((field) => jsonOf(field.type)))
        .map((values) => Object.fromEntries(type.fields.map((field, i) => [field.name, values[i] ?? null])));
    case "variant":
      return fc.oneof(
        ...type.cases.map((it) =>
          it.type === undefined
            ? fc.constant({ tag: it.name })
            : jsonOf(it.type).map((val) => ({ tag: it.name, val })),
        ),
      );
    case "option": {
      const some = jsonOf(type.some);
      return fc.oneof(fc.constant(null), mayBeNull(type) ? some : some.map((value) => ({ some: value })));
    }
    case "result":
      return fc.oneof(
        (type.ok ? jsonOf(type.ok) : fc.constant(null)).map((ok) => ({ ok })),
        (type.err ? jsonOf(type.err) : fc.constant(null)).map((err) => ({ err })),
      );
    default: {
      const scalar = scalars[type.kind];
      if (scalar === undefined) throw new Error(`no JSON for ${type.kind}`);
      return scalar;
    }
  }
}
