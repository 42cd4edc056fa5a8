/** A run's time to live counts from its admission: waiting for an executor and for callees is inside of it. */
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256Hex } from "../../src/core/digest.ts";
import { decodeBase64, type RunPredicate } from "../../src/core/manifest/index.ts";
import { assemble } from "../support/components.ts";
import { removeFolder } from "../support/folder.ts";
import { openTestGateway, type TestGateway } from "../support/gateway.ts";
import { INNER_ECHO_GUEST, WAIT_GUEST } from "../support/guests.ts";
import { relayGuest, TOOLS_ERRORS } from "../support/relay-guest.ts";

const BUDGET = {
  fuel: 1e15,
  memory_bytes: "4MiB",
  egress_bytes: 0,
  requests: 0,
  output_bytes: "4KiB",
  log_bytes: 0,
};

/** Each tool: its guest, its time, and what else its policy says. Whoever waits would wait for an hour. */
const TOOLS: Readonly<Record<string, { wat: string; func?: string; ms: number; more?: object }>> = {
  spin: { wat: INNER_ECHO_GUEST, func: "spin", ms: 4_000 },
  brief: { wat: WAIT_GUEST, ms: 700 },
  wait: { wat: WAIT_GUEST, ms: 60_000 },
  relay: {
    wat: relayGuest(),
    func: "relay",
    ms: 4_000,
    more: { tools: [{ tool: "wait", functions: ["run"] }] },
  },
};

let folder: string;
let gateway: TestGateway;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-ttl-"));
  const tools = join(folder, "tools");
  for (const [name, { wat, func = "run", ms, more }] of Object.entries(TOOLS)) {
    const wasm = await assemble(wat);
    const tool = {
      name,
      description: "",
      engine: "wat",
      component: "t.wasm",
      digest: `sha256:${sha256Hex(wasm)}`,
      functions: {},
      imports: [],
      built_from: "0".repeat(64),
    };
    const policy = {
      tool_id: name,
      tenant_tier: ["free"],
      purpose: ["support-chat"],
      functions: { [func]: { operation: "read" } },
      max_duration_ms: ms,
      budget: BUDGET,
      ...more,
    };
    await mkdir(join(tools, name), { recursive: true });
    await writeFile(join(tools, name, "t.wasm"), wasm);
    await writeFile(join(tools, name, "tool.json"), JSON.stringify(tool));
    await writeFile(join(tools, name, "policy.yaml"), JSON.stringify(policy));
  }
  // One executor, so that whoever computes keeps everybody else waiting: it takes no turns, for it can not be suspended.
  gateway = await openTestGateway({ toolsFolder: tools, executors: 1 });
});
afterAll(async () => {
  await gateway.close();
  await removeFolder(folder);
});

const run = (path: string, input: object = {}) =>
  gateway.post(`/v1/tools/${path}`, { input, purpose: "support-chat" });

async function predicateOf(runId: string): Promise<RunPredicate> {
  const { json } = await gateway.get(`/v1/runs/${runId}/manifest`);
  const payload = decodeBase64(json.dsseEnvelope.payload) ?? new Uint8Array();
  return JSON.parse(new TextDecoder().decode(payload)).predicate;
}

/** How long a run was there, by what was signed. */
function livedMs({ started_at, finished_at }: RunPredicate): number {
  return Date.parse(finished_at) - Date.parse(started_at);
}

describe("time to live", () => {
  it("is spent while a run waits for an executor", async () => {
    const spinning = run("spin/spin");
    await expect.poll(async () => (await gateway.get("/v1/runs?limit=1")).json.runs[0]?.tool).toBe("spin");
    // No executor is free within its time: it never runs, and its caller is told before the other one has ended.
    const refused = await run("brief/run");
    expect([refused.status, refused.json.type]).toEqual([503, expect.stringMatching(/sandbox-unavailable$/)]);
    const of = (await gateway.get("/v1/runs?limit=10")).json.runs.find(
      ({ tool }: { tool: string }) => tool === "brief",
    );
    const brief = await predicateOf(of.run);
    expect(brief.outcome).toEqual({ kind: "revoked", reason: "sandbox-unavailable" });
    const spin = await predicateOf((await spinning).json.run);
    expect(spin.outcome.kind).toBe("timed-out");
    expect(Date.parse(brief.finished_at)).toBeLessThan(Date.parse(spin.finished_at));
  });

  it("is spent while a callee waits, which has no more of it than its caller has left", async () => {
    // The executor that was killed is replaced first: starting one is no part of this.
    await expect.poll(async () => (await run("brief/run")).status).toBe(200);
    const { json } = await run("relay/relay", { tool: "wait", function: "run", input: "{}" });
    const caller = await predicateOf(json.run);
    const [child] = caller.children ?? [];
    const callee = await predicateOf(child?.run ?? "");
    // The callee's own policy would give it a minute.
    expect(callee.parent?.run).toBe(json.run);
    expect(callee.budget?.wall_ms.granted).toBeLessThanOrEqual(4_000);
    expect(callee.outcome.kind).toMatch(/^(timed-out|revoked)$/);
    expect(livedMs(callee)).toBeLessThan(30_000);
    // The caller hears of it with the last of its own time, or is over itself.
    const word = json.outcome.kind === "failed" ? TOOLS_ERRORS[json.outcome.error] : json.outcome.kind;
    expect(["ended", "timed-out"]).toContain(word);
  });
});
