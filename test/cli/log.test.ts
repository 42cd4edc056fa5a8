/** `writ log` and folders of manifests: what was taken away or changed is named; what is whole is verified. */
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { createEvidence } from "../../src/evidence/index.ts";
import { openNoteSigner, openSigner } from "../../src/identity/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { completed, knownOf } from "../evidence/support.ts";
import { removeFolder } from "../support/folder.ts";
import { testWitness } from "../support/witness.ts";
import { cli, makeFolder, type TestFolder } from "./support.ts";

const ORIGIN = "log.example";
const EXPORT = ["--log-origin", ORIGIN];
let folder: TestFolder;
let data: string;
let exported: string;
let trust: string;

/** Seals runs as a server of the data folder does, and gives their manifests. */
async function sealRuns(dataFolder: string, from: number, until: number): Promise<readonly string[]> {
  const { files, clock, signing } = runtime;
  await files.write(`${dataFolder}/README`, "");
  const signer = await openSigner({ files, clock, signing, path: `${dataFolder}/keys/manifest.pem` });
  const noteSigner = await openNoteSigner({
    clock,
    files,
    signing,
    path: `${dataFolder}/keys/checkpoint.pem`,
    origin: ORIGIN,
  });
  const store = await openStore(runtime.openSqlite(`${dataFolder}/writ.sqlite`));
  const evidence = createEvidence({ store, signer, noteSigner, clock });
  const runs = Array.from({ length: until - from }, (_, n) => completed(from + n));
  const texts = await Promise.all(
    runs.map(async (run) => {
      await evidence.admit(knownOf(run));
      return (await evidence.seal(run, [])).text;
    }),
  );
  await store.close();
  return texts;
}

beforeAll(async () => {
  folder = await makeFolder();
  [data, exported] = [`${folder.path}/data`, `${folder.path}/public`];
  trust = `${exported}/trusted_root.json`;
  const early = await sealRuns(data, 0, 300);
  await cli(["log", "export", exported, "--data", data, ...EXPORT]);
  await cp(`${exported}/checkpoint`, `${folder.path}/checkpoint.early`);
  const texts = [...early, ...(await sealRuns(data, 300, 600))];
  for (const [n, text] of texts.slice(250, 350).entries()) {
    await folder.put(`manifests/${n % 7}/${n}.sigstore.json`, text);
  }
});
afterAll(() => folder.remove());

describe("log export", () => {
  it("ends with 2 where there is no log", async () => {
    const { code, err } = await cli(["log", "export", exported, "--data", `${folder.path}/nothing`]);
    expect(code).toBe(2);
    expect(err).toMatch(/there is no database/);
    expect((await cli(["log", "export", exported, "--data", data, "--log-origin", "a b"])).code).toBe(2);
  });

  it("writes what is new, and the checkpoint last", async () => {
    const { code, out } = await cli(["log", "export", exported, "--data", data, ...EXPORT, "--json"]);
    expect(code).toBe(0);
    // 256 of 600 were there in full: one tile and one bundle of 256, and one of 88 each, the level above, three more.
    expect(JSON.parse(out)).toEqual({ origin: ORIGIN, size: 600, written: 8 });
    // 000, 001, 002.p, and what was the end of the log at the first export: 001.p.
    expect(await runtime.files.list(`${exported}/tile/0`)).toHaveLength(4);
    const again = await cli(["log", "export", exported, "--data", data, ...EXPORT, "--json"]);
    expect(JSON.parse(again.out).written).toBe(6);
  });
});

