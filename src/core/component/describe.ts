/**
 * Turns the decoder's graph into the plain description: names resources after the place that shows them, and
 * pays for every character, because the graph shares parts and the description does not.
 */
import { refuseComponent } from "../errors.ts";
import type { Budget } from "./limits.ts";
import { type ExternName, parseExternName } from "./names.ts";
import type { Extern, FuncNode, InstanceNode, ResourceNode, TypeNode, ValueNode } from "./nodes.ts";
import type {
  PrimitiveKind,
  ResourceRef,
  WitFunction,
  WitInterface,
  WitNamedType,
  WitResource,
  WitScope,
  WitSide,
  WitType,
} from "./wit.ts";

/** Converted types with their size in characters of JSON, about; shared parts are converted once. */
type Memo = Map<ValueNode, { readonly type: WitType; readonly chars: number }>;

interface Context {
  readonly direction: "import" | "export";
  readonly memo: Memo;
  readonly budget: Budget;
}

/**
 * Describes one side of the outermost component.
 *
 * @param externs its imports or its exports, in order; imports first, since they name the resources
 * @param direction which of the two, for messages
 * @param budget pays for the description
 * @throws GatewayError `component-refused` for borders that no world of WIT has (modules, components, nested
 *   instances), and for types too large to write down
 */
export function describeSide(
  externs: ReadonlyMap<string, Extern>,
  direction: "import" | "export",
  budget: Budget,
): WitSide {
  const context: Context = { direction, memo: new Map(), budget };
  for (const [name, extern] of externs) settleExtern(name, extern);
  const interfaces: WitInterface[] = [];
  for (const [name, extern] of externs) {
    if (extern.sort === "instance") interfaces.push(describeInterface(name, extern.type, context));
  }
  const own = new Map([...externs].filter(([, extern]) => extern.sort !== "instance"));
  return Object.freeze({
    interfaces: Object.freeze(interfaces),
    ...describeScope(own, undefined, context),
  });
}

/** Gives the resources that a border shows first their final names. */
function settleExtern(name: string, extern: Extern): void {
  if (extern.sort === "type") settleType(name, undefined, extern.type);
  if (extern.sort !== "instance") return;
  for (const [label, inner] of extern.type.exports) {
    if (inner.sort === "type") settleType(label, name, inner.type);
  }
}

function settleType(label: string, iface: string | undefined, type: TypeNode): void {
  if (type.what !== "resource" || type.settled) return;
  type.name = label;
  type.interface = iface;
  type.settled = true;
}

function describeInterface(name: string, instance: InstanceNode, context: Context): WitInterface {
  const parsed = parsedName(name);
  const id = parsed.kind === "interface" ? Object.freeze(parsed.id) : null;
  context.budget.spend("descriptionChars", 64 + 2 * name.length);
  return Object.freeze({ name, id, ...describeScope(instance.exports, name, context) });
}

function describeScope(
  externs: ReadonlyMap<string, Extern>,
  iface: string | undefined,
  context: Context,
): WitScope {
  const functions: WitFunction[] = [];
  const resources: WitResource[] = [];
  const types: WitNamedType[] = [];
  for (const [name, extern] of externs) {
    const where = `${context.direction} "${iface === undefined ? name : `${iface}" / "${name}`}"`;
    context.budget.spend("descriptionChars", 16 + name.length);
    if (extern.sort === "func") {
      functions.push(describeFunction(name, extern.type, context, where));
    } else if (extern.sort === "type" && extern.type.what === "value") {
      types.push(Object.freeze({ name, type: describeType(extern.type, context, where) }));
    } else if (extern.sort === "type" && extern.type.what === "resource") {
      resources.push(describeResource(name, iface, extern.type));
    } else {
      throw misplaced(extern, where);
    }
  }
  return {
    functions: Object.freeze(functions),
    resources: Object.freeze(resources),
    types: Object.freeze(types),
  };
}

function misplaced(extern: Extern, where: string): Error {
  if (extern.sort === "type" && extern.type.what === "component") {
    return refuseComponent(
      `Cannot decode component: ${where} is the type of a component; this is a WIT package in binary form, not a component that runs`,
    );
  }
  const sort = extern.sort === "type" ? `${extern.type.what} type` : extern.sort;
  return refuseComponent(
    `Cannot decode component: ${where} is of the sort ${sort}; wanted a function, a type or an interface`,
  );
}

function describeResource(name: string, iface: string | undefined, node: ResourceNode): WitResource {
  if (node.name === name && node.interface === iface) return Object.freeze({ name });
  return Object.freeze({ name, alias: Object.freeze(resourceRef(node, name)) });
}

