/**
 * Whether a type that is given is the one that is wanted: equal part by part, and of the same resources. Types of the
 * component model have no identity of their own but for resources, which have nothing else.
 */
import type { Budget } from "./limits.ts";
import type { FuncNode, TypeNode, ValueNode } from "./nodes.ts";

/** Compares types of one instantiation. Shared parts are compared once: their number may be exponential. */
export class TypeComparison {
  readonly #replacement: ReadonlyMap<TypeNode, TypeNode>;
  readonly #budget: Budget;
  readonly #same = new Map<TypeNode, Set<TypeNode>>();

  /**
   * @param replacement what stands for the types of the wanted side
   * @param budget pays for each pair that is compared
   */
  constructor(replacement: ReadonlyMap<TypeNode, TypeNode>, budget: Budget) {
    this.#replacement = replacement;
    this.#budget = budget;
  }

  /** Types of instances and components are compared by nothing but their kind: what uses them is compared. */
  isSame(wanted: TypeNode, given: TypeNode): boolean {
    if (wanted.what === "value" && given.what === "value") return this.#isSameValue(wanted, given);
    if (wanted.what === "func" && given.what === "func") return this.#isSameFunc(wanted, given);
    if (wanted.what === "resource") return (this.#replacement.get(wanted) ?? wanted) === given;
    return wanted.what === given.what;
  }

  #isSameValue(wanted: ValueNode, given: ValueNode): boolean {
    if ((wanted === given && !wanted.open) || this.#same.get(wanted)?.has(given)) return true;
    this.#budget.spend("copies", 1 + wanted.items.length);
    const { resource } = wanted;
    const same =
      wanted.kind === given.kind &&
      isSameList(wanted.labels, given.labels) &&
      (resource === undefined
        ? given.resource === undefined
        : given.resource !== undefined && this.isSame(resource, given.resource)) &&
      wanted.items.length === given.items.length &&
      wanted.items.every((item, index) => this.#isSameItem(item, given.items[index]));
    if (same) {
      const known = this.#same.get(wanted) ?? new Set();
      this.#same.set(wanted, known.add(given));
    }
    return same;
  }

  #isSameFunc(wanted: FuncNode, given: FuncNode): boolean {
    return (
      wanted.async === given.async &&
      isSameList(wanted.labels, given.labels) &&
      wanted.params.every((param, index) => this.#isSameItem(param, given.params[index])) &&
      this.#isSameItem(wanted.result, given.result)
    );
  }

  #isSameItem(wanted: ValueNode | undefined, given: ValueNode | undefined): boolean {
    if (wanted === undefined || given === undefined) return wanted === given;
    return this.#isSameValue(wanted, given);
  }
}

function isSameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

/** Whether a type mentions a resource that is not its own: one that its definition neither makes nor imports. */
export function mentionsResources(type: TypeNode): boolean {
  const seen = new Set<TypeNode>();
  const mentioned = new Set<TypeNode>();
  const own = new Set<TypeNode>();
  // By hand, so that a part that many share is walked once.
  const left: TypeNode[] = [type];
  for (let at = left.pop(); at !== undefined; at = left.pop()) {
    if (seen.has(at)) continue;
    seen.add(at);
    switch (at.what) {
      case "resource":
        mentioned.add(at);
        break;
      case "value":
        if (at.resource !== undefined) left.push(at.resource);
        for (const item of at.items) if (item !== undefined) left.push(item);
        break;
      case "func":
        for (const part of [...at.params, at.result]) if (part !== undefined) left.push(part);
        break;
      case "instance":
      case "component":
        for (const resource of at.bound) own.add(resource);
        for (const extern of at.exports.values()) if (extern.sort !== "module") left.push(extern.type);
        if (at.what === "component")
          for (const extern of at.imports.values()) if (extern.sort !== "module") left.push(extern.type);
    }
  }
  for (const resource of own) mentioned.delete(resource);
  return mentioned.size > 0;
}
