/** Folders in memory, and components small enough to read. */
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { runtime } from "#runtime";
import { type ComponentDescription, decode } from "../../src/core/component/index.ts";
import { sha256Hex } from "../../src/core/digest.ts";
import type { Files } from "../../src/ports/index.ts";

const encoder = new TextEncoder();

/** Files in memory, by path; `bytes` of a string is its UTF-8. */
export function createFiles(contents: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>): Files {
  const bytesOf = (path: string): Uint8Array<ArrayBuffer> | undefined => {
    const content = Object.hasOwn(contents, path) ? contents[path] : undefined;
    return typeof content === "string" ? encoder.encode(content) : content;
  };
  return {
    read: async (path) => bytesOf(path),
    stamp: async (path) => (bytesOf(path) === undefined ? undefined : path),
    remove: async () => {
      throw new TypeError("Cannot remove: the registry only reads");
    },
    write: async () => {
      throw new TypeError("Cannot write: the registry only reads");
    },
    create: async () => {
      throw new TypeError("Cannot create: the registry only reads");
    },
    list: async (path) => {
      const below = Object.keys(contents).filter((name) => name.startsWith(`${path}/`));
      const names = new Map(
        below.map((name) => {
          const [head = "", ...rest] = name.slice(path.length + 1).split("/");
          return [head, rest.length > 0];
        }),
      );
      return [...names]
        .map(([name, isFolder]) => ({ name, isFolder }))
        .toSorted((a, b) => (a.name < b.name ? -1 : 1));
    },
    mode: async (path) => (bytesOf(path) === undefined ? undefined : 0o644),
  };
}

/** Assembles a component from its text. */
export async function assemble(wat: string): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await parse(wat));
}

/** What this host offers, from the file that says so. */
export async function readOffer(): Promise<ComponentDescription> {
  const bytes = await runtime.files.read(new URL("../../wit/offer.wasm", import.meta.url).pathname);
  if (bytes === undefined) throw new TypeError("Cannot read the offer: wit/offer.wasm is missing");
  return decode(bytes);
}

/** One function `f: func() -> u32`, ready to be lifted as `$f`. */
export const CORE = `
  (core module $m (func (export "f") (result i32) i32.const 7))
  (core instance $i (instantiate $m))
  (func $f (result u32) (canon lift (core func $i "f")))
  (instance $exported (export "add" (func $f)) (export "sub" (func $f)))`;

/** A component with interface `math` (`add`, `sub`), and whatever it imports. */
export const mathWat = (imports = "", exports = ""): string =>
  `(component ${imports} ${CORE} (export "test:tiny/math@0.1.0" (instance $exported)) ${exports})`;

/** A whole tool folder. */
export function toolFolder(
  name: string,
  component: Uint8Array<ArrayBuffer>,
  changes: Readonly<Record<string, unknown>> = {},
): Record<string, string | Uint8Array<ArrayBuffer>> {
  const facts = {
    name,
    description: "Adds",
    engine: "wat",
    component: `${name}.wasm`,
    digest: `sha256:${sha256Hex(component)}`,
    functions: { "math/add": "Adds two numbers" },
    ...changes,
  };
  return { [`tools/${name}/tool.json`]: JSON.stringify(facts), [`tools/${name}/${name}.wasm`]: component };
}

/** A policy for one tool, as text. */
export function policyText(tool: string, changes: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify(
    {
      tool_id: tool,
      tenant_tier: ["free"],
      purpose: ["support-chat"],
      functions: { "math/add": { operation: "read" } },
      max_duration_ms: 1000,
      budget: {
        fuel: 1e6,
        memory_bytes: "1MiB",
        egress_bytes: 0,
        requests: 0,
        output_bytes: "1KiB",
        log_bytes: 0,
      },
      ...changes,
    },
    null,
    1,
  );
}
