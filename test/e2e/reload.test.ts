/** Policies, tools, tenants and issuers that change while the gateway runs: all of it or nothing, signed, in the log. */

import { cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { readOffer } from "../../src/compose.ts";
import { joinTrust, parseTrust, verifyBundle } from "../../src/core/manifest/index.ts";
import { verifySignature } from "../../src/identity/index.ts";
import { loadOperatorFiles } from "../../src/wiring/index.ts";
import { removeFolder } from "../support/folder.ts";
import { callGateway, openTestGateway, PROJECT, type TestGateway, testConfig } from "../support/gateway.ts";
import { Processes } from "../support/gateway-process.ts";

let folder: string;
let tools: string;
let gateway: TestGateway;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-reload-"));
  tools = join(folder, "tools");
  for (const name of TOOLS) await copyTool(name);
  gateway = await openTestGateway({ toolsFolder: tools });
});
afterEach(async () => {
  for (const name of TOOLS) await cp(built(name, "policy.yaml"), join(tools, name, "policy.yaml"));
  for (const file of ["identity.yaml", "slo.yaml"]) await rm(join(gateway.dataFolder, file), { force: true });
  await gateway.server.reload();
});
afterAll(async () => {
  await gateway.close();
  await removeFolder(folder);
});

const TOOLS = ["hash", "rogue"];
const built = (name: string, file = "") => join(PROJECT, ".writ/tools", name, file);
const copyTool = (name: string, to = tools) => cp(built(name), join(to, name), { recursive: true });

async function edit(tool: string, from: string, to: string, inFolder = tools): Promise<void> {
  const path = join(inFolder, tool, "policy.yaml");
  const text = await readFile(path, "utf8");
  expect(text).toContain(from);
  await writeFile(path, text.replace(from, to));
}

const reload = () => gateway.post("/v1/operate/reload", {});
const hash = (purpose = "support-chat") =>
  gateway.post("/v1/tools/hash/fnv1a64", { input: { data: "YQ==" }, purpose });

/** How many reloads were signed. */
async function reloads(): Promise<number> {
  const { records: actions } = (await gateway.get("/v1/operate/records?limit=100")).json;
  return actions.filter(({ kind }: { kind: string }) => kind === "reload").length;
}

/** What a manifest signs of its policy. */
async function predicateOf(manifest: unknown) {
  const { predicate } = await verify(JSON.stringify(manifest));
  return predicate ?? expect.fail("the manifest is of no run");
}

async function verify(text: string) {
  const documents = await Promise.all(
    ["/.well-known/jwks.json", "/trusted_root.json"].map((path) => gateway.get(path)),
  );
  const trust = documents.map((document) => {
    const read = parseTrust(new TextEncoder().encode(document.text));
    return read.ok ? read.trust : expect.fail("no trust");
  });
  const report = await verifyBundle(new TextEncoder().encode(text), joinTrust(trust), verifySignature);
  return report.ok ? report : expect.fail(JSON.stringify(report.checks));
}

