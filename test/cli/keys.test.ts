/** `writ keys`, on a real data folder. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { cli, makeFolder, type TestFolder } from "./support.ts";

let folder: TestFolder;
beforeAll(async () => {
  folder = await makeFolder();
});
afterAll(() => folder.remove());

const keys = (...args: readonly string[]) => cli(["keys", ...args, "--data", folder.path]);

describe("keys", () => {
  const hostile: readonly (readonly [readonly string[], RegExp])[] = [
    [
      ["--scopes", "invoke,root"],
      /no scope "root", wanted invoke, evidence, keys, operate, approve or invoke:<tool>/,
    ],
    [["--scopes", ""], /no scope ""/],
    [["--tenant", "../etc"], /--tenant is "\.\.\/etc"/],
    [["--tier", "Gold"], /--tier is "Gold"/],
    [["--expires", "30"], /--expires is "30", wanted 1m to 3650d/],
    [["--expires", "0d"], /--expires is "0d"/],
    [["--expires", "-1d"], /--expires is "-1d"/],
    [["--expires", "9999999d"], /--expires is "9999999d"/],
  ];
  for (const [flags, wanted] of hostile) {
    it(`issue refuses ${flags.join(" ")}`, async () => {
      const { code, out, err } = await keys("issue", ...flags);
      expect({ code, out }).toEqual({ code: 2, out: "" });
      expect(err).toMatch(wanted);
    });
  }

  it("nothing was issued by what was refused", async () => {
    expect(JSON.parse((await keys("list", "--json")).out)).toEqual({ keys: [] });
  });

  it("revoke ends with 2 for a key that is not there", async () => {
    const { code, err } = await keys("revoke", "key_00000000");
    expect(code).toBe(2);
    expect(err).toMatch(/there is no such key/);
  });

  it("issue prints the key alone, list shows no key and no hash, revoke ends it", async () => {
    const issued = await keys("issue", "--tenant", "acme", "--scopes", "invoke", "--expires", "30d");
    expect(issued.code).toBe(0);
    expect(issued.out).toMatch(/^writ_[0-9a-f]{8}_\w+$/);
    const id = /key_[0-9a-f]{8}/.exec(issued.err)?.[0] ?? "";

    const listed = await keys("list");
    expect(listed.out).toMatch(new RegExp(`${id} +acme +free +invoke +live until \\d{4}-\\d\\d-\\d\\d`));
    expect(listed.out).not.toContain(issued.out);
    const json = JSON.parse((await keys("list", "--json")).out);
    expect(Object.keys(json.keys[0])).not.toContain("hash");

    expect((await keys("revoke", id)).code).toBe(0);
    expect((await keys("list")).out).toMatch(new RegExp(`${id} .* revoked \\d{4}`));
  });
});

describe("keys list", () => {
  it("goes page by page, and tells where the next one begins", async () => {
    const data = await makeFolder();
    const here = (...args: readonly string[]) => cli(["keys", ...args, "--data", data.path]);
    for (const tenant of ["acme", "other", "acme"]) await here("issue", "--tenant", tenant);
    const all = JSON.parse((await here("list", "--json")).out);
    expect([all.keys.length, all.next]).toEqual([3, undefined]);
    const first = JSON.parse((await here("list", "--json", "--limit", "2")).out);
    expect([first.keys, first.next]).toEqual([all.keys.slice(0, 2), all.keys[1].id]);
    const second = JSON.parse((await here("list", "--json", "--limit", "2", "--after", first.next)).out);
    expect([second.keys, second.next]).toEqual([all.keys.slice(2), undefined]);
    const ofTenant = JSON.parse((await here("list", "--json", "--tenant", "acme")).out);
    expect(ofTenant.keys).toEqual([all.keys[0], all.keys[2]]);
    for (const flags of [
      ["--limit", "0"],
      ["--limit", "1001"],
      ["--after", "key_00000000"],
    ])
      expect((await here("list", ...flags)).code, flags.join(" ")).toBe(2);
    await data.remove();
  });
});

describe("keys issue with a list of tenants", () => {
  it("gives the tenant's tier, and refuses strangers and other tiers", async () => {
    const data = await makeFolder();
    await runtime.files.write(`${data.path}/identity.yaml`, "tenants: { acme: { tier: gold } }\n");
    const issue = (...args: readonly string[]) => cli(["keys", "issue", "--data", data.path, ...args]);
    expect((await issue("--tenant", "acme")).err).toMatch(/tenant acme, tier gold/);
    expect((await issue("--tenant", "acme", "--tier", "pro")).err).toMatch(/listed with gold/);
    const strange = await issue("--tenant", "other");
    expect([strange.code, strange.err]).toEqual([
      2,
      expect.stringMatching(/add it to tenants in identity.yaml/),
    ]);
    await data.remove();
  });
});

describe("keys rotate", () => {
  it("makes new keys, says when each is believed, and publishes them", async () => {
    const data = await makeFolder();
    const rotated = await cli(["keys", "rotate", "--overlap", "2h", "--data", data.path, "--json"]);
    expect(rotated.code).toBe(0);
    const { keys: states } = JSON.parse(rotated.out);
    expect(states.map(({ kind }: { kind: string }) => kind)).toEqual([
      "manifest",
      "manifest",
      "checkpoint",
      "checkpoint",
    ]);
    const overlap = Date.parse(states[1].validUntil) - Date.parse(states[0].validFrom);
    expect(overlap).toBe(2 * 3_600_000);
    const published = JSON.parse(
      new TextDecoder().decode(await runtime.files.read(`${data.path}/keys/jwks.json`)),
    );
    expect(published.keys.map(({ kid }: { kid: string }) => kid)).toEqual([states[0].keyId, states[1].keyId]);
    const again = await cli(["keys", "rotate", "--data", data.path]);
    expect([again.code, again.err]).toEqual([2, expect.stringMatching(/under way until/)]);
    await data.remove();
  });

  it("init makes what a folder lacks, for its owner alone, and keeps what is there", async () => {
    const folder = await makeFolder();
    const init = ["keys", "init", "--keys", `${folder.path}/shared`, "--log-origin", "log.example"];
    const first = JSON.parse((await cli([...init, "--json"])).out);
    expect(first.made).toEqual(["manifest.pem", "checkpoint.pem", "journals.key"]);
    for (const name of first.made)
      expect(await runtime.files.mode(`${folder.path}/shared/${name}`), name).toBe(0o600);
    await runtime.files.remove(`${folder.path}/shared/journals.key`);
    const second = JSON.parse((await cli([...init, "--json"])).out);
    expect(second).toEqual({ ...first, made: ["journals.key"] });
    expect((await cli(init)).out).toContain("all there");
    await folder.remove();
  });

  for (const flags of [
    ["--overlap", "1"],
    ["--kind", "tls"],
    ["--kind", "journals", "--overlap", "1h"],
  ]) {
    it(`refuses ${flags.join(" ")}`, async () => {
      expect((await keys("rotate", ...flags)).code).toBe(2);
    });
  }
});
