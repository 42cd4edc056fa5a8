/** Versions of tools over a whole gateway: what an operator does on the database, and what callers see of it. */

import { cp, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { Tools } from "../../src/cli/index.ts";
import { joinTrust, parseTrust, verifyBundle } from "../../src/core/manifest/index.ts";
import type { ToolCommand } from "../../src/core/rollout/index.ts";
import { verifySignature } from "../../src/identity/index.ts";
import type { ToolAction } from "../../src/ports/index.ts";
import { openReport, openTools } from "../../src/wiring/index.ts";
import { removeFolder } from "../support/folder.ts";
import { type Answer, callGateway, openTestGateway, PROJECT, type TestGateway } from "../support/gateway.ts";
import { firstLine, Processes } from "../support/gateway-process.ts";

let folder: string;
let gateway: TestGateway;
let tools: Tools;
/** Only the first start of a data folder makes one. */
let key = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-versions-"));
  for (const tool of ["hash", "rogue"])
    await cp(join(PROJECT, ".writ", "tools", tool), join(folder, "tools", tool), { recursive: true });
  // A busy machine must not let a run end by its time before the operator's word reaches it.
  const policy = join(folder, "tools", "rogue", "policy.yaml");
  const text = await readFile(policy, "utf8");
  expect(text).toContain("max_duration_ms: 3000");
  await writeFile(policy, text.replace("max_duration_ms: 3000", "max_duration_ms: 30000"));
  await start();
});
afterAll(async () => {
  await tools?.close();
  await gateway?.close();
  await removeFolder(folder);
});

async function start(): Promise<void> {
  gateway = await openTestGateway({ dataFolder: join(folder, "data"), toolsFolder: join(folder, "tools") });
  key ||= gateway.key;
  tools = await openTools(runtime, { dataFolder: join(folder, "data") });
}

async function restart(): Promise<void> {
  await tools.close();
  await gateway.server.stop();
  await start();
}

