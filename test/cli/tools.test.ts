/** `writ tools` and `writ slo`, on a database that no gateway runs on. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { firstState } from "../../src/core/rollout/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { cli, makeFolder, type TestFolder } from "./support.ts";

let folder: TestFolder;
beforeAll(async () => {
  folder = await makeFolder();
  const store = await openStore(runtime.openSqlite(join(folder.path, "writ.sqlite")));
  for (const n of [1, 2, 3])
    await store.versions.record(
      {
        tool: "hash",
        digest: `sha256:${n}`,
        component: `sha256:c${n}`,
        document: '{"policies":[]}',
        seenAtMs: n,
      },
      new Uint8Array(),
      (number, state) => state ?? firstState("hash", number, n),
      { id: `act_${String(n).padStart(26, "0")}`, by: "test", note: "" },
    );
  await store.close();
});
afterAll(() => folder.remove());

const tools = (...args: readonly string[]) => cli(["tools", ...args, "--data", folder.path]);

describe("writ tools", () => {
  it("says what is in force, and that no gateway follows yet", async () => {
    expect((await tools("list")).out).toBe("hash: version 1 is active");
    const done = await tools("activate", "hash", "2", "--note", "first of two");
    expect([done.code, done.out.split("\n")[0]]).toEqual([0, "activate   hash: version 2 is active"]);
    expect(done.out).toContain("no gateway runs; the next one starts with it");
    expect((await tools("activate", "hash", "2")).out).toMatch(/^unchanged/);
    const versions = await tools("versions", "hash");
    expect(versions.out).toMatch(/ 2 .* active/);
    expect(versions.out).toMatch(/ 1 .* rollback leads here/);
  });

  it("tries out, rolls back, stops, lets run again, and sets a floor, and says whom that refuses", async () => {
    expect((await tools("canary", "hash", "3", "--percent", "2.5", "--tenants", "acme")).out).toContain(
      "version 3 for 2.5 % of runs and acme",
    );
    expect((await tools("rollback", "hash")).out).toContain("hash: version 2 is active");
    expect((await tools("suspend", "hash", "--reason", "leaks-data")).out).toContain("suspended since");
    expect((await tools("resume", "hash")).code).toBe(0);
    expect((await tools("floor", "hash", "3", "--tenant", "acme")).out).toContain(
      "refused    acme: their floor of hash is version 3",
    );
    const { actions } = JSON.parse((await tools("history", "hash", "--json", "--limit", "2")).out);
    expect(actions.map(({ kind }: { kind: string }) => kind)).toEqual(["floor", "resume"]);
    expect((await tools("history", "--limit", "9")).out).toContain("note: first of two");
  });

  it("lists by page, says what the next one is asked for with, and ends", async () => {
    const whole = JSON.parse((await tools("history", "--json", "--limit", "100")).out);
    expect(whole.next).toBeUndefined();
    const seen: string[] = [];
    for (let before: readonly string[] = [], more = true; more; ) {
      const page = JSON.parse((await tools("history", "hash", "--json", "--limit", "3", ...before)).out);
      seen.push(...page.actions.map(({ id }: { id: string }) => id));
      more = page.next !== undefined;
      before = ["--before", page.next];
    }
    expect(seen).toEqual(whole.actions.map(({ id }: { id: string }) => id));
    const versions = await tools("versions", "hash", "--limit", "2");
    expect(versions.err).toBe("more with: writ tools versions hash --before 2");
    const last = await tools("versions", "hash", "--limit", "2", "--before", "2");
    expect([last.err, last.out.split("\n")]).toEqual([
      "",
      [expect.any(String), expect.stringMatching(/^ *1 /)],
    ]);
    expect(JSON.parse((await tools("list", "--json", "--after", "hash")).out)).toEqual({ tools: [] });
  });

  const hostile: readonly (readonly [readonly string[], RegExp])[] = [
    [["activate", "hash", "9"], /there is no version 9; the newest is 3/],
    [["activate", "hash", "latest"], /"latest": wanted its number/],
    [["activate", "nothing", "1"], /Cannot find tool "nothing": there are hash/],
    [["canary", "hash", "3"], /say --percent, --tenants, or both/],
    [["canary", "hash", "3", "--percent", "101"], /wanted 0\.01 to 100/],
    [["canary", "hash", "3", "--tenants", "A b"], /--tenants has "A b"/],
    [["suspend", "hash", "--reason", "It leaks"], /wanted a word such as leaks-data/],
    [["history", "--limit", "1000"], /wanted 1 to 100/],
  ];
  it.each(hostile)("refuses %j", async (args, wanted) => {
    const { code, out, err } = await tools(...args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(wanted);
  });

  it("does not take an empty folder for one without tools", async () => {
    const { code, err } = await cli(["tools", "list", "--data", join(folder.path, "none")]);
    expect([code, /there is no database/.test(err)]).toEqual([2, true]);
  });
});

describe("writ slo", () => {
  it("says what is promised and that nothing was measured yet", async () => {
    const { code, out } = await cli(["slo", "--data", folder.path]);
    expect(code).toBe(0);
    expect(out).toMatch(/evidence-completeness .* nothing yet +99\.99 %/);
    expect(out).toMatch(/no alert fires/);
    expect(JSON.parse((await cli(["slo", "--json", "--data", folder.path])).out).objectives).toHaveLength(3);
  });

  it("check prints a file with its defaults, or every fault with its place", async () => {
    const file = join(folder.path, "slo.yaml");
    await writeFile(file, 'latency: [{ tool: "*", within_ms: 800 }]\n');
    expect(JSON.parse((await cli(["slo", "check", file])).out).latency).toEqual([
      { tool: "*", percentile: 95, within_ms: 800 },
    ]);
    await writeFile(file, "rejection_rate: { most: 7 }\n");
    const { code, err } = await cli(["slo", "check", file]);
    expect([code, /slo\.yaml:1:2\d \/rejection_rate\/most a share between 0 and 1/.test(err)]).toEqual([
      1,
      true,
    ]);
    // A promise that is half understood is none: the report refuses it too.
    expect((await cli(["slo", "--data", folder.path])).code).toBe(2);
  });
});
