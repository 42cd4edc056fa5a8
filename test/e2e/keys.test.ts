/** API keys over HTTP: handed out with no more than one has, listed by page, refused from the moment they are revoked. */
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { openKeys } from "../../src/local.ts";
import { removeFolder } from "../support/folder.ts";
import { type Answer, callGateway, openTestGateway, type TestGateway } from "../support/gateway.ts";
import { hashAlone } from "../support/small-tools.ts";

let folder: string;
let gateway: TestGateway;
/** Of acme: `keys`, `evidence`, and `hash` alone; of the operator: everything. */
let manager: string;
let operator: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-keys-"));
  await writeFile(
    join(folder, "identity.yaml"),
    "tenants: { acme: { tier: pro }, globex: { tier: free }, ops: { tier: free } }\n",
  );
  gateway = await openTestGateway({ toolsFolder: await hashAlone(folder), dataFolder: folder, executors: 1 });
  const opened = await openKeys(runtime, { dataFolder: folder });
  const scopes = ["keys", "evidence", "invoke:hash"] as const;
  manager = (await opened.issue({ tenant: "acme", tier: "pro", scopes, label: "manager" })).text;
  const all = ["keys", "operate", "invoke"] as const;
  operator = (await opened.issue({ tenant: "ops", tier: "free", scopes: all, label: "operator" })).text;
  await opened.close();
});
afterAll(async () => {
  await gateway?.close();
  await removeFolder(folder);
});

