/**
 * Types while they are being decoded: a graph that shares its parts, with resources by identity. Never leaves
 * this room; `describe.ts` turns it into plain data.
 *
 * INVARIANT: nodes are acyclic (an index refers backwards only) and no deeper than `LIMITS.typeDepth`, so every
 * recursion over them is bounded. They may still share parts exponentially: walk them with a memo or a budget.
 */

import { refuseComponent } from "../errors.ts";
import { LIMITS } from "./limits.ts";
import type { ModuleBorder } from "./module-border.ts";
import type { PrimitiveKind } from "./wit.ts";

/** A resource type: two handles are of one type when they hold the same object. */
export interface ResourceNode {
  readonly what: "resource";
  /** Names are found after identities: at the import or export that makes the resource visible. */
  name: string | undefined;
  interface: string | undefined;
  /** Whether name and interface are final. The first import or export that shows a resource settles them. */
  settled: boolean;
  readonly open: true;
  readonly depth: 1;
}

/** A resource as one index of one definition knows it: it may have a name there while other indices of it have none. */
export interface Mention {
  /** The definition whose index it is. */
  readonly scope: object;
  /** The resource itself, or what stands for the name that an import or export has given it. */
  readonly id: object;
}

/** The kinds of a value type. */
export type ValueKind =
  | PrimitiveKind
  | "record"
  | "variant"
  | "list"
  | "tuple"
  | "flags"
  | "enum"
  | "option"
  | "result"
  | "own"
  | "borrow"
  | "stream"
  | "future";

/** A value type; one shape for all kinds, so that walking needs no switch. */
export interface ValueNode {
  readonly what: "value";
  readonly kind: ValueKind;
  readonly name: string | undefined;
  /** Fields, cases or flags, where the kind has them; parallel to `items` for fields and cases. */
  readonly labels: readonly string[];
  /** Payloads in order; `undefined` where a case, a result's side or a stream has none. */
  readonly items: readonly (ValueNode | undefined)[];
  /** The resource of a handle. */
  readonly resource: ResourceNode | undefined;
  /** How a handle's resource was referred to; undefined once another resource has taken its place. */
  readonly mention: Mention | undefined;
  /** Whether it, or a part, is a borrowed handle. */
  readonly borrows: boolean;
  /** Whether it, or a part, stands for something that an instantiation replaces. */
  readonly open: boolean;
  readonly depth: number;
}

/** A function type. */
export interface FuncNode {
  readonly what: "func";
  readonly labels: readonly string[];
  readonly params: readonly ValueNode[];
  readonly result: ValueNode | undefined;
  readonly async: boolean;
  readonly open: boolean;
  readonly depth: number;
}

/** An instance type, and an instance too: then nothing is bound. */
export interface InstanceNode {
  readonly what: "instance";
  readonly exports: ReadonlyMap<string, Extern>;
  /** Resources that every instance of this type gets its own of. */
  readonly bound: readonly ResourceNode[];
  readonly open: boolean;
  readonly depth: number;
}

/** A component, or a component type. */
export interface ComponentNode {
  readonly what: "component";
  readonly imports: ReadonlyMap<string, Extern>;
  readonly exports: ReadonlyMap<string, Extern>;
  readonly bound: readonly ResourceNode[];
  readonly open: boolean;
  readonly depth: number;
}

/** Anything a type index can refer to. */
export type TypeNode = ValueNode | FuncNode | InstanceNode | ComponentNode | ResourceNode;

/** Anything with a name at a border: what is imported, exported or passed as an argument. */
export type Extern =
  | { readonly sort: "func"; readonly type: FuncNode }
  | { readonly sort: "type"; readonly type: TypeNode }
  | { readonly sort: "instance"; readonly type: InstanceNode }
  | { readonly sort: "component"; readonly type: ComponentNode }
  | { readonly sort: "module"; readonly border: ModuleBorder };

/** Makes a resource of its own. */
export function resourceNode(name?: string, iface?: string): ResourceNode {
  return { what: "resource", name, interface: iface, settled: false, open: true, depth: 1 };
}

/** What a value node is made of; what is left out is empty. */
export interface ValueParts {
  readonly labels?: readonly string[];
  readonly items?: readonly (ValueNode | undefined)[];
  readonly resource?: ResourceNode;
  readonly mention?: Mention;
  readonly name?: string | undefined;
}

/**
 * Makes a value type.
 *
 * @throws GatewayError `component-refused` when it is deeper than `LIMITS.typeDepth`
 */
export function valueNode(kind: ValueKind, parts: ValueParts = {}): ValueNode {
  const { labels = [], items = [], resource, mention, name } = parts;
  return {
    what: "value",
    kind,
    name,
    labels,
    items,
    resource,
    mention,
    borrows: kind === "borrow" || items.some((item) => item?.borrows === true),
    open: resource !== undefined || items.some((item) => item?.open === true),
    depth: depthOver(items),
  };
}

/** Makes a function type; see {@link valueNode}. */
export function funcNode(
  labels: readonly string[],
  params: readonly ValueNode[],
  result: ValueNode | undefined,
  async: boolean,
): FuncNode {
  const parts = [...params, result];
  const open = parts.some((part) => part?.open === true);
  return { what: "func", labels, params, result, async, open, depth: depthOver(parts) };
}

/** Makes an instance type (or an instance, with nothing bound); see {@link valueNode}. */
export function instanceNode(
  exports: ReadonlyMap<string, Extern>,
  bound: readonly ResourceNode[] = [],
): InstanceNode {
  const types = [...exports.values()].map(typeOf);
  const open = types.some((type) => type?.open === true);
  return { what: "instance", exports, bound, open, depth: depthOver(types) };
}

/** Makes a component or a component type; see {@link valueNode}. */
export function componentNode(
  imports: ReadonlyMap<string, Extern>,
  exports: ReadonlyMap<string, Extern>,
  bound: readonly ResourceNode[],
): ComponentNode {
  const types = [...imports.values(), ...exports.values()].map(typeOf);
  const open = types.some((type) => type?.open === true);
  return { what: "component", imports, exports, bound, open, depth: depthOver(types) };
}

/**
 * The same value type under a name of its interface; other types have no name of their own.
 *
 * @param replaceable a type import of a nested component: its instantiation puts the real type in its place
 */
export function namedNode(type: TypeNode, name: string, replaceable = false): TypeNode {
  if (type.what !== "value") return type;
  return replaceable ? { ...type, open: true } : { ...type, name };
}

function typeOf(extern: Extern): TypeNode | undefined {
  return extern.sort === "module" ? undefined : extern.type;
}

function depthOver(parts: readonly ({ readonly depth: number } | undefined)[]): number {
  let deepest = 0;
  for (const part of parts) if (part !== undefined && part.depth > deepest) deepest = part.depth;
  if (deepest + 1 > LIMITS.typeDepth) {
    throw refuseComponent(`Cannot decode component: a type is more than ${LIMITS.typeDepth} levels deep`);
  }
  return deepest + 1;
}

/** What a sort in the binary names; `core` for all core sorts but modules. */
export type Sort = Extern["sort"] | "core";
