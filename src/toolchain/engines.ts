/**
 * The three ways from source to component, one row each: which packages do it, and how.
 *
 * The packages are loaded when they are used: they are development dependencies, and a gateway whose tools are
 * built needs none of them.
 */
import { Buffer } from "node:buffer";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { stripTypeScriptTypes } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { componentEmbed, componentNew, parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { z } from "zod";

/** The names of the engines, as `tool.yaml` says them. */
export const engineNames = ["starlingmonkey", "quickjs", "wat"] as const;

/** One of {@link engineNames}. */
export type EngineName = (typeof engineNames)[number];

/** What an engine makes a component of. */
export interface EngineInput {
  /** The source's file name; the extension `.ts` asks for its types to be stripped. */
  readonly source: string;
  readonly code: string;
  /** One WIT document with everything that the world refers to. */
  readonly wit: string;
  readonly world: string;
  /** The interfaces that the world imports, without versions, such as `wasi:http/outgoing-handler`. */
  readonly worldImports: readonly string[];
}

interface Engine {
  /** The npm packages whose versions decide what comes out. */
  readonly packages: readonly string[];
  readonly componentize: (input: EngineInput) => Promise<Uint8Array>;
}

/** The one member of a package.json that counts here. */
const packageSchema = z.object({ version: z.string() });

const wasmTools = "@bytecodealliance/jco-transpile";

/** What each engine is. */
export const engines: Readonly<Record<EngineName, Engine>> = {
  /** JavaScript with the web's APIs (fetch, URL, crypto …) on SpiderMonkey: 12 MB. */
  starlingmonkey: {
    packages: ["@bytecodealliance/componentize-js", wasmTools],
    componentize: componentizeStarlingMonkey,
  },
  /** Bare ECMAScript on QuickJS: 1 MB, and nothing of WASI left in it. */
  quickjs: { packages: ["componentize-qjs", wasmTools], componentize: componentizeQuickJs },
  /** A hand-written core module in the text format: as large as it is. */
  wat: { packages: [wasmTools], componentize: componentizeWat },
};

/**
 * The version of each package that an engine uses, as installed.
 *
 * @returns lines such as `componentize-qjs 0.4.5`
 */
export async function engineVersions(engine: EngineName): Promise<string[]> {
  return Promise.all(
    engines[engine].packages.map(async (name) => {
      const url = new URL(`../../node_modules/${name}/package.json`, import.meta.url);
      return `${name} ${packageSchema.parse(JSON.parse(await readFile(url, "utf8"))).version}`;
    }),
  );
}

async function componentizeStarlingMonkey(input: EngineInput): Promise<Uint8Array> {
  const { componentize } = await import("@bytecodealliance/componentize-js");
  return withSourceFile("source.js", toJavaScript(input), async (sourcePath) => {
    const { component } = await componentize({
      sourcePath,
      // `witWorld` is the WIT as text. The package's types know it only from its deprecated signature.
      ...{ witWorld: input.wit },
      worldName: input.world,
      disableFeatures: unusedFeatures(input.worldImports),
    });
    return component;
  });
}

/**
 * The engine's features that the world gives no import for, to be left out of the component.
 *
 * This is what makes the world the allow-list: a feature that is on imports its WASI interfaces whether the
 * source uses them or not.
 */
function unusedFeatures(
  worldImports: readonly string[],
): ("stdio" | "random" | "clocks" | "http" | "fetch-event")[] {
  const needs = {
    stdio: "wasi:cli/stderr",
    random: "wasi:random/random",
    clocks: "wasi:clocks/wall-clock",
    http: "wasi:http/outgoing-handler",
  } as const;
  const features = ["stdio", "random", "clocks", "http"] as const;
  // fetch-event exports wasi:http/incoming-handler: tools are called by their own interfaces, never by HTTP.
  return ["fetch-event", ...features.filter((feature) => !worldImports.includes(needs[feature]))];
}

/**
 * The engine's own WASI is replaced by stubs, so that the world is the allow-list. The stubs would take the tool's imports
 * with them: what the world names is spelled otherwise while the engine works, and given its name back in what comes out.
 */
async function componentizeQuickJs(input: EngineInput): Promise<Uint8Array> {
  const { componentize } = await import("componentize-qjs");
  return withSourceFile("world.wit", input.wit.replaceAll(WASI, HIDDEN_WASI), async (witPath) => {
    const { component } = await componentize({
      witPath,
      jsSource: toJavaScript(input).replaceAll(`"${WASI}`, `"${HIDDEN_WASI}`),
      world: input.world,
      sync: true,
      optSize: true,
      stubWasi: true,
    });
    return withOwnNames(new Uint8Array(component));
  });
}

const WASI = "wasi:";
/** As long, because names in a binary stand behind their lengths; and in no package's name. */
const HIDDEN_WASI = "w4si:";

/** A component's header, and the number of the sections that name its imports. */
const HEADER_BYTES = 8;
const IMPORTS = 10;

/** Gives a component's imports their names back. Inside of it they keep the others, beside the stubs of the same names. */
function withOwnNames(component: Uint8Array): Uint8Array {
  const bytes = Buffer.from(component);
  for (let at = HEADER_BYTES; at < bytes.length; ) {
    const id = bytes[at];
    let size = 0;
    let shift = 0;
    do size += ((bytes[++at] ?? 0) & 0x7f) * 2 ** (7 * shift++);
    while ((bytes[at] ?? 0) >= 0x80);
    const section = bytes.subarray(at + 1, at + 1 + size);
    if (id === IMPORTS) {
      for (let name = section.indexOf(HIDDEN_WASI); name !== -1; name = section.indexOf(HIDDEN_WASI, name))
        section.write(WASI, name);
    }
    at += 1 + size;
  }
  return bytes;
}

async function componentizeWat(input: EngineInput): Promise<Uint8Array> {
  const core = await parse(input.code);
  return componentNew(await componentEmbed({ binary: core, witSource: input.wit, world: input.world }));
}

function toJavaScript({ source, code }: EngineInput): string {
  return source.endsWith(".ts") ? stripTypeScriptTypes(code) : code;
}

/** Gives `use` the path of a file with `text` in it, in a folder that is gone afterwards. */
async function withSourceFile<T>(name: string, text: string, use: (path: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "writ-build-"));
  try {
    const path = join(folder, name);
    await writeFile(path, text);
    return await use(path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
