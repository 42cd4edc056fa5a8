/** `writ profile` with real components in the real sandbox: it tells where the fuel of a real run went. */
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeProfile, encodeProfile } from "../../src/sandbox/pipe/profile.ts";
import { builtTool, cli, makeFolder, policyText, type TestFolder } from "./support.ts";

let folder: TestFolder;
beforeAll(async () => {
  folder = await makeFolder();
});
afterAll(() => folder.remove());

const HELLO = '{"data":"aGVsbG8gd29ybGQ="}';
const withData = (args: readonly string[]) => cli([...args, "--data", `${folder.path}/data`]);

interface ProfileJson {
  readonly outcome: { readonly kind: string };
  readonly fuel: number;
  readonly functions: readonly { readonly name: string; readonly own: number; readonly total: number }[];
}

describe("profile", () => {
  for (const [tool, callee, input] of [
    ["hash", "sha256", HELLO],
    ["text", "slug", '{"title":"Hello World"}'],
  ] as const) {
    it(`accounts for all fuel of a run of ${tool}, and changes none of it`, async () => {
      const call = [builtTool(tool), callee, "--input", input];
      const run = await withData(["run", ...call]);
      const profiled = await withData(["profile", ...call, "--json"]);
      expect(profiled.err).toBe("");
      const { fuel, functions, outcome }: ProfileJson = JSON.parse(profiled.out);
      expect(outcome.kind).toBe("completed");
      expect(run.out + run.err).toMatch(new RegExp(`fuel +${fuel} of`));
      expect(functions.reduce((sum, { own }) => sum + own, 0)).toBe(fuel);
      expect(functions.every(({ own, total }) => own >= 0 && total >= own && total <= fuel)).toBe(true);
    });
  }

  it("names functions as the binary does, and writes a drawing and folded stacks", async () => {
    const [svg, folded] = [`${folder.path}/hash.svg`, `${folder.path}/hash.folded`];
    const call = ["profile", builtTool("hash"), "sha256", "--input", HELLO];
    const { code, out } = await withData([...call, "--svg", svg, "--folded", folded]);
    expect(code).toBe(0);
    expect(out).toMatch(/^hash\/sha256 {2}completed, [\d,]+ units of fuel in \d+ functions\n/);
    expect(out).toMatch(/\n +[\d,]+ +\d+\.\d % +[\d,]+ +\d+\.\d % +1 {2}compress\n/);
    const stacks = (await readFile(folded, "utf8")).trimEnd().split("\n");
    const sum = stacks.reduce((total, line) => total + Number(line.slice(line.lastIndexOf(" "))), 0);
    expect(out).toContain(`${sum.toLocaleString("en-US")} units`);
    expect(stacks.some((line) => /#sha256;compress;swap \d+$/.test(line))).toBe(true);
    expect(await readFile(svg, "utf8")).toMatch(/^<\?xml[\s\S]*<title>compress: [\s\S]*<\/svg>\n$/);
  });

  it("profiles a run that ends badly, and says so", async () => {
    const policy = await folder.put(
      "poor.yaml",
      policyText({
        budget:
          "{ fuel: 3000, memory_bytes: 16MiB, egress_bytes: 0, requests: 0, output_bytes: 4KiB, log_bytes: 0 }",
      }),
    );
    const call = ["profile", builtTool("hash"), "sha256", "--input", HELLO, "--policy", policy, "--json"];
    const { code, out } = await withData(call);
    const { fuel, functions, outcome }: ProfileJson = JSON.parse(out);
    expect({ code, kind: outcome.kind, fuel }).toEqual({ code: 1, kind: "exhausted", fuel: 3000 });
    expect(functions.reduce((sum, { own }) => sum + own, 0)).toBe(3000);
  });

  it("refuses a list of no functions before anything runs", async () => {
    const { code, err } = await cli(["profile", builtTool("hash"), "sha256", "--input", HELLO, "--top", "0"]);
    expect(code).toBe(2);
    expect(err).toMatch(/--top "0"/);
  });
});

describe("decodeProfile", () => {
  const node = { parent: -1, function: 3, calls: 1, fuel: 7 };
  it("reads what encodeProfile() wrote, wherever the bytes stand", () => {
    const nodes = [node, { ...node, parent: 0, function: 2 ** 30, fuel: -1 }];
    const bytes = encodeProfile(nodes);
    const held = new Uint8Array(bytes.length + 3);
    held.set(bytes, 3);
    expect(decodeProfile(held.subarray(3))).toEqual(nodes);
  });

  for (const [what, bytes] of [
    ["half a path", encodeProfile([node]).subarray(0, 30)],
    ["a path before its caller", encodeProfile([{ ...node, parent: 0 }])],
    ["a number that is none", encodeProfile([{ ...node, fuel: Number.NaN }])],
    ["a number with a fraction", encodeProfile([{ ...node, function: 0.5 }])],
  ] as const) {
    it(`does not take ${what}`, () => {
      expect(decodeProfile(bytes)).toBeUndefined();
    });
  }
});
