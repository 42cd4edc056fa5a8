/** Compares what a component imports with what its world says, so that a world can be read as the allow-list. */
import { componentWit, componentWitMetadataForWorld } from "@bytecodealliance/jco-transpile/wasm-tools";
import { refuseComponent } from "../core/errors.ts";

/**
 * The interfaces that a world imports, those it needs for their types included.
 *
 * @returns names without versions, such as `wasi:http/types`
 * @throws {Error} of the WIT tools, with line and column, when the text is not WIT
 */
export async function worldImports(wit: string, world: string): Promise<string[]> {
  const { imports } = await componentWitMetadataForWorld({ tag: "source", val: wit }, world);
  return imports.map((item) => `${item.namespace}:${item.package}/${item.interface}`);
}

/** The names that a component's own world imports, in the binary's order, with versions where they have one. */
export async function componentImports(component: Uint8Array): Promise<string[]> {
  const wit = await componentWit(component);
  const root = /^world root \{\n([\s\S]*?)^\}/m.exec(wit)?.[1] ?? "";
  return Array.from(
    root.matchAll(/^ {2}import ([^\s;]+?):? ?(?:;|func\b|interface\b)/gm),
    (match) => match[1] ?? "",
  );
}

/**
 * Refuses a component that imports an interface which its world does not.
 *
 * Versions are left aside: engines are built against one patch of WASI and link to any other.
 *
 * @returns the component's imports, as the binary names them
 * @throws {GatewayError} `component-refused`, with the imports that the world must name
 */
export async function checkAgainstWorld(
  component: Uint8Array,
  allowed: readonly string[],
): Promise<string[]> {
  const imports = await componentImports(component);
  const extra = imports.filter((name) => !allowed.includes(name.replace(/@.*/, "")));
  if (extra.length > 0) {
    const list = extra.join(", ");
    throw refuseComponent(
      `Cannot build the component: it imports ${list}, which its world does not name`,
      extra,
    );
  }
  return imports;
}
