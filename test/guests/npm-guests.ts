/**
 * Guests that npm's own packages build: other engines' options than ours, so what comes out imports what a vendor's
 * component imports. Built once, kept under `.writ/test-cache` by the digest of source and toolchain.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { composeWit, readWitLibrary } from "../../src/toolchain/wit-text.ts";

const PROJECT = fileURLToPath(new URL("../../", import.meta.url));
const SOURCES = fileURLToPath(new URL("sources/", import.meta.url));
const CACHE = fileURLToPath(new URL("../../.writ/test-cache/", import.meta.url));

interface Recipe {
  readonly engine: "@bytecodealliance/componentize-js" | "componentize-qjs";
  readonly wit: string;
  readonly world: string;
  readonly source: string;
  /** The world refers to packages of `wit/`, which the engine is given along with it. */
  readonly builtOnWit?: boolean;
  /** Options of componentize-qjs; StarlingMonkey always gets every feature, which is its default. */
  readonly options?: Readonly<Record<string, boolean>>;
}

/** The guests, by name. */
export const npmGuests = {
  many: {
    engine: "@bytecodealliance/componentize-js",
    wit: "many/many.wit",
    world: "crowd",
    source: "many/many.js",
  },
  web: {
    engine: "@bytecodealliance/componentize-js",
    wit: "javascript/js.wit",
    world: "script",
    source: "javascript/web.js",
  },
  bare: {
    engine: "componentize-qjs",
    wit: "javascript/js.wit",
    world: "script",
    source: "javascript/bare.js",
  },
  later: {
    engine: "componentize-qjs",
    wit: "javascript/later.wit",
    world: "later",
    source: "javascript/later.js",
  },
  types: {
    engine: "componentize-qjs",
    wit: "types/types.wit",
    world: "types",
    source: "types/src.js",
    options: { sync: true, optSize: true, stubWasi: true },
  },
  http: {
    engine: "@bytecodealliance/componentize-js",
    wit: "http/http.wit",
    world: "http-world",
    source: "http/http.js",
    builtOnWit: true,
  },
  tcp: {
    engine: "componentize-qjs",
    wit: "tcp/tcp.wit",
    world: "tcp-world",
    source: "tcp/tcp.js",
    options: { sync: true, optSize: true },
    builtOnWit: true,
  },
  reach: {
    engine: "componentize-qjs",
    wit: "reach/reach.wit",
    world: "reach-world",
    source: "reach/reach.js",
    options: { sync: true, optSize: true },
    builtOnWit: true,
  },
} as const satisfies Readonly<Record<string, Recipe>>;

/** Builds a guest, or reads what an earlier run built of the same source with the same package. */
export async function npmGuest(name: keyof typeof npmGuests): Promise<Uint8Array<ArrayBuffer>> {
  const recipe: Recipe = npmGuests[name];
  const [wit, source, manifest] = await Promise.all([
    readWit(recipe),
    readFile(join(SOURCES, recipe.source), "utf8"),
    readFile(new URL(`../../node_modules/${recipe.engine}/package.json`, import.meta.url), "utf8"),
  ]);
  const key = createHash("sha256")
    .update(JSON.stringify([recipe, wit, source, manifest]))
    .digest("hex");
  const path = join(CACHE, `${name}-${key.slice(0, 32)}.wasm`);
  const built = await readFile(path).catch(() => undefined);
  if (built !== undefined) return new Uint8Array(built);
  await mkdir(CACHE, { recursive: true });
  const component = await build(recipe, wit, source);
  // Renamed into place: two test files may build the same guest, and neither may read half of it.
  const half = `${path}.${process.pid}.half`;
  await writeFile(half, component);
  await rename(half, path);
  return component;
}

async function readWit({ wit, builtOnWit }: Recipe): Promise<string> {
  const text = await readFile(join(SOURCES, wit), "utf8");
  const [line = "", id = ""] = /^package ([^;]+);/m.exec(text) ?? [];
  return builtOnWit ? composeWit({ id, body: text.replace(line, "") }, await readWitLibrary(PROJECT)) : text;
}

async function build(recipe: Recipe, wit: string, source: string): Promise<Uint8Array<ArrayBuffer>> {
  if (recipe.engine === "componentize-qjs") {
    const { componentize } = await import("componentize-qjs");
    const witPath = join(
      CACHE,
      `${process.pid}-${createHash("sha256").update(wit).digest("hex").slice(0, 16)}.wit`,
    );
    await writeFile(witPath, wit);
    const { component } = await componentize({
      witPath,
      jsSource: source,
      world: recipe.world,
      ...recipe.options,
    });
    await rm(witPath);
    return new Uint8Array(component);
  }
  const { componentize } = await import("@bytecodealliance/componentize-js");
  const { component } = await componentize({
    sourcePath: join(SOURCES, recipe.source),
    // `witWorld` is the WIT as text. The package's types know it only from its deprecated signature.
    ...{ witWorld: wit },
    worldName: recipe.world,
    disableFeatures: [],
  });
  return new Uint8Array(component);
}
