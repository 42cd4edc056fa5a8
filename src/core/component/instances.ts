/**
 * The instance sections: components instantiated with arguments, and instances put together by hand. Their types
 * are what the component exports in the end.
 */
import { readSort } from "./alias.ts";
import { instantiate } from "./instantiate.ts";
import { type Extern, instanceNode } from "./nodes.ts";
import type { Reader } from "./reader.ts";
import { checkBorder, type Scope } from "./scope.ts";
import { readExternName } from "./types.ts";

/** Core instances are not followed, but their names are pasted into glue like all others. */
export function readCoreInstance(reader: Reader): void {
  if (reader.oneOf([0x00, 0x01], "core instance") === 0x00) {
    reader.u32();
    reader.vector(() => {
      reader.name();
      reader.oneOf([0x12], "core argument sort");
      reader.u32();
    }, 3);
    return;
  }
  reader.vector(() => {
    reader.name();
    reader.oneOf([0x00, 0x01, 0x02, 0x03, 0x04, 0x10, 0x11, 0x12], "core sort");
    reader.u32();
  }, 3);
}

/** Reads an instance: a component instantiated, or exports put together from what is in scope. */
export function readInstance(reader: Reader, scope: Scope): void {
  const start = reader.at;
  if (reader.oneOf([0x00, 0x01], "instance") === 0x00) {
    const component = scope.readComponent(reader);
    const args = readArguments(reader, scope);
    const made = instantiate(component, args, reader.budget, (what) => reader.refusal(what, start));
    // No spread: a hostile number of resources would overflow the stack as arguments.
    for (const resource of made.resources) scope.bound.push(resource);
    scope.instances.push(made.instance);
    return;
  }
  scope.instances.push(instanceNode(readInlineExports(reader, scope)));
}

/** Reads what is passed to the imports of a component. */
function readArguments(reader: Reader, scope: Scope): Map<string, Extern> {
  const args = new Map<string, Extern>();
  reader.vector(() => {
    const start = reader.at;
    const name = reader.name();
    if (args.has(name)) throw reader.refusal(`argument "${name}" is there twice`, start);
    args.set(name, readReference(reader, scope));
  }, 3);
  return args;
}

/** Reads the exports of an instance that is put together from what is in scope. */
function readInlineExports(reader: Reader, scope: Scope): Map<string, Extern> {
  const exports = new Map<string, Extern>();
  const keys = new Set<string>();
  reader.vector(() => {
    const start = reader.at;
    const name = readExternName(reader);
    const extern = readReference(reader, scope);
    checkBorder(name, extern, keys, reader, start);
    exports.set(name, extern);
  }, 4);
  return exports;
}

/** Reads a sort and an index, and finds what they refer to. */
export function readReference(reader: Reader, scope: Scope): Extern {
  const start = reader.at;
  const sort = readSort(reader);
  switch (sort) {
    case "func":
      return { sort, type: scope.readFunc(reader) };
    case "type":
      return { sort, type: scope.readType(reader) };
    case "instance":
      return { sort, type: scope.readInstance(reader) };
    case "component":
      return { sort, type: scope.readComponent(reader) };
    case "module":
      reader.u32();
      return { sort };
    case "core":
      throw reader.refusal("core definitions other than modules do not cross a component's border", start);
  }
}
