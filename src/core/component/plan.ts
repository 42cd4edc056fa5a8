/**
 * Plans a component's links: carries out on paper what instantiating it does, nested components included, and writes
 * down the rest, see `link-plan.ts`. What does not fit together is refused here, in words, before anything runs.
 *
 * The binary is attacker-controlled: a few hundred bytes of nested components can ask for any number of instances, so
 * each is paid for. INVARIANT: functions are joined only when their types have the same number; a component that says
 * of an import or export what it is not gets no further.
 */
import { decodeWhole } from "./decode.ts";
import { at, type CoreExports, Frame, type InstanceItem, type Item, misfit } from "./frame.ts";
import type { Budget } from "./limits.ts";
import type { LinkPlan, PlanCoreInstance, PlanCoreItem, PlanResource } from "./link-plan.ts";
import type { Extern, InstanceNode } from "./nodes.ts";
import { CanonPlanner } from "./plan-canon.ts";
import { DESTRUCTOR, requireSignature } from "./plan-signatures.ts";
import type { Definition, NamedReference, Recipe, Reference } from "./recipe.ts";
import type { ComponentDescription, CoreModule } from "./wit.ts";

/**
 * Plans the links of a component.
 *
 * @param bytes the component binary
 * @param decoded told when the binary was read and held against the specification; the planning is left
 * @throws GatewayError `component-refused` for what {@link decode} refuses, and for parts that do not fit together or
 *   are not supported
 */
export function planLinks(
  bytes: Uint8Array,
  decoded: () => void = () => undefined,
): {
  readonly plan: LinkPlan;
  readonly description: ComponentDescription;
} {
  const { description, recipe, budget } = decodeWhole(bytes);
  decoded();
  return { plan: new Planner(description.coreModules, budget).plan(recipe), description };
}

class Planner {
  readonly #coreModules: readonly CoreModule[];
  readonly #budget: Budget;
  readonly #canon: CanonPlanner;
  readonly #instances: PlanCoreInstance[] = [];
  readonly #modules: number[] = [];
  readonly #parents: (number | null)[] = [];

  constructor(coreModules: readonly CoreModule[], budget: Budget) {
    this.#coreModules = coreModules;
    this.#budget = budget;
    this.#canon = new CanonPlanner(budget, (item) => this.#signatureOf(item));
  }

