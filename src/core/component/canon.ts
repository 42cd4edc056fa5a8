/**
 * Canonical definitions: the adapters between core functions and component functions. `canon lift` makes a component
 * function with a type, all others make core functions. Those of the asynchronous ABI are read to find where they
 * end, and known by name; a component that needs one is refused when its links are planned.
 */
import { readAsyncBuiltin } from "./canon-async.ts";
import { coreValueType } from "./core-signatures.ts";
import type { FuncNode } from "./nodes.ts";
import type { Reader } from "./reader.ts";
import type { CanonBuiltin, CanonOptions, StringEncoding } from "./recipe.ts";
import type { Scope } from "./scope.ts";
import { article, readResource, readValueType } from "./value-types.ts";

const resourceBuiltins = new Map([
  [0x02, "resource.new"],
  [0x03, "resource.drop"],
  [0x04, "resource.rep"],
] as const);

/** Reads one canonical definition and notes it; a lifted function gets its place among the functions. */
export function readCanon(reader: Reader, scope: Scope): void {
  const start = reader.at;
  const opcode = reader.byte();
  if (opcode === 0x00) {
    reader.oneOf([0x00], "sort after canon lift");
    const core = reader.u32();
    const options = readOptions(reader);
    const type = readLiftedType(reader, scope);
    scope.funcs.push(type);
    scope.note({ op: "lift", core, type, options });
    return;
  }
  scope.note({ op: "canon", builtin: readBuiltin(opcode, start, reader, scope) });
}

function readLiftedType(reader: Reader, scope: Scope): FuncNode {
  const start = reader.at;
  const type = scope.readType(reader);
  if (type.what === "func") return type;
  throw reader.refusal(`canon lift names ${article(type)} where a function type is wanted`, start);
}

function readBuiltin(opcode: number, start: number, reader: Reader, scope: Scope): CanonBuiltin {
  switch (opcode) {
    case 0x01: {
      reader.oneOf([0x00], "sort after canon lower");
      const func = scope.peekIndex(reader);
      scope.readFunc(reader);
      return { what: "lower", func, options: readOptions(reader) };
    }
    case 0x02:
    case 0x03:
    case 0x04: {
      const what = resourceBuiltins.get(opcode);
      if (what === undefined) throw new TypeError("A resource built-in has no name");
      return { what, resource: readResource(reader, scope) };
    }
    case 0x09: {
      const result = readResultList(reader, scope);
      return { what: "task.return", result, options: readOptions(reader) };
    }
    case 0x0a:
    case 0x0b:
      coreValueType(reader);
      return { what: opcode === 0x0a ? "context.get" : "context.set", slot: reader.u32() };
    default:
      return readAsyncBuiltin(opcode, start, reader, scope, readOptions);
  }
}

const encodings: readonly StringEncoding[] = ["utf8", "utf16", "latin1+utf16"];

/** Options by their byte; the first three are text encodings, the rest of the list takes no index. */
function readOptions(reader: Reader): CanonOptions {
  const found = new Map<string, number>();
  let encoding: StringEncoding | undefined;
  reader.vector(() => {
    const start = reader.at;
    const option = reader.oneOf([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "canonical option");
    const name = optionNames[option];
    if (name === undefined) {
      if (encoding !== undefined) throw reader.refusal("two text encodings", start);
      encoding = encodings[option];
      return;
    }
    if (found.has(name)) throw reader.refusal(`the option ${name} is there twice`, start);
    found.set(name, option === 6 || option === 9 ? 0 : reader.u32());
  });
  if (found.has("gc") || found.has("core-type"))
    throw reader.refusal("the ABI over GC types is not supported");
  return {
    encoding: encoding ?? "utf8",
    async: found.has("async"),
    ...option("memory", found.get("memory")),
    ...option("realloc", found.get("realloc")),
    ...option("postReturn", found.get("post-return")),
    ...option("callback", found.get("callback")),
  };
}

const optionNames: Readonly<Record<number, string>> = {
  3: "memory",
  4: "realloc",
  5: "post-return",
  6: "async",
  7: "callback",
  8: "core-type",
  9: "gc",
};

function option<Name extends string>(
  name: Name,
  index: number | undefined,
): { readonly [N in Name]?: number } {
  // The computed key is the one name that the type has.
  return (index === undefined ? {} : { [name]: index }) as { readonly [N in Name]?: number };
}

function readResultList(reader: Reader, scope: Scope) {
  if (reader.oneOf([0x00, 0x01], "result list") === 0x00) return readValueType(reader, scope);
  reader.oneOf([0x00], "named results (an old form; rebuild the component)");
  return undefined;
}