describe("POST /v1/operate/reload", () => {
  it("takes a changed policy over, tells what changed, and the next run has it", async () => {
    const before = await predicateOf((await hash()).json.manifest);
    await edit("hash", "max_duration_ms: 1000", "max_duration_ms: 2000");
    await edit("hash", "benchmark]", "benchmark, night-watch]");
    // Not before it is asked for.
    expect((await hash("night-watch")).status).toBe(403);
    const { status, json } = await reload();
    expect([status, json.changes]).toEqual([
      200,
      [
        "hash [free, pro]: max_duration_ms is 2000, was 1000",
        'hash [free, pro]: purpose gains "night-watch"',
      ],
    ]);
    expect(json.action).toMatch(/^act_[0-9A-Z]{26}$/);
    const after = await hash("night-watch");
    expect(after.status).toBe(200);
    expect((await predicateOf(after.json.manifest)).policy_id).not.toBe(before.policy_id);
    // Nothing has changed since: nothing is signed.
    const signed = await reloads();
    expect((await reload()).json).toEqual({ action: null, changes: [] });
    expect(await reloads()).toBe(signed);
    // Back again is a change like any other.
    await edit("hash", "benchmark, night-watch]", "benchmark]");
    await edit("hash", "max_duration_ms: 2000", "max_duration_ms: 1000");
    expect((await reload()).json.changes).toHaveLength(2);
    expect((await predicateOf((await hash()).json.manifest)).policy_id).toBe(before.policy_id);
    expect((await hash("night-watch")).status).toBe(403);
  });

  it("says which folder waits: while a canary is looked at, what it has is not in force", async () => {
    const operate = (command: object) => gateway.post("/v1/operate/tools/hash", { command });
    const { state, versions } = (await gateway.get("/v1/operate/tools/hash")).json;
    const [other] = versions.filter(({ version }: { version: number }) => version !== state.active);
    const canary = { kind: "canary", version: other.version, basisPoints: 0, tenants: ["nobody"] };
    expect((await operate(canary)).status).toBe(200);
    await edit("hash", "benchmark]", "benchmark, night-watch]");
    expect((await reload()).json).toMatchObject({
      changes: ['hash [free, pro]: purpose gains "night-watch"'],
      held: ["hash: another version is active; writ tools versions hash"],
    });
    expect((await hash("night-watch")).status).toBe(403);
    expect((await operate({ kind: "rollback" })).status).toBe(200);
  });

  it("changes nothing when anything is wrong, and names every fault", async () => {
    await edit("hash", "benchmark]", "benchmark, night-watch]");
    await edit("rogue", "isolation_minimum: process", "isolation_minimum: bunker");
    const { status, json } = await reload();
    expect([status, json.type]).toEqual([409, expect.stringMatching(/\/problems\/reload-refused$/)]);
    expect(json.faults.join("\n")).toMatch(/rogue\/policy\.yaml:\d+:\d+ .*isolation_minimum/);
    expect((await hash("night-watch")).status).toBe(403);
    expect((await hash()).status).toBe(200);
    await edit("rogue", "isolation_minimum: bunker", "isolation_minimum: process");
    expect((await reload()).json.changes).toEqual(['hash [free, pro]: purpose gains "night-watch"']);
    expect((await hash("night-watch")).status).toBe(200);
  });

  it("takes tools in and out, and refuses one whose component is not what it says", async () => {
    await copyTool("text");
    expect((await reload()).json.changes).toEqual([
      expect.stringMatching(/^tool text: added, sha256:[0-9a-f]{64}$/),
    ]);
    expect((await gateway.get("/v1/tools")).json.tools.map(({ name }: { name: string }) => name)).toContain(
      "text",
    );
    await writeFile(join(tools, "text", "text.wasm"), "no component");
    expect((await reload()).status).toBe(409);
    await rename(join(tools, "text"), join(folder, "text"));
    expect((await reload()).json.changes).toEqual([expect.stringMatching(/^tool text: gone, was sha256:/)]);
    expect((await gateway.get("/v1/tools/text")).status).toBe(404);
  });

  it("leaves a run under way the policy that it began with", async () => {
    const running = gateway.post("/v1/tools/rogue/wait", { input: {}, purpose: "security-drill" });
    await expect
      .poll(async () => (await gateway.get("/v1/runs?limit=1")).json.runs[0]?.function)
      .toBe("rogue/wait");
    await edit("rogue", "max_duration_ms: 3000", "max_duration_ms: 100");
    expect((await reload()).status).toBe(200);
    const under = await predicateOf((await running).json.manifest);
    const after = await gateway.post("/v1/tools/rogue/wait", { input: {}, purpose: "security-drill" });
    expect(under.budget?.wall_ms.granted).toBe(3000);
    expect(after.json.outcome.kind).toBe("timed-out");
    expect((await predicateOf(after.json.manifest)).budget?.wall_ms.granted).toBe(100);
  });

  it("says what had to be made ready for it, step by step, and nothing where nothing had", async () => {
    await edit("hash", "memory_bytes: 16MiB", "memory_bytes: 15MiB");
    const { prepared } = (await reload()).json;
    expect(prepared).toHaveLength(1);
    expect(prepared[0].tool).toBe("hash");
    expect(prepared[0].steps.map(({ step }: { step: string }) => step)).toEqual(
      expect.arrayContaining(["decode", "plan", "validate", "meter", "compile"]),
    );
    await edit("hash", "memory_bytes: 15MiB", "memory_bytes: 16MiB");
    expect((await reload()).json).not.toHaveProperty("prepared");
  });

  it("signs who did it and what changed, in the log, under nobody's tenant", async () => {
    await edit("hash", "max_duration_ms: 1000", "max_duration_ms: 1500");
    const { action } = (await reload()).json;
    const list = await gateway.get("/v1/operate/records");
    const own = list.json.records.find((one: { action: string }) => one.action === action);
    expect(own).toMatchObject({ kind: "reload", at: expect.any(String) });
    const manifest = await gateway.get(`/v1/operate/records/${action}/manifest`);
    const report = await verify(manifest.text);
    expect(report.action).toMatchObject({
      action,
      kind: "reload",
      actor: expect.stringMatching(/^key:/),
      changes: ["hash [free, pro]: max_duration_ms is 1500, was 1000"],
    });
    expect((await gateway.get(`/v1/runs/${action}`)).status).toBe(404);
    // One page at a time.
    const first = await gateway.get("/v1/operate/records?limit=1");
    expect(first.json.records).toHaveLength(1);
    const second = await gateway.get(`/v1/operate/records?limit=1&before=${first.json.next}`);
    expect(second.json.records[0].action).not.toBe(first.json.records[0].action);
  });

  it("takes over who may ask: a key of a tenant that is not listed is refused from then on", async () => {
    await writeFile(join(gateway.dataFolder, "identity.yaml"), "tenants: { default: { tier: pro } }\n");
    expect((await reload()).json.changes).toEqual([
      'identity.tenants is {"default":{"tier":"pro"}}, was absent',
    ]);
    const { predicate } = await verify(JSON.stringify((await hash()).json.manifest));
    expect([predicate?.tier, predicate?.credential?.kind]).toEqual(["pro", "api-key"]);
    await writeFile(join(gateway.dataFolder, "identity.yaml"), "tenants: { acme: { tier: pro } }\n");
    expect((await reload()).status).toBe(200);
    expect((await hash()).status).toBe(401);
  });
});

