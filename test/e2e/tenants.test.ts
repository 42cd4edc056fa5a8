/**
 * Two tenants of one gateway, and every operation that it has: whatever the one asks for, it learns nothing of the other.
 *
 * The table below has a row for each operation. A new operation without a row fails: say there with which of the other
 * tenant's names it is asked, or why everybody may read it.
 */
import { cp, mkdtemp, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { SCOPE_NAMES } from "../../src/core/policy/index.ts";
import { OPERATIONS } from "../../src/http/operations.ts";
import { openKeys } from "../../src/local.ts";
import { removeFolder } from "../support/folder.ts";
import {
  type Answer,
  callGateway,
  openTestGateway,
  SAMPLE_TOOLS,
  type TestGateway,
} from "../support/gateway.ts";
import { openIssuer, type SigningKey, sign, signingKey, type TestIssuer } from "../support/issuer.ts";

const AUDIENCE = "https://writ.example.com";
const UNKNOWN_RUN = "run_01JCA2N3VQ8T5W6X7Y8Z9ABCDE";
const UNKNOWN_ACTION = "act_01JCA2N3VQ8T5W6X7Y8Z9ABCDE";
const UNKNOWN_KEY = "key_00000000";
const UNKNOWN_TASK = "task-00000000";
const TASK = "task-7f3a91c2";
const IDEMPOTENCY_KEY = "once-7f3a91c2";

let folder: string;
let gateway: TestGateway;
let issuer: TestIssuer;
let signer: SigningKey;
/** Credentials of the two. Acme has an API key, globex a token. */
let acme: string;
let globex: string;
/** A run of acme's, and everything by which somebody could know that it is there. */
let run: string;
let traces: readonly string[];
/** A key of acme's that nothing here is asked with. */
let spareKey: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-tenants-"));
  signer = await signingKey("k1");
  issuer = await openIssuer([signer]);
  const identity = `tenants: { acme: { tier: pro }, globex: { tier: pro } }
issuers:
  corp:
    issuer: ${issuer.url}
    audience: ["${AUDIENCE}"]
    algorithms: [ES256]
    allow_addresses: ["127.0.0.1/32"]
    tenant: { claim: org, map: { org-2: globex } }
`;
  await writeFile(join(folder, "identity.yaml"), identity);
  for (const name of ["hash", "text"])
    await cp(join(SAMPLE_TOOLS, name), join(folder, "tools", name), { recursive: true });
  gateway = await openTestGateway({
    toolsFolder: join(folder, "tools"),
    dataFolder: folder,
    executors: 1,
    publicUrl: "https://writ.example.com/gate",
  });
  const keys = await openKeys(runtime, { dataFolder: folder });
  const own = SCOPE_NAMES.filter((name) => name !== "operate");
  const issued = await keys.issue({ tenant: "acme", tier: "pro", scopes: own, label: "acme's" });
  const spare = await keys.issue({ tenant: "acme", tier: "pro", scopes: ["invoke"], label: "acme's too" });
  spareKey = spare.row.id;
  await keys.close();
  acme = `Bearer ${issued.text}`;
  globex = `Bearer ${await tokenOf("invoke evidence keys approve")}`;

  const answer = await ask(acme, "POST", "/v1/tools/hash/hash/sha256", {
    input: { data: btoa("what acme alone knows") },
    purpose: "support-chat",
    task: { id: TASK, class: "exploratory" },
  });
  expect(answer.status, answer.text).toBe(200);
  run = answer.json.run;
  const { predicate } = JSON.parse(atob(answer.json.manifest.dsseEnvelope.payload));
  traces = [
    run,
    TASK,
    IDEMPOTENCY_KEY,
    "acme",
    issued.row.id,
    spareKey,
    predicate.trace_id,
    predicate.input_hash,
    predicate.output_hash,
    answer.json.output[0] === undefined ? answer.json.output : JSON.stringify(answer.json.output),
  ].map(String);
});
afterAll(async () => {
  await gateway.close();
  await issuer.close();
  await removeFolder(folder);
});

