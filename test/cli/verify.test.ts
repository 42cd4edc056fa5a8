/** `writ verify`: honest documents hold, and each lie about one is found by the check that is named. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builtTool, cli, makeFolder, policyText, stdin, type TestFolder } from "./support.ts";

let folder: TestFolder;
let data: string;
let policy: string;
let honest: string;

beforeAll(async () => {
  folder = await makeFolder();
  data = `${folder.path}/data`;
  policy = await folder.put("policy.yaml", policyText());
  const input = '{"data":"aGVsbG8gd29ybGQ="}';
  const args = ["run", builtTool("hash"), "sha256", "--input", input, "--policy", policy];
  honest = (await cli([...args, "--data", data, "--json"])).out;
});
afterAll(() => folder.remove());

const verify = (text: string, ...flags: readonly string[]) =>
  cli(["verify", "-", "--data", data, ...flags], stdin(text));

// biome-ignore lint/suspicious/noExplicitAny: a liar changes any member of an answer
type Liar = (answer: any) => unknown;

describe("verify", () => {
  const lies: readonly (readonly [string, string, Liar])[] = [
    ["another output", "answer-output", (it) => ({ ...it, output: "AAAA" })],
    ["no output", "answer-output", (it) => ({ ...it, output: null })],
    ["another outcome", "answer-outcome", (it) => ({ ...it, outcome: { kind: "trapped", reason: "x" } })],
    ["another run", "answer-run", (it) => ({ ...it, run: "run_0" })],
    ["another receipt", "answer-receipt", (it) => ({ ...it, receipt: { ...it.receipt, digest: "00" } })],
    ["another signer", "answer-receipt", (it) => ({ ...it, receipt: { ...it.receipt, keyId: "x" } })],
    ["a fallback", "answer-fallback", (it) => ({ ...it, fallback: { kind: "static", value: 1 } })],
    ["no receipt", "answer", ({ receipt: _, ...it }) => it],
    ["a manifest that is no object", "answer", (it) => ({ ...it, manifest: "x" })],
    ["a manifest of nothing", "bundle", (it) => ({ ...it, manifest: {} })],
    [
      "a changed payload",
      "signature",
      (it) => {
        const { payload } = it.manifest.dsseEnvelope;
        const changed = btoa(atob(payload).replace('"tenant":"local"', '"tenant":"acme_"'));
        return {
          ...it,
          manifest: { ...it.manifest, dsseEnvelope: { ...it.manifest.dsseEnvelope, payload: changed } },
        };
      },
    ],
    [
      "an unsigned member in the manifest",
      "bundle",
      (it) => ({ ...it, manifest: { ...it.manifest, note: "trust me" } }),
    ],
  ];
  for (const [name, check, lie] of lies) {
    it(`ends with 1 for ${name}, by ${check}`, async () => {
      const { code, out } = await verify(JSON.stringify(lie(JSON.parse(honest))), "--json");
      expect(code).toBe(1);
      const [result] = JSON.parse(out).results;
      expect(result.ok).toBe(false);
      expect(result.checks.find((it: { ok: boolean }) => !it.ok)).toMatchObject({ check });
    });
  }

  for (const text of ["", "null", "[]", "{", '{"manifest":1,"manifest":2}', "\u0000"]) {
    it(`ends with 1 for a document ${JSON.stringify(text)}`, async () => {
      const { code, out } = await verify(text);
      expect(code).toBe(1);
      expect(out).toMatch(/✗/);
      expect(out).toMatch(/not verified/);
    });
  }

  it("ends with 1 under another's keys", async () => {
    const other = `${folder.path}/other`;
    const input = '{"data":""}';
    await cli(["run", builtTool("hash"), "sha256", "--input", input, "--data", other]);
    const { code, out } = await verify(honest, "--trust", `${other}/keys/jwks.json`);
    expect(code).toBe(1);
    expect(out).toMatch(/✗ signature +under none of 1 trusted keys/);
  });

  it("ends with 2 without keys to trust, and opens no connection for them", async () => {
    const nowhere = await cli(["verify", "-", "--data", `${folder.path}/nothing`], stdin(honest));
    expect(nowhere.code).toBe(2);
    expect(nowhere.err).toMatch(/no trusted keys/);
    const url = await verify(honest, "--trust", "https://example.com/jwks.json");
    expect(url.code).toBe(2);
    expect(url.err).toMatch(/verification is offline/);
    const broken = await folder.put("broken.json", '{"keys":[]}');
    expect((await verify(honest, "--trust", broken)).err).toMatch(/no P-256 key/);
  });

  it("ends with 2 for a manifest that is missing", async () => {
    const { code, err } = await cli(["verify", "/nowhere/m.json", "--data", data]);
    expect(code).toBe(2);
    expect(err).toMatch(/no such file/);
  });

  it("holds for an honest answer, and for its manifest alone", async () => {
    const whole = await verify(honest);
    expect(whole.code).toBe(0);
    expect(whole.out).toMatch(/✓ answer-output/);
    expect(whole.out).toMatch(/^verified {2}/m);
    const bare = await verify(JSON.stringify(JSON.parse(honest).manifest));
    expect(bare.code).toBe(0);
    expect(bare.out).not.toMatch(/answer-/);
  });

  it("prints the checks in the order they are made", async () => {
    const { results } = JSON.parse((await verify(honest, "--json")).out);
    const names = results[0].checks.map((it: { check: string }) => it.check);
    expect(names.indexOf("signature")).toBeGreaterThan(names.indexOf("payload-type"));
    expect(names.indexOf("statement")).toBeGreaterThan(names.indexOf("signature"));
    expect(names.at(-1)).toBe("answer-receipt");
  });

  it("compares what is in hand, and says which does not fit", async () => {
    const good = ["--component", builtTool("hash"), "--policy", policy];
    expect((await verify(honest, ...good)).code).toBe(0);
    const otherPolicy = await folder.put("other.yaml", policyText({ max_duration_ms: "1" }));
    const output = await folder.put("output.json", '"AAAA"');
    for (const [flags, check] of [
      [["--component", builtTool("text")], "compare-component"],
      [["--policy", otherPolicy], "compare-policy"],
      [["--output", output], "compare-output"],
      [["--input", output], "compare-input"],
    ] as const) {
      const { code, out } = await verify(honest, ...flags);
      expect(code).toBe(1);
      expect(out).toMatch(new RegExp(`✗ ${check}`));
    }
  });

  it("ends with 1 when one of several does not hold, and still reports the others", async () => {
    const good = await folder.put("good.json", honest);
    const bad = await folder.put("bad.json", "{}");
    const { code, out } = await cli(["verify", bad, good, "--data", data]);
    expect(code).toBe(1);
    const verdicts = out.split("\n").filter((line) => /^(not )?verified/.test(line));
    expect(verdicts.map((line) => line.startsWith("verified"))).toEqual([false, true]);
  });
});
