/**
 * An upstream that fails, under a whole gateway: a real component that asks a real service over HTTP, and callers who try
 * again at once and as often as they like. What reaches the service is held to what the retry budget says.
 *
 * Time passes by the clock port, a second at a time while nothing is under way, so nothing here depends on how fast the
 * machine is.
 */
import { mkdtemp } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { openKeys } from "../../src/local.ts";
import { startServer } from "../../src/serve.ts";
import { removeFolder } from "../support/folder.ts";
import { type Answer, callGateway, testConfig } from "../support/gateway.ts";
import { writeGetTool } from "../support/get-guest.ts";

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const RETRIES = { ratio: 0.2, min_per_second: 0.5, ttl_seconds: 10 };
/** The outage, in seconds, with a request in each that is no retry; and how often each is tried again. */
const [SECONDS, TRIES] = [60, 3];

let folder: string;
let gateway: Awaited<ReturnType<typeof startServer>>;
/** By tenant. */
const keys: Record<string, string> = {};
let passedMs = 0;
const startedMs = runtime.clock.nowMs();
const clock = {
  ...runtime.clock,
  // Stands still but for what passes by the test: a slow machine must not earn retries by being slow.
  nowMs: () => startedMs + passedMs,
  monotonicMs: () => runtime.clock.monotonicMs() + passedMs,
};

/** A service of raw connections, and the requests that it has seen: by path. */
const seen = new Map<string, number>();
let isDown = false;
const sockets = new Set<Socket>();
const service = createServer((socket) => {
  sockets.add(socket);
  let answered = 0;
  socket.on("error", () => undefined);
  socket.on("close", () => sockets.delete(socket));
  socket.on("data", (chunk) => {
    const [, path = ""] = /^GET (\S+)/.exec(chunk.toString("latin1")) ?? [];
    seen.set(path, (seen.get(path) ?? 0) + 1);
    answered += 1;
    // One answer for each connection of `/once`, and a reset to whoever believes that it is still there.
    if (isDown || (path === "/once" && answered > 1)) socket.resetAndDestroy();
    else socket.write(OK);
  });
});

beforeAll(async () => {
  await new Promise<void>((resolve) => service.listen(0, "127.0.0.1", resolve));
  folder = await mkdtemp(join(tmpdir(), "writ-outage-"));
  const frugal = { ratio: 0, min_per_second: 0.004, ttl_seconds: 300 };
  for (const [name, retry_budget] of [
    ["fetch", RETRIES],
    ["frugal", frugal],
  ] as const)
    await writeGetTool(join(folder, "tools"), name, servicePort(), { retry_budget });
  const config = testConfig(folder, {
    ...{ toolsFolder: join(folder, "tools"), executors: 1, egressAllow: ["127.0.0.1/32"] },
    logLevel: "silent",
  });
  gateway = await startServer({ ...runtime, clock }, config, () => undefined);
  const opened = await openKeys(runtime, { dataFolder: folder });
  for (const tenant of ["acme", "globex"])
    keys[tenant] = (
      await opened.issue({ tenant, tier: "pro", scopes: ["invoke", "operate"], label: "e2e" })
    ).text;
  await opened.close();
});
afterAll(async () => {
  await gateway?.stop();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => service.close(resolve));
  await removeFolder(folder);
});

function servicePort(): number {
  const address = service.address();
  return typeof address === "object" && address !== null ? address.port : 0;
}

function ask(tenant: string, tool: string, path: string, times = 1): Promise<Answer> {
  return callGateway(gateway.url, `/v1/tools/${tool}/fetch`, {
    method: "POST",
    headers: { authorization: `Bearer ${keys[tenant]}`, "content-type": "application/json" },
    body: JSON.stringify({
      input: { authority: `127.0.0.1:${servicePort()}`, path, times },
      purpose: "demo",
    }),
  });
}

/** Asks until it is answered well, or has asked often enough. @returns how often it was refused for want of retries */
async function insist(tenant: string, path: string, tries: number): Promise<number> {
  let refused = 0;
  for (let n = 0; n <= tries; n++) {
    const answer = await ask(tenant, "fetch", path);
    if (answer.json.outcome?.kind === "completed") break;
    if (answer.status === 200) continue;
    expect(answer.json.type).toMatch(/\/problems\/retry-budget-spent$/);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(0);
    refused += 1;
  }
  return refused;
}

describe("an outage of a minute", () => {
  it("reaches the service 1.2 times and the floor at most, and costs another tenant nothing", async () => {
    expect((await ask("acme", "fetch", "/acme/warm")).json.outcome).toEqual({ kind: "completed" });
    isDown = true;
    seen.clear();
    let refused = 0;
    let elsewhere = 0;
    for (let second = 0; second < SECONDS; second++) {
      refused += await insist("acme", `/acme/${second}`, TRIES);
      // The other one asks for little, and tries each once more.
      if (second % 4 === 0) elsewhere += await insist("globex", `/globex/${second}`, 1);
      passedMs += 1000;
    }
    isDown = false;
    const requests = (tenant: string) =>
      [...seen].reduce((sum, [path, count]) => sum + (path.startsWith(`/${tenant}/`) ? count : 0), 0);
    const floor = RETRIES.min_per_second * (SECONDS + RETRIES.ttl_seconds);
    expect(requests("acme")).toBeLessThanOrEqual(SECONDS * (1 + RETRIES.ratio) + floor);
    // They did try, and what there was of the budget was had.
    expect(refused).toBeGreaterThan(SECONDS);
    expect(requests("acme")).toBeGreaterThan(SECONDS * (1 + RETRIES.ratio));
    expect([elsewhere, requests("globex")]).toEqual([0, (SECONDS / 4) * 2]);
    // When it is over, whoever was refused is served.
    passedMs += RETRIES.ttl_seconds * 1000;
    expect((await ask("acme", "fetch", "/acme/0")).json.outcome).toEqual({ kind: "completed" });
  });
});

describe("a kept connection that turns out to be dead", () => {
  it("is one retry of the budget; without one left the request is not made again, and evidence says so", async () => {
    // The second GET meets a dead connection and is sent again; the third meets another, and there is no retry left.
    const refused = await ask("acme", "frugal", "/once", 3);
    expect(refused.json.outcome.kind).toBe("trapped");
    expect(seen.get("/once")).toBe(4);
    const { predicate } = JSON.parse(atob(refused.json.manifest.dsseEnvelope.payload));
    const dead = "network_allowlist[0]; its connection was dead";
    expect(
      predicate.events.map(({ clause, result }: { clause: string; result: string }) => [clause, result]),
    ).toEqual([
      ["network_allowlist[0]", "200"],
      [`${dead}: sent again on a fresh one`, "200"],
      [`${dead}: not sent again on a fresh one: retry_budget has none left`, "connection-terminated"],
    ]);
    // Time frees it.
    passedMs += 300_000;
    expect((await ask("acme", "frugal", "/once", 2)).json).toMatchObject({
      ...{ outcome: { kind: "completed" }, output: 4 },
    });
    const { text } = await callGateway(gateway.url, "/metrics", {
      headers: { authorization: `Bearer ${keys.acme}` },
    });
    expect(text).toContain('writ_resends_total{tool="frugal",result="sent"} 2');
    expect(text).toContain('writ_resends_total{tool="frugal",result="refused"} 1');
  });
});