async function tokenOf(scope: string, changes: object = {}): Promise<string> {
  const iat = Math.floor(runtime.clock.nowMs() / 1000);
  const claims = { iss: issuer.url, aud: AUDIENCE, sub: "bob", org: "org-2", iat, exp: iat + 600, scope };
  return await sign(signer, { alg: "ES256", kid: "k1", typ: "at+jwt" }, { ...claims, ...changes });
}

function ask(
  authorization: string,
  method: string,
  path: string,
  body?: object,
  once = IDEMPOTENCY_KEY,
): Promise<Answer> {
  return callGateway(gateway.server.url, path, {
    method,
    headers: { authorization, "content-type": "application/json", "idempotency-key": once },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** What an operation is asked with, when globex asks. */
type Row =
  /** It is about one thing: named by acme's name for it, it is as absent as one that never was. */
  | { readonly names: (ours: boolean) => string; readonly body?: object }
  /** It is about globex's own: asked like this, it answers without acme's. */
  | { readonly own: readonly string[]; readonly body?: object }
  /** Nobody without the scope `operate` gets an answer; who has it manages all tenants. */
  | { readonly operators: string; readonly body?: object }
  /** Everybody may read it: it says nothing of any tenant. */
  | { readonly everybody: string };

const INVOCATION = {
  input: { data: btoa("what globex knows") },
  purpose: "support-chat",
  task: { id: "task-of-globex", class: "exploratory" },
};

const runOf = (ours: boolean) => (ours ? run : UNKNOWN_RUN);

const ROWS: Readonly<Record<string, Row>> = {
  invoke: { own: ["/v1/tools/hash/hash/sha256"], body: INVOCATION },
  invokeBare: { own: ["/v1/tools/hash/sha256"], body: INVOCATION },
  listTools: { own: ["/v1/tools", "/v1/tools?limit=1", "/v1/tools?after=a&limit=1000"] },
  describeTool: { own: ["/v1/tools/hash"] },
  listRuns: { own: ["/v1/runs", "/v1/runs?limit=100", "/v1/runs?before=run_7ZZZZZZZZZZZZZZZZZZZZZZZZZ"] },
  findRun: { names: (ours) => `/v1/runs/${runOf(ours)}` },
  findManifest: { names: (ours) => `/v1/runs/${runOf(ours)}/manifest` },
  explainRun: { names: (ours) => `/v1/runs/${runOf(ours)}/explain` },
  reportOutcome: {
    names: (ours) => `/v1/tasks/${ours ? TASK : UNKNOWN_TASK}/outcome`,
    body: { outcome: "failed" },
  },
  chargeback: {
    own: ["", "?by=tenant,tool,task", "?tenant=acme", "?tenant=*", `?task=${TASK}`, "?format=csv"].map(
      (query) => `/v1/chargeback${query}`,
    ),
  },
  slo: { operators: "/v1/slo" },
  listToolStates: { operators: "/v1/operate/tools" },
  operatedTool: { operators: "/v1/operate/tools/hash" },
  commandTool: { operators: "/v1/operate/tools/hash", body: { command: { kind: "rollback" } } },
  listActions: { operators: "/v1/operate/actions" },
  // Its own alone are listed, and a key that it is given is its own.
  issueKey: { own: ["/v1/keys"], body: { scopes: ["invoke"], label: "of globex" } },
  listKeys: { own: ["/v1/keys", "/v1/keys?limit=100", `/v1/keys?after=${UNKNOWN_KEY}`, "/v1/keys?tenant=*"] },
  revokeKey: { names: (ours) => `/v1/keys/${ours ? spareKey : UNKNOWN_KEY}/revoke`, body: {} },
  reload: { operators: "/v1/operate/reload", body: {} },
  listRecords: { operators: "/v1/operate/records" },
  findRecord: { operators: `/v1/operate/records/${UNKNOWN_ACTION}/manifest` },
  metrics: { operators: "/metrics" },
  jwks: { everybody: "/.well-known/jwks.json" },
  trustedRoot: { everybody: "/trusted_root.json" },
  // Digests of signed bytes, so that anybody can see that nothing is taken away: whose they are is not in them.
  checkpoint: { everybody: "/checkpoint" },
  tile: { everybody: "/tile/entries/000.p/1" },
  healthz: { everybody: "/healthz" },
  readyz: { everybody: "/readyz" },
  policySchema: { everybody: "/schemas/policy.json" },
  capabilities: { everybody: "/capabilities" },
  executionManifestSchema: { everybody: "/schemas/execution-manifest.json" },
  executionManifest: { everybody: "/execution-manifest/v1" },
  openapi: { everybody: "/openapi.json" },
  problem: { everybody: "/problems/denied" },
  home: { everybody: "/" },
};

/** None of acme's names is in an answer, its headers included. */
function expectNoTrace({ text, headers }: Answer, what: string): void {
  const whole = `${text}\n${JSON.stringify([...headers])}`;
  // In a manifest most is base64.
  const decoded = [...whole.matchAll(/[A-Za-z0-9+/]{40,}={0,2}/g)].map(([part]) =>
    Buffer.from(part, "base64").toString("latin1"),
  );
  for (const trace of traces) {
    // What globex itself sent along comes back to it: that says nothing of acme.
    if (trace === IDEMPOTENCY_KEY && !what.startsWith("GET")) continue;
    for (const part of [whole, ...decoded])
      expect(part.includes(trace), `${what} tells ${trace}`).toBe(false);
  }
}

describe("every operation", () => {
  it("has a row, and no row is left over", () => {
    expect(Object.keys(ROWS).toSorted()).toEqual(OPERATIONS.map(({ id }) => id).toSorted());
  });

  it.each(OPERATIONS)("$id tells globex nothing of acme", async ({ id, method: lower, scope }) => {
    const row = ROWS[id] ?? expect.fail(`operation ${id} has no row in this test`);
    const method = lower.toUpperCase();
    if ("names" in row) {
      const [ours, never] = [
        await ask(globex, method, row.names(true), row.body),
        await ask(globex, method, row.names(false), row.body),
      ];
      expect(ours.status).toBe(404);
      // To the letter, but for the name that was asked for.
      const unnamed = (text: string) =>
        [run, UNKNOWN_RUN, TASK, UNKNOWN_TASK, spareKey, UNKNOWN_KEY].reduce(
          (rest, name) => rest.replaceAll(name, ""),
          text,
        );
      expect(unnamed(ours.text)).toBe(unnamed(never.text));
      expectNoTrace(ours, `${method} ${row.names(true)}`);
      expect((await ask(acme, method, row.names(true), row.body)).status).toBe(200);
    } else if ("own" in row) {
      for (const path of row.own) {
        const answer = await ask(globex, method, path, row.body);
        expect(answer.status, answer.text).toBeLessThan(500);
        expectNoTrace(answer, `${method} ${path}`);
      }
    } else if ("operators" in row) {
      expect(scope).toBe("operate");
      const answer = await ask(globex, method, row.operators, row.body);
      expect([answer.status, answer.json.scope]).toEqual([403, "operate"]);
      expectNoTrace(answer, `${method} ${row.operators}`);
    } else {
      expect(scope).toBe("public");
      const answer = await callGateway(gateway.server.url, row.everybody, { method });
      expect(answer.status).toBe(200);
      expectNoTrace(answer, `${method} ${row.everybody}`);
    }
  });

  it("lists each tenant its own runs, and nothing of the other's", async () => {
    const of = async (credentials: string) =>
      (await ask(credentials, "GET", "/v1/runs?limit=100")).json.runs.map((one: { run: string }) => one.run);
    const [ours, theirs] = [await of(acme), await of(globex)];
    expect(ours).toContain(run);
    expect(ours.filter((one: string) => theirs.includes(one))).toEqual([]);
  });
});

describe("a token at the real door", () => {
  it("runs a tool, and the manifest names issuer, subject and key, and nothing of the token", async () => {
    const token = await tokenOf("invoke");
    const body = { input: { data: btoa("x") }, purpose: "support-chat" };
    const { json, text } = await ask(`Bearer ${token}`, "POST", "/v1/tools/hash/sha256", body, "another");
    const payload = atob(json.manifest.dsseEnvelope.payload);
    expect(JSON.parse(payload).predicate).toMatchObject({
      tenant: "globex",
      tier: "pro",
      principal: "corp:bob",
      credential: { kind: "token", issuer: issuer.url, subject: "bob", key: "k1" },
    });
    for (const part of token.split(".")) expect(`${text}${payload}`).not.toContain(part);
    expect(gateway.log.join("\n")).not.toContain(token.split(".")[2]);
  });

  it("is refused for an unlisted tenant and without its scope, each in its own words", async () => {
    const stranger = await ask(`Bearer ${await tokenOf("invoke", { org: "org-9" })}`, "GET", "/v1/tools");
    expect([stranger.status, stranger.json.type]).toEqual([401, expect.stringMatching(/unauthenticated$/)]);
    const narrow = `Bearer ${await tokenOf("invoke:text")}`;
    const listed = await ask(narrow, "GET", "/v1/tools");
    expect(listed.json.tools.map(({ name }: { name: string }) => name)).toEqual(["text"]);
    expect((await ask(narrow, "GET", "/v1/tools/hash")).status).toBe(404);
    const denied = await callGateway(gateway.server.url, "/v1/tools/hash/sha256", {
      method: "POST",
      headers: { authorization: narrow, "content-type": "application/json" },
      body: JSON.stringify({ input: { data: "" }, purpose: "support-chat" }),
    });
    expect(denied.json).toMatchObject({
      status: 403,
      scope: "invoke:hash",
      decision: expect.stringMatching(/^run_/),
    });
    // The denial was signed, and its own tenant finds it.
    expect((await ask(globex, "GET", `/v1/runs/${denied.json.decision}/manifest`)).status).toBe(200);
  });

  it("is refused when there are two, in whatever order", async () => {
    const good = `Authorization: ${acme}`;
    for (const lines of [
      [good, "Authorization: Bearer x"],
      ["Authorization: Bearer x", good],
      [good, good],
    ])
      expect(
        await rawStatus(["GET /v1/tools HTTP/1.1", "Host: localhost", ...lines]),
        lines.join(" | "),
      ).toMatch(/^40[01]$/);
    expect(await rawStatus(["GET /v1/tools HTTP/1.1", "Host: localhost", good])).toBe("200");
  });

  it("is asked for at no other host name, whatever the credentials: a page that rebinds its name gets nowhere", async () => {
    const line = `Authorization: ${acme}`;
    for (const host of [
      "evil.example",
      "127.0.0.1.evil.example",
      "localhost.evil.example",
      "[::ffff:127.0.0.1]",
    ])
      expect(await rawStatus(["GET /v1/tools HTTP/1.1", `Host: ${host}`, line]), host).toMatch(/^(421|400)$/);
    expect(
      await rawStatus(["GET /v1/tools HTTP/1.1", "Host: localhost", "Origin: https://evil.example", line]),
    ).toBe("403");
    expect(await rawStatus(["GET /v1/tools HTTP/1.1", "Host: localhost", "Origin: null", line])).toBe("403");
  });
});

describe("a public URL", () => {
  it("is where problems and the API's description point, and its host name is one of the gateway's", async () => {
    const { json } = await ask("", "GET", "/v1/tools");
    expect(json.type).toBe("https://writ.example.com/gate/problems/unauthenticated");
    expect((await ask("", "GET", "/openapi.json")).json.servers).toEqual([
      { url: "https://writ.example.com/gate" },
    ]);
    const line = `Authorization: ${acme}`;
    expect(await rawStatus(["GET /v1/tools HTTP/1.1", "Host: writ.example.com", line])).toBe("200");
  });
});

/** Sends a request's head as it is, and reads the status. */
function rawStatus(lines: readonly string[]): Promise<string> {
  const { port } = new URL(gateway.server.url);
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(Number(port), "127.0.0.1", () => {
      socket.write(`${lines.join("\r\n")}\r\nConnection: close\r\n\r\n`);
    });
    socket.on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(text.split(" ")[1] ?? ""));
  });
}
