/**
 * Aliases: definitions of an instance or of an enclosing scope made available under an index of this scope.
 */
import type { Sort } from "./nodes.ts";
import type { Reader } from "./reader.ts";
import { mentionsResources } from "./same-type.ts";
import type { Scope } from "./scope.ts";
import type { CoreKind } from "./wit.ts";

/**
 * Reads a sort.
 *
 * @throws GatewayError `component-refused` for an unknown sort, and for values, which no toolchain emits
 */
export function readSort(reader: Reader): Sort {
  return readSorts(reader).sort;
}

/** {@link readSort}, with the kind of a core definition that has one; core types and instances have none. */
function readSorts(reader: Reader): {
  readonly sort: Sort;
  readonly core?: CoreKind;
  readonly isCoreType?: boolean;
} {
  if (reader.peek() !== 0x00) return { sort: readComponentSort(reader) };
  reader.byte();
  const core = reader.oneOf([0x00, 0x01, 0x02, 0x03, 0x04, 0x10, 0x11, 0x12], "core sort");
  if (core === 0x11) return { sort: "module" };
  const kind = coreKinds[core];
  return kind === undefined ? { sort: "core", isCoreType: core === 0x10 } : { sort: "core", core: kind };
}

/** Core sorts by their byte. */
export const coreKinds: readonly CoreKind[] = ["func", "table", "memory", "global", "tag"];

function readComponentSort(reader: Reader): Exclude<Sort, "core" | "module"> {
  const start = reader.at;
  const byte = reader.byte();
  switch (byte) {
    case 0x01:
      return "func";
    case 0x03:
      return "type";
    case 0x04:
      return "component";
    case 0x05:
      return "instance";
    default:
      throw reader.refusal(`sort 0x${byte.toString(16)} is not supported`, start);
  }
}

/** Reads an alias and adds what it refers to to the scope. */
export function readAlias(reader: Reader, scope: Scope): void {
  const { at } = reader;
  const { sort, core, isCoreType = false } = readSorts(reader);
  const target = reader.oneOf([0x00, 0x01, 0x02], "alias");
  // A type has nothing but types, and instances for the types in them.
  if (scope.kind !== "component" && sort !== "type" && sort !== "instance" && !isCoreType)
    throw reader.refusal(`a ${sort} can not be aliased inside of a type`, at);
  if (target === 0x01) {
    const instance = reader.u32();
    const name = reader.name();
    if (core === undefined) throw reader.refusal("alias of a core export that is no core definition");
    scope.note({ op: "core-alias", sort: core, instance, name });
  } else if (target === 0x00) {
    readExportAlias(reader, scope, sort);
  } else {
    readOuterAlias(reader, scope, sort, isCoreType);
  }
}

function readExportAlias(reader: Reader, scope: Scope, sort: Sort): void {
  const start = reader.at;
  const index = scope.peekIndex(reader);
  const instance = scope.readInstance(reader);
  const name = reader.name();
  const extern = instance.exports.get(name);
  if (extern === undefined || extern.sort !== sort) {
    throw reader.refusal(`the instance exports no ${sort} "${name}"`, start);
  }
  scope.introduce(extern, reader);
  scope.note({ op: "alias", sort, instance: index, name });
}

function readOuterAlias(reader: Reader, scope: Scope, sort: Sort, isCoreType: boolean): void {
  const start = reader.at;
  let target: Scope | undefined = scope;
  let leavesComponent = false;
  const levels = reader.u32();
  for (let up = levels; up > 0 && target !== undefined; up--) {
    leavesComponent ||= target.kind === "component";
    target = target.parent;
  }
  if (target === undefined) throw reader.refusal("alias reaches out of the component", start);
  const index = scope.peekIndex(reader);
  if (sort === "type") {
    const type = target.readType(reader);
    // Each instance of a component has resources of its own: there is no saying of which one a nested component is.
    if (leavesComponent && mentionsResources(type))
      throw reader.refusal("alias of a type with resources of an outer component", start);
    scope.introduce({ sort, type }, reader);
  } else if (sort === "component") scope.introduce({ sort, type: target.readComponent(reader) }, reader);
  else if (isCoreType) scope.coreTypes.push(target.readCoreType(reader));
  else if (sort === "module") scope.introduce({ sort, border: target.readModule(reader) }, reader);
  else throw reader.refusal(`a ${sort} can not be aliased from outside`, start);
  if (sort === "component" || sort === "module") scope.note({ op: "outer", sort, up: levels, index });
}