describe("log verify", () => {
  const args = (path: string, ...flags: readonly string[]) => [
    "log",
    "verify",
    path,
    "--trust",
    trust,
    "--json",
    ...flags,
  ];

  /** Each spoils a copy of the log; the fault that must be named. */
  const DAMAGE: readonly (readonly [string, RegExp, (path: string) => Promise<unknown>])[] = [
    ["no checkpoint", /^checkpoint: missing/, (path) => rm(`${path}/checkpoint`)],
    ["no entries", /^tile\/entries\/001: missing/, (path) => rm(`${path}/tile/entries/001`)],
    ["no tile", /^tile\/0\/001: missing/, (path) => rm(`${path}/tile/0/001`)],
    ["no partial tile", /^tile\/0\/002\.p\/88: missing/, (path) => rm(`${path}/tile/0/002.p/88`)],
    ["no tile above", /^tile\/1\/000\.p\/2: missing/, (path) => rm(`${path}/tile/1/000.p/2`)],
    ["a flipped entry", /^tile\/0\/001: not the hashes/, (path) => flip(`${path}/tile/entries/001`)],
    ["a flipped hash", /^tile\/0\/000: not the hashes/, (path) => flip(`${path}/tile/0/000`)],
    ["a flipped checkpoint", /^checkpoint: missing, malformed/, (path) => flip(`${path}/checkpoint`)],
    [
      "an old checkpoint over new tiles, kept by someone who saw more",
      /300 entries|600 entries, now 300/,
      (path) => cp(`${folder.path}/checkpoint.early`, `${path}/checkpoint`),
    ],
  ];

  async function flip(path: string): Promise<void> {
    const bytes = await readFile(path);
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(path, bytes);
  }

  for (const [name, fault, damage] of DAMAGE) {
    it(`ends with 1 for ${name}, and names it`, async () => {
      const copy = join(folder.path, "copy");
      await cp(exported, copy, { recursive: true });
      await damage(copy);
      const { code, out } = await cli(args(copy, "--since", `${exported}/checkpoint`));
      await removeFolder(copy);
      expect(code).toBe(1);
      const { ok, faults } = JSON.parse(out);
      expect(ok).toBe(false);
      expect(faults.join("\n")).toMatch(new RegExp(fault, "m"));
    });
  }

  it("ends with 1 for a log that began otherwise, and for one of another key", async () => {
    const other = `${folder.path}/other`;
    await sealRuns(`${other}/data`, 1000, 1600);
    await cp(`${data}/keys/checkpoint.pem`, `${other}/data/keys/checkpoint.pem`);
    await cli(["log", "export", `${other}/public`, "--data", `${other}/data`, ...EXPORT]);
    expect((await cli(args(`${other}/public`))).code).toBe(0);
    const forked = await cli(args(`${other}/public`, "--since", `${folder.path}/checkpoint.early`));
    expect(forked.code).toBe(1);
    expect(forked.out).toMatch(/the log did not begin as it says/);
    const stranger = `${folder.path}/stranger`;
    await sealRuns(`${stranger}/data`, 0, 3);
    await cli(["log", "export", `${stranger}/public`, "--data", `${stranger}/data`, ...EXPORT]);
    expect((await cli(args(`${stranger}/public`))).out).toMatch(/signed by no trusted log/);
  });

  it("verifies a whole log, consistent with what was kept", async () => {
    const since = ["--since", `${folder.path}/checkpoint.early`, `${exported}/checkpoint`];
    const { code, out } = await cli(["log", "verify", exported, "--trust", trust, ...since]);
    expect(code).toBe(0);
    expect(out).toBe("verified  log log.example, 600 entries, consistent with 2 earlier checkpoints");
  });
});

