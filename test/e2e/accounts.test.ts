/**
 * Budgets that runs share, retries, repeated requests, fallbacks and loops, over HTTP with a real component: refused in
 * time, said in words and headers, and in manifests that verify.
 */
import { cp, mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { joinTrust, parseTrust, type RunPredicate, verifyBundle } from "../../src/core/manifest/index.ts";
import { verifySignature } from "../../src/identity/index.ts";
import { removeFolder } from "../support/folder.ts";
import { type Answer, openTestGateway, PROJECT, type TestGateway } from "../support/gateway.ts";

/** Costs more fuel than the small budget below has. */
const LARGE = { data: btoa("x".repeat(20_000)) };
const SMALL = { data: btoa("small") };
const SMALL_FUEL = 20_000;

const small = {
  budget: {
    ...{ fuel: SMALL_FUEL, memory_bytes: "1MiB", egress_bytes: 0, requests: 0 },
    ...{ output_bytes: "1KiB", log_bytes: 0 },
  },
};
const retry = { retry_budget: { ratio: 0, min_per_second: 0.2, ttl_seconds: 10 } };
const standIn = (tool: string) => ({ kind: "tool", tool, function: "hash/fnv1a64" });
const lastGood = { fallback: { kind: "last-good", max_age_seconds: 3600 } };

/** Copies of the hash tool, each under a policy with these clauses. */
const TOOLS: Readonly<Record<string, object>> = {
  plain: {},
  windowed: { windows: [{ per: "1d", runs: 2, fuel: 5e7 }] },
  crowded: { windows: [{ per: "1d", fuel: 3e7 }] },
  retried: { ...small, ...retry },
  small,
  lasting: lastGood,
  "stood-in": { ...small, fallback: standIn("plain"), functions: { "hash/sha256": { operation: "read" } } },
  poor: { ...small, fallback: standIn("plain") },
  "ring-a": { ...small, fallback: standIn("ring-b") },
  "ring-b": { ...small, fallback: standIn("ring-a") },
  looping: { loop_cap: { confidence_below: 0.5, runs: 3, backoff_seconds: 60 } },
};

const DAY_MS = 86_400_000;
const sinceNoonMs = (runtime.clock.nowMs() % DAY_MS) - DAY_MS / 2;
/** Begins at noon: windows of a day must not end in the middle of a test. */
const clock = { ...runtime.clock, nowMs: () => runtime.clock.nowMs() - sinceNoonMs };

let folder: string;
let gateway: TestGateway;
let key: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-accounts-"));
  gateway = await serve(TOOLS);
  ({ key } = gateway);
});
afterAll(async () => {
  await gateway.close();
  await removeFolder(folder);
});

/** A gateway over these tools; its data are where those of the one before it were. */
async function serve(tools: typeof TOOLS): Promise<TestGateway> {
  for (const [name, clauses] of Object.entries(tools)) {
    const place = join(folder, "tools", name);
    await mkdir(place, { recursive: true });
    await cp(join(PROJECT, ".writ/tools/hash/hash.wasm"), join(place, "hash.wasm"));
    const file = JSON.parse(await readFile(join(PROJECT, ".writ/tools/hash/tool.json"), "utf8"));
    await writeFile(join(place, "tool.json"), JSON.stringify({ ...file, name }));
    const policy = {
      ...{ tool_id: name, tenant_tier: ["free", "pro"], purpose: ["demo"], max_duration_ms: 1000 },
      functions: { "hash/fnv1a64": { operation: "read" }, "hash/sha256": { operation: "write" } },
      budget: {
        ...{ fuel: 1e7, memory_bytes: "1MiB", egress_bytes: 0, requests: 0 },
        ...{ output_bytes: "1KiB", log_bytes: 0 },
      },
      ...clauses,
    };
    await writeFile(join(place, "policy.yaml"), JSON.stringify(policy));
  }
  await mkdir(join(folder, "data"), { recursive: true });
  await writeFile(
    join(folder, "data", "prices.yaml"),
    "{ currency: EUR, run: 0.001, fuel_per_1e9: 0.02, success: 0.1, tools: { plain: 0.25 } }",
  );
  return await openTestGateway(
    { toolsFolder: join(folder, "tools"), dataFolder: join(folder, "data") },
    clock,
  );
}

const fast = (tool: string) => ({ path: `${tool}/hash/fnv1a64` });
const slow = (tool: string) => ({ path: `${tool}/hash/sha256` });

