/** The story of a run over HTTP, with the real tools, down to a manifest that verifies offline. */
import { readFileSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { canonicalJson, sha256Hex } from "../../src/core/digest.ts";
import { joinTrust, parseTrust, type RunPredicate, verifyBundle } from "../../src/core/manifest/index.ts";
import { readPolicy } from "../../src/core/policy/index.ts";
import { verifySignature } from "../../src/identity/index.ts";
import { openKeys } from "../../src/local.ts";
import { removeFolder } from "../support/folder.ts";
import { type Answer, callGateway, openTestGateway, PROJECT, type TestGateway } from "../support/gateway.ts";

const PLACE = { latitude: 52.52, longitude: 13.41 };
let gateway: TestGateway;

beforeAll(async () => {
  gateway = await openTestGateway({ demo: true });
});
afterAll(() => gateway?.close());

/** Verifies a bundle with the gateway's published keys, as a stranger would, and returns what it says. */
async function verified(manifest: unknown): Promise<RunPredicate> {
  const jwks = await gateway.get("/.well-known/jwks.json");
  const root = await gateway.get("/trusted_root.json");
  const parts = [jwks, root].map(({ text }) => {
    const read = parseTrust(new TextEncoder().encode(text));
    if (!read.ok) throw new Error("The published keys cannot be read");
    return read.trust;
  });
  const bytes = new TextEncoder().encode(typeof manifest === "string" ? manifest : JSON.stringify(manifest));
  const report = await verifyBundle(bytes, joinTrust(parts), verifySignature);
  if (!report.ok) throw new Error(JSON.stringify(report.checks));
  if (report.predicate === undefined) throw new Error("the manifest is of no run");
  return report.predicate;
}

function invoke(path: string, input: unknown, purpose = "support-chat"): Promise<Answer> {
  return gateway.post(`/v1/tools/${path}`, { input, purpose });
}

/** The README's calls, each with the answer printed under it. */
function readmeCalls(): readonly { readonly path: string; readonly body: string; readonly answer: object }[] {
  const text = readFileSync(join(PROJECT, "README.md"), "utf8");
  const blocks = text.matchAll(
    /```\ncurl -s http:\/\/127\.0\.0\.1:8787(\S+)[\s\S]*?-d '([^']+)'[^`]*```\n```json\n([\s\S]*?)```/g,
  );
  return [...blocks].map(([, path = "", body = "", answer = ""]) => ({
    path,
    body,
    answer: JSON.parse(answer),
  }));
}

describe("the README", () => {
  const calls = readmeCalls();

  it("shows three calls", () => {
    expect(calls).toHaveLength(3);
  });

  for (const { path, body, answer } of calls) {
    it(`${path} with ${body.slice(-28)} answers what is printed`, async () => {
      const { json } = await gateway.post(path, JSON.parse(body));
      // What differs from run to run, and what is shortened in print.
      for (const own of ["run", "decision", "manifest", "receipt", "type"]) {
        expect(own in json).toBe(own in answer);
        Reflect.deleteProperty(json, own);
        Reflect.deleteProperty(answer, own);
      }
      expect(json).toEqual(answer);
    });
  }

  it("prints the weather tool's own policy", () => {
    const text = readFileSync(join(PROJECT, "README.md"), "utf8");
    const [, printed = ""] = /```yaml\n([\s\S]*?)```/.exec(text) ?? [];
    const policy = readFileSync(join(PROJECT, "tools", "weather", "policy.yaml"), "utf8");
    expect(readPolicy(printed, "README.md").policyId).toBe(readPolicy(policy, "policy.yaml").policyId);
  });
});

describe("an invocation that completes", () => {
  it("answers run, outcome, output, manifest and receipt", async () => {
    const answer = await invoke("hash/hash/sha256", { data: "aGVsbG8=" });
    expect(answer.status).toBe(200);
    expect(answer.json.outcome).toEqual({ kind: "completed" });
    expect(answer.json.output).toBe("LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=");
    expect(answer.headers.get("writ-run")).toBe(answer.json.run);

    const predicate = await verified(answer.json.manifest);
    expect(predicate.run).toBe(answer.json.run);
    expect(predicate.output_hash).toBe(`sha256:${sha256Hex(canonicalJson(answer.json.output))}`);
    expect(predicate.input_hash).toBe(`sha256:${sha256Hex(canonicalJson({ data: "aGVsbG8=" }))}`);
    expect(predicate.budget?.fuel.used).toBeGreaterThan(0);
    expect(predicate.isolation?.level).toBe("process+permissions");
    expect(predicate.events).toEqual([]);
  });

  it("keeps the caller's trace and adds its own span", async () => {
    const trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    const answer = await gateway.post(
      "/v1/tools/hash/fnv1a64",
      { input: { data: "" }, purpose: "support-chat" },
      { traceparent: `00-${trace}-00f067aa0ba902b7-01` },
    );
    expect(answer.headers.get("traceparent")).toMatch(
      new RegExp(`^00-${trace}-(?!00f067aa0ba902b7)[0-9a-f]{16}-01$`),
    );
    expect((await verified(answer.json.manifest)).trace_id).toBe(trace);
  });

  it("spends the same fuel for the same input", async () => {
    const fuel = async () => {
      const answer = await invoke("text/text/slug", { title: "Déjà vu, again & again" });
      expect(answer.json.outcome).toEqual({ kind: "completed" });
      return (await verified(answer.json.manifest)).budget?.fuel.used;
    };
    expect(await fuel()).toBe(await fuel());
  });

  it("uses a secret that neither the guest nor any evidence shows", async () => {
    const answer = await invoke("weather/weather/forecast", { place: PLACE });
    expect(answer.json.outcome).toEqual({ kind: "completed" });
    expect(answer.json.output.ok.place).toEqual(PLACE);
    const predicate = await verified(answer.json.manifest);
    expect(predicate.events).toHaveLength(1);
    expect(predicate.events[0]).toMatchObject({
      import: "wasi:http/outgoing-handler#handle",
      effect: "allowed",
      target: "GET http://127.0.0.1:8788/v1/forecast",
      result: "200",
    });
    expect(answer.text + JSON.stringify(predicate) + gateway.log.join("\n")).not.toContain("demo-key");
  });
});

describe("an invocation that is denied", () => {
  it("ends as denied-import when the guest wants a host outside the allowlist", async () => {
    const answer = await invoke("weather/weather/forecast-from", {
      url: "http://example.com/",
      place: PLACE,
    });
    expect(answer.status).toBe(200);
    expect(answer.json.outcome).toEqual({
      kind: "denied-import",
      import: "wasi:http/outgoing-handler#handle",
      target: "GET http://example.com:80/",
    });
    const [event] = (await verified(answer.json.manifest)).events;
    expect(event).toMatchObject({ effect: "denied", clause: "network_allowlist" });
    const explained = await gateway.get(`/v1/runs/${answer.json.run}/explain`);
    expect(explained.json.denials).toMatchObject([
      { missing: "network_allowlist", change: expect.stringContaining('host: "example.com"') },
    ]);
  });

  it("is refused and signed when the purpose is not allowed", async () => {
    const answer = await invoke("hash/hash/sha256", { data: "" }, "curiosity");
    expect(answer.status).toBe(403);
    expect(answer.json.missing).toEqual(["purpose"]);
    const manifest = await gateway.get(`/v1/runs/${answer.json.decision}/manifest`);
    const predicate = await verified(manifest.text);
    expect(predicate.outcome).toEqual({ kind: "denied" });
    expect(predicate.decision.effect).toBe("deny");
  });

  it("is refused before anything runs when the input is not of the function's type", async () => {
    const answer = await invoke("weather/weather/forecast", { place: { latitude: "north" } });
    expect(answer.status).toBe(400);
    expect(answer.json.errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
      "/input/place/latitude",
      "/input/place/longitude",
    ]);
  });

  it("does not know tools, functions and runs that are not there", async () => {
    for (const answer of [
      await invoke("nothing/at/all", {}),
      await invoke("hash/hash/md5", {}),
      await invoke("text/init", {}),
      await gateway.get("/v1/runs/run_00000000000000000000000000"),
    ]) {
      expect([403, 404]).toContain(answer.status);
      expect(answer.json.output).toBeUndefined();
    }
  });
});

describe("a guest that misbehaves ends as a typed outcome", () => {
  const cases: readonly (readonly [name: string, input: unknown, outcome: object])[] = [
    [
      "reach-host",
      { url: "https://example.com/" },
      { kind: "denied-import", import: "wasi:http/outgoing-handler#handle" },
    ],
    ["spin", {}, { kind: "exhausted", budget: "fuel" }],
    ["backtrack", {}, { kind: "exhausted", budget: "fuel" }],
    ["recurse", {}, {}],
    ["grow-memory", {}, { kind: "exhausted", budget: "memory_bytes" }],
    ["flood-log", {}, { kind: "exhausted", budget: "log_bytes" }],
    ["flood-stdout", {}, { kind: "exhausted", budget: "log_bytes" }],
    ["huge-output", { bytes: 70_000 }, { kind: "exhausted", budget: "output_bytes" }],
    ["read-env", {}, { kind: "completed" }],
    ["read-file", { path: "/etc/passwd" }, {}],
    ["wait", {}, { kind: "timed-out" }],
  ];
  const ask = (name: string, input: unknown) => invoke(`rogue/rogue/${name}`, input, "security-drill");
  /** It has long: the others are asked meanwhile. */
  let waiting: Promise<Answer>;
  beforeAll(() => {
    waiting = ask("wait", {});
  });
  for (const [name, input, outcome] of cases) {
    it(`rogue/${name}`, async () => {
      const answer = await (name === "wait" ? waiting : ask(name, input));
      expect(answer.status).toBe(200);
      expect(answer.json.outcome).toMatchObject(outcome);
      if (name !== "read-env") expect(answer.json.outcome.kind).not.toBe("completed");
      expect(answer.text).not.toContain("root:");
      expect((await verified(answer.json.manifest)).outcome).toEqual(answer.json.outcome);
    });
  }
});

describe("a policy that requires a task in the evidence", () => {
  it("refuses a request without one before anything runs", async () => {
    const folder = await mkdtemp(join(tmpdir(), "writ-task-"));
    const policy = readFileSync(join(PROJECT, "tools", "hash", "policy.yaml"), "utf8")
      .replace(/tenant_tier: .*/, "tenant_tier: [task-tier]")
      .replace(/required_observability_fields: .*/, "required_observability_fields: [trace_id, task]");
    await writeFile(join(folder, "hash.yaml"), policy);
    const other = await openTestGateway({ policiesFolder: folder, executors: 1 });
    try {
      const keys = await openKeys(runtime, other);
      const { text } = await keys.issue({
        tenant: "t",
        tier: "task-tier",
        scopes: ["invoke", "evidence"],
        label: "t",
      });
      await keys.close();
      const headers = { authorization: `Bearer ${text}` };
      const request = { input: { data: "" }, purpose: "support-chat" };
      const refused = await other.post("/v1/tools/hash/fnv1a64", request, headers);
      expect(refused.status).toBe(400);
      expect(refused.json.errors[0].pointer).toBe("/task");
      expect((await other.get("/v1/runs", headers)).json.runs).toEqual([]);
      const task = { id: "t-1", class: "exploratory" };
      expect((await other.post("/v1/tools/hash/fnv1a64", { ...request, task }, headers)).status).toBe(200);
    } finally {
      await other.close();
      await removeFolder(folder);
    }
  });
});

describe("many runs", () => {
  it("are all sealed, in a sequence without gaps", async () => {
    // In groups: more at once than a busy machine serves within a run's time to live are refused, as they should be.
    const answers = [];
    for (let group = 0; group < 6; group += 1) {
      const asked = Array.from({ length: 10 }, (_, index) =>
        invoke("hash/hash/fnv1a64", { data: btoa(`run ${group} ${index}`) }),
      );
      answers.push(...(await Promise.all(asked)));
    }
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const sequences = answers.map(({ json }) => json.receipt.sequence).sort((a, b) => a - b);
    expect(sequences).toEqual(sequences.map((_, index) => sequences[0] + index));
  });

  it("are another tenant's own business", async () => {
    const { json } = await invoke("hash/hash/fnv1a64", { data: "" });
    for (const end of ["", "/manifest", "/explain"]) {
      const path = `/v1/runs/${json.run}${end}`;
      expect((await gateway.get(path)).status).toBe(200);
      const stranger = await callGateway(gateway.server.url, path, {
        headers: { authorization: "Bearer writ_x" },
      });
      expect(stranger.status).toBe(401);
    }
  });
});

describe("stopping", () => {
  it("finishes or seals what is running", async () => {
    const other = await openTestGateway();
    const invocation = other.post("/v1/tools/rogue/wait", { input: {}, purpose: "security-drill" });
    await expect.poll(async () => (await other.get("/v1/runs?limit=1")).json.runs).toHaveLength(1);
    await other.close();
    const answer = await invocation;
    expect(answer.status).toBe(200);
    expect(["timed-out", "revoked"]).toContain(answer.json.outcome.kind);
    expect(answer.json.receipt.sequence).toBeTypeOf("number");
  });

  it("frees the data folder, which one gateway uses at a time", async () => {
    await expect(openTestGateway({ dataFolder: gateway.dataFolder })).rejects.toThrow(
      "another gateway uses it",
    );
  });
});

describe("the log", () => {
  it("has every run at once, and gives a run's manifest with the same proof as its answer", async () => {
    const answer = await invoke("hash/hash/sha256", { data: "" });
    const checkpoint = await gateway.get("/checkpoint");
    expect(checkpoint.status).toBe(200);
    const size = Number(checkpoint.text.split("\n")[1]);
    expect(size).toBe(answer.json.receipt.sequence + 1);
    expect(answer.json.receipt.proof).toContain(checkpoint.text);
    const again = await gateway.get(`/v1/runs/${answer.json.run}/manifest`);
    expect(JSON.parse(again.text)).toEqual(answer.json.manifest);
    await verified(again.text);
  });

  it("serves its tiles to everybody, up to its newest checkpoint", async () => {
    const { text } = await callGateway(gateway.server.url, "/checkpoint", {});
    const size = Number(text.split("\n")[1]);
    const tile = (path: string) => callGateway(gateway.server.url, path, {});
    expect((await tile(`/tile/entries/000.p/${size}`)).text).toContain('"kind":"hashedrekord"');
    expect((await tile(`/tile/0/000.p/${size}`)).status).toBe(200);
    expect((await tile(`/tile/0/000.p/${size + 1}`)).status).toBe(404);
  });
});
