/** `writ policy`: faults with their places, overlaps, and decisions in words. */
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { builtTool, cli, makeFolder, policyText, stdin, type TestFolder } from "./support.ts";

let folder: TestFolder;
const used: TestFolder[] = [];
beforeEach(async () => {
  folder = await makeFolder();
  used.push(folder);
});
afterAll(async () => {
  for (const one of used) await one.remove();
});

describe("policy check", () => {
  it("ends with 1 and lists every fault of every file with line and column", async () => {
    const first = await folder.put("a.yaml", policyText({ network_allowlst: "[]", purpose: "[]" }));
    const second = await folder.put("b.yaml", "tool_id: [");
    const { code, out } = await cli(["policy", "check", first, second]);
    expect(code).toBe(1);
    expect(out).toMatch(new RegExp(`^${first}:3:\\d+ /purpose`, "m"));
    expect(out).toMatch(new RegExp(`^${first}:7:1 /network_allowlst unknown key`, "m"));
    expect(out).toMatch(new RegExp(`^${second}:\\d+:\\d+ `, "m"));
    expect(out).toMatch(/^2 files: \d+ faults, 0 overlaps$/m);
  });

  it("ends with 1 when two policies claim one case", async () => {
    await folder.put("a.yaml", policyText());
    await folder.put("b.json.yaml", policyText({ purpose: "[other]" }));
    const { code, out } = await cli(["policy", "check", folder.path]);
    expect(code).toBe(1);
    expect(out).toMatch(/already the policy for tool hash and tier free/);
    const json = JSON.parse((await cli(["policy", "check", folder.path, "--json"])).out);
    expect(json).toMatchObject({ ok: false, faults: [], overlaps: [{ toolId: "hash", tiers: ["free"] }] });
  });

  it("checks one file named twice once", async () => {
    const file = await folder.put("a.yaml", policyText());
    expect((await cli(["policy", "check", file, file])).code).toBe(0);
  });

  it("ends with 2 for what can not be read", async () => {
    const binary = await folder.put("binary.yaml", new Uint8Array([0xff, 0xfe, 0x00]));
    expect(await cli(["policy", "check", binary])).toMatchObject({ code: 2, out: "" });
    expect((await cli(["policy", "check", binary])).err).toMatch(/not text in UTF-8/);
    expect((await cli(["policy", "check", `${folder.path}/nope.yaml`])).err).toMatch(/no such file/);
    await folder.put("sub/notes.txt", "no policy");
    expect((await cli(["policy", "check", `${folder.path}/sub`])).err).toMatch(/holds no \.yaml/);
    expect((await cli(["policy", "check"])).code).toBe(2);
  });

  it("accepts a good policy from a file, a folder and standard input", async () => {
    const file = await folder.put("a.yaml", policyText());
    for (const path of [file, folder.path, "-"]) {
      const { code, out } = await cli(["policy", "check", path], stdin(policyText()));
      expect(code).toBe(0);
      expect(out).toMatch(/^ok .* sha256:[0-9a-f]{64}\n1 file: no fault$/);
    }
  });
});

describe("policy explain", () => {
  const ask = (changes: Readonly<Record<string, string>> = {}, more: readonly string[] = []) => {
    const asked = { tool: "hash", function: "hash/sha256", tier: "free", purpose: "testing", ...changes };
    const flags = Object.entries(asked).flatMap(([name, value]) => [`--${name}`, value]);
    return cli(["policy", "explain", ...flags, "--policies", folder.path, ...more]);
  };

  const denials: readonly (readonly [string, Readonly<Record<string, string>>, RegExp])[] = [
    ["tool_id", { tool: "other" }, /to allow it: write a policy with tool_id "other"/],
    ["tool_id", { tool: "../../etc" }, /write a policy with tool_id/],
    ["tenant_tier", { tier: "gold" }, /add "gold" to tenant_tier/],
    ["functions", { function: "hash/fnv1a64" }, /add "hash\/fnv1a64" to functions/],
    ["purpose", { purpose: "fun" }, /add "fun" to purpose/],
  ];
  for (const [clause, changes, wanted] of denials) {
    it(`ends with 1 and names ${clause} for ${JSON.stringify(changes)}`, async () => {
      await folder.put("a.yaml", policyText());
      const { code, out } = await ask(changes);
      expect(code).toBe(1);
      expect(out).toMatch(new RegExp(`^deny .*decided by clause ${clause} of `));
      expect(out).toMatch(wanted);
    });
  }

  it("denies nothing for needs it takes from the binary that the policy grants", async () => {
    await folder.put("a.yaml", policyText());
    const { code, out } = await ask({}, ["--component", builtTool("weather"), "--json"]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ effect: "allow", needs: ["http-client", "clocks"] });
  });

  it("says that it does not know the needs without a component", async () => {
    await folder.put("a.yaml", policyText({ tool_id: "other" }));
    expect((await ask({ tool: "other" })).out).toMatch(/needs: not known without a component/);
  });

  it("decides nothing by a set with a fault", async () => {
    await folder.put("a.yaml", policyText());
    await folder.put("b.yaml", policyText({ tool_id: "other", purpose: "[]" }));
    const { code, out, err } = await ask();
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/b\.yaml:3:\d+ \/purpose/);
  });

  it("asks the built tools' own policies by default", async () => {
    const flags = ["--tool", "hash", "--function", "hash/sha256", "--tier", "free", "--purpose", "benchmark"];
    const { code, out } = await cli(["policy", "explain", ...flags]);
    expect(code).toBe(0);
    expect(out).toMatch(/^allow hash hash\/sha256/);
  });
});

describe("policy schema", () => {
  it("prints a JSON Schema that is closed", async () => {
    const { code, out } = await cli(["policy", "schema"]);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({ title: "Writ policy", additionalProperties: false });
  });
});
