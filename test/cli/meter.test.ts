/** What `writ meter` says of modules and components, and what it writes. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtTool, cli, makeFolder, type TestFolder } from "./support.ts";

let folder: TestFolder;
beforeAll(async () => {
  folder = await makeFolder();
});
afterAll(() => folder.remove());

const LOOP = `(module (func $g (result i32) i32.const 7)
  (func (export "f") (param i32) (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (call $g)))))))`;

describe("meter", () => {
  const refused: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
    ["text", "hello", /Cannot decode component/],
    ["a torn module", new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 9]), /it is not valid/],
    ["a module with the meter's own names", '(module (import "writ:fuel" "left" (func)))', /host's own/],
  ];
  for (const [name, content, wanted] of refused) {
    it(`refuses ${name} without a stack`, async () => {
      const bytes = typeof content === "string" && content.startsWith("(") ? await parse(content) : content;
      const { code, out, err } = await cli(["meter", await folder.put("hostile.wasm", bytes)]);
      expect({ code, out }).toEqual({ code: 2, out: "" });
      expect(err).toMatch(wanted);
      expect(err).not.toMatch(/\n\s+at /);
    });
  }

  it("refuses to write a component, which is several modules", async () => {
    const { code, err } = await cli(["meter", builtTool("hash"), "--out", join(folder.path, "no.wasm")]);
    expect(code).toBe(2);
    expect(err).toMatch(/is a component, wanted a core module/);
  });

  it("refuses a cap that is no number", async () => {
    const { code, err } = await cli(["meter", builtTool("hash"), "--max-memory", "much"]);
    expect(code).toBe(2);
    expect(err).toMatch(/wanted a number of MiB/);
  });

  it("writes a module that counts, and says what it did", async () => {
    const path = await folder.put("loop.wasm", await parse(LOOP));
    const target = join(folder.path, "metered.wasm");
    const { code, out } = await cli(["meter", path, "--out", target, "--stats"]);
    expect(code).toBe(0);
    expect(out).toMatch(/functions +2, of them 1 accounted for by their callers/);
    expect(out).toMatch(/checks +1 kept, 1 function entries need none/);
    const module = new WebAssembly.Module(new Uint8Array(await readFile(target)));
    expect(WebAssembly.Module.imports(module).map((each) => each.name)).toEqual(["left", "depth"]);
  });

  it("gives the figures of every core module of a component as JSON", async () => {
    const { code, out } = await cli(["meter", builtTool("text"), "--json"]);
    expect(code).toBe(0);
    const { modules } = JSON.parse(out);
    expect(modules.length).toBeGreaterThan(1);
    for (const stats of modules) {
      const { charges, chargeSizes, regions } = stats;
      const counted = chargeSizes.reduce((sum: number, count: number) => sum + count, 0);
      expect(counted).toBeLessThanOrEqual(charges);
      expect(charges).toBeLessThanOrEqual(regions);
    }
  });
});