function ask(
  input: object = SMALL,
  more: { path?: string; body?: object; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const { path = "plain/hash/fnv1a64", body = {}, headers = {} } = more;
  return gateway.post(
    `/v1/tools/${path}`,
    { input, purpose: "demo", ...body },
    { authorization: `Bearer ${key}`, ...headers },
  );
}

async function verified(answer: Answer): Promise<RunPredicate> {
  const parts = await Promise.all([gateway.get("/.well-known/jwks.json"), gateway.get("/trusted_root.json")]);
  const trust = joinTrust(
    parts.map(({ text }) => {
      const read = parseTrust(new TextEncoder().encode(text));
      if (!read.ok) throw new Error("The published keys can not be read");
      return read.trust;
    }),
  );
  const bytes = new TextEncoder().encode(JSON.stringify(answer.json.manifest));
  const report = await verifyBundle(bytes, trust, verifySignature);
  if (!report.ok || report.predicate === undefined) throw new Error(JSON.stringify(report.checks));
  return report.predicate;
}

const task = (taskClass: string, id = "t") => ({ body: { task: { id, class: taskClass } } });

describe("windows", () => {
  it("refuse the run beyond the limit, say when they free, and keep classes apart", async () => {
    const at = fast("windowed");
    const first = await ask(SMALL, at);
    expect(first.status).toBe(200);
    expect(first.headers.get("ratelimit-policy")).toBe(
      '"runs-86400";q=2;w=86400, "fuel-86400";q=50000000;w=86400',
    );
    expect(first.headers.get("ratelimit")).toMatch(/^"runs-86400";r=1;t=\d+, "fuel-86400";r=40000000;t=\d+$/);
    expect((await verified(first)).lease?.windows).toEqual([
      expect.objectContaining({
        ...{ class: "exploratory", per_seconds: 86_400 },
        taken: { runs: 1, fuel: 1e7, egress_bytes: 0, wall_ms: 0 },
      }),
    ]);
    expect((await ask(SMALL, at)).status).toBe(200);
    const refused = await ask(SMALL, at);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(refused.json).toMatchObject({
      type: expect.stringMatching(/\/problems\/budget-spent$/),
      budget: "runs",
      window: { per_seconds: 86_400, class: "exploratory", limit: 2, left: 0 },
      detail: expect.stringMatching(/^0 of 2 runs are left for exploratory work until /),
    });
    // Exploratory work has eaten its own share, and none of the other's.
    expect((await ask(SMALL, { ...at, ...task("customer_visible") })).status).toBe(200);
    expect((await ask(SMALL, { ...at, ...task("exploratory") })).status).toBe(429);
  });

  it("give back what was not used", async () => {
    const all = await Promise.all(Array.from({ length: 12 }, () => ask(SMALL, fast("crowded"))));
    expect(all.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(3);
    // All that they set aside and did not use is there again.
    const { headers } = await ask(SMALL, fast("crowded"));
    expect(headers.get("ratelimit")).toMatch(/"fuel-86400";r=19\d{6};/);
  });
});

describe("retry budgets", () => {
  it("let through the retries that there are, and mark them", async () => {
    const at = fast("retried");
    const first = await ask(LARGE, at);
    expect(first.json.outcome).toEqual({ kind: "exhausted", budget: "fuel" });
    const second = await ask(LARGE, at);
    expect((await verified(second)).retry_of).toBe(first.json.run);
    expect((await ask(LARGE, at)).status).toBe(200);
    const refused = await ask(LARGE, at);
    expect(refused.status).toBe(429);
    expect(refused.json).toMatchObject({
      type: expect.stringMatching(/retry-budget-spent$/),
      budget: "retries",
    });
    // Another input is another request, and what ended well is no retry however often it is asked.
    for (let n = 0; n < 4; n++) expect((await ask(SMALL, at)).status).toBe(200);
  });

  it("let no write be tried again without a key", async () => {
    const at = slow("retried");
    expect((await ask(LARGE, at)).status).toBe(200);
    const refused = await ask(LARGE, at);
    expect(refused.status).toBe(429);
    expect(refused.json.detail).toMatch(/without an Idempotency-Key it can not be tried again safely$/);
    expect((await ask(LARGE, { ...at, headers: { "idempotency-key": "w1" } })).status).toBe(200);
  });
});

const keyed = (idempotencyKey: string, tool = "plain") => ({
  ...slow(tool),
  headers: { "idempotency-key": idempotencyKey },
});

describe("Idempotency-Key", () => {
  it("answers the same bytes again, and runs nothing", async () => {
    const first = await ask(SMALL, keyed("k1"));
    expect(first.headers.get("idempotent-replayed")).toBeNull();
    expect((await verified(first)).idempotency_key).toMatch(/^sha256:/);
    const again = await ask(SMALL, keyed('"k1"'));
    expect(again.text).toBe(first.text);
    expect(again.headers.get("idempotent-replayed")).toBe("true");
    await verified(again);
  });

  it("refuses the key with another body, and keeps functions apart", async () => {
    const first = await ask(SMALL, keyed("k2"));
    const other = await ask({ data: btoa("other") }, keyed("k2"));
    expect(other.status).toBe(422);
    expect(other.json).toMatchObject({
      type: expect.stringMatching(/key-reused$/),
      run: first.json.run,
    });
    const { headers } = keyed("k2");
    expect((await ask(SMALL, { ...fast("plain"), headers })).json.run).not.toBe(first.json.run);
  });

  it("lets one of many at once run, and the others have its answer", async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => ask(LARGE, keyed("k3"))));
    const served = all.filter(({ status }) => status === 200);
    const waiting = all.filter(({ status }) => status === 409);
    expect(served.length + waiting.length).toBe(8);
    expect(new Set(served.map(({ json }) => json.run)).size).toBe(1);
    for (const { json, headers } of waiting) {
      expect(json).toMatchObject({
        type: expect.stringMatching(/run-conflict$/),
        run: served[0]?.json.run,
      });
      expect(headers.get("retry-after")).toBe("1");
    }
    const [first] = served;
    expect((await ask(LARGE, keyed("k3"))).text).toBe(first?.text);
  });

  it("repeats a bad end too", async () => {
    const first = await ask(LARGE, keyed("k4", "small"));
    expect(first.json.outcome.kind).toBe("exhausted");
    expect((await ask(LARGE, keyed("k4", "small"))).text).toBe(first.text);
  });
});

