/**
 * Makes instances from component and instance types: puts arguments in the place of imports and gives every
 * instance resources of its own. This is how the type of an exported interface is found, because toolchains
 * export the instance of a small nested component that wraps the real functions.
 *
 * Arguments are matched by name; types among them must be what is wanted, part by part. Functions are compared by
 * the planner, where each has its type's number; core modules by name and kind, and by the engine, which links them.
 */
import type { Budget } from "./limits.ts";
import { fitsModule } from "./module-border.ts";
import {
  type ComponentNode,
  componentNode,
  type Extern,
  type FuncNode,
  funcNode,
  type InstanceNode,
  instanceNode,
  type ResourceNode,
  resourceNode,
  type TypeNode,
  type ValueNode,
  valueNode,
} from "./nodes.ts";
import { TypeComparison } from "./same-type.ts";

/** What replaces what, and what has been replaced already: the memo keeps shared parts shared. */
type Replacement = Map<TypeNode, TypeNode>;

/** An instance together with the resources that were made for it. */
export interface Made {
  readonly instance: InstanceNode;
  readonly resources: readonly ResourceNode[];
}

/**
 * Makes an instance of an instance type, as an import or an ascribed export does.
 *
 * @param type the instance type
 * @param name the import's or export's name, which the new resources are named after
 * @param budget pays for the copies
 */
export function makeInstance(type: InstanceNode, name: string, budget: Budget): Made {
  const replacement: Replacement = new Map();
  const resources = freshen(type.bound, replacement, name, budget);
  return { instance: instanceNode(replaceAll(type.exports, replacement, budget)), resources };
}

/**
 * Instantiates a component.
 *
 * @param component what is instantiated
 * @param args by import name
 * @param budget pays for the copies
 * @param refusal makes the error for a missing or misfit argument, at the place in the binary
 */
export function instantiate(
  component: ComponentNode,
  args: ReadonlyMap<string, Extern>,
  budget: Budget,
  refusal: (what: string) => Error,
): Made {
  const replacement: Replacement = new Map();
  const matching: Matching = {
    replacement,
    budget,
    bound: new Set(component.bound),
    types: new TypeComparison(replacement, budget),
  };
  for (const [name, wanted] of component.imports) {
    const arg = args.get(name);
    if (arg === undefined) throw refusal(`the component instantiated here imports "${name}", not given`);
    match(wanted, arg, matching, () => refusal(`the argument "${name}" is not what is wanted`));
  }
  const rest = component.bound.filter((resource) => !replacement.has(resource));
  const resources = freshen(rest, replacement, undefined, budget);
  return { instance: instanceNode(replaceAll(component.exports, replacement, budget)), resources };
}

/** What arguments are matched with. */
interface Matching {
  readonly replacement: Replacement;
  readonly budget: Budget;
  /** Resources of the component that is instantiated: an argument may stand for one. */
  readonly bound: ReadonlySet<TypeNode>;
  readonly types: TypeComparison;
}

/** Notes which types of an import the argument stands for, through nested instances. */
function match(wanted: Extern, given: Extern, matching: Matching, misfit: () => Error): void {
  const { replacement, budget, bound, types } = matching;
  budget.spend("copies", 1);
  if (wanted.sort === "type" && given.sort === "type") {
    const isFree = bound.has(wanted.type) && !replacement.has(wanted.type);
    if (isFree ? given.type.what !== "resource" : !types.isSame(wanted.type, given.type)) throw misfit();
    if (!replacement.has(wanted.type)) replacement.set(wanted.type, given.type);
    return;
  }
  if (wanted.sort === "instance" && given.sort === "instance") {
    for (const [name, inner] of wanted.type.exports) {
      const innerGiven = given.type.exports.get(name);
      if (innerGiven === undefined) throw misfit();
      match(inner, innerGiven, matching, misfit);
    }
    return;
  }
  if (wanted.sort === "module" && given.sort === "module") {
    budget.spend("copies", wanted.border.exports.size + given.border.imports.size);
    if (!fitsModule(given.border, wanted.border)) throw misfit();
    return;
  }
  if (wanted.sort !== given.sort) throw misfit();
}

