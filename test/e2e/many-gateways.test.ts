/** Gateways that share a PostgreSQL: what one says holds on the others, and a database that goes away and comes back. */

import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { ServeConfig } from "../../src/cli/index.ts";
import { parseCheckpoint, parseNote, parseProof } from "../../src/core/merkle/index.ts";
import { openKeys, openLog } from "../../src/local.ts";
import { openRecords, openTools } from "../../src/wiring/index.ts";
import { cli } from "../cli/support.ts";
import { removeFolder } from "../support/folder.ts";
import { openTestGateway, type TestGateway } from "../support/gateway.ts";
import { postgresOfFile } from "../support/postgres.ts";
import { addLimited, hashAlone } from "../support/small-tools.ts";

const postgres = postgresOfFile();
let folder: string;
let databaseUrl: string;
let toolsFolder: string;
let keysFolder: string;
let first: TestGateway;
let second: TestGateway;
let authorization: string;

/** Runs that the limited tool's policy gives a tenant in a day. */
const LIMIT = 10;

const changes = (name: string): Partial<ServeConfig> => ({
  dataFolder: join(folder, name),
  ...{ databaseUrl, keysFolder, toolsFolder, executors: 1, spares: 0, logLevel: "error" },
  isolation: "process+permissions",
});
const open = (name: string, more = {}) => openTestGateway({ ...changes(name), ...more });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-many-"));
  databaseUrl = await postgres.createSchema();
  toolsFolder = await hashAlone(folder);
  await addLimited(toolsFolder, LIMIT);
  keysFolder = join(folder, "keys");
  first = await open("first");
  second = await open("second");
  authorization = `Bearer ${first.key}`;
});
afterAll(async () => {
  await first?.close();
  await second?.close();
  await removeFolder(folder);
});

const invoke = (gateway: TestGateway, tool = "hash", as = authorization) =>
  gateway.post(
    `/v1/tools/${tool}/sha256`,
    { input: { data: "aGVsbG8=" }, purpose: "support-chat" },
    { authorization: as },
  );