describe("fallbacks", () => {
  it("tool: another tool's output, from a run of its own that both manifests name", async () => {
    const input = { data: btoa("z".repeat(600)) };
    const direct = await ask(input, fast("plain"));
    const bad = await ask(input, slow("stood-in"));
    expect(bad.json).toMatchObject({
      outcome: { kind: "exhausted" },
      fallback: { kind: "tool", value: direct.json.output },
    });
    expect(bad.headers.get("writ-fallback")).toBe("tool");
    const again = await ask(input, slow("stood-in"));
    expect(JSON.stringify(again.json.fallback)).toBe(JSON.stringify(bad.json.fallback));
    const { children, fallback } = await verified(bad);
    expect(children?.map(({ run }) => run)).toEqual([fallback?.kind === "tool" ? fallback.run : ""]);
    // Narrowed by the policy of the tool that it stands in for: it has no more fuel than that one.
    expect("fallback" in (await ask(LARGE, fast("poor"))).json).toBe(false);
  });

  it("tool: no ring of tools that stand in for each other", async () => {
    const bad = await ask(LARGE, fast("ring-a"));
    expect(bad.json.outcome.kind).toBe("exhausted");
    expect("fallback" in bad.json).toBe(false);
  });
});

describe("loop caps", () => {
  it("stop a task that goes on without confidence, in words, until it is confident", async () => {
    const of = (confidence: number, id = "loop") => ({
      ...fast("looping"),
      body: { task: { id, class: "exploratory", confidence } },
    });
    for (let n = 0; n < 3; n++) expect((await ask(SMALL, of(0.2))).status).toBe(200);
    const capped = await ask(SMALL, of(0.4));
    expect(capped.status).toBe(429);
    expect(Number(capped.headers.get("retry-after"))).toBeGreaterThan(0);
    expect(Number(capped.headers.get("retry-after"))).toBeLessThanOrEqual(60);
    expect(capped.json).toMatchObject({
      type: expect.stringMatching(/loop-capped$/),
      detail: expect.stringMatching(
        /^The last 3 runs of task "loop" were begun with too little confidence; wait \d+ s, or change the plan/,
      ),
    });
    expect((await ask(SMALL, of(0.2, "another"))).status).toBe(200);
    const confident = await ask(SMALL, of(0.9));
    expect((await verified(confident)).task?.confidence).toBe(0.9);
    expect((await ask(SMALL, of(0.2))).status).toBe(200);
  });
});