function freshen(
  bound: readonly ResourceNode[],
  replacement: Replacement,
  name: string | undefined,
  budget: Budget,
): ResourceNode[] {
  budget.spend("copies", bound.length);
  return bound.map((resource) => {
    const fresh = resourceNode(resource.name, name ?? resource.interface);
    replacement.set(resource, fresh);
    return fresh;
  });
}

function replaceAll(
  externs: ReadonlyMap<string, Extern>,
  replacement: Replacement,
  budget: Budget,
): Map<string, Extern> {
  budget.spend("copies", externs.size);
  const replaced = new Map<string, Extern>();
  for (const [name, extern] of externs) replaced.set(name, replaceExtern(extern, replacement, budget));
  return replaced;
}

function replaceExtern(extern: Extern, replacement: Replacement, budget: Budget): Extern {
  switch (extern.sort) {
    case "func":
      return {
        sort: "func",
        type: memo(extern.type, replacement, (type) => func(type, replacement, budget)),
      };
    case "type":
      return { sort: "type", type: replaceType(extern.type, replacement, budget) };
    case "instance":
      return {
        sort: "instance",
        type: memo(extern.type, replacement, (type) => instance(type, replacement, budget)),
      };
    case "component":
      return {
        sort: "component",
        type: memo(extern.type, replacement, (type) => component(type, replacement, budget)),
      };
    case "module":
      return extern;
  }
}

function replaceType(type: TypeNode, replacement: Replacement, budget: Budget): TypeNode {
  const known = replacement.get(type);
  if (known !== undefined) return known;
  switch (type.what) {
    case "value":
      return value(type, replacement, budget);
    case "func":
      return memo(type, replacement, (it) => func(it, replacement, budget));
    case "instance":
      return memo(type, replacement, (it) => instance(it, replacement, budget));
    case "component":
      return memo(type, replacement, (it) => component(it, replacement, budget));
    case "resource":
      return type;
  }
}

/** Copies a node once; a node that mentions nothing replaceable is used as it is. */
function memo<T extends TypeNode>(type: T, replacement: Replacement, copy: (type: T) => T): T {
  if (!type.open) return type;
  const known = replacement.get(type);
  // The cast is sound: only nodes of the same `what` are ever put in each other's place (see `match`).
  if (known !== undefined && known.what === type.what) return known as T;
  const copied = copy(type);
  replacement.set(type, copied);
  return copied;
}

function value(type: ValueNode, replacement: Replacement, budget: Budget): ValueNode {
  return memo(type, replacement, (it) => {
    budget.spend("copies", 1 + it.items.length);
    const items = it.items.map((item) => item && value(item, replacement, budget));
    const resource = it.resource && replacement.get(it.resource);
    // The same node where nothing of it was replaced: a type has its name by that.
    if (resource === undefined && items.every((item, index) => item === it.items[index])) return it;
    const parts = { labels: it.labels, items, name: it.name };
    if (it.resource === undefined) return valueNode(it.kind, parts);
    return valueNode(it.kind, { ...parts, resource: resource?.what === "resource" ? resource : it.resource });
  });
}

function func(type: FuncNode, replacement: Replacement, budget: Budget): FuncNode {
  budget.spend("copies", 1 + type.params.length);
  const params = type.params.map((param) => value(param, replacement, budget));
  return funcNode(type.labels, params, type.result && value(type.result, replacement, budget), type.async);
}

function instance(type: InstanceNode, replacement: Replacement, budget: Budget): InstanceNode {
  return instanceNode(replaceAll(type.exports, replacement, budget), type.bound);
}

function component(type: ComponentNode, replacement: Replacement, budget: Budget): ComponentNode {
  const imports = replaceAll(type.imports, replacement, budget);
  return componentNode(imports, replaceAll(type.exports, replacement, budget), type.bound);
}
