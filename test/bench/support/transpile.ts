/** jco's part of preparing a component, in this process, without the cage and without JSPI. */
import { $init, generate } from "@bytecodealliance/jco-transpile/component";

/** Glue and core modules of a component. */
export interface GeneratedParts {
  readonly glue: string;
  /** In the order of {@link names}. */
  readonly modules: readonly Uint8Array<ArrayBuffer>[];
  readonly names: readonly string[];
}

/** Generates them, for synchronous instantiation. */
export async function generateParts(component: Uint8Array): Promise<GeneratedParts> {
  await $init;
  const { files } = generate(component, {
    name: "component",
    instantiation: { tag: "sync" },
    map: [],
    noTypescript: true,
    noNodejsCompat: true,
  });
  const wasm = files.filter(([name]) => name.endsWith(".wasm"));
  const glue = files.find(([name]) => name.endsWith(".js"))?.[1];
  if (glue === undefined) throw new TypeError("jco generated no glue");
  return {
    glue: new TextDecoder().decode(glue),
    names: wasm.map(([name]) => name),
    modules: wasm.map(([, bytes]) => new Uint8Array(bytes)),
  };
}
