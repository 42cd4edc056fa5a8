/**
 * Builds tools: each folder of `tools/` becomes a folder with a component and the facts about it.
 *
 * Engines take seconds and give other bytes each time, so a tool is built again only when what it is made of has
 * changed; its digest then changes, and with it everything that was pinned to the digest.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { GatewayError } from "../core/errors.ts";
import { engines, engineVersions } from "./engines.ts";
import { type ToolFacts, toolFactsSchema } from "./tool-facts.ts";
import { listToolFolders, readToolSource, type ToolSource } from "./tool-source.ts";
import { functionDocs } from "./wit-docs.ts";
import { readWitLibrary } from "./wit-text.ts";
import { checkAgainstWorld, worldImports } from "./world-check.ts";

/** Counted up when this code makes another component of the same input. */
const recipe = 1;

/** How often a build tries to put its folder in place while others do the same. */
const placeAttempts = 10;

/** Where to build to and whom to tell. */
export interface BuildOptions {
  /** The project's folder: `wit/` is here. */
  readonly root: string;
  /** Where built tools go, a folder for each. Default: `.writ/tools` in `root`. */
  readonly cacheDir?: string;
  /** Called with one line of text for each thing that is begun or done. Default: nobody is told. */
  readonly onProgress?: (line: string) => void;
}

/** {@link BuildOptions}, for many tools. */
export interface BuildToolsOptions extends BuildOptions {
  /** The names of the tools to build. Default: every folder of `tools/` with a `tool.yaml`. */
  readonly only?: readonly string[];
}

/** A tool that is ready to be loaded. */
export interface BuiltTool {
  readonly name: string;
  /** The folder with `<name>.wasm`, `policy.yaml` and `tool.json`. */
  readonly folder: string;
  /** The component's path. */
  readonly path: string;
  /** `sha256:` and the component's sha256 in hexadecimal. */
  readonly digest: string;
  /** The interfaces that the component imports, as its binary names them. */
  readonly imports: readonly string[];
  /** Whether nothing had to be built. */
  readonly cached: boolean;
}

/**
 * Builds the project's sample tools, one after the other.
 *
 * @returns one entry per tool, in the order of their names
 * @throws {GatewayError} `unknown-tool` for a name in `only` that has no folder; what {@link buildTool} throws
 */
export async function buildTools(options: BuildToolsOptions): Promise<BuiltTool[]> {
  const folders = await listToolFolders(options.root);
  const missing = (options.only ?? []).filter((name) => !folders.some((folder) => basename(folder) === name));
  if (missing.length > 0) {
    throw new GatewayError(
      `Cannot build ${missing.map((name) => `"${name}"`).join(", ")}: no such folder in tools/`,
      {
        code: "unknown-tool",
      },
    );
  }
  const built: BuiltTool[] = [];
  for (const folder of folders) {
    if (options.only === undefined || options.only.includes(basename(folder))) {
      built.push(await buildTool(folder, options));
    }
  }
  return built;
}

/**
 * Builds one tool's folder, the project's or a vendor's.
 *
 * @param folder with `tool.yaml`, the source it names, the WIT of its world, and `policy.yaml`
 * @throws {GatewayError} `invalid-request` when the folder is not a tool's; `component-refused` when the component
 * imports what its world does not name
 * @throws {Error} of the engine, when the source or its WIT does not compile; nothing is written then
 */