function ask(key: string, method: string, path: string, body?: object): Promise<Answer> {
  return callGateway(gateway.server.url, path, {
    method,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

const issue = (key: string, body: object) => ask(key, "POST", "/v1/keys", { label: "ci", ...body });
const hash = (key: string) =>
  ask(key, "POST", "/v1/tools/hash/fnv1a64", { input: { data: "YQ==" }, purpose: "support-chat" });

describe("POST /v1/keys", () => {
  it("gives a key that works, in its own tenant, until it is revoked; each is a signed record", async () => {
    const { status, json, headers } = await issue(manager, {
      ...{ scopes: ["invoke:hash", "invoke:hash"], expiresInSeconds: 3600 },
    });
    expect([status, headers.get("cache-control")]).toEqual([200, "no-store"]);
    expect(json).toMatchObject({
      ...{ tenant: "acme", tier: "pro", scopes: ["invoke:hash"], label: "ci", revokedAt: null },
      key: expect.stringMatching(/^writ_[0-9a-f]{8}_/),
    });
    expect(Date.parse(json.expiresAt) - Date.parse(json.createdAt)).toBe(3_600_000);
    const answer = await hash(json.key);
    expect(answer.status).toBe(200);
    const { predicate } = JSON.parse(atob(answer.json.manifest.dsseEnvelope.payload));
    expect([predicate.tenant, predicate.tier]).toEqual(["acme", "pro"]);
    const revoked = await ask(manager, "POST", `/v1/keys/${json.id}/revoke`);
    expect(revoked.json).toEqual({ id: json.id, revoked: true });
    expect((await hash(json.key)).status).toBe(401);
    const { records } = (await ask(operator, "GET", "/v1/operate/records?limit=2")).json;
    expect(records).toMatchObject([
      { kind: "revoke-key", changes: [`key ${json.id} is revoked`] },
      { kind: "issue-key", changes: [`key ${json.id} of tenant acme, tier pro: invoke:hash`] },
    ]);
    // Neither the record nor the log has the key.
    const manifest = await ask(operator, "GET", `/v1/operate/records/${records[1].action}/manifest`);
    const signed = atob(manifest.json.dsseEnvelope.payload);
    expect(signed).toContain(json.id);
    for (const text of [signed, gateway.log.join("\n")]) expect(text).not.toContain(json.key);
  });

  it("signs what a command line did about keys, as soon as a gateway runs", async () => {
    const opened = await openKeys(runtime, { dataFolder: folder });
    const { row } = await opened.issue({ tenant: "acme", tier: "pro", scopes: ["evidence"], label: "cli" });
    await opened.revoke(row.id);
    await opened.close();
    const changes = async () => {
      const { records } = (await ask(operator, "GET", "/v1/operate/records?limit=100")).json;
      return records.flatMap((one: { actor: string; changes: string[] }) =>
        one.changes.map((change) => `${one.actor}: ${change}`),
      );
    };
    await expect.poll(changes).toContain(`cli: key ${row.id} is revoked`);
    expect(await changes()).toContain(`cli: key ${row.id} of tenant acme, tier pro: evidence`);
  });

  it.each([
    ["a scope that it has not", { scopes: ["invoke"] }, "invoke"],
    ["the operator's scope", { scopes: ["evidence", "operate"] }, "operate"],
    ["another tool", { scopes: ["invoke:other"] }, "invoke:other"],
    ["another tenant", { scopes: ["evidence"], tenant: "globex" }, "operate"],
    ["a tenant that is not there", { scopes: ["evidence"], tenant: "nobody" }, "operate"],
  ])("hands out no more than one has: %s", async (_, body, scope) => {
    const { status, json } = await issue(manager, body);
    expect([status, json.scope]).toEqual([403, scope]);
  });

  it.each([
    ["no scopes", { scopes: [] }, "/scopes"],
    ["a word that is no scope", { scopes: ["root"] }, "/scopes/0"],
    ["an end that is past", { scopes: ["evidence"], expiresInSeconds: 0 }, "/expiresInSeconds"],
    ["a label with a line's end", { scopes: ["evidence"], label: "a\nb" }, "/label"],
    ["a tier that the list does not have", { scopes: ["evidence"], tier: "gold" }, "/tier"],
    ["what is not known", { scopes: ["evidence"], hash: "0" }, "/hash"],
  ])("names what is wrong: %s", async (_, body, pointer) => {
    const { status, json } = await issue(manager, body);
    expect([status, json.errors?.[0]?.pointer]).toEqual([400, pointer]);
  });

  it("lets an operator with both scopes serve other tenants, listed ones, and no scope beyond his own", async () => {
    const given = await issue(operator, { scopes: ["invoke"], tenant: "globex" });
    expect(given.json).toMatchObject({ tenant: "globex", tier: "free" });
    expect((await issue(operator, { scopes: ["invoke"], tenant: "nobody" })).json.errors[0].pointer).toBe(
      "/tenant",
    );
    expect((await issue(operator, { scopes: ["evidence"], tenant: "globex" })).json.scope).toBe("evidence");
    expect((await ask(operator, "POST", `/v1/keys/${given.json.id}/revoke`)).status).toBe(200);
  });
});

describe("GET /v1/keys", () => {
  it("gives pages of one's own, and of all to operators", async () => {
    for (let n = 0; n < 3; n++) await issue(manager, { scopes: ["evidence"], label: `n${n}` });
    await issue(operator, { scopes: ["invoke"], tenant: "globex" });
    const seen: { id: string; tenant: string }[] = [];
    for (let path = "/v1/keys?limit=2"; path !== ""; ) {
      const { json } = await ask(manager, "GET", path);
      expect(json.keys.length).toBeLessThanOrEqual(2);
      seen.push(...json.keys);
      path = json.next === undefined ? "" : `/v1/keys?limit=2&after=${json.next}`;
    }
    expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length);
    expect(seen.length).toBeGreaterThan(3);
    expect([...new Set(seen.map(({ tenant }) => tenant))]).toEqual(["acme"]);
    expect(JSON.stringify(seen)).not.toMatch(/"(hash|key)":|writ_/);
    const all = await ask(operator, "GET", "/v1/keys?tenant=*&limit=100");
    expect([...new Set(all.json.keys.map(({ tenant }: { tenant: string }) => tenant))].toSorted()).toEqual([
      "acme",
      "globex",
      "ops",
    ]);
    for (const tenant of ["*", "globex"])
      expect((await ask(manager, "GET", `/v1/keys?tenant=${tenant}`)).json.scope).toBe("operate");
    const foreign = all.json.keys.find(({ tenant }: { tenant: string }) => tenant === "globex").id;
    expect((await ask(manager, "POST", `/v1/keys/${foreign}/revoke`)).status).toBe(404);
    expect((await ask(manager, "POST", "/v1/keys/key_zz/revoke")).status).toBe(404);
  });
});
