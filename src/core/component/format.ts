/**
 * Prints types and functions in WIT notation, for people: reviewers, error messages, `writ inspect`. A type that
 * its interface names is printed by that name; `formatDefinition` prints what the name stands for.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/WIT.md
 */
import type { WitFunction, WitNamedType, WitType } from "./wit.ts";

/** Words of WIT that a name must be marked with `%` to be. */
const keywords = new Set(
  `as async bool borrow char constructor enum export f32 f64 flags from func future import include interface list
  option own package record resource result s16 s32 s64 s8 static stream string tuple type u16 u32 u64 u8 use
  variant with world`.split(/\s+/),
);

/**
 * Prints a type as it is written where it is used.
 *
 * @example
 * ```ts
 * import { formatType } from "./index.ts";
 * const text = formatType({ kind: "result", err: { kind: "list", element: { kind: "u8" } } });
 * if (text !== "result<_, list<u8>>") throw new Error(text);
 * ```
 */
export function formatType(type: WitType): string {
  return type.name === undefined ? formatStructure(type) : formatName(type.name);
}

/** Prints a type by its structure even when it has a name; parts with a name are still printed by it. */
export function formatStructure(type: WitType): string {
  switch (type.kind) {
    case "record":
      return braced("record", type.fields.map(formatField));
    case "variant":
      return braced(
        "variant",
        type.cases.map((it) => formatName(it.name) + (it.type ? `(${formatType(it.type)})` : "")),
      );
    case "enum":
      return braced("enum", type.cases.map(formatName));
    case "flags":
      return braced("flags", type.flags.map(formatName));
    case "list":
      return `list<${formatType(type.element)}>`;
    case "tuple":
      return `tuple<${type.items.map(formatType).join(", ")}>`;
    case "option":
      return `option<${formatType(type.some)}>`;
    case "result":
      return formatResult(type.ok, type.err);
    case "own":
      return formatName(type.resource);
    case "borrow":
      return `borrow<${formatName(type.resource)}>`;
    case "stream":
    case "future":
      return type.element === undefined ? type.kind : `${type.kind}<${formatType(type.element)}>`;
    default:
      return type.kind;
  }
}

/** Prints the definition of a named type: `record point { x: s32, y: s32 }`, `type path = list<u8>;`. */
export function formatDefinition(named: WitNamedType): string {
  const { name, type } = named;
  const structure = formatStructure(type);
  const word = ["record", "variant", "enum", "flags"].find((kind) => kind === type.kind);
  return word === undefined
    ? `type ${formatName(name)} = ${structure};`
    : `${word} ${formatName(name)}${structure.slice(word.length)}`;
}

/**
 * Prints a function as in an interface: `forecast: func(city: string) -> result<report, failure>`.
 *
 * A method or static function is printed under its full name, `[method]output-stream.write`.
 */
export function formatFunction(func: WitFunction): string {
  const params = func.params.map(formatField).join(", ");
  const result = func.result === undefined ? "" : ` -> ${formatType(func.result)}`;
  const name = func.name.startsWith("[") ? func.name : formatName(func.name);
  return `${name}: ${func.async ? "async " : ""}func(${params})${result}`;
}

function formatField(field: { readonly name: string; readonly type: WitType }): string {
  return `${formatName(field.name)}: ${formatType(field.type)}`;
}

function formatResult(ok: WitType | undefined, err: WitType | undefined): string {
  if (err === undefined) return ok === undefined ? "result" : `result<${formatType(ok)}>`;
  return `result<${ok === undefined ? "_" : formatType(ok)}, ${formatType(err)}>`;
}

function braced(word: string, parts: readonly string[]): string {
  return `${word} { ${parts.join(", ")} }`;
}

function formatName(name: string): string {
  return keywords.has(name) ? `%${name}` : name;
}
