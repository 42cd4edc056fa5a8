/**
 * Which types have a name at a definition's border. A record, a variant, an enumeration, flags or a resource may be
 * mentioned by an import only when it was imported before, and by an export only when it was imported or exported before:
 * else whoever generates bindings has nothing to call it by, and no two of them would agree.
 *
 * A name belongs to what the import or export brought into scope, not to what it was made from: `$B` of
 * `(export $B "b" (type $A))` has one, and `$A` has none. Value types are told apart by their node, which each import and
 * export makes anew; resources, whose node is what they are, by the {@link Mention} of the handle.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/Explainer.md#external-visibility-of-types
 */
import type { Budget } from "./limits.ts";
import type { Extern, FuncNode, InstanceNode, Mention, TypeNode, ValueNode } from "./nodes.ts";

/** Kinds that have parts of their own making: every language gives them names. Others are written where they are used. */
const NAMEABLE: ReadonlySet<string> = new Set(["record", "variant", "enum", "flags"]);

/** Types that have a name, for one side of a border. */
interface Named {
  readonly ids: Set<object>;
  /** Resources that have any name: for handles that were defined elsewhere, and came with an instance. */
  readonly resources: Set<object>;
  /** What was looked through and has nothing without a name. Names are never lost, so it stays that way. */
  readonly clean: Set<object>;
}

/** The named types of one component or component type. Instance types have none: they are judged where they are used. */
export class Visibility {
  readonly #scope: object;
  readonly #imported: Named = nothingNamed();
  readonly #exported: Named = nothingNamed();

  /** @param scope whose handles say exactly which name of a resource they mean */
  constructor(scope: object) {
    this.#scope = scope;
  }

  /**
   * Notes the names that an import or export gives.
   *
   * @param mention of the resource that it brings into scope, where it does
   * @param budget pays for what is looked through
   * @returns the type that has no name yet, when the import or export mentions one
   */
  add(
    side: "import" | "export",
    extern: Extern,
    mention: Mention | undefined,
    budget: Budget,
  ): string | undefined {
    const named = side === "import" ? this.#imported : this.#exported;
    const fault = this.#faultOf(extern, named, budget);
    if (fault !== undefined) return fault;
    if (extern.sort === "type") this.#name(side, extern.type, mention?.id ?? extern.type);
    return undefined;
  }

  /** What is imported has a name for imports and exports, what is exported for exports alone. */
  #name(side: "import" | "export", type: TypeNode, id: object): void {
    for (const named of side === "import" ? [this.#imported, this.#exported] : [this.#exported]) {
      named.ids.add(id);
      if (type.what === "resource") named.resources.add(type);
    }
  }

  #faultOf(extern: Extern, named: Named, budget: Budget): string | undefined {
    switch (extern.sort) {
      case "func":
        return this.#faultOfFunc(extern.type, named, budget);
      case "type":
        return this.#faultOfParts(extern.type, named, budget);
      case "instance":
        return this.#faultOfInstance(extern.type, named, budget);
      default:
        // A component is judged by itself, and a module knows no such types.
        return undefined;
    }
  }

  /** In their order: a type of an instance names what comes behind it there. */
  #faultOfInstance(instance: InstanceNode, named: Named, budget: Budget): string | undefined {
    if (named.clean.has(instance)) return undefined;
    budget.spend("copies", 1 + instance.exports.size);
    for (const extern of instance.exports.values()) {
      const fault = this.#faultOf(extern, named, budget);
      if (fault !== undefined) return fault;
      if (extern.sort === "type")
        this.#name(named === this.#imported ? "import" : "export", extern.type, extern.type);
    }
    named.clean.add(instance);
    return undefined;
  }

  #faultOfFunc({ params, result }: FuncNode, named: Named, budget: Budget): string | undefined {
    return this.#faultOfValues([...params, result], named, budget);
  }

  /** A type that is to have a name itself, or a type of what has none: its parts must have theirs. */
  #faultOfParts(type: TypeNode, named: Named, budget: Budget): string | undefined {
    switch (type.what) {
      case "value":
        return type.resource === undefined
          ? this.#faultOfValues(type.items, named, budget)
          : this.#faultOfValues([type], named, budget);
      case "func":
        return this.#faultOfFunc(type, named, budget);
      case "instance":
        return this.#faultOfInstance(type, named, budget);
      default:
        return undefined;
    }
  }

  #faultOfValues(
    values: readonly (ValueNode | undefined)[],
    named: Named,
    budget: Budget,
  ): string | undefined {
    budget.spend("copies", 1 + values.length);
    for (const value of values) {
      if (value === undefined || named.clean.has(value)) continue;
      if (NAMEABLE.has(value.kind)) {
        // What has a name was looked through when it was given.
        if (!named.ids.has(value)) return `a ${value.kind}`;
      } else if (value.resource !== undefined) {
        if (!this.#isNamedHandle(value, named)) return "a resource";
      } else {
        const fault = this.#faultOfValues(value.items, named, budget);
        if (fault !== undefined) return fault;
      }
      named.clean.add(value);
    }
    return undefined;
  }

  #isNamedHandle({ resource, mention }: ValueNode, { ids, resources }: Named): boolean {
    if (mention?.scope === this.#scope) return ids.has(mention.id);
    return resource !== undefined && resources.has(resource);
  }
}

function nothingNamed(): Named {
  return { ids: new Set(), resources: new Set(), clean: new Set() };
}
