/**
 * Numbers for types: equal types get equal numbers, wherever in the binary they were written. Two functions that are
 * joined must have the same number, which is how a component that lies about a type is found out.
 */
import { type Layout, layoutOf } from "./abi.ts";
import type { Budget } from "./limits.ts";
import type { PlanSignature, PlanType } from "./link-plan.ts";
import type { FuncNode, ResourceNode, ValueNode } from "./nodes.ts";

/** Finds the number of the resource that a node stands for in one component instance. */
export type ResourceOf = (node: ResourceNode) => number;

/** The types of one plan. */
export class PlanTypes {
  readonly types: PlanType[] = [];
  readonly signatures: PlanSignature[] = [];
  readonly #budget: Budget;
  readonly #byKey = new Map<string, number>();
  readonly #signatureByKey = new Map<string, number>();
  /** Types that hold a text or a list. */
  readonly #pointing = new Set<number>();
  /** Numbers of nodes that mention no resource: the same in every component instance. */
  readonly #closed = new Map<ValueNode, number>();

  /** @param budget pays for every node that is looked at */
  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /**
   * Numbers a value type.
   *
   * @param memo numbers found before in the same component instance
   */
  number(node: ValueNode, resourceOf: ResourceOf, memo: Map<ValueNode, number>): number {
    const known = (node.open ? memo : this.#closed).get(node);
    if (known !== undefined) return known;
    this.#budget.spend("copies", 1 + node.items.length);
    const items = node.items.map((item) => (item === undefined ? null : this.number(item, resourceOf, memo)));
    const resource = node.resource === undefined ? null : resourceOf(node.resource);
    const index = this.#intern(node, items, resource);
    (node.open ? memo : this.#closed).set(node, index);
    return index;
  }

  /** Numbers a function type; see {@link number}. */
  signature(node: FuncNode, resourceOf: ResourceOf, memo: Map<ValueNode, number>): number {
    this.#budget.spend("copies", 1 + node.params.length);
    const params = node.params.map((param, index) => ({
      name: node.labels[index] ?? "",
      type: this.number(param, resourceOf, memo),
    }));
    const result = node.result === undefined ? null : this.number(node.result, resourceOf, memo);
    const key = JSON.stringify([params.map(({ name, type }) => [name, type]), result, node.async]);
    const known = this.#signatureByKey.get(key);
    if (known !== undefined) return known;
    this.#signatureByKey.set(key, this.signatures.length);
    return this.signatures.push({ params, result, async: node.async }) - 1;
  }

  /**
   * How values of several types travel together.
   *
   * @param limit core values that they may be
   * @returns `spilled` when they are too many; `pointers` when there is a text or a list among them or in them
   */
  passage(
    types: readonly number[],
    limit: number,
  ): { readonly spilled: boolean; readonly pointers: boolean } {
    let count = 0;
    let pointers = false;
    for (const index of types) {
      count += this.types[index]?.flat?.length ?? limit + 1;
      pointers ||= this.#pointing.has(index);
    }
    return { spilled: count > limit, pointers };
  }

  #intern(node: ValueNode, items: readonly (number | null)[], resource: number | null): number {
    const { kind, labels } = node;
    const key = `${kind} ${labels.join()} ${items.join()} ${resource}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const layouts = items.map((item): Layout | undefined => (item === null ? undefined : this.types[item]));
    this.#byKey.set(key, this.types.length);
    const index = this.types.length;
    // What goes through a stream crosses by options of its own.
    const isChannel = kind === "stream" || kind === "future";
    if (
      kind === "string" ||
      kind === "list" ||
      (!isChannel && items.some((item) => item !== null && this.#pointing.has(item)))
    )
      this.#pointing.add(index);
    this.types.push({ kind, labels, items, resource, ...layoutOf(kind, labels.length, layouts) });
    return index;
  }
}