function post(path: string, body: unknown): Promise<Answer> {
  return callGateway(gateway.server.url, path, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function change(
  tool: string,
  asked: ToolCommand,
): Promise<{ readonly action: string; readonly ms: number }> {
  const at = performance.now();
  const done = await tools.command(tool, asked, "for the test");
  if (done.kind !== "changed") throw new Error(JSON.stringify(done));
  expect(await tools.inForce(done.generation)).toEqual({ gateways: 1, behind: [] });
  return { action: done.action, ms: performance.now() - at };
}

const hash = () => post("/v1/tools/hash/fnv1a64", { input: { data: "" }, purpose: "support-chat" });

/** Functions of the newest runs, those under way among them. */
async function functionsOfRuns(limit: number): Promise<readonly string[]> {
  const { json } = await callGateway(gateway.server.url, `/v1/runs?limit=${limit}`, {
    headers: { authorization: `Bearer ${key}` },
  });
  return json.runs.map(({ function: name }: { function: string }) => name);
}

function predicateOf(answer: Answer): { readonly policy_id: string; readonly artifact_hash: string } {
  const { payload } = answer.json.manifest.dsseEnvelope;
  return JSON.parse(Buffer.from(payload, "base64").toString()).predicate;
}

async function settled(action: string): Promise<ToolAction> {
  const find = async () => (await tools.listActions(undefined, 50)).find(({ id }) => id === action);
  await expect.poll(async () => (await find())?.settledMs).toBeDefined();
  return (await find()) ?? expect.fail(`${action} is gone`);
}

/** The signed statement of an action. */
async function statementOf(action: string) {
  const { openRecords } = await import("../../src/wiring/index.ts");
  const { openLog } = await import("../../src/local.ts");
  const records = await openRecords(runtime, { dataFolder: join(folder, "data") });
  const sequence = (await records.findRun(action))?.seal?.sequence ?? -1;
  await records.close();
  const log = await openLog(runtime, { dataFolder: join(folder, "data") }, "log.example");
  const [manifest] = await log.manifests(sequence, 1);
  const texts = [JSON.stringify(await log.jwks()), await log.trustedRoot()];
  await log.close();
  const trust = texts.map((text) => {
    const read = parseTrust(new TextEncoder().encode(text));
    if (!read.ok) throw new Error("keys cannot be read");
    return read.trust;
  });
  const bytes = new TextEncoder().encode(manifest?.text);
  const report = await verifyBundle(bytes, joinTrust(trust), verifySignature);
  return report.ok ? report.action : report;
}

describe("the kill switch", () => {
  it("ends runs under way as revoked, computing and waiting, and refuses new ones, until it is lifted", async () => {
    // Fuel enough for seconds of work; both are under way when the word comes.
    const computing = post("/v1/tools/rogue/rogue/spin", { input: {}, purpose: "security-drill" });
    const waiting = post("/v1/tools/rogue/rogue/wait", { input: {}, purpose: "security-drill" });
    await expect.poll(() => functionsOfRuns(2)).toEqual(expect.arrayContaining(["rogue/spin", "rogue/wait"]));
    const at = performance.now();
    const { action } = await change("rogue", { kind: "suspend", reason: "leaks-data" });
    const outcomes = [(await waiting).json.outcome, (await computing).json.outcome];
    expect(outcomes[0]).toEqual({ kind: "revoked", reason: "leaks-data" });
    // It may have spent its fuel before the word came.
    expect([
      { kind: "revoked", reason: "leaks-data" },
      { kind: "exhausted", budget: "fuel" },
    ]).toContainEqual(outcomes[1]);
    // Long before the thirty seconds that either had.
    expect(performance.now() - at).toBeLessThan(25_000);

    const refused = await post("/v1/tools/rogue/rogue/read-env", {
      input: {},
      purpose: "security-drill",
    });
    expect([refused.status, refused.json.reason]).toEqual([409, "leaks-data"]);
    expect(refused.json.type).toMatch(/tool-suspended$/);
    expect((await hash()).status).toBe(200);
    await restart();
    const still = await post("/v1/tools/rogue/rogue/read-env", {
      input: {},
      purpose: "security-drill",
    });
    expect(still.status).toBe(409);

    await change("rogue", { kind: "resume" });
    const again = await post("/v1/tools/rogue/rogue/read-env", {
      input: {},
      purpose: "security-drill",
    });
    expect(again.status).toBe(200);
    expect(await statementOf(action)).toMatchObject({
      action,
      kind: "suspend",
      actor: "cli",
      changes: ["rogue: suspended, leaks-data", "note: for the test"],
    });
  });
});

describe("versions", () => {
  it("are recorded, activated, tried out, rolled back and refused below a floor, and each of it is signed", async () => {
    const policyIdBefore = predicateOf(await hash()).policy_id;
    const path = join(folder, "tools", "hash", "policy.yaml");
    const text = await readFile(path, "utf8");
    await writeFile(path, text.replace(/max_duration_ms: \d+/, "max_duration_ms: 4321"));
    await restart();
    expect((await tools.listVersions("hash", 10)).map(({ number }) => number)).toEqual([2, 1]);
    const policyIdAfter = predicateOf(await hash()).policy_id;
    expect(policyIdAfter).not.toBe(policyIdBefore);

    const beganMs = runtime.clock.nowMs();
    const { action } = await change("hash", { kind: "rollback" });
    expect(predicateOf(await hash()).policy_id).toBe(policyIdBefore);
    // A gateway that starts with the folder as it was does not undo what the operator did.
    await restart();
    expect(predicateOf(await hash()).policy_id).toBe(policyIdBefore);
    const { settledMs } = await settled(action);
    expect(settledMs).toBeGreaterThanOrEqual(0);
    // From the command on: no longer than this test has waited for it.
    expect(settledMs).toBeLessThanOrEqual(runtime.clock.nowMs() - beganMs);
    expect(await statementOf(action)).toMatchObject({
      kind: "rollback",
      changes: ["hash: version 1 is active, was 2", "note: for the test"],
    });

    await change("hash", { kind: "canary", version: 2, basisPoints: 5_000, tenants: [] });
    const seen = new Set<string>();
    for (let run = 0; run < 40; run++) seen.add(predicateOf(await hash()).policy_id);
    expect(seen).toEqual(new Set([policyIdBefore, policyIdAfter]));

    await change("hash", { kind: "floor", tenant: "default", version: 2 });
    await change("hash", { kind: "rollback" });
    const refused = await hash();
    expect([refused.status, refused.json.reason]).toEqual([409, "below-floor"]);
    await change("hash", { kind: "activate", version: 2 });
    expect(predicateOf(await hash()).policy_id).toBe(policyIdAfter);
    expect(await tools.command("hash", { kind: "activate", version: 9 }, "")).toMatchObject({
      kind: "refused",
    });
    expect(await tools.command("nothing", { kind: "resume" }, "")).toEqual({ kind: "unknown-tool" });
  });
});

describe("an operator at a shell", () => {
  it("is told when every gateway follows: the process waits for it with nothing else to do", async () => {
    const processes = new Processes();
    const run = async (...args: string[]) => {
      const child = processes.spawn(["tools", ...args, "--data", join(folder, "data"), "--json"]);
      const [line, code] = await Promise.all([
        firstLine(child),
        new Promise((resolve) => child.once("exit", resolve)),
      ]);
      return { code, line };
    };
    try {
      for (const command of [
        ["suspend", "hash", "--reason", "drill"],
        ["resume", "hash"],
      ])
        expect(await run(...command)).toEqual({ code: 0, line: "{" });
    } finally {
      await processes.end();
    }
  });
});

describe("an operator over HTTP", () => {
  it("commands tools, and reads what was done and the metrics; a key without the scope does not", async () => {
    const asked = { command: { kind: "suspend", reason: "drill" }, note: "over HTTP" };
    const done = await post("/v1/operate/tools/hash", asked);
    expect([done.status, done.json.changed, done.json.state.suspended.reason]).toEqual([200, true, "drill"]);
    const impossible = await post("/v1/operate/tools/hash", { command: { kind: "activate", version: 99 } });
    expect(impossible.status).toBe(400);
    expect(impossible.json.errors[0].detail).toContain("there is no version 99");
    await change("hash", { kind: "resume" });

    const headers = { authorization: `Bearer ${key}` };
    const get = (path: string) => callGateway(gateway.server.url, path, { headers });
    const { actions } = (await get("/v1/operate/actions?tool=hash&limit=2")).json;
    expect(actions.map((action: { kind: string }) => action.kind)).toEqual(["resume", "suspend"]);
    expect(actions[1]).toMatchObject({ by: expect.stringMatching(/^key:/), changes: expect.anything() });
    const page = (await get("/v1/operate/tools/hash?limit=1")).json;
    expect([page.versions[0].version, page.next]).toEqual([2, 2]);

    const metrics = await get("/metrics");
    expect(metrics.headers.get("content-type")).toContain("application/openmetrics-text");
    expect(metrics.text).toMatch(/writ_run_seconds_count\{tool="hash",outcome="completed"\} [1-9]/);
    expect(metrics.text).toContain('writ_step_seconds_bucket{le="0.00025",step="seal"}');
    expect(metrics.text).toMatch(/writ_executor_starts_total\{role="run"\} [1-9]/);
    expect((await callGateway(gateway.server.url, "/metrics", {})).status).toBe(401);

    // Counted by the minute and written by the second; evidence is looked for a moment after a run.
    const standing = async () => (await get("/v1/slo")).json.objectives;
    const find = async (name: string) =>
      (await standing()).find((one: { name: string; tool?: string }) => one.name === name);
    await expect.poll(async () => (await find("evidence-completeness"))?.events).toBeGreaterThan(40);
    expect(await find("evidence-completeness")).toMatchObject({ value: 1, met: true, budgetLeft: 1 });
    expect(await find("latency")).toMatchObject({ unit: "ms", met: true, tool: "hash" });
    expect((await find("rollback-activation")).value).toBeGreaterThanOrEqual(0);
    expect((await get("/metrics")).text).toMatch(/writ_slo_value\{objective="latency",tool="hash"\} [0-9.]+/);
    const report = await openReport(runtime, { dataFolder: join(folder, "data") }, undefined);
    expect(report.objectives.map(({ name }) => name)).toContain("rollback-activation");
  });
});