describe("prices and service levels", () => {
  const put = (file: string, text: string) => writeFile(join(gateway.dataFolder, file), text);
  const costs = async () =>
    (await gateway.get("/v1/chargeback?by=run")).json.lines.map(({ cost }: { cost: string }) => cost);

  it("are taken over together with the rest, and what was entered stays as it was", async () => {
    await hash();
    await put("prices.yaml", "{ currency: EUR, run: 0.001, tools: { hash: 0.25 } }");
    await put("slo.yaml", "{ rejection_rate: { most: 0.5 }, webhooks: [] }");
    expect((await reload()).json.changes).toEqual([
      'prices.currency is "EUR", was "none"',
      'prices.run is "0.001", was "0"',
      'prices.tools.hash is "0.25", was absent',
      "slo.rejection_rate.most is 0.5, was 0.25",
    ]);
    await hash();
    await put("prices.yaml", "{ currency: EUR, run: 0.002 }");
    expect((await reload()).json.changes).toEqual([
      'prices.run is "0.002", was "0.001"',
      'prices.tools.hash is absent, was "0.25"',
    ]);
    await hash();
    expect((await costs()).slice(-3)).toEqual(["0.000000000", "0.001000000", "0.002000000"]);
    expect((await gateway.get("/v1/chargeback")).json.currency).toBe("EUR");
    const { objectives } = (await gateway.get("/v1/slo")).json;
    expect(objectives).toContainEqual(expect.objectContaining({ name: "rejection-rate", target: 0.5 }));
  });

  it.each([
    ["prices that are none", "prices.yaml", "{ currency: EUR, run: -1 }", /prices.*\/run/],
    [
      "another currency than the ledger's",
      "prices.yaml",
      "{ currency: USD }",
      /they are in USD, and the ledger is in EUR/,
    ],
    ["a service level that is not understood", "slo.yaml", "{ latancy: [] }", /slo\.yaml:1:\d+ .*latancy/],
    [
      "a webhook without its secret",
      "slo.yaml",
      '{ webhooks: [{ url: "https://a.test/x", secret_file: "/nowhere" }] }',
      /no secret of 24 bytes/,
    ],
    [
      "a webhook with a secret profile that there is not",
      "slo.yaml",
      '{ webhooks: [{ url: "https://a.test/x", secret_file: "{folder}/hook", profile: gone }] }',
      /Cannot use webhook https:\/\/a\.test\/x: there is no secret profile "gone"/,
    ],
  ])("are refused whole, with everything beside them: %s", async (_, file, text, words) => {
    const good = "{ currency: EUR, run: 0.002 }";
    await writeFile(join(folder, "hook"), "A".repeat(32));
    await put(file, text.replace("{folder}", folder));
    await edit("hash", "benchmark]", "benchmark, night-watch]");
    const { status, json } = await reload();
    expect([status, json.faults.join("\n")]).toEqual([409, expect.stringMatching(words)]);
    expect((await hash("night-watch")).status).toBe(403);
    expect((await gateway.get("/v1/chargeback")).json.currency).toBe("EUR");
    await put("prices.yaml", good);
  });
});

