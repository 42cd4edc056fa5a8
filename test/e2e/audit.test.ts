/**
 * The audit of a real gateway's evidence: complete when nothing was touched, and naming whatever is deleted, of every
 * kind there is.
 */
import { appendFile, cp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { runtime } from "#runtime";
import { cli, makeFolder, ROOT, type TestFolder } from "../cli/support.ts";
import { removeFolder } from "../support/folder.ts";
import { openTestGateway } from "../support/gateway.ts";

const ORIGIN = ["--log-origin", "log.example"];
/** Of the log: 276 runs, and the records that the tool was there for the first time, and the key. */
const ENTRIES = 278;
let data: TestFolder;
let copies: TestFolder;
let exported: string;
let trust: readonly string[];
let checkpoint: string;
let copy = 0;

/** Runs, a denial, and a refusal before a run. Requests that leave are in test/evidence/audit.test.ts. */
beforeAll(async () => {
  [data, copies] = [await makeFolder(), await makeFolder()];
  // One small tool: the others take long to prepare.
  const toolsFolder = join(copies.path, "tools");
  await cp(join(ROOT, ".writ", "tools", "hash"), join(toolsFolder, "hash"), { recursive: true });
  // What is kept of runs can be deleted too.
  await appendFile(join(toolsFolder, "hash", "policy.yaml"), "\nevidence: { keep: [input] }\n");
  const gateway = await openTestGateway({ dataFolder: data.path, toolsFolder });
  const post = (input: unknown, purpose: string) =>
    gateway.post("/v1/tools/hash/fnv1a64", { input, purpose });
  // More than a tile, so that there are full ones to delete.
  for (let round = 0; round < 11; round++) {
    await Promise.all(Array.from({ length: 25 }, () => post({ data: "aGVsbG8=" }, "support-chat")));
  }
  expect((await post({ data: "" }, "marketing")).status).toBe(403);
  expect((await post({ data: 7 }, "support-chat")).status).toBe(400);
  // The key's record is signed when the gateway next looks for such.
  await vi.waitFor(
    async () => expect((await gateway.get("/checkpoint")).text.split("\n")[1]).toBe(String(ENTRIES)),
    { timeout: 30_000, interval: 50 },
  );
  await gateway.close();
  exported = join(copies.path, "export");
  expect((await cli(["log", "export", exported, "--manifests", "--data", data.path, ...ORIGIN])).code).toBe(
    0,
  );
  trust = ["--trust", ...["jwks.json", "trusted_root.json"].map((name) => join(data.path, "keys", name))];
  checkpoint = join(copies.path, "kept-checkpoint");
  await cp(join(exported, "checkpoint"), checkpoint);
}, 240_000);
afterAll(async () => {
  await data.remove();
  await copies.remove();
});

async function auditExport(folder: string, flags: readonly string[] = []) {
  const { code, out, err } = await cli(["audit", folder, "--settled", "--json", ...trust, ...flags]);
  expect(err).toBe("");
  return { code, ...JSON.parse(out) };
}

async function copyOf(folder: string): Promise<string> {
  const to = join(copies.path, String(copy++));
  await cp(folder, to, { recursive: true });
  return to;
}

describe("writ audit of an export", () => {
  it("finds every run complete, with no database in sight", async () => {
    const report = await auditExport(exported);
    expect([report.faults, report.gaps]).toEqual([[], []]);
    expect(report.counts).toEqual({
      admitted: 276,
      matched: 276,
      incomplete: 0,
      withoutReceipt: 0,
      withoutObservation: 0,
      excluded: 1,
      indeterminate: 0,
      ratio: 1,
    });
    expect(report.code).toBe(0);
  });

  it("says null, and not 1, when nobody observed", async () => {
    const folder = await copyOf(exported);
    await removeFolder(join(folder, "observer"));
    const report = await auditExport(folder);
    expect(report.counts.ratio).toBeNull();
    expect(report.faults).toContain("observer/admissions.log: missing");
    expect(report.code).toBe(1);
  });

  it("names any one file that is deleted, whichever it is", async () => {
    const folder = await copyOf(exported);
    const all = (await readdir(folder, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
      // Copies for readers, and the date: nothing is proven with them.
      .filter((name) => !["trusted_root.json", "jwks.json", "export.json"].includes(name));
    const manifests = all.filter((name) => name.startsWith("manifests/"));
    const others = all.filter((name) => !name.startsWith("manifests/"));
    // A checkpoint, five files of tiles, two of the observer, a component, a policy.
    expect([manifests.length, others.length]).toEqual([ENTRIES, 10]);
    // Each audit takes its time: of the manifests every 40th, and the ends.
    const chosen = [...others, ...manifests.filter((_, n) => n % 40 === 0 || n === ENTRIES - 1)];
    for (const name of chosen) {
      const bytes = await readFile(join(folder, name));
      await rm(join(folder, name));
      const report = await auditExport(folder);
      expect(report.code, name).toBe(1);
      expect(report.faults.join("\n"), name).toContain(`${name}: `);
      await writeFile(join(folder, name), bytes);
    }
    expect((await auditExport(folder)).code).toBe(0);
  }, 240_000);

  it("finds runs incomplete when their component or policy is another one than it says", async () => {
    const folder = await copyOf(exported);
    for (const kind of ["components", "policies"]) {
      const [name = ""] = await readdir(join(folder, "artifacts", kind));
      const path = join(folder, "artifacts", kind, name);
      const bytes = await readFile(path);
      await writeFile(path, Buffer.concat([bytes, Buffer.from(" ")]));
      const { code, faults, counts, gaps } = await auditExport(folder);
      await writeFile(path, bytes);
      expect([code, faults]).toEqual([1, [`artifacts/${kind}/${name}: not what its name says`]]);
      expect(counts).toMatchObject({ matched: 1, incomplete: 275 });
      expect(gaps[0].detail).toMatch(/is not kept$/);
    }
  });

  it("names any line that is taken out of the observer's files, or changed", async () => {
    for (const name of ["observer/admissions.log"]) {
      const folder = await copyOf(exported);
      const lines = (await readFile(join(folder, name), "utf8")).trimEnd().split("\n");
      for (const at of new Set([0, lines.length >> 1, lines.length - 1])) {
        await writeFile(join(folder, name), `${lines.filter((_, n) => n !== at).join("\n")}\n`);
        const report = await auditExport(folder);
        const run = JSON.parse(lines[at] ?? "{}").run;
        expect(report.code, `${name} ${at}`).toBe(1);
        const found = JSON.stringify([report.faults, report.gaps]);
        expect(found.includes(run) || found.includes(name), `${name} ${at}: ${found}`).toBe(true);
      }
      const changed = lines.map((line, n) => (n === 0 ? line.replace(/"at":"2/, '"at":"3') : line));
      await writeFile(join(folder, name), `${changed.join("\n")}\n`);
      // The only line there is has none after it that could say so; then it is the run that does not match.
      if (lines.length > 1) expect((await auditExport(folder)).faults.join()).toContain("was changed");
    }
  });

  it("names runs whose manifests and entries were cut off together, by what was observed", async () => {
    const folder = await copyOf(exported);
    const file = join(folder, "observer", "admissions.log");
    const text = await readFile(file, "utf8");
    const last = text.trimEnd().split("\n").at(-1) ?? "";
    const more = {
      ...JSON.parse(last),
      kind: "admitted",
      run: "run_00000000000000000000000000",
      effect: "allow",
    };
    const { sha256Hex } = await import("../../src/core/digest.ts");
    const line = { ...more, n: more.n + 1, prev: sha256Hex(last), tenant: "default" };
    delete line.reason;
    await writeFile(file, `${text}${JSON.stringify(line)}\n`);
    const { gaps, counts } = await auditExport(folder);
    expect(gaps).toEqual([
      expect.objectContaining({ class: "observed-without-receipt", run: "run_00000000000000000000000000" }),
    ]);
    expect([counts.matched, counts.admitted]).toEqual([276, 277]);
  });

  it("passes over a line that was torn by a failed write, when the chain goes on", async () => {
    const folder = await copyOf(exported);
    const file = join(folder, "observer", "admissions.log");
    const lines = (await readFile(file, "utf8")).split("\n");
    lines.splice(5, 0, (lines[5] ?? "").slice(0, 40));
    await writeFile(file, lines.join("\n"));
    expect((await auditExport(folder)).code).toBe(0);
  });

  it("shows a log and observer that were cut off together to whoever kept a checkpoint", async () => {
    const small = join(copies.path, "small");
    const report = await auditExport(exported, ["--since", checkpoint]);
    expect(report.code).toBe(0);
    // The same gateway's evidence as it was before it had any.
    await cp(exported, small, { recursive: true });
    await writeFile(
      join(small, "checkpoint"),
      (await readFile(checkpoint, "utf8")).replace(`\n${ENTRIES}\n`, `\n${ENTRIES - 1}\n`),
    );
    expect((await auditExport(small, ["--since", checkpoint])).code).toBe(1);
  });
});

describe("writ audit of a data folder", () => {
  const auditData = async (folder: string) => {
    const { code, out } = await cli(["audit", folder, "--settled", "--json", ...trust, ...ORIGIN]);
    return { code, ...JSON.parse(out) };
  };
  const auditRuns = async (folder: string) => {
    const database = runtime.openSqlite(join(folder, "writ.sqlite"));
    const rows = database.prepare("SELECT run FROM journals ORDER BY run").all([]) as { run: string }[];
    database.close();
    return rows;
  };
  const without = async (table: string, where: string) => {
    const folder = await copyOf(data.path);
    const database = runtime.openSqlite(join(folder, "writ.sqlite"));
    database.exec("PRAGMA foreign_keys = OFF");
    const triggers = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'").all([]) as {
      name: string;
    }[];
    for (const { name } of triggers) database.exec(`DROP TRIGGER ${name}`);
    database.exec(`DELETE FROM ${table} WHERE ${where}`);
    database.close();
    return folder;
  };

  it("finds the same, from the database's rows", async () => {
    const report = await auditData(data.path);
    expect([report.faults, report.gaps, report.counts.ratio]).toEqual([[], [], 1]);
  });

  const ROWS: readonly (readonly [table: string, where: string])[] = [
    ["seals", "sequence = 3"],
    ["seals", `sequence = ${ENTRIES - 1}`],
    ["runs", "run = (SELECT run FROM seals WHERE sequence = 3)"],
    ["tiles", "level = 0"],
    ["heads", "size = (SELECT max(size) FROM heads)"],
    ["components", "1"],
    ["tool_versions", "1"],
    ["journals", "run = (SELECT run FROM seals WHERE sequence = 3)"],
  ];
  for (const [table, where] of ROWS) {
    it(`finds a row deleted from ${table}: ${where}`, async () => {
      const report = await auditData(await without(table, where)).catch((error: unknown) => ({
        // A log that can not be read at all is refused before anything is audited.
        code: String(error).includes("JSON") ? 2 : 0,
        faults: ["refused"],
      }));
      expect(report.code).toBeGreaterThan(0);
      expect(report.faults.length + (report.gaps?.length ?? 0)).toBeGreaterThan(0);
    });
  }

  it("finds nothing wrong with what was erased as it may be", async () => {
    const folder = await copyOf(data.path);
    const [{ run = "" } = {}] = (await auditRuns(folder)).slice(3);
    expect((await cli(["erase", "--run", run, "--data", folder])).code).toBe(0);
    const { code, counts } = await auditData(folder);
    expect([code, counts.ratio]).toEqual([0, 1]);
  });

  it("finds an observer's file cut off at its end", async () => {
    const folder = await copyOf(data.path);
    await truncate(join(folder, "observer", "admissions.log"), 500);
    const { gaps } = await auditData(folder);
    expect(gaps[0].class).toBe("receipt-without-observation");
  });
});
