/**
 * Modules of binaryen's generator (`wasm-opt -ttf`), many a second: the tool is a script that runs once and ends, so
 * its text is compiled once and called anew for every module, with its wasm compiled once.
 */

import { Buffer } from "node:buffer";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import process from "node:process";

const TOOL = resolve(import.meta.dirname, "../../../node_modules/binaryen/bin/wasm-opt");

/** Features of the generator that the engines do not have, or that metering refuses. */
const ABSENT = [
  "fp16",
  "wide-arithmetic",
  "shared-everything",
  "threads",
  "relaxed-simd",
  "stack-switching",
  "custom-descriptors",
  "strings",
  "custom-page-sizes",
];

/** Makes modules. */
export interface Generator {
  /**
   * @param seed the same seed gives the same module, on every runtime
   * @returns a module, or undefined where the tool gives none
   */
  generate(seed: number): Uint8Array<ArrayBuffer> | undefined;
  /** Removes what lies on disk. */
  close(): void;
}

/** What the script calls itself with; the rest is what a CommonJS module gets. */
type Script = (
  Module: object,
  require: unknown,
  module: object,
  __filename: string,
  __dirname: string,
  process: object,
  WebAssembly: object,
) => void;

/** Compiles the tool. */
export async function createGenerator(): Promise<Generator> {
  const folder = mkdtempSync(join(tmpdir(), "writ-generator-"));
  const [input, output] = [join(folder, "in"), join(folder, "out.wasm")];
  const script = readScript();
  const module = new WebAssembly.Module(await binaryOf(script));
  return {
    generate(seed) {
      writeFileSync(input, noise(seed));
      rmSync(output, { force: true });
      const flags = [
        "-ttf",
        input,
        "-all",
        ...ABSENT.map((name) => `--disable-${name}`),
        "--translate-to-exnref",
      ];
      const instantiateWasm = (
        imports: WebAssembly.Imports,
        done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
      ): void => done(new WebAssembly.Instance(module, imports), module);
      call(
        script,
        { instantiateWasm, print: () => {}, printErr: () => {} },
        [...flags, "-o", output],
        WebAssembly,
      );
      try {
        return new Uint8Array(readFileSync(output));
      } catch {
        return undefined;
      }
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function readScript(): Script {
  const text = readFileSync(TOOL, "utf8").replace(/^#!.*/, "");
  const names = ["Module", "require", "module", "__filename", "__dirname", "process", "WebAssembly"];
  // A pinned dependency's own program, which is meant to be run.
  return new Function(...names, text) as Script;
}

/** The wasm that the script holds in a form of its own, taken where the script would instantiate it. */
function binaryOf(script: Script): Promise<Uint8Array<ArrayBuffer>> {
  const { promise, resolve: found } = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
  const instantiate = (bytes: Uint8Array<ArrayBuffer>): Promise<never> => {
    found(new Uint8Array(bytes));
    return new Promise(() => {});
  };
  call(script, {}, ["--version"], { ...members(WebAssembly), instantiate });
  return promise;
}

function call(script: Script, module: object, args: readonly string[], wasm: object): void {
  const argv = ["node", TOOL, ...args];
  const { env, platform, versions } = process;
  const own = {
    argv,
    env,
    platform,
    versions,
    cwd: () => process.cwd(),
    exitCode: undefined,
    stdin: { fd: 0 },
    binding: Reflect.get(process, "binding"),
  };
  try {
    script(module, createRequire(TOOL), { exports: {} }, TOOL, dirname(TOOL), own, wasm);
  } catch {
    // The tool ends by throwing, be it with success; what it wrote says which.
  }
}

/** The members of a namespace whose properties are not enumerable. */
function members(namespace: object): object {
  return Object.fromEntries(
    Object.getOwnPropertyNames(namespace).map((name) => [name, Reflect.get(namespace, name)]),
  );
}

/** What the generator makes its choices by: more of it for a third of the modules, so that there are large ones. */
function noise(seed: number): Uint8Array {
  let state = seed;
  const length = seed % 3 === 0 ? 12_000 : 500 + (seed % 7) * 600;
  return Uint8Array.from(Buffer.alloc(length), () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return state >>> 16;
  });
}
