/**
 * The instance sections: components instantiated with arguments, and instances put together by hand. Their types
 * are what the component exports in the end.
 */
import { coreKinds, readSort } from "./alias.ts";
import { Border } from "./border.ts";
import { instantiate } from "./instantiate.ts";
import { type Extern, instanceNode } from "./nodes.ts";
import type { Reader } from "./reader.ts";
import type { CoreReference, NamedReference, Reference } from "./recipe.ts";
import type { Scope } from "./scope.ts";
import { readExternName } from "./types.ts";

/** Reads a core instance: a core module instantiated, or core definitions put together under names. */
export function readCoreInstance(reader: Reader, scope: Scope): void {
  if (reader.oneOf([0x00, 0x01], "core instance") === 0x00) {
    const module = reader.u32();
    const args = reader.vector((): readonly [string, number] => {
      const name = reader.name();
      reader.oneOf([0x12], "core argument sort");
      return [name, reader.u32()];
    }, 3);
    scope.note({ op: "core-instantiate", module, args });
    return;
  }
  const items = reader.vector((): CoreReference => {
    const name = reader.name();
    const sort = coreKinds[reader.oneOf([0x00, 0x01, 0x02, 0x03, 0x04], "core sort")];
    if (sort === undefined) throw new TypeError("The reader let an unknown core sort pass");
    return { name, sort, index: reader.u32() };
  }, 3);
  scope.note({ op: "core-bag", items });
}

/** Reads an instance: a component instantiated, or exports put together from what is in scope. */
export function readInstance(reader: Reader, scope: Scope): void {
  const start = reader.at;
  if (reader.oneOf([0x00, 0x01], "instance") === 0x00) {
    const index = scope.peekIndex(reader);
    const component = scope.readComponent(reader);
    const passed: NamedReference[] = [];
    const args = readArguments(reader, scope, passed);
    const made = instantiate(component, args, reader.budget, (what) => reader.refusal(what, start));
    scope.note({ op: "instantiate", component: index, args: passed, made: made.instance });
    // No spread: a hostile number of resources would overflow the stack as arguments.
    for (const resource of made.resources) scope.bound.push(resource);
    scope.instances.push(made.instance);
    return;
  }
  const items: NamedReference[] = [];
  scope.instances.push(instanceNode(readInlineExports(reader, scope, items)));
  scope.note({ op: "bag", items });
}

/** Reads what is passed to the imports of a component. */
function readArguments(reader: Reader, scope: Scope, passed: NamedReference[]): Map<string, Extern> {
  const args = new Map<string, Extern>();
  reader.vector(() => {
    const start = reader.at;
    const name = reader.name();
    if (args.has(name)) throw reader.refusal(`argument "${name}" is there twice`, start);
    const { extern, reference } = readReference(reader, scope);
    args.set(name, extern);
    passed.push({ name, ...reference });
  }, 3);
  return args;
}

/** Reads the exports of an instance that is put together from what is in scope. */
function readInlineExports(reader: Reader, scope: Scope, items: NamedReference[]): Map<string, Extern> {
  const exports = new Map<string, Extern>();
  const names = new Border();
  reader.vector(() => {
    const start = reader.at;
    const name = readExternName(reader);
    const { extern, reference } = readReference(reader, scope);
    items.push({ name, ...reference });
    names.add(name, extern, reader, start);
    exports.set(name, extern);
  }, 4);
  return exports;
}

/** Reads a sort and an index, and finds what they refer to. */
export function readReference(
  reader: Reader,
  scope: Scope,
): { readonly extern: Extern; readonly reference: Reference } {
  const start = reader.at;
  const sort = readSort(reader);
  if (sort === "core")
    throw reader.refusal("core definitions other than modules do not cross a component's border", start);
  const index = scope.peekIndex(reader);
  const extern = readReferenced(sort, reader, scope);
  const type = extern.sort === "type" ? { type: extern.type } : {};
  return { extern, reference: { sort, index, ...type } };
}

function readReferenced(sort: Reference["sort"], reader: Reader, scope: Scope): Extern {
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
      return { sort, border: scope.readModule(reader) };
  }
}