describe("gateways on one PostgreSQL", () => {
  it("issue one bootstrap key, and take it everywhere", async () => {
    expect(first.key).not.toBe("");
    expect(second.key).toBe("");
    for (const gateway of [first, second]) expect((await invoke(gateway)).status).toBe(200);
  });

  it("append to one log: sequences without a gap, and one root for each size", async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) => invoke(n % 2 === 0 ? first : second)),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array(40).fill(200));
    const sequences = answers.map(({ json }) => json.receipt.sequence).toSorted((a, b) => a - b);
    expect(sequences).toEqual(Array.from({ length: 40 }, (_, n) => (sequences[0] ?? -1) + n));

    const log = await openLog(runtime, { dataFolder: folder, databaseUrl, keysFolder }, "log.example");
    const newest =
      parseCheckpoint(parseNote(await log.checkpoint())?.text ?? "") ?? expect.fail("no checkpoint");
    expect(newest.size).toBe(BigInt((sequences.at(-1) ?? 0) + 1));
    await log.close();
    const roots = new Map<string, string>();
    for (const { json } of answers) {
      const proof = parseProof(json.receipt.proof) ?? expect.fail("no proof");
      const { size, root } =
        parseCheckpoint(parseNote(proof.checkpoint)?.text ?? "") ?? expect.fail("no checkpoint");
      const known = roots.get(String(size)) ?? root.toString();
      expect(root.toString()).toBe(known);
      roots.set(String(size), known);
    }
  });

  it("show each other's runs, and the same manifest of them", async () => {
    const { json } = await invoke(first);
    const path = `/v1/runs/${json.run}/manifest`;
    const [own, others] = [await first.get(path), await second.get(path, { authorization })];
    expect(others.status).toBe(200);
    expect(others.text).toBe(own.text);
    const records = await openRecords(runtime, { dataFolder: folder, databaseUrl, keysFolder });
    expect((await records.findRun(json.run))?.seal?.sequence).toBe(json.receipt.sequence);
    await records.close();
  });

  it("refuse on both what was revoked by neither", async () => {
    const keys = await openKeys(runtime, { dataFolder: folder, databaseUrl });
    const { text, row } = await keys.issue({
      tenant: "default",
      tier: "free",
      scopes: ["invoke"],
      label: "x",
    });
    for (const gateway of [first, second])
      expect((await invoke(gateway, "hash", `Bearer ${text}`)).status).toBe(200);
    await keys.revoke(row.id);
    for (const gateway of [first, second])
      expect((await invoke(gateway, "hash", `Bearer ${text}`)).status).toBe(401);
    await keys.close();
  });

  it("stop a tool on all of them by one word, and let it go again", async () => {
    const tools = await openTools(runtime, { dataFolder: folder, databaseUrl });
    for (const [command, status] of [
      [{ kind: "suspend", reason: "drill" }, 409],
      [{ kind: "resume" }, 200],
    ] as const) {
      const done = await tools.command("hash", command, "for the test");
      if (done.kind !== "changed") throw new Error(JSON.stringify(done));
      expect(await tools.inForce(done.generation)).toEqual({ gateways: 2, behind: [] });
      for (const gateway of [first, second]) expect((await invoke(gateway)).status).toBe(status);
    }
    await tools.close();
  });

  it("count one budget: what all of them let in together is what the policy gives", async () => {
    const asked = Array.from({ length: 3 * LIMIT }, (_, n) =>
      invoke(n % 2 === 0 ? first : second, "limited"),
    );
    const answers = await Promise.all(asked);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(LIMIT);
    const refused = answers.filter(({ json }) => json.type?.endsWith("/problems/budget-spent"));
    expect(refused).toHaveLength(2 * LIMIT);
  });

  it("keep one time, however wrong a machine's clock is", async () => {
    const DAYS = 3 * 86_400_000;
    const skewed = { ...runtime.clock, nowMs: () => runtime.clock.nowMs() + DAYS };
    const third = await openTestGateway({ ...changes("third"), logLevel: "info" }, skewed);
    const tools = await openTools(runtime, { dataFolder: folder, databaseUrl });
    try {
      const told = third.log.find((line) => line.includes("clock-differs")) ?? expect.fail("nobody was told");
      expect(JSON.parse(told).aheadMs / DAYS).toBeCloseTo(1, 2);
      // Its day is the others' day, and nothing is left of that.
      const spent = await invoke(third, "limited");
      expect(spent.json.type).toContain("/problems/budget-spent");
      // It takes nobody for dead, and nobody takes it for that: whoever commands waits for all three.
      const done = await tools.command("hash", { kind: "suspend", reason: "drill" }, "for the test");
      if (done.kind !== "changed") throw new Error(JSON.stringify(done));
      expect(await tools.inForce(done.generation)).toEqual({ gateways: 3, behind: [] });
      for (const gateway of [first, second, third]) expect((await invoke(gateway)).status).toBe(409);
      await tools.command("hash", { kind: "resume" }, "for the test");
      // What it admits is as old as it is: no other gateway's reconciler ends it.
      await expect.poll(async () => (await invoke(third)).status).toBe(200);
      const [{ admitted = 0 } = {}] = (await postgres.run(
        databaseUrl,
        "SELECT admitted_at_ms AS admitted FROM runs WHERE tool = 'hash' ORDER BY run DESC LIMIT 1",
      )) as readonly { admitted?: number }[];
      expect(Math.abs(admitted - runtime.clock.nowMs())).toBeLessThan(DAYS / 2);
    } finally {
      await tools.close();
      await third.close();
    }
  });

  it("do not let in a gateway with other keys, or another name for the log", async () => {
    await expect(open("stranger", { keysFolder: join(folder, "other-keys") })).rejects.toThrow(
      /manifest-key of its gateways is .*, and this gateway has .*--keys/,
    );
    await expect(open("misnamed", { logOrigin: "other.example" })).rejects.toThrow(
      'its log is "log.example", and this gateway\'s would be "other.example"; start it with --log-origin log.example',
    );
  });

  it("are audited together: what one of them admitted, only its own observer has seen", async () => {
    const env = { WRIT_DATABASE_URL: databaseUrl, WRIT_KEYS: keysFolder, WRIT_LOG_ORIGIN: "log.example" };
    const audit = async (...more: string[]) => {
      const { out } = await cli(["audit", join(folder, "first"), "--json", ...more], { env });
      return JSON.parse(out);
    };
    const whole = await audit(
      ...["second", "third"].flatMap((name) => ["--observer", join(folder, name, "observer")]),
    );
    expect([whole.faults, whole.gaps, whole.ok]).toEqual([[], [], true]);
    expect(whole.counts.matched).toBe(whole.counts.admitted);
    const half = await audit();
    expect(half.ok).toBe(false);
    expect(new Set(half.gaps.map((gap: { class: string }) => gap.class))).toEqual(
      new Set(["receipt-without-observation"]),
    );
  });

  it("answer nothing while the database is away, and go on by themselves when it is back", async () => {
    const before = (await invoke(first)).json.receipt.sequence;
    await postgres.server.stop();
    for (const gateway of [first, second]) {
      const refused = await invoke(gateway);
      expect(refused.status).toBe(503);
      expect(refused.json.type).toContain("/problems/evidence-unavailable");
      expect(refused.json.output).toBeUndefined();
      expect(refused.headers.get("retry-after")).not.toBeNull();
    }
    await expect.poll(async () => (await first.get("/readyz")).status).toBe(503);
    await postgres.server.start();
    for (const gateway of [first, second])
      await expect.poll(async () => (await invoke(gateway)).status).toBe(200);
    await expect.poll(async () => (await first.get("/readyz")).status).toBe(200);
    expect((await invoke(second)).json.receipt.sequence).toBeGreaterThan(before);
  });
});