  plan(recipe: Recipe): LinkPlan {
    const root = this.#instantiate(recipe, undefined, undefined, null);
    return {
      types: this.#canon.types.types,
      signatures: this.#canon.types.signatures,
      resources: this.#canon.resources,
      functions: this.#canon.functions,
      trampolines: this.#canon.trampolines,
      modules: this.#modules.map((module) => {
        const { offset, byteLength } = at(this.#coreModules, module, "core module");
        return { offset, byteLength };
      }),
      instances: this.#instances,
      parents: this.#parents,
      async: this.#canon.isAsync,
      exports: [...root.exports].flatMap(([name, item]) => exportsOf(name, item)),
    };
  }

  /**
   * @param outer where it was written, for its outer aliases
   * @param args what its imports are; `undefined` for the outermost component, whose imports are the host's
   * @param parent the instance that makes it
   */
  #instantiate(
    recipe: Recipe,
    outer: Frame | undefined,
    args: ReadonlyMap<string, Item> | undefined,
    parent: number | null,
  ): Frame {
    this.#budget.spend("componentInstances", 1);
    const frame = new Frame(outer, this.#parents.push(parent) - 1);
    for (const definition of recipe.definitions) {
      this.#budget.spend("copies", 1);
      this.#carryOut(definition, frame, args);
    }
    return frame;
  }

  #carryOut(definition: Definition, frame: Frame, args: ReadonlyMap<string, Item> | undefined): void {
    switch (definition.op) {
      case "core-module":
        frame.modules.push(definition.module);
        break;
      case "core-instantiate":
        this.#instantiateCore(definition.module, definition.args, frame);
        break;
      case "core-bag":
        this.#bagCore(definition, frame);
        break;
      case "core-alias": {
        const { sort, instance, name } = definition;
        const found = at(frame.coreInstances, instance, "core instance").get(name);
        if (found?.sort !== sort) throw misfit(`core instance ${instance} exports no ${sort} "${name}"`);
        frame.core[sort].push(found.item);
        break;
      }
      case "component":
        frame.components.push({ sort: "component", recipe: definition.recipe, outer: frame });
        break;
      case "instantiate":
        this.#instantiateComponent(definition, frame);
        break;
      case "bag":
        frame.instances.push({ sort: "instance", exports: this.#itemsOf(definition.items, frame) });
        break;
      case "alias": {
        const { sort, instance, name } = definition;
        const found = at(frame.instances, instance, "instance").exports.get(name);
        if (found?.sort !== sort) throw misfit(`instance ${instance} exports no ${sort} "${name}"`);
        introduce(found, frame);
        break;
      }
      case "outer": {
        let target: Frame | undefined = frame;
        for (let up = definition.up; up > 0; up--) target = target?.parent;
        if (target === undefined) throw misfit("an alias reaches out of the component");
        const { sort, index } = definition;
        if (sort === "component") frame.components.push(at(target.components, index, sort));
        else frame.modules.push(at(target.modules, index, sort));
        break;
      }
      case "resource": {
        const { destructor, node } = definition;
        const end = destructor === undefined ? null : at(frame.core.func, destructor, "core function");
        if (end !== null) requireSignature("the destructor", this.#canon.coreSignature(end), DESTRUCTOR);
        const own: PlanResource = { kind: "defined", instance: frame.id, destructor: end };
        frame.bindResource(node, this.#canon.resources.push(own) - 1);
        break;
      }
      case "canon":
        frame.core.func.push(this.#canon.trampoline(definition.builtin, frame));
        break;
      case "lift":
        frame.funcs.push(this.#canon.lift(definition, frame));
        break;
      case "import": {
        const item =
          args === undefined
            ? this.#hostItem(null, definition.name, definition.extern, frame)
            : args.get(definition.name);
        if (item === undefined)
          throw misfit(`the import "${definition.name}" of a nested component is not given`);
        this.#bind(definition.name, definition.extern, item, frame);
        introduce(item, frame);
        break;
      }
      case "export": {
        const item = this.#itemOf(definition.reference, frame);
        this.#bind(definition.name, definition.extern, item, frame);
        frame.exports.set(definition.name, item);
        introduce(item, frame);
        break;
      }
    }
  }

  #instantiateCore(
    module: number,
    args: readonly (readonly [name: string, instance: number])[],
    frame: Frame,
  ): void {
    this.#budget.spend("coreInstances", 1);
    const index = at(frame.modules, module, "core module");
    const core = at(this.#coreModules, index, "core module");
    const given = new Map<string, CoreExports>();
    for (const [name, instance] of args) {
      if (given.has(name)) throw misfit(`the core argument "${name}" is there twice`);
      given.set(name, at(frame.coreInstances, instance, "core instance"));
    }
    this.#budget.spend("copies", core.imports.length + core.exports.length);
    const imports = core.imports.map(({ module: from, name, kind, signature }) => {
      const found = given.get(from)?.get(name);
      if (found === undefined) throw misfit(`the core import "${from}" "${name}" is not given`);
      if (found.sort !== kind)
        throw misfit(`the core import "${from}" "${name}" is a ${kind}, given a ${found.sort}`);
      if (signature !== undefined && found.item.kind === "trampoline")
        requireSignature(
          `what is given for the core import "${from}" "${name}"`,
          this.#canon.coreSignature(found.item),
          signature,
        );
      return { module: from, name, item: found.item };
    });
    const made = { instance: frame.id, module: this.#moduleNumber(index), imports };
    const instance = this.#instances.push(made) - 1;
    frame.coreInstances.push(
      new Map(
        core.exports.map(({ name, kind }) => [
          name,
          { sort: kind, item: { kind: "export", instance, name } },
        ]),
      ),
    );
  }

  /** Of a function that a core instance exports. */
  #signatureOf({ instance, name }: PlanCoreItem & { kind: "export" }): string | undefined {
    const { module } = at(this.#instances, instance, "core instance");
    const { exports } = at(this.#coreModules, at(this.#modules, module, "core module"), "core module");
    return exports.find((it) => it.name === name)?.signature;
  }

  /** Modules that are never instantiated are not carried along. */
  #moduleNumber(index: number): number {
    const known = this.#modules.indexOf(index);
    return known < 0 ? this.#modules.push(index) - 1 : known;
  }

  #bagCore(definition: Definition & { op: "core-bag" }, frame: Frame): void {
    const exports = new Map<string, { sort: keyof Frame["core"]; item: PlanCoreItem }>();
    for (const { name, sort, index } of definition.items) {
      if (exports.has(name)) throw misfit(`the core export "${name}" is there twice`);
      exports.set(name, { sort, item: at(frame.core[sort], index, `core ${sort}`) });
    }
    this.#budget.spend("copies", exports.size);
    frame.coreInstances.push(exports);
  }

  #instantiateComponent(definition: Definition & { op: "instantiate" }, frame: Frame): void {
    const component = at(frame.components, definition.component, "component");
    const args = this.#itemsOf(definition.args, frame);
    const made = this.#instantiate(component.recipe, component.outer, args, frame.id);
    const item: InstanceItem = { sort: "instance", exports: made.exports };
    this.#bindInstance("(instance)", definition.made, item, frame);
    frame.instances.push(item);
  }

  #itemsOf(references: readonly NamedReference[], frame: Frame): Map<string, Item> {
    this.#budget.spend("copies", references.length);
    return new Map(references.map((reference) => [reference.name, this.#itemOf(reference, frame)]));
  }

  #itemOf({ sort, index, type }: Reference, frame: Frame): Item {
    switch (sort) {
      case "func":
        return { sort, func: at(frame.funcs, index, "function") };
      case "type":
        return type?.what === "resource" ? { sort, resource: frame.resourceOf(type) } : { sort };
      case "instance":
        return at(frame.instances, index, sort);
      case "component":
        return at(frame.components, index, sort);
      case "module":
        return { sort, module: at(frame.modules, index, sort) };
    }
  }

  /** What an import of the outermost component is: the host's function or resource of that name. */
  #hostItem(scope: string | null, name: string, extern: Extern, frame: Frame): Item {
    this.#budget.spend("copies", 1);
    switch (extern.sort) {
      case "func": {
        const signature = this.#canon.signature(extern.type, frame);
        return {
          sort: "func",
          func: this.#canon.functions.push({ kind: "imported", interface: scope, name, signature }) - 1,
        };
      }
      case "type": {
        if (extern.type.what !== "resource") return { sort: "type" };
        const known = frame.findResource(extern.type);
        if (known !== undefined) return { sort: "type", resource: known };
        const resource = this.#canon.resources.push({ kind: "imported", interface: scope, name }) - 1;
        // At once: functions of the same instance mention it.
        frame.bindResource(extern.type, resource);
        return { sort: "type", resource };
      }
      case "instance": {
        if (scope !== null) throw misfit(`the import "${scope}" holds an instance "${name}"`);
        const exports = new Map<string, Item>();
        for (const [member, inner] of extern.type.exports)
          exports.set(member, this.#hostItem(name, member, inner, frame));
        return { sort: "instance", exports };
      }
      default:
        throw misfit(`the import "${name}" is a ${extern.sort}, which no host gives`);
    }
  }

  /** Checks that an item is what it is declared to be, and notes which resources the declaration's stand for. */
  #bind(name: string, extern: Extern, item: Item, frame: Frame): void {
    this.#budget.spend("copies", 1);
    if (extern.sort !== item.sort)
      throw misfit(`"${name}" is a ${item.sort} and said to be a ${extern.sort}`);
    if (extern.sort === "func" && item.sort === "func") {
      const given = at(this.#canon.functions, item.func, "function");
      if (given.signature !== this.#canon.signature(extern.type, frame))
        throw misfit(`the function "${name}" is of another type than it is declared to be`);
    } else if (extern.sort === "type" && item.sort === "type") {
      if ((extern.type.what === "resource") !== (item.resource !== undefined))
        throw misfit(`the type "${name}" is of another kind than it is declared to be`);
      if (extern.type.what === "resource" && item.resource !== undefined)
        frame.bindResource(extern.type, item.resource);
    } else if (extern.sort === "instance" && item.sort === "instance") {
      this.#bindInstance(name, extern.type, item, frame);
    }
  }

  #bindInstance(name: string, type: InstanceNode, item: InstanceItem, frame: Frame): void {
    for (const [member, inner] of type.exports) {
      const given = item.exports.get(member);
      if (given === undefined) throw misfit(`the instance "${name}" has no "${member}"`);
      this.#bind(member, inner, given, frame);
    }
  }
}

/** Brings an item into the index space of its sort. */
function introduce(item: Item, frame: Frame): void {
  switch (item.sort) {
    case "func":
      frame.funcs.push(item.func);
      break;
    case "instance":
      frame.instances.push(item);
      break;
    case "component":
      frame.components.push(item);
      break;
    case "module":
      frame.modules.push(item.module);
      break;
    case "type":
      break;
  }
}

function exportsOf(name: string, item: Item): LinkPlan["exports"] {
  if (item.sort === "func") return [{ interface: null, name, function: item.func }];
  if (item.sort !== "instance") return [];
  return [...item.exports].flatMap(([member, inner]) =>
    inner.sort === "func" ? [{ interface: name, name: member, function: inner.func }] : [],
  );
}