function resourceRef(node: ResourceNode, where: string): ResourceRef {
  if (node.name === undefined || !node.settled) {
    throw refuseComponent(
      `Cannot decode component: ${where} uses a resource that no import or export gives a name to`,
    );
  }
  return node.interface === undefined
    ? { resource: node.name }
    : { resource: node.name, interface: node.interface };
}

function describeFunction(name: string, node: FuncNode, context: Context, where: string): WitFunction {
  const parsed = parsedName(name);
  const params = node.params.map((param, index) =>
    Object.freeze({ name: node.labels[index] ?? "", type: describeType(param, context, where) }),
  );
  context.budget.spend("descriptionChars", 64 + name.length + node.labels.join("").length);
  return Object.freeze({
    name,
    kind: parsed.kind === "interface" ? "free" : parsed.kind,
    ...("resource" in parsed ? { resource: parsed.resource } : {}),
    params: Object.freeze(params),
    ...(node.result === undefined ? {} : { result: describeType(node.result, context, where) }),
    async: node.async || ("async" in parsed && parsed.async),
  });
}

function parsedName(name: string): ExternName {
  const parsed = parseExternName(name);
  // `checkBorder` has refused every name that does not parse.
  if (typeof parsed === "string") throw new TypeError(`The name "${name}" ${parsed}`);
  return parsed;
}

/** Converts a type and pays for its size without sharing: what it takes when it is written as JSON. */
function describeType(node: ValueNode, context: Context, where: string): WitType {
  const converted = convert(node, context, where);
  context.budget.spend("descriptionChars", converted.chars);
  return converted.type;
}

function convert(node: ValueNode, context: Context, where: string): { type: WitType; chars: number } {
  const known = context.memo.get(node);
  if (known !== undefined) return known;
  // A sum of doubles: for a hostile type it may become enormous, even Infinity, which is more than any budget.
  let chars = 24 + (node.name?.length ?? 0) + (node.resource?.interface?.length ?? 0);
  for (const label of node.labels) chars += label.length + 24;
  const items = node.items.map((item) => {
    if (item === undefined) return undefined;
    const converted = convert(item, context, where);
    chars += converted.chars;
    return converted.type;
  });
  const name = node.name === undefined ? {} : { name: node.name };
  const type = Object.freeze({ ...name, ...shape(node, items, where) });
  const entry = { type, chars };
  context.memo.set(node, entry);
  return entry;
}

function shape(node: ValueNode, items: readonly (WitType | undefined)[], where: string): WitType {
  const only = items[0];
  const first = only === undefined ? {} : { element: only };
  switch (node.kind) {
    case "record":
      return {
        kind: node.kind,
        fields: freezeAll(node.labels.map((name, i) => ({ name, type: part(items[i]) }))),
      };
    case "variant":
      return { kind: node.kind, cases: freezeAll(node.labels.map((name, i) => caseOf(name, items[i]))) };
    case "list":
      return { kind: node.kind, element: part(only) };
    case "tuple":
      return { kind: node.kind, items: Object.freeze(items.map(part)) };
    case "flags":
      return { kind: node.kind, flags: Object.freeze([...node.labels]) };
    case "enum":
      return { kind: node.kind, cases: Object.freeze([...node.labels]) };
    case "option":
      return { kind: node.kind, some: part(only) };
    case "result": {
      const err = items[1];
      return {
        kind: node.kind,
        ...(only === undefined ? {} : { ok: only }),
        ...(err === undefined ? {} : { err }),
      };
    }
    case "own":
    case "borrow":
      if (node.resource === undefined) throw new TypeError(`A ${node.kind} without resource in ${where}`);
      return { kind: node.kind, ...resourceRef(node.resource, where) };
    case "stream":
    case "future":
      return { kind: node.kind, ...first };
    default:
      return primitive(node.kind);
  }
}

function primitive(kind: PrimitiveKind): WitType {
  return { kind };
}

function caseOf(name: string, type: WitType | undefined): { name: string; type?: WitType } {
  return type === undefined ? { name } : { name, type };
}

/** @throws TypeError when a part is missing that the decoder always sets: a bug, not bad bytes */
function part(type: WitType | undefined): WitType {
  if (type === undefined) throw new TypeError("A part of a type is missing");
  return type;
}

function freezeAll<T extends object>(list: readonly T[]): readonly T[] {
  for (const item of list) Object.freeze(item);
  return Object.freeze(list);
}