describe("--witnesses", () => {
  it("demands cosignatures of a log and of a manifest in an export, offline", async () => {
    const [one, two, three] = await Promise.all(
      ["one.example", "two.example", "three.example"].map(testWitness),
    );
    if (!(one && two && three)) throw new TypeError("three witnesses were made");
    const own = `${folder.path}/witnessed`;
    await sealRuns(`${own}/data`, 0, 5);
    const bare = ["log", "export", `${own}/bare`, "--manifests", "--data", `${own}/data`, ...EXPORT];
    expect((await cli(bare)).code).toBe(0);
    const note = await readFile(`${own}/bare/checkpoint`, "utf8");
    // What a gateway with witnesses keeps.
    await writeFile(
      `${own}/data/cosigned-checkpoint`,
      `${note}${await one.cosign(note)}${await two.cosign(note)}`,
    );
    const full = ["log", "export", `${own}/public`, "--manifests", "--data", `${own}/data`, ...EXPORT];
    expect((await cli(full)).code).toBe(0);
    const wanted = async (quorum: number) =>
      await folder.put(
        `witnesses-${quorum}.json`,
        JSON.stringify({ quorum, witnesses: [one, two, three].map(({ key }) => ({ key })) }),
      );
    const keys = ["--trust", `${own}/public/jwks.json`, `${own}/public/trusted_root.json`];
    for (const [where, quorum, code] of [
      ["bare", 1, 1],
      ["public", 2, 0],
      ["public", 3, 1],
    ] as const) {
      const flags = [...keys, "--witnesses", await wanted(quorum)];
      const ofLog = await cli(["log", "verify", `${own}/${where}`, ...flags]);
      expect([ofLog.code, where, quorum]).toEqual([code, where, quorum]);
      expect(ofLog.out).toMatch(
        code === 0 ? /cosigned by one\.example, two\.example$/ : /of 3 witnesses cosigned it, wanted/,
      );
      const manifest = `${own}/${where}/manifests/0/3.sigstore.json`;
      const ofManifest = await cli(["verify", manifest, ...flags]);
      expect(ofManifest.code).toBe(code);
      expect(ofManifest.out).toMatch(code === 0 ? /✓ witnesses +2 of 3/ : /✗ witnesses/);
    }
    const refused = await cli(["verify", `${own}/public/manifests`, ...keys, "--witnesses", await wanted(4)]);
    expect([refused.code, refused.err]).toEqual([2, expect.stringMatching(/quorum is 4/)]);
  });
});

describe("verify of a folder", () => {
  const args = (path: string) => ["verify", path, "--trust", `${exported}/jwks.json`, trust];

  it("verifies every manifest in it, at any depth", async () => {
    const { code, out } = await cli(args(`${folder.path}/manifests`));
    expect(code).toBe(0);
    expect(out).toMatch(/^verified {2}100 more in folders/);
  });

  it("ends with 1 and reports the one that does not hold", async () => {
    const bad = await folder.put("manifests/3/bad.json", "{}");
    const { code, out } = await cli(args(`${folder.path}/manifests`));
    await rm(bad);
    expect(code).toBe(1);
    expect(out).toContain("manifests/3/bad.json");
    expect(out).toMatch(/✗ bundle/);
    expect(out).toMatch(/100 more in folders/);
  });

  it("ends with 2 for a folder without manifests", async () => {
    expect((await cli(args(`${exported}/tile`))).err).toMatch(/no file in it ends with \.json/);
    expect((await cli(args(`${folder.path}/nothing`))).code).toBe(2);
  });

  it("refuses all of it without the log's key", async () => {
    const { code, out } = await cli([
      "verify",
      `${folder.path}/manifests`,
      "--trust",
      `${exported}/jwks.json`,
    ]);
    expect(code).toBe(1);
    expect(out).toMatch(/✗ checkpoint +no log is trusted/);
  });
});

describe("verify of a range of a log", () => {
  const args = (...more: readonly string[]) => ["verify", "--trust", `${exported}/jwks.json`, trust, ...more];
  const copy = () => `${folder.path}/with-manifests`;

  it("verifies what the range names, from a data folder and from an export alike", async () => {
    expect((await cli(["log", "export", copy(), "--manifests", "--data", data, ...EXPORT])).code).toBe(0);
    for (const log of [copy(), data]) {
      const { code, out } = await cli(args("--log", log, "--range", "10..25", ...EXPORT));
      expect([code, out]).toEqual([0, expect.stringMatching(/^verified {2}15 more in folders/)]);
      const all = await cli(args("--log", log, ...EXPORT));
      expect([all.code, all.out]).toEqual([0, expect.stringMatching(/^verified {2}600 more in folders/)]);
    }
  });

  it("ends with 1 when one of the range is missing or changed", async () => {
    await rm(`${copy()}/manifests/0/12.sigstore.json`);
    const { code, out } = await cli(args("--log", copy(), "--range", "10..25"));
    expect([code, out]).toEqual([1, expect.stringMatching(/manifests\/0\/12\.sigstore\.json/)]);
  });

  for (const range of ["10", "a..b", "-1..2", "700..", "5..5"]) {
    it(`ends with 2 for the range ${range}`, async () => {
      expect((await cli(args("--log", copy(), "--range", range))).code).toBe(2);
    });
  }

  it("ends with 2 when nothing is named", async () => {
    expect((await cli(args())).err).toMatch(/name a manifest, a folder, or a log/);
  });
});
