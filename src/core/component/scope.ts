/**
 * The index spaces of one component, component type or instance type while it is being decoded. Indices in the
 * binary refer to what was defined before; each look-up checks sort and bounds, because an index is a claim.
 */
import { LIMITS } from "./limits.ts";
import { parseExternName, uniquenessKey } from "./names.ts";
import type { ComponentNode, Extern, FuncNode, InstanceNode, ResourceNode, TypeNode } from "./nodes.ts";
import type { Reader } from "./reader.ts";
import type { Definition, Recipe } from "./recipe.ts";

/** What kind of definition a scope belongs to; aliases of outer definitions count all of them. */
export type ScopeKind = "component" | "component-type" | "instance-type";

/**
 * Index spaces, resources and borders of one definition. Core spaces are not tracked: no type depends on them. What
 * a component does when it is instantiated is noted in its recipe.
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
  readonly #importKeys = new Set<string>();
  readonly #exportKeys = new Set<string>();

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
        break;
    }
  }

  /** Notes an import and brings it into scope. */
  addImport(name: string, extern: Extern, reader: Reader, at: number): void {
    checkBorder(name, extern, this.#importKeys, reader, at);
    this.imports.set(name, extern);
    this.introduce(extern, reader);
    this.note({ op: "import", name, extern });
  }

  /** Notes an export and brings it into scope. */
  addExport(name: string, extern: Extern, reader: Reader, at: number): void {
    checkBorder(name, extern, this.#exportKeys, reader, at);
    this.exports.set(name, extern);
    this.introduce(extern, reader);
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

/**
 * Checks the name of an import or export: grammatical, unique by the wide rule, and not contradicting its sort.
 *
 * @param keys the keys of the names before it; the name's is added
 */
export function checkBorder(
  name: string,
  extern: Extern,
  keys: Set<string>,
  reader: Reader,
  at: number,
): void {
  const key = uniquenessKey(name);
  if (keys.has(key)) throw reader.refusal(`name "${name}" is taken already, or too like another name`, at);
  keys.add(key);
  const parsed = parseExternName(name);
  if (typeof parsed === "string") throw reader.refusal(`name "${name}" ${parsed}`, at);
  const misfit =
    parsed.kind === "interface" ? extern.sort !== "instance" : name.startsWith("[") && extern.sort !== "func";
  if (misfit) {
    throw reader.refusal(`name "${name}" does not fit a ${extern.sort}`, at);
  }
}
