/** Runs a component that imports nothing, without any part of the sandbox: what a tool computes is the tool's test. */
import { Buffer } from "node:buffer";
import { transpileBytes } from "@bytecodealliance/jco-transpile";

/** A lifted interface: the tests know what each function takes and gives. */
export type Interface = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

/**
 * Gives a fresh instance of a component.
 *
 * @returns its exported interfaces by their short names, such as `hash`
 */
export async function instantiatePure(component: Uint8Array): Promise<Readonly<Record<string, Interface>>> {
  const { files } = await transpileBytes(component, { name: "tool", instantiation: "sync" });
  const named = new Map(Object.entries(files));
  const glue = named.get("tool.js");
  if (glue === undefined) {
    throw new TypeError("Cannot instantiate: the transpiler gave no tool.js");
  }
  const url = `data:text/javascript;base64,${Buffer.from(glue).toString("base64")}`;
  const { instantiate } = await import(/* @vite-ignore */ url);
  return instantiate((path: string) => new WebAssembly.Module(new Uint8Array(named.get(path) ?? [])), {});
}