describe("a secret that was rotated", () => {
  it("is taken over by the reload that is asked for, and named without being told", async () => {
    const [dataFolder, own] = [join(folder, "rotated"), join(folder, "rotated-tools")];
    await mkdir(dataFolder);
    await copyTool("links", own);
    const key = join(dataFolder, "key");
    await writeFile(key, "the-first-key\n", { mode: 0o600 });
    await writeFile(
      join(dataFolder, "profiles.yaml"),
      "links: { secret: { file: key }, audience: [https://links.test], inject: { bearer: true } }\n",
    );
    const at = await openTestGateway({ dataFolder, toolsFolder: own });
    try {
      const sign = async () => {
        const input = { path: "/reports/7", expires: 1_767_225_600 };
        const { json } = await at.post("/v1/tools/links/sign", { input, purpose: "support-chat" });
        return json.output.ok as string;
      };
      const first = await sign();
      expect(await sign()).toBe(first);
      await writeFile(key, "the-second-key\n");
      const { json } = await at.post("/v1/operate/reload", {});
      expect(json.changes).toEqual(["profiles.links: has another secret"]);
      const second = await sign();
      expect(second).toMatch(/^\/reports\/7\?expires=1767225600&signature=[0-9a-f]{64}$/);
      expect(second).not.toBe(first);
      expect((await at.post("/v1/operate/reload", {})).json.changes).toEqual([]);
    } finally {
      await at.close();
    }
  });
});

describe("the first key", () => {
  it("is a signed record too", async () => {
    const issued = async () =>
      (await gateway.get("/v1/operate/records?limit=100")).json.records.filter(
        ({ kind }: { kind: string }) => kind === "issue-key",
      );
    await expect.poll(issued).toMatchObject([
      {
        actor: "gateway",
        changes: [expect.stringMatching(/^key key_[0-9a-f]{8} of tenant default, tier free: invoke, /)],
      },
    ]);
  });
});

describe("a restart", () => {
  it("refuses prices in another currency, and none, as a reload does", async () => {
    const [dataFolder, toolsFolder] = [join(folder, "restarted"), join(folder, "no-tools")];
    for (const path of [dataFolder, toolsFolder]) await mkdir(path);
    const prices = join(dataFolder, "prices.yaml");
    const start = async () => await (await openTestGateway({ dataFolder, toolsFolder })).close();
    await start();
    await writeFile(prices, "{ currency: EUR, run: 0.001 }");
    await start();
    await writeFile(prices, "{ currency: USD, run: 0.001 }");
    await expect(start()).rejects.toThrow(
      'Cannot use prices: they are in USD, and the ledger is in EUR; keep "currency: EUR" in prices.yaml, or begin another database',
    );
    await rm(prices);
    await expect(start()).rejects.toThrow("Cannot use prices: there are none, and the ledger is in EUR");
    await writeFile(prices, "{ currency: EUR }");
    await start();
  });
});

describe("loadOperatorFiles()", () => {
  it("reads nothing as nothing only where the operator named nothing", async () => {
    const names = ["profiles", "identity", "prices", "slo"] as const;
    const named = Object.fromEntries(names.map((name) => [`${name}File`, join(folder, `${name}-gone`)]));
    const offer = await readOffer(runtime);
    const places = { ...testConfig(folder), toolsFolder: tools };
    const { access, prices } = await loadOperatorFiles(runtime, places, offer);
    expect([access.tenants, prices.currency]).toEqual([undefined, "none"]);
    await expect(loadOperatorFiles(runtime, { ...places, ...named }, offer)).rejects.toThrow(
      names
        .map(
          (name) =>
            `Cannot read --${name} ${JSON.stringify(join(folder, `${name}-gone`))}: there is no such file or folder`,
        )
        .join("\n"),
    );
  });
});

describe("a gateway in a process of its own", () => {
  it("reads again on SIGHUP, and tells what it did", async () => {
    const processes = new Processes();
    try {
      const own = join(folder, "own");
      await copyTool("hash", own);
      const flags = ["--tools", own, "--reload", "asked", "--isolation", "process+permissions"];
      const { child, url, key } = await processes.start(await processes.folder(), flags);
      await edit("hash", "benchmark]", "benchmark, night-watch]", own);
      let errors = "";
      child.stderr?.on("data", (chunk) => {
        errors += chunk;
      });
      process.kill(child.pid ?? 0, "SIGHUP");
      await expect.poll(() => errors).toContain('purpose gains "night-watch"');
      const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
      const body = JSON.stringify({ input: { data: "YQ==" }, purpose: "night-watch" });
      const answer = await callGateway(url, "/v1/tools/hash/fnv1a64", { method: "POST", headers, body });
      expect(answer.status).toBe(200);
      await edit("hash", "isolation_minimum: process", "isolation_minimum: bunker", own);
      process.kill(child.pid ?? 0, "SIGHUP");
      await expect.poll(() => errors).toMatch(/writ: Cannot reload: .*bunker|isolation_minimum/);
      expect(child.exitCode).toBeNull();
    } finally {
      await processes.end();
    }
  });
});
