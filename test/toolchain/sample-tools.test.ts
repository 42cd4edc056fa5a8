import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { parse as parseWat } from "@bytecodealliance/jco-transpile/wasm-tools";
import { beforeAll, describe, expect, it } from "vitest";
import { parse as parseYaml } from "yaml";
import { buildTools } from "../../src/toolchain/index.ts";
import { listToolFolders, readToolSource, type ToolSource } from "../../src/toolchain/tool-source.ts";
import { functionDocs } from "../../src/toolchain/wit-docs.ts";
import { composeWit, readWitLibrary } from "../../src/toolchain/wit-text.ts";
import { worldImports } from "../../src/toolchain/world-check.ts";
import { type Interface, instantiatePure } from "./instantiate.ts";

const root = join(import.meta.dirname, "../..");
const names = ["hash", "links", "notes", "rogue", "text", "weather"];

async function readTool(name: string): Promise<ToolSource> {
  return readToolSource(join(root, "tools", name), await readWitLibrary(root));
}

async function load(name: string): Promise<Interface> {
  const [built] = await buildTools({ root, only: [name] });
  const exports = await instantiatePure(await readFile(built?.path ?? ""));
  const found = exports[name];
  if (found === undefined) {
    throw new TypeError(`Cannot load ${name}: it exports no interface of that name`);
  }
  return found;
}

describe("the sample tools", () => {
  it("are the ones tested here", async () => {
    expect((await listToolFolders(root)).map((folder) => basename(folder))).toEqual(names);
  });

  it.each(names)("%s has a policy for exactly its functions, all of them described", async (name) => {
    const tool = await readTool(name);
    const policy = parseYaml(tool.policy ?? "");
    const docs = functionDocs(tool.ownWit);
    expect(policy.tool_id).toBe(name);
    expect(Object.keys(policy.functions).sort()).toEqual(Object.keys(docs).sort());
    expect(Object.entries(docs).filter(([, doc]) => doc === "")).toEqual([]);
  });

  it.each(names)("%s imports nothing that the host does not offer", async (name) => {
    const tool = await readTool(name);
    const [host, ...deps] = await readWitLibrary(root);
    const offered = await worldImports(composeWit(host ?? { id: "", body: "" }, deps), "offer");
    const extra = (await worldImports(tool.wit, tool.world)).filter((id) => !offered.includes(id));
    expect(extra).toEqual([]);
  });

  it.each(names)("%s has a README that shows a call", async (name) => {
    const readme = await readFile(join(root, "tools", name, "README.md"), "utf8");
    expect(readme).toContain(`/v1/tools/${name}/`);
  });
});

describe("the hash tool", () => {
  let hash: Interface;
  beforeAll(async () => {
    hash = await load("hash");
  });

  // FIPS 180-4 examples, and the FNV reference vectors of draft-eastlake-fnv, appendix C.
  const vectors = [
    {
      data: "",
      fnv: 0xcbf29ce484222325n,
      sha: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    },
    {
      data: "a",
      fnv: 0xaf63dc4c8601ec8cn,
      sha: "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
    },
    {
      data: "foobar",
      fnv: 0x85944171f73967e8n,
      sha: "c3ab8ff13720e8ad9047dd39466b3c8974e592c2fa383d4a3960714caef0c4f2",
    },
  ];
  it.each(vectors)("gives the published digests of '$data'", ({ data, fnv, sha }) => {
    const bytes = new TextEncoder().encode(data);
    expect(hash.fnv1a64?.(bytes)).toBe(fnv);
    expect(toHex(hash.sha256?.(bytes))).toBe(sha);
  });

  it("sha256 agrees with the platform's at every length around a block, in one instance", () => {
    for (const length of [1, 54, 55, 56, 57, 63, 64, 65, 119, 120, 127, 128, 129, 70_000, 1_000_000]) {
      const bytes = Uint8Array.from({ length }, (_, index) => (index * 31 + length) & 0xff);
      expect(toHex(hash.sha256?.(bytes)), `length ${length}`).toBe(
        createHash("sha256").update(bytes).digest("hex"),
      );
    }
  });

  it.each([
    { name: "wraps around", bytes: -1 },
    { name: "is more than the memory may grow to", bytes: 200_000 },
  ])("cabi_realloc traps on a length that $name", async ({ bytes }) => {
    const wat = await readFile(join(root, "tools/hash/hash.wat"), "utf8");
    const bounded = wat.replace('(memory (export "memory") 1)', '(memory (export "memory") 1 2)');
    const module = new WebAssembly.Module(new Uint8Array(await parseWat(bounded)));
    const realloc = new WebAssembly.Instance(module).exports.cabi_realloc;
    if (typeof realloc !== "function") {
      throw new TypeError("Cannot test cabi_realloc: it is not exported");
    }
    expect(realloc(0, 0, 1, 60_000)).toBe(1024);
    expect(() => realloc(0, 0, 1, bytes)).toThrow(WebAssembly.RuntimeError);
  });
});

