/**
 * One component instance on paper: its index spaces while the planner carries out its recipe. An index in the binary
 * is a claim; each look-up checks it.
 */
import { type GatewayError, refuseComponent } from "../errors.ts";
import type { PlanCoreItem } from "./link-plan.ts";
import type { ResourceNode, ValueNode } from "./nodes.ts";
import type { Recipe } from "./recipe.ts";
import type { CoreKind } from "./wit.ts";

/** Something that crosses a component's border. */
export type Item =
  | { readonly sort: "func"; readonly func: number }
  /** `resource` is absent for types of values, which are known by their structure. */
  | { readonly sort: "type"; readonly resource?: number }
  | InstanceItem
  | ComponentItem
  | { readonly sort: "module"; readonly module: number };

/** An instance: its exports by name. */
export interface InstanceItem {
  readonly sort: "instance";
  readonly exports: ReadonlyMap<string, Item>;
}

/** A component with the instance that it was written in, for its outer aliases. */
export interface ComponentItem {
  readonly sort: "component";
  readonly recipe: Recipe;
  readonly outer: Frame;
}

/** A core instance: what its exports are. */
export type CoreExports = ReadonlyMap<string, { readonly sort: CoreKind; readonly item: PlanCoreItem }>;

/** Makes the refusal for something that does not fit together. */
export function misfit(what: string): GatewayError {
  return refuseComponent(`Cannot link component: ${what}`);
}

/** The index spaces of one component instance. */
export class Frame {
  readonly parent: Frame | undefined;
  /** Number among all component instances. */
  readonly id: number;
  readonly funcs: number[] = [];
  readonly instances: InstanceItem[] = [];
  readonly components: ComponentItem[] = [];
  readonly modules: number[] = [];
  readonly coreInstances: CoreExports[] = [];
  readonly core: Readonly<Record<CoreKind, PlanCoreItem[]>> = {
    func: [],
    table: [],
    memory: [],
    global: [],
    tag: [],
  };
  readonly exports = new Map<string, Item>();
  /** Numbers of types that mention resources, which stand for others in each instance. */
  readonly memo = new Map<ValueNode, number>();
  readonly #resources = new Map<ResourceNode, number>();

  constructor(parent: Frame | undefined, id: number) {
    this.parent = parent;
    this.id = id;
  }

  /** Says which resource a node stands for; the same node never stands for two. */
  bindResource(node: ResourceNode, resource: number): void {
    const known = this.#resources.get(node);
    if (known !== undefined && known !== resource)
      throw misfit("a resource is not the one that it is declared to be");
    this.#resources.set(node, resource);
  }

  /** The resource behind a node, or `undefined` when it was not brought into this instance. */
  findResource(node: ResourceNode): number | undefined {
    return this.#resources.get(node);
  }

  /** {@link findResource}; a function so that it can be handed on. */
  readonly resourceOf = (node: ResourceNode): number => {
    const found = this.#resources.get(node);
    if (found === undefined)
      throw misfit(`the resource "${node.name ?? ""}" comes from outside its component`);
    return found;
  };
}

/** @throws GatewayError `component-refused` when there is nothing at the index */
export function at<T>(space: readonly T[], index: number, what: string): T {
  const found = space[index];
  if (found === undefined) throw misfit(`there is no ${what} ${index}, only ${space.length} so far`);
  return found;
}
