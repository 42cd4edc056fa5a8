/**
 * The names of one border, of what is imported, exported or put together: each is grammatical, unique by the wide rule,
 * and does not contradict what it names. `[method]thing.grow` says that it takes a `thing` first: bindings of every
 * language believe that, so it must be true.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/Explainer.md#import-and-export-definitions
 */
import { parseExternName, uniquenessKey } from "./names.ts";
import type { Extern, FuncNode, ResourceNode, ValueNode } from "./nodes.ts";
import type { Reader } from "./reader.ts";

/** The names of one border so far. */
export class Border {
  readonly #keys = new Set<string>();
  /** Resources that have a name of their own here; what lies inside of an instance has none. */
  readonly #resources = new Map<string, ResourceNode>();

  /** @throws GatewayError `component-refused` */
  add(name: string, extern: Extern, reader: Reader, at: number): void {
    const key = uniquenessKey(name);
    if (this.#keys.has(key))
      throw reader.refusal(`name "${name}" is taken already, or too like another name`, at);
    this.#keys.add(key);
    const parsed = parseExternName(name);
    if (typeof parsed === "string") throw reader.refusal(`name "${name}" ${parsed}`, at);
    const misfit = parsed.kind === "interface" && extern.sort !== "instance";
    if (misfit || (name.startsWith("[") && extern.sort !== "func"))
      throw reader.refusal(`name "${name}" does not fit a ${extern.sort}`, at);
    if (extern.sort === "func") {
      const fault = this.#faultOf(name, extern.type);
      if (fault !== undefined) throw reader.refusal(`name "${name}" ${fault}`, at);
    }
    if (extern.sort === "type" && extern.type.what === "resource") this.#resources.set(name, extern.type);
  }

  /** @returns what is wrong with the name of a function */
  #faultOf(name: string, { labels, params, result }: FuncNode): string | undefined {
    const match = /^\[(constructor|method|static)\]([^.]*)/.exec(name);
    if (match === null) return undefined;
    const [, kind, label = ""] = match;
    const resource = this.#resources.get(label);
    if (resource === undefined) return `names a resource "${label}" that has no name here`;
    if (kind === "constructor" && !makes(result, resource)) return `does not fit: it makes no "${label}"`;
    const [first] = params;
    if (
      kind === "method" &&
      (labels[0] !== "self" || first?.kind !== "borrow" || first.resource !== resource)
    )
      return `does not fit: its first parameter is no "self" that borrows a "${label}"`;
    return undefined;
  }
}

function makes(result: ValueNode | undefined, resource: ResourceNode): boolean {
  const made = result?.kind === "result" ? result.items[0] : result;
  return made?.kind === "own" && made.resource === resource;
}