describe("the text tool", () => {
  let text: Interface;
  beforeAll(async () => {
    text = await load("text");
  });

  const csvErrors = [
    { csv: 'a\n"b', error: { tag: "unclosed-quote", val: 2 } },
    { csv: '"a"b\n', error: { tag: "text-after-quote", val: 1 } },
    { csv: 'a,b\n"1\n2",3\n4\n', error: { tag: "ragged-row", val: 4 } },
    { csv: "a", delimiter: '"', error: { tag: "bad-delimiter" } },
  ];
  it.each(csvErrors)("read-csv answers $error.tag", ({ csv, delimiter, error }) => {
    expect(payloadOf(() => text.readCsv?.(csv, { delimiter, header: true }))).toMatchObject(error);
  });

  const json = [
    { csv: "", header: true, json: [] },
    {
      csv: "a,b\n1,2",
      header: false,
      json: [
        ["a", "b"],
        ["1", "2"],
      ],
    },
    { csv: 'a,b\r\n"x ""y"", z",\r\n', header: true, json: [{ a: 'x "y", z', b: "" }] },
    { csv: "a;b\n1;2,3\n", delimiter: ";", header: true, json: [{ a: "1", b: "2,3" }] },
  ];
  it.each(json)("csv-to-json reads $csv", ({ csv, delimiter, header, json: expected }) => {
    expect(JSON.parse(String(text.csvToJson?.(csv, { delimiter, header })))).toEqual(expected);
  });

  it("csv-to-json keeps a column called __proto__ as a column", () => {
    expect(text.csvToJson?.("__proto__\n1\n", { header: true })).toBe('[{"__proto__":"1"}]');
  });

  it("diff gives the shortest list of changes", () => {
    expect(text.diff?.("a\nb\nc\n", "a\nc\nd\n")).toEqual([
      { tag: "keep", val: "a" },
      { tag: "remove", val: "b" },
      { tag: "keep", val: "c" },
      { tag: "add", val: "d" },
    ]);
  });

  it("diff refuses texts whose table would not fit", () => {
    expect(payloadOf(() => text.diff?.("a\n".repeat(1500), "b\n".repeat(501)))).toEqual({
      tag: "too-long",
      val: 2000,
    });
  });

  it("stats counts scalar values, not code units", () => {
    expect(text.stats?.("𝔘𝔫 dos\n")).toEqual({ characters: 7, words: 2, lines: 1, longestWord: "dos" });
    expect(text.stats?.("")).toEqual({ characters: 0, words: 0, lines: 0, longestWord: undefined });
  });

  it.each([
    ["  Crème Brûlée, No. 1!", undefined, "creme-brulee-no-1"],
    ["hello world", 6, "hello"],
    ["!!", undefined, undefined],
    ["word", 0, undefined],
  ])("slug of %j within %j is %j", (title, maxLength, slug) => {
    expect(text.slug?.(title, maxLength)).toBe(slug);
  });
});

function toHex(bytes: unknown): string {
  return bytes instanceof Uint8Array ? Buffer.from(bytes).toString("hex") : `no bytes: ${String(bytes)}`;
}

/** The `err` value with which a call ended, which jco throws wrapped in an error. */
function payloadOf(call: () => unknown): unknown {
  try {
    return { returned: call() };
  } catch (error) {
    return typeof error === "object" && error !== null && "payload" in error ? error.payload : error;
  }
}
