/** What `writ inspect` says of components: the project's own, ones that can not run, and files that are none. */

import { readFile } from "node:fs/promises";
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtTool, cli, makeFolder, type TestFolder } from "./support.ts";

let folder: TestFolder;
beforeAll(async () => {
  folder = await makeFolder();
});
afterAll(() => folder.remove());

const put = async (name: string, wat: string) => folder.put(name, await parse(wat));

const CALLABLE = `
  (core module $m (func (export "f") (result i32) i32.const 7))
  (core instance $i (instantiate $m))
  (func $f (result u32) (canon lift (core func $i "f")))`;
const MATH = `${CALLABLE} (instance $e (export "add" (func $f))) (export "test:tiny/math@0.1.0" (instance $e))`;

/** A custom section `producers` with one claim; texts shorter than 128 bytes. */
function producers(field: string, name: string, version: string): readonly number[] {
  const text = (value: string) => {
    const bytes = new TextEncoder().encode(value);
    return [bytes.length, ...bytes];
  };
  const body = [...text("producers"), 1, ...text(field), 1, ...text(name), ...text(version)];
  return [0, body.length, ...body];
}

describe("inspect", () => {
  const hostile: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ["an empty file", "", /it is empty/],
    ["text", "hello", /it is no WebAssembly/],
    ["WebAssembly's text format", "  (component)", /text format, wanted a component's binary/],
    [
      "a core module",
      new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]),
      /it is a core module, wanted a component/,
    ],
    ["a future format", new Uint8Array([0, 97, 115, 109, 9, 0, 9, 0]), /Cannot decode component/],
    ["a torn component", new Uint8Array([0, 97, 115, 109, 13, 0, 1, 0, 1, 99, 0]), /does not fit/],
  ];
  for (const [name, content, wanted] of hostile) {
    it(`refuses ${name} without a stack`, async () => {
      const { code, out, err } = await cli(["inspect", await folder.put("hostile.wasm", content)]);
      expect({ code, out }).toEqual({ code: 2, out: "" });
      expect(err).toMatch(wanted);
      expect(err).not.toMatch(/\n\s+at /);
    });
  }

  it("refuses a missing file and a folder", async () => {
    expect((await cli(["inspect", "/nowhere/x.wasm"])).err).toMatch(/there is no such file/);
    expect((await cli(["inspect", folder.path])).err).toMatch(/it is a folder, wanted a file/);
  });

  it("ends with 2 and names the import that nothing serves", async () => {
    const wat = `(component (import "acme:bank/transfer@1.0.0" (instance (export "pay" (func)))) ${MATH})`;
    const file = await put("bank.wasm", wat);
    const text = await cli(["inspect", file]);
    expect(text.code).toBe(2);
    expect(text.out).toMatch(/acme:bank\/transfer@1\.0\.0 +unknown +R5 +nothing, refused/);
    expect(text.out).toMatch(/^refused {2}nothing here serves acme:bank\/transfer@1\.0\.0$/m);
    const json = await cli(["inspect", file, "--json"]);
    expect(json.code).toBe(2);
    expect(JSON.parse(json.out)).toMatchObject({
      verdict: { runs: false, risk: "R5" },
      imports: [{ name: "acme:bank/transfer@1.0.0", state: "refused", capability: null, risk: "R5" }],
    });
  });

  it("ends with 2 when nothing can be called, and says why", async () => {
    const { code, out } = await cli(["inspect", await put("empty.wasm", "(component)")]);
    expect(code).toBe(2);
    expect(out).toMatch(/it exports no function that JSON can call/);
  });

  it("lets neither a component's claims nor its file's name speak to the terminal", async () => {
    const plain = await parse(`(component ${MATH})`);
    const claims = producers("processed-by", "evil\u001b[2J\u202emaker", "1");
    const { code, out } = await cli([
      "inspect",
      await folder.put("cl\u001b[2Jaims.wasm", new Uint8Array([...plain, ...claims])),
    ]);
    expect(code).toBe(0);
    expect(out).toContain("cl\\u{1b}[2Jaims.wasm");
    expect(out).not.toContain("maker");
    expect(out).not.toContain("\u001b");
  });

  it("says that the hash tool reaches nothing", async () => {
    const { code, out } = await cli(["inspect", builtTool("hash")]);
    expect(code).toBe(0);
    expect(out).toMatch(/imports {2}none: it reaches nothing/);
    expect(out).toMatch(/ {4}sha256: func\(data: list<u8>\) -> list<u8>/);
    expect(out).toMatch(/^runs {2}under any policy that names its functions; risk R0$/m);
  });

  it("names the clause that unlocks the weather tool, in aligned columns", async () => {
    const { code, out } = await cli(["inspect", builtTool("weather")]);
    expect(code).toBe(0);
    expect(out).toMatch(/wasi:http\/outgoing-handler@\S+ +http-client +R3 +network_allowlist/);
    expect(out).toMatch(/^runs {2}under a policy that names: network_allowlist; risk R3$/m);
    const lines = out.split("\n");
    const column = lines.find((line) => line.includes("unlocked by"))?.indexOf("unlocked by");
    expect(lines.find((line) => line.includes("outgoing-handler"))?.indexOf("network_allowlist")).toBe(
      column,
    );
  });

  it("tells what runtimes import in any case from what a tool needs", async () => {
    const { out } = await cli(["inspect", builtTool("rogue"), "--json"]);
    const { imports, verdict } = JSON.parse(out);
    const files = imports.filter((it: { capability: string }) => it.capability === "filesystem");
    expect(files.length).toBeGreaterThan(0);
    expect(files.every((it: { state: string }) => it.state === "served")).toBe(true);
    expect(verdict).toMatchObject({ runs: true, clauses: ["network_allowlist"] });
    expect(verdict.notes.join()).toMatch(/filesystem: empty unless the policy has the clause/);
  });

  it("prints schemas that match the functions", async () => {
    const text = await cli(["inspect", builtTool("hash"), "--schema"]);
    expect(text.out).toMatch(/"contentEncoding": "base64"/);
    const { functions } = JSON.parse((await cli(["inspect", builtTool("hash"), "--json"])).out);
    expect(functions.map((it: { name: string }) => it.name)).toEqual(["hash/fnv1a64", "hash/sha256"]);
    expect(functions[1].inputSchema.required).toEqual(["data"]);
  });

  it("reads standard input", async () => {
    const bytes = new Uint8Array(await readFile(builtTool("hash")));
    const { code, out } = await cli(["inspect", "-"], { readStdin: async () => bytes });
    expect(code).toBe(0);
    expect(out).toContain(`${bytes.length} bytes`);
  });

  it("colours its verdict on a terminal, and not with NO_COLOR", async () => {
    const terminal = { isTty: true, columns: 80 };
    expect((await cli(["inspect", builtTool("hash")], { terminal })).out).toContain("\u001b[32mruns");
    const env = { NO_COLOR: "1" };
    expect((await cli(["inspect", builtTool("hash")], { terminal, env })).out).not.toContain("\u001b");
  });
});
