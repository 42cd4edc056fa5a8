/**
 * A guest that imports everything this host offers, and calls any of it with numbers of the test's choosing: what
 * no compiler would emit. Built from the dummy module that the component tools make of a world, by replacing the
 * bodies of its exports.
 */
import { componentEmbed, componentNew, parse, print } from "@bytecodealliance/jco-transpile/wasm-tools";
import { PROJECT_FOLDER } from "../../src/compose.ts";
import type { SandboxComponent } from "../../src/ports/index.ts";
import { composeWit, readWitLibrary } from "../../src/toolchain/wit-text.ts";
import { admit } from "./components.ts";

/** One core import of the guest, as a test's own code calls it. */
export interface CoreFunction {
  /** Interface, with its version cut down to what names its compatibility: `wasi:io/streams@0.2`. */
  readonly module: string;
  /** As in WIT; a resource's drop is `<resource>_drop`. */
  readonly name: string;
  readonly params: readonly string[];
  readonly results: readonly string[];
  /** WAT that calls it; the arguments are on the stack. */
  readonly call: string;
}

/**
 * Builds the guest.
 *
 * @param bodies gives the instructions of exports `call-0`, `call-1` …, from the imports that there are; an export
 *   takes nothing and returns nothing
 */
export async function buildOfferGuest(
  bodies: (imports: readonly CoreFunction[]) => readonly string[],
): Promise<SandboxComponent> {
  const imports = readImports(await dummy(0));
  const wanted = bodies(imports);
  let text = await dummy(wanted.length);
  wanted.forEach((body, index) => {
    const name = `call-${index}`;
    const exported = new RegExp(`\\(export "cm32p2\\|\\|${name}" \\(func (\\d+)\\)\\)`).exec(text)?.[1];
    if (exported === undefined) throw new TypeError(`Cannot find the export ${name}`);
    const head = new RegExp(`(\\(func \\(;${exported};\\) \\(type \\d+\\))\\s+unreachable`);
    if (!head.test(text)) throw new TypeError(`Cannot find the body of ${name}`);
    text = text.replace(head, (_all, before: string) => `${before}\n${body}`);
  });
  text = text.replace(/\(memory \(;0;\) \d+\)/, "(memory (;0;) 2)");
  return admit(new Uint8Array(await componentNew(await parse(text))));
}

async function dummy(exports: number): Promise<string> {
  const calls = Array.from({ length: exports }, (_, index) => `export call-${index}: func();`).join("\n");
  const library = await readWitLibrary(PROJECT_FOLDER);
  const offer = /world offer \{([\s\S]*?)\n\}/.exec(library[0]?.body ?? "")?.[1] ?? "";
  const imports = [...offer.matchAll(/^\s+import (\S+);/gm)].map(([, name = ""]) =>
    name.includes(":") ? name : `writ:host/${name}@0.1.0`,
  );
  const body = `world guest { ${imports.map((name) => `import ${name};`).join("\n")} ${calls} }`;
  const witSource = composeWit({ id: "test:guest", body }, library);
  return print(await componentEmbed({ witSource, world: "guest", dummy: true }));
}

function readImports(text: string): CoreFunction[] {
  const types = new Map(
    [...text.matchAll(/\(type \(;(\d+);\) \(func(?: \(param ([^)]*)\))?(?: \(result ([^)]*)\))?\)\)/g)].map(
      ([, index, params, results]) => [index, { params: words(params), results: words(results) }],
    ),
  );
  const found = text.matchAll(/\(import "cm32p2\|([^"]+)" "([^"]+)" \(func \(;(\d+);\) \(type (\d+)\)\)\)/g);
  return [...found].map(([, module = "", name = "", index, type]) => {
    const signature = types.get(type);
    if (signature === undefined) throw new TypeError(`Cannot read the type of ${module} ${name}`);
    return { module, name, ...signature, call: `call ${index}` };
  });
}

function words(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(" ");
}