describe("the ledger", () => {
  const finish = (outcome: string, task = "sale") =>
    gateway.post(`/v1/tasks/${task}/outcome`, { outcome }, { authorization: `Bearer ${key}` });
  const chargeback = (query: string) =>
    gateway.get(`/v1/chargeback?${query}`, { authorization: `Bearer ${key}` });

  it("bills a task that succeeded once, and leads from each line to a manifest", async () => {
    const of = (tool: string) => ({
      ...fast(tool),
      body: { task: { id: "sale", class: "customer_visible" } },
    });
    expect((await finish("succeeded")).status).toBe(404);
    const runs = [
      await ask(SMALL, of("plain")),
      await ask(SMALL, of("plain")),
      await ask(SMALL, of("small")),
    ];
    const reports = await Promise.all([finish("succeeded"), finish("succeeded")]);
    for (const { status, json } of reports) {
      expect(status).toBe(200);
      expect(json).toMatchObject({
        ...{ task: "sale", outcome: "succeeded", runs: 3, currency: "EUR", billed: "0.350000000" },
        lines: [
          { tool: "plain", class: "customer_visible", billed: "0.250000000" },
          { tool: "small", class: "customer_visible", billed: "0.100000000" },
        ],
      });
    }
    const [first, second] = reports;
    expect(second?.text).toBe(first?.text);
    expect(Number(first?.json.cost)).toBeGreaterThan(0.003);
    const closed = await finish("failed");
    expect(closed.status).toBe(409);
    expect(closed.json).toMatchObject({ type: expect.stringMatching(/task-closed$/), outcome: "succeeded" });

    const sums = await chargeback("by=task,class&task=sale");
    expect(sums.json.lines).toEqual([
      expect.objectContaining({
        keys: { task: "sale", class: "customer_visible" },
        ...{ runs: 3, bills: 2, billed: "0.350000000", cost: first?.json.cost },
      }),
    ]);
    const lines = await chargeback("by=tool,run&task=sale&limit=1");
    expect(lines.json.lines).toHaveLength(1);
    const seen = [...lines.json.lines];
    for (let { next } = lines.json; next !== undefined; ) {
      const page = await chargeback(`by=tool,run&task=sale&limit=1&after=${next}`);
      seen.push(...page.json.lines);
      ({ next } = page.json);
    }
    const byRun = new Map(seen.map(({ keys, digest }) => [keys.run, digest]));
    for (const { json } of runs) expect(byRun.get(json.run)).toBe(json.receipt.digest);
    const csv = await chargeback("by=task&task=sale&format=csv");
    expect(csv.headers.get("content-type")).toBe("text/csv; charset=utf-8");
    expect(csv.text.split("\r\n")).toEqual([
      "task,runs,bills,fuel,egress_bytes,wall_ms,cost,billed,currency",
      expect.stringMatching(/^sale,3,2,\d+,0,\d+,0\.\d{9},0\.350000000,EUR$/),
      "",
    ]);
  });

  it("shows a tenant its own alone, and answers what is not its form with words", async () => {
    expect((await chargeback("tenant=default")).status).toBe(200);
    const operated = await chargeback("by=tenant&tenant=*");
    expect([200, 403]).toContain(operated.status);
    for (const query of ["by=colour", "by=tool,tool", "from=yesterday", "after=e30", "limit=0"])
      expect([query, (await chargeback(query)).status]).toEqual([query, 400]);
  });
});

describe("after a restart", () => {
  it("keys have their answers, and a tool that fails now has its last good output", async () => {
    const first = await ask(SMALL, keyed("k1"));
    const good = await ask(LARGE, fast("lasting"));
    expect(good.json.outcome).toEqual({ kind: "completed" });
    await gateway.close();
    gateway = await serve({ ...TOOLS, lasting: { ...small, ...lastGood } });

    expect((await ask(SMALL, keyed("k1"))).text).toBe(first.text);
    const bad = await ask(LARGE, fast("lasting"));
    expect(bad.json).toMatchObject({
      outcome: { kind: "exhausted" },
      output: null,
      fallback: { kind: "last-good", value: good.json.output },
    });
    expect(bad.headers.get("writ-fallback")).toBe("last-good");
    const again = await ask(LARGE, fast("lasting"));
    expect(JSON.stringify(again.json.fallback)).toBe(JSON.stringify(bad.json.fallback));
    expect((await verified(bad)).fallback).toMatchObject({ kind: "last-good", run: good.json.run });
    const none = await ask({ data: btoa("y".repeat(20_000)) }, fast("lasting"));
    expect(none.json.outcome.kind).toBe("exhausted");
    expect("fallback" in none.json).toBe(false);
    expect(none.headers.get("writ-fallback")).toBeNull();
  });
});
