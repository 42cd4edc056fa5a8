/**
 * The index spaces of one component, component type or instance type while it is being decoded. Indices in the
 * binary refer to what was defined before; each look-up checks sort and bounds, because an index is a claim.
 */
import { Border } from "./border.ts";
import { LIMITS } from "./limits.ts";
import type { ModuleBorder } from "./module-border.ts";
import type {
  ComponentNode,
  Extern,
  FuncNode,
  InstanceNode,
  Mention,
  ResourceNode,
  TypeNode,
} from "./nodes.ts";
import type { Reader } from "./reader.ts";
import type { Definition, Recipe } from "./recipe.ts";
import { Visibility } from "./visibility.ts";

/** What kind of definition a scope belongs to; aliases of outer definitions count all of them. */
export type ScopeKind = "component" | "component-type" | "instance-type";

/**
 * Index spaces, resources and borders of one definition. Of the core spaces only types and modules are
 * tracked: nothing else depends on them. What a component does when it is instantiated is noted in its recipe.
 */
export class Scope {
  readonly kind: ScopeKind;
  readonly parent: Scope | undefined;
  readonly level: number;
  readonly types: TypeNode[] = [];
  readonly funcs: FuncNode[] = [];
  readonly instances: InstanceNode[] = [];
  readonly components: ComponentNode[] = [];
  /** Resources that belong to this definition: each of its instances gets its own. */
  readonly bound: ResourceNode[] = [];
  readonly imports = new Map<string, Extern>();
  readonly exports = new Map<string, Extern>();
  /** Of a component only: types do nothing. */
  readonly recipe: Recipe = { definitions: [] };
  /** Of the core spaces these two alone. A type is of a function, or of a module with a border. */
  readonly coreTypes: ("func" | ModuleBorder)[] = [];
  readonly modules: ModuleBorder[] = [];
  /** By type index: what stands for the name that an import or export has given to a resource. */
  readonly #names = new Map<number, object>();
  readonly #visibility = new Visibility(this);
  readonly #importNames = new Border();
  readonly #exportNames = new Border();

  /** @throws GatewayError `component-refused` when nested deeper than `LIMITS.nesting` */
  constructor(kind: ScopeKind, parent: Scope | undefined, reader: Reader) {
    this.kind = kind;
    this.parent = parent;
    this.level = parent === undefined ? 0 : parent.level + 1;
    if (this.level > LIMITS.nesting) throw reader.refusal(`nested deeper than ${LIMITS.nesting} levels`);
  }

  /** Whether this is the outermost component, whose borders are the description. */
  get isRoot(): boolean {
    return this.parent === undefined;
  }

  /** Notes what a component does; nothing for the scope of a type. */
  note(definition: Definition): void {
    if (this.kind === "component") this.recipe.definitions.push(definition);
  }

  /** Reads an index without taking it, to note it beside what it refers to. */
  peekIndex(reader: Reader): number {
    const { at } = reader;
    const index = reader.u32();
    reader.at = at;
    return index;
  }

  /** Adds a type to the type index space. */
  addType(type: TypeNode, reader: Reader): void {
    reader.budget.spend("types", 1);
    this.types.push(type);
  }

  /** Adds what an import, export or alias brings into scope to the index space of its sort. */
  introduce(extern: Extern, reader: Reader): void {
    switch (extern.sort) {
      case "func":
        this.funcs.push(extern.type);
        break;
      case "type":
        this.addType(extern.type, reader);
        break;
      case "instance":
        this.instances.push(extern.type);
        break;
      case "component":
        this.components.push(extern.type);
        break;
      case "module":
        this.modules.push(extern.border);
        break;
    }
  }

  /** Notes an import and brings it into scope. */
  addImport(name: string, extern: Extern, reader: Reader, at: number): void {
    this.#importNames.add(name, extern, reader, at);
    this.#show("import", name, extern, reader, at);
    this.imports.set(name, extern);
    this.introduce(extern, reader);
    this.note({ op: "import", name, extern });
  }

  /** Notes an export and brings it into scope. */
  addExport(name: string, extern: Extern, reader: Reader, at: number): void {
    this.#exportNames.add(name, extern, reader, at);
    this.#show("export", name, extern, reader, at);
    this.exports.set(name, extern);
    this.introduce(extern, reader);
  }

  /** Gives names to the types that an import or export brings into scope; what it mentions must have one already. */
  #show(side: "import" | "export", name: string, extern: Extern, reader: Reader, at: number): void {
    let mention: Mention | undefined;
    if (extern.sort === "type" && extern.type.what === "resource") {
      const id = {};
      this.#names.set(this.types.length, id);
      mention = { scope: this, id };
    }
    if (this.kind === "instance-type") return;
    const fault = this.#visibility.add(side, extern, mention, reader.budget);
    if (fault !== undefined)
      throw reader.refusal(`${side} "${name}" mentions ${fault} that has no name of its own here`, at);
  }

  /** What stands for the name that an import or export gave to the resource at a type index; undefined where none did. */
  nameOf(index: number): object | undefined {
    return this.#names.get(index);
  }

  /** Reads a type index and finds the type. */
  readType(reader: Reader): TypeNode {
    return find(this.types, reader, "type");
  }

  /** Reads a function index and finds the function's type. */
  readFunc(reader: Reader): FuncNode {
    return find(this.funcs, reader, "function");
  }

  /** Reads an instance index and finds the instance. */
  readInstance(reader: Reader): InstanceNode {
    return find(this.instances, reader, "instance");
  }

  /** Reads the index of a core type, of a function or of a module. */
  readCoreType(reader: Reader): "func" | ModuleBorder {
    return find(this.coreTypes, reader, "core type");
  }

  /** Reads the index of a core module and finds its border. */
  readModule(reader: Reader): ModuleBorder {
    return find(this.modules, reader, "core module");
  }

  /** Reads a component index and finds the component. */
  readComponent(reader: Reader): ComponentNode {
    return find(this.components, reader, "component");
  }
}

function find<T>(space: readonly T[], reader: Reader, what: string): T {
  const at = reader.at;
  const index = reader.u32();
  const found = space[index];
  if (found === undefined) {
    throw reader.refusal(`there is no ${what} ${index}, only ${space.length} so far`, at);
  }
  return found;
}
