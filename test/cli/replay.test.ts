/** `writ replay`, `writ journal` and `writ erase`, from a run that was really made to one that can no more be read. */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { openRecords } from "../../src/wiring/index.ts";
import { builtTool, cli, makeFolder, policyText, type TestFolder } from "./support.ts";

const JOURNALED = policyText({ evidence: "{ journal: full }" });

let folder: TestFolder;
let data: string;
let manifest: string;
let run: string;

async function makeRun(policy: string, input = '{"data":"aGVsbG8="}'): Promise<string> {
  const file = await folder.put(`policy-${policy.length}.yaml`, policy);
  const args = [
    "run",
    builtTool("hash"),
    "sha256",
    "--input",
    input,
    "--policy",
    file,
    "--data",
    data,
    "--json",
  ];
  const { out, err } = await cli([...args, "--manifest", manifest]);
  if (out === "") throw new Error(err);
  return JSON.parse(out).run;
}

const writ = (...args: readonly string[]) => cli([...args, "--data", data]);

beforeAll(async () => {
  folder = await makeFolder();
  data = join(folder.path, "data");
  manifest = join(folder.path, "manifest.json");
  run = await makeRun(JOURNALED);
});
afterAll(() => folder?.remove());

describe("writ replay", () => {
  it("says that a run does the same again", async () => {
    const { code, out } = await writ("replay", run);
    expect(out).toContain("as its manifest says");
    expect(out).toMatch(/^identical {2}on (node|deno) /m);
    expect(code).toBe(0);
  });

  it("does so after the key of journals was rotated, twice", async () => {
    const file = join(data, "keys", "journals.key");
    for (const _ of [1, 2]) {
      const before = await readFile(file, "utf8");
      const { code, out } = await writ("keys", "rotate", "--kind", "journals", "--json");
      expect([code, JSON.parse(out)]).toEqual([0, { journals: [{ file, tenants: 1 }] }]);
      const after = await readFile(file, "utf8");
      expect(after).toMatch(/^[0-9a-f]{64}\n$/);
      expect(after).not.toBe(before);
      expect(await runtime.files.mode(file)).toBe(0o600);
      expect((await writ("replay", run)).out).toMatch(/^identical {2}/m);
    }
  });

  it("replays an exported journal without the data that it is from", async () => {
    const file = join(folder.path, "exported.journal");
    const exported = await writ("journal", "export", run, "--out", file, "--json");
    expect(JSON.parse(exported.out)).toMatchObject({ run, signed: true });
    expect(await runtime.files.mode(file)).toBe(0o600);
    const { code, out } = await cli(["replay", file, "--data", join(folder.path, "elsewhere"), "--json"]);
    expect(JSON.parse(out)).toMatchObject({ run, verdict: "identical", journalSigned: false });
    expect(code).toBe(0);
  });

  it("shows where it differs, expected and seen, and ends with 1", async () => {
    const { out: text } = await writ("journal", "export", run);
    const changed = await folder.put("changed.journal", `${text.replace('"aGVsbG8="', '"aGVsbG8h"')}\n`);
    const { code, out } = await writ("replay", changed);
    expect(out).toMatch(/✗ at the end: output\n +expected +"sha256:[0-9a-f]{64}"\n +seen +"sha256:/);
    expect(out).toContain("diverged");
    expect(code).toBe(1);
  });

  it("refuses a journal that is cut off, or is none", async () => {
    const { out: text } = await writ("journal", "export", run);
    const files = {
      "cut.journal": text.slice(0, -20),
      "no-end.journal": `${text.split("\n")[0]}\n`,
      "other.journal": "{}\n{}\n",
      "later.journal": `${text.replace("writ-journal/1", "writ-journal/2")}\n`,
    };
    for (const [name, content] of Object.entries(files)) {
      const { code, err } = await writ("replay", await folder.put(name, content));
      expect(err).toMatch(/^writ: Cannot read journal: /);
      expect(code).toBe(2);
    }
  });

  it("refuses the journal of another run, by what the manifest signed", async () => {
    const other = await makeRun(JOURNALED);
    const { code, err } = await cli(["replay", run, "--data", data], {
      openRecords: async (at) => {
        const records = await openRecords(runtime, at);
        return { ...records, readJournal: () => records.readJournal(other) };
      },
    });
    expect(err).toContain("the journal is not the one that its manifest names");
    expect(code).toBe(2);
  });

  it("refuses another component, and says which it wants", async () => {
    const { code, err } = await writ("replay", run, "--component", builtTool("text"));
    expect(err).toMatch(/it is not the component that ran\n +it is +sha256:\S+\n +wanted +sha256:/);
    expect(code).toBe(2);
  });

  it("tells a run without a journal from one that does not exist", async () => {
    const plain = await makeRun(policyText());
    expect((await writ("replay", plain)).err).toContain("its policy asks for none");
    const kept = await makeRun(policyText({ evidence: "{ keep: [input] }" }));
    expect((await writ("replay", kept)).err).toContain("kept no journal");
    expect((await writ("replay", `run_${"0".repeat(26)}`)).err).toContain("no such run");
  });
});

describe("evidence: keep", () => {
  it("keeps what the policy names, and nothing else in clear", async () => {
    const kept = await makeRun(policyText({ evidence: "{ keep: [input] }" }));
    const { out } = await writ("journal", "export", kept);
    expect(out).toContain('"aGVsbG8="');
    expect(out).not.toContain('"output"');
    const database = await readFile(join(data, "local.sqlite"), "latin1");
    expect(database).not.toContain("aGVsbG8=");
  });

  it("drops a journal that is over its bound, or ends the run, as the policy says", async () => {
    const input = `{"data":"${"QUJD".repeat(600)}"}`;
    const dropped = await makeRun(
      policyText({ evidence: "{ journal: full, journal_bytes: 1KiB, journal_over: drop }" }),
      input,
    );
    expect((await writ("replay", dropped)).err).toContain("over journal_bytes");
    await makeRun(policyText({ evidence: "{ journal: full, journal_bytes: 1KiB }" }), input);
    const bundle = JSON.parse(await readFile(manifest, "utf8"));
    const { predicate } = JSON.parse(Buffer.from(bundle.dsseEnvelope.payload, "base64").toString());
    expect(predicate).toMatchObject({
      outcome: { kind: "exhausted", budget: "journal_bytes" },
      output_hash: null,
      journal_hash: null,
    });
  });
});

describe("writ erase", () => {
  it("takes a journal away, says when, and breaks no proof", async () => {
    const gone = await makeRun(JOURNALED);
    expect((await writ("erase", "--run", gone)).out).toContain("1 journal erased");
    const { code, err } = await writ("replay", gone);
    expect(err).toMatch(/it was erased at 20\d\d-\S+Z, by writ erase --run/);
    expect(code).toBe(2);
    expect((await writ("verify", manifest)).code).toBe(0);
  });

  it("takes a whole tenant's away", async () => {
    expect(JSON.parse((await writ("erase", "--tenant", "local", "--json")).out).erased).toBeGreaterThan(0);
    expect((await writ("replay", run)).err).toContain("by writ erase --tenant");
    expect((await writ("replay", await makeRun(JOURNALED))).code).toBe(0);
  });

  it("refuses a run that is not there, and to be told nothing or both", async () => {
    expect((await writ("erase", "--run", "run_x")).err).toContain("no such run");
    expect((await writ("erase")).err).toContain("wanted one of --run and --tenant");
    expect((await writ("erase", "--run", run, "--tenant", "local")).code).toBe(2);
  });
});
