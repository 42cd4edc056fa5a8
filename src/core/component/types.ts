/**
 * The type section and everything written like it: function types, component and instance types with their
 * declarations, and the types of imports and exports. Value types are in `value-types.ts`.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md#type-definitions
 */

import { readAlias } from "./alias.ts";
import { readCoreType } from "./core-types.ts";
import { makeInstance } from "./instantiate.ts";
import type { ModuleBorder } from "./module-border.ts";
import {
  componentNode,
  type Extern,
  type FuncNode,
  funcNode,
  instanceNode,
  namedNode,
  type ResourceNode,
  resourceNode,
  type TypeNode,
} from "./nodes.ts";
import type { Reader } from "./reader.ts";
import { Scope } from "./scope.ts";
import { article, checkLabels, optional, readDefinedType, readLabel, readValueType } from "./value-types.ts";

/** Reads one type definition. */
export function readType(reader: Reader, scope: Scope): TypeNode {
  switch (reader.peek()) {
    case 0x40:
    case 0x43:
      return readFuncType(reader, scope);
    case 0x41:
      return readComponentType(reader, scope);
    case 0x42:
      return readInstanceType(reader, scope);
    case 0x3f:
      return readResourceType(reader, scope);
    default:
      return readDefinedType(reader, scope);
  }
}

function readFuncType(reader: Reader, scope: Scope): FuncNode {
  const start = reader.at;
  const async = reader.byte() === 0x43;
  const labels: string[] = [];
  const params = reader.vector(() => {
    labels.push(readLabel(reader));
    return readValueType(reader, scope);
  }, 3);
  checkLabels(labels, reader, start);
  if (reader.oneOf([0x00, 0x01], "result list") === 0x00) {
    const result = readValueType(reader, scope);
    // What is borrowed is given back when the call ends: nobody would own it after that.
    if (result.borrows) throw reader.refusal("a function's result contains a borrowed handle", start);
    return funcNode(labels, params, result, async);
  }
  reader.oneOf([0x00], "named results (an old form; rebuild the component)");
  return funcNode(labels, params, undefined, async);
}

function readResourceType(reader: Reader, scope: Scope): ResourceNode {
  const start = reader.at;
  reader.byte();
  if (scope.kind !== "component") throw reader.refusal("resource defined inside a type", start);
  reader.oneOf([0x7f], "representation of a resource");
  const destructor = optional(reader, () => reader.u32());
  const resource = resourceNode();
  scope.bound.push(resource);
  scope.note({ op: "resource", node: resource, destructor });
  return resource;
}

function readInstanceType(reader: Reader, outer: Scope): TypeNode {
  reader.byte();
  const scope = new Scope("instance-type", outer, reader);
  reader.vector(() => readDeclaration(reader, scope), 2);
  return instanceNode(scope.exports, scope.bound);
}

function readComponentType(reader: Reader, outer: Scope): TypeNode {
  reader.byte();
  const scope = new Scope("component-type", outer, reader);
  reader.vector(() => readDeclaration(reader, scope), 2);
  return componentNode(scope.imports, scope.exports, scope.bound);
}

function readDeclaration(reader: Reader, scope: Scope): void {
  const start = reader.at;
  const opcode = reader.byte();
  switch (opcode) {
    case 0x00:
      readCoreType(reader, scope);
      break;
    case 0x01:
      scope.addType(readType(reader, scope), reader);
      break;
    case 0x02:
      readAlias(reader, scope);
      break;
    case 0x03: {
      if (scope.kind !== "component-type") throw reader.refusal("import inside an instance type", start);
      const name = readExternName(reader);
      scope.addImport(name, readExternType(reader, scope, name, true), reader, start);
      break;
    }
    case 0x04: {
      const name = readExternName(reader);
      scope.addExport(name, readExternType(reader, scope, name, false), reader, start);
      break;
    }
    default:
      throw reader.refusal(`unknown declaration 0x${opcode.toString(16)}`, start);
  }
}

/** Reads the name of an import or export. Attributes, which rename or redirect it, are refused. */
export function readExternName(reader: Reader): string {
  const start = reader.at;
  if (reader.byte() > 0x01) {
    throw reader.refusal("name attributes (implements, versionsuffix, external-id) are not supported", start);
  }
  return reader.name();
}

/**
 * Reads the type of an import or export. An instance becomes one with resources of its own, and an abstract
 * resource a new one; both are named after the import or export.
 */
export function readExternType(reader: Reader, scope: Scope, name: string, isImport: boolean): Extern {
  const start = reader.at;
  const sort = reader.byte();
  switch (sort) {
    case 0x00:
      reader.oneOf([0x11], "core sort");
      return { sort: "module", border: readModuleBound(reader, scope, start) };
    case 0x01: {
      const type = scope.readType(reader);
      if (type.what === "func") return { sort: "func", type };
      throw reader.refusal(`expected a function type, found ${article(type)}`, start);
    }
    case 0x02:
      throw reader.refusal(`value "${name}" is not supported`, start);
    case 0x03:
      return { sort: "type", type: readTypeBound(reader, scope, name, isImport) };
    case 0x04: {
      const type = scope.readType(reader);
      if (type.what === "component") return { sort: "component", type };
      throw reader.refusal(`expected a component type, found ${article(type)}`, start);
    }
    case 0x05:
      return readInstanceBound(reader, scope, name, isImport);
    default:
      throw reader.refusal(`unknown sort 0x${sort.toString(16)}`, start);
  }
}

function readModuleBound(reader: Reader, scope: Scope, start: number): ModuleBorder {
  const type = scope.readCoreType(reader);
  if (type !== "func") return type;
  throw reader.refusal("expected a core module type, found one of a function", start);
}

function readInstanceBound(reader: Reader, scope: Scope, name: string, isImport: boolean): Extern {
  const start = reader.at;
  const type = scope.readType(reader);
  if (type.what !== "instance") {
    throw reader.refusal(`expected an instance type, found ${article(type)}`, start);
  }
  const made = makeInstance(type, name, reader.budget);
  for (const resource of made.resources) {
    resource.settled = scope.isRoot && isImport;
    scope.bound.push(resource);
  }
  return { sort: "instance", type: made.instance };
}

function readTypeBound(reader: Reader, scope: Scope, name: string, isImport: boolean): TypeNode {
  if (reader.oneOf([0x00, 0x01], "type bound") === 0x00) {
    const replaceable = isImport && scope.kind === "component" && !scope.isRoot;
    return namedNode(scope.readType(reader), name, replaceable);
  }
  const resource = resourceNode(name);
  resource.settled = scope.isRoot && isImport;
  scope.bound.push(resource);
  return resource;
}