export async function buildTool(folder: string, options: BuildOptions): Promise<BuiltTool> {
  const say = options.onProgress ?? (() => {});
  const source = await readToolSource(folder, await readWitLibrary(options.root));
  const target = join(options.cacheDir ?? join(options.root, ".writ", "tools"), source.name);
  const builtFrom = await digestInputs(source);

  const present = await readBuilt(target, builtFrom);
  if (present !== null && (await replacePolicy(source, target))) {
    say(`tool ${source.name}: unchanged, ${present.digest.slice(0, 19)}`);
    return { ...present, cached: true };
  }

  say(`tool ${source.name}: building with ${source.engine}`);
  const startedMs = performance.now();
  const allowed = await worldImports(source.wit, source.world);
  const component = await engines[source.engine].componentize({ ...source, worldImports: allowed });
  const facts: ToolFacts = {
    name: source.name,
    description: source.description,
    engine: source.engine,
    component: `${source.name}.wasm`,
    digest: digestOf(component),
    functions: functionDocs(source.ownWit),
    imports: await checkAgainstWorld(component, allowed),
    built_from: builtFrom,
  };
  await placeFolder(target, source, component, facts);
  const tookMs = Math.round(performance.now() - startedMs);
  say(`tool ${source.name}: built in ${tookMs} ms, ${Math.ceil(component.byteLength / 1024)} KiB`);
  return { ...toBuilt(target, facts), cached: false };
}

async function digestInputs(source: ToolSource): Promise<string> {
  const parts = [recipe, source.inputDigest, ...(await engineVersions(source.engine))];
  return createHash("sha256").update(parts.join("\n")).digest("hex");
}

/** What is in the target folder, if it is whole and was built from this very input; null otherwise. */
async function readBuilt(target: string, builtFrom: string): Promise<Omit<BuiltTool, "cached"> | null> {
  try {
    const facts = toolFactsSchema.parse(JSON.parse(await readFile(join(target, "tool.json"), "utf8")));
    // The bytes are hashed, not trusted: what stands here is going to be run.
    const intact = digestOf(await readFile(join(target, facts.component))) === facts.digest;
    return intact && facts.built_from === builtFrom ? toBuilt(target, facts) : null;
  } catch {
    // Missing, torn or of an older form: all of them mean "build it".
    return null;
  }
}

/**
 * Puts a whole folder in place of the old one.
 *
 * A crash at any line leaves the old folder, the new one, or none, and the next build makes one; it never leaves
 * a component beside facts about another. When several builds end at once, one of their folders stays.
 */
async function placeFolder(
  target: string,
  source: ToolSource,
  component: Uint8Array,
  facts: ToolFacts,
): Promise<void> {
  const fresh = `${target}.${randomUUID()}.new`;
  await mkdir(fresh, { recursive: true });
  try {
    await writeFile(join(fresh, facts.component), component);
    await writeFile(join(fresh, "tool.json"), `${JSON.stringify(facts, null, 2)}\n`);
    if (source.policy !== null) {
      await writeFile(join(fresh, "policy.yaml"), source.policy);
    }
    // A folder can not be renamed over another that holds files: whoever is in the way is moved aside, again if
    // another build was quicker.
    for (let attempt = 1; !(await renamed(fresh, target, attempt === placeAttempts)); attempt += 1) {
      const old = `${target}.${randomUUID()}.old`;
      await renamed(target, old, false);
      await rm(old, { recursive: true, force: true });
    }
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** Renames a folder. @returns whether it could; @throws {Error} of the file system instead, when it `must` */
async function renamed(from: string, to: string, must: boolean): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if (must) throw error;
    return false;
  }
}

/**
 * A policy may change while the component does not: the copy beside the component follows it.
 *
 * @returns false when another build has moved the folder away meanwhile: then this one makes its own
 */
async function replacePolicy(source: ToolSource, target: string): Promise<boolean> {
  const path = join(target, "policy.yaml");
  if (source.policy === null) {
    await rm(path, { force: true });
  } else if ((await readFile(path, "utf8").catch(() => null)) !== source.policy) {
    const fresh = `${path}.${randomUUID()}.new`;
    try {
      await writeFile(fresh, source.policy);
      await rename(fresh, path);
    } catch (error) {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
      throw error;
    }
  }
  return true;
}

function toBuilt(folder: string, facts: ToolFacts): Omit<BuiltTool, "cached"> {
  return {
    name: facts.name,
    folder,
    path: join(folder, facts.component),
    digest: facts.digest,
    imports: facts.imports,
  };
}

function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
