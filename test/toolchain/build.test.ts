import { cp, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { buildTool, buildTools, toolFactsSchema } from "../../src/toolchain/index.ts";
import { removeFolder } from "../support/folder.ts";

const root = join(import.meta.dirname, "../..");

let folder = "";
let cacheDir = "";
let work = "";
beforeEach(async () => {
  work = await mkdtemp(join(tmpdir(), "writ-build-test-"));
  folder = join(work, "hash");
  cacheDir = join(work, "built");
  await cp(join(root, "tools/hash"), folder, { recursive: true });
});
afterEach(() => removeFolder(work));

async function edit(name: string, change: (text: string) => string): Promise<void> {
  const path = join(folder, name);
  await writeFile(path, change(await readFile(path, "utf8")));
}

describe("buildTool()", () => {
  const refused: { name: string; file: string; change: (text: string) => string; message: string }[] = [
    { name: "an unknown member", file: "tool.yaml", change: (text) => `${text}fuel: 1\n`, message: "fuel" },
    {
      name: "a duplicate member",
      file: "tool.yaml",
      change: (text) => `${text}engine: wat\n`,
      message: "unique",
    },
    {
      name: "an unknown engine",
      file: "tool.yaml",
      change: (text) => text.replace("engine: wat", "engine: cobol"),
      message: "/engine",
    },
    {
      name: "a name that leaves the folder",
      file: "tool.yaml",
      change: (text) => text.replace("name: hash", 'name: "../hash"'),
      message: "/name",
    },
    {
      name: "a source outside the folder",
      file: "tool.yaml",
      change: (text) => text.replace("hash.wat", "../hash.wat"),
      message: "/source",
    },
    {
      name: "a source that is not there",
      file: "tool.yaml",
      change: (text) => text.replace("hash.wat", "other.wat"),
      message: '"other.wat" is not there',
    },
  ];
  it.each(refused)("refuses $name", async ({ file, change, message }) => {
    await edit(file, change);
    await expect(buildTool(folder, { root, cacheDir })).rejects.toMatchObject({
      code: "invalid-request",
      message: expect.stringContaining(message),
    });
  });

  it("leaves the world's imports as they are, where the engine's own are replaced by stubs", async () => {
    await cp(join(root, "tools/text"), join(work, "text"), { recursive: true });
    const world = join(work, "text/world.wit");
    const wit = await readFile(world, "utf8");
    await writeFile(world, wit.replace(/(world [a-z-]+ \{)/, "$1\n  import wasi:config/store@0.2.0-rc.1;"));
    const source = join(work, "text/text.ts");
    const importing = `import { get } from "wasi:config/store@0.2.0-rc.1";\nexport const configured = () => get("a");\n`;
    await writeFile(source, importing + (await readFile(source, "utf8")));
    expect(await buildTool(join(work, "text"), { root, cacheDir })).toMatchObject({
      imports: ["wasi:config/store@0.2.0-rc.1"],
    });
  });

  it("leaves nothing behind when the source does not compile", async () => {
    await edit("hash.wat", (text) => text.replace("(module", "(modul"));
    await expect(buildTool(folder, { root, cacheDir })).rejects.toThrow("modul");
    expect(await readdir(cacheDir).catch(() => [])).toEqual([]);
  });

  it("keeps the built tool when a later source does not compile", async () => {
    const before = await buildTool(folder, { root, cacheDir });
    await edit("hash.wat", (text) => text.replace("(module", "(modul"));
    await expect(buildTool(folder, { root, cacheDir })).rejects.toThrow("modul");
    expect((await readFile(before.path)).byteLength).toBeGreaterThan(0);
    expect(await readdir(cacheDir)).toEqual(["hash"]);
  });

  it("writes a folder that explains itself, and nothing else", async () => {
    const built = await buildTool(folder, { root, cacheDir });
    expect(await readdir(cacheDir)).toEqual(["hash"]);
    expect((await readdir(built.folder)).sort()).toEqual(["hash.wasm", "policy.yaml", "tool.json"]);
    const facts = toolFactsSchema.parse(JSON.parse(await readFile(join(built.folder, "tool.json"), "utf8")));
    expect(facts).toMatchObject({ name: "hash", engine: "wat", digest: built.digest, imports: [] });
    expect(facts.functions["hash/sha256"]).toMatch(/^The SHA-256 digest of `data`/);
  });

  const again: { name: string; between: () => Promise<void>; cached: boolean }[] = [
    { name: "reuses an unchanged tool", between: async () => {}, cached: true },
    {
      name: "reuses a tool of which only the README changed",
      between: () => writeFile(join(folder, "README.md"), "other"),
      cached: true,
    },
    {
      name: "builds again when the source changed",
      between: () => edit("hash.wat", (text) => `${text};; more\n`),
      cached: false,
    },
    {
      name: "builds again when the WIT changed",
      between: () => edit("world.wit", (text) => text.replace("Pure:", "Pure;")),
      cached: false,
    },
    {
      name: "builds again when the component is torn",
      between: () => writeFile(join(cacheDir, "hash/hash.wasm"), "torn"),
      cached: false,
    },
    {
      name: "builds again when the facts are torn",
      between: () => writeFile(join(cacheDir, "hash/tool.json"), '{"name":'),
      cached: false,
    },
  ];
  it.each(again)("$name", async ({ between, cached }) => {
    const first = await buildTool(folder, { root, cacheDir });
    await between();
    const lines: string[] = [];
    const second = await buildTool(folder, { root, cacheDir, onProgress: (line) => lines.push(line) });
    expect([first.cached, second.cached]).toEqual([false, cached]);
    expect(lines.at(-1)).toMatch(cached ? /unchanged/ : /built in \d+ ms/);
  });

  it("leaves one whole folder when several builds end at once", async () => {
    const tools = await Promise.all(Array.from({ length: 8 }, () => buildTool(folder, { root, cacheDir })));
    expect(new Set(tools.map(({ path }) => path)).size).toBe(1);
    expect(await readdir(cacheDir)).toEqual(["hash"]);
    expect((await buildTool(folder, { root, cacheDir })).cached).toBe(true);
  });

  it("copies a changed policy beside an unchanged component", async () => {
    await buildTool(folder, { root, cacheDir });
    await edit("policy.yaml", (text) => text.replace("1e8", "1e7"));
    const { cached, folder: target } = await buildTool(folder, { root, cacheDir });
    expect(cached).toBe(true);
    expect(await readFile(join(target, "policy.yaml"), "utf8")).toContain("fuel: 1e7");
  });
});

describe("buildTools()", () => {
  it("refuses a name that is no tool", async () => {
    await expect(buildTools({ root, cacheDir, only: ["hash", "hsah"] })).rejects.toMatchObject({
      code: "unknown-tool",
      message: expect.stringContaining('"hsah"'),
    });
  });

  it("builds the tools it is asked for", async () => {
    const built = await buildTools({ root, cacheDir, only: ["hash"] });
    expect(built.map(({ name, path }) => ({ name, path }))).toEqual([
      { name: "hash", path: join(cacheDir, "hash/hash.wasm") },
    ]);
  });
});
