/** Commands of operators over HTTP: what is read, and what is refused before anything is changed. */
import { describe, expect, it } from "vitest";
import { createTestApp, invocation } from "./support.ts";

const PATH = "/v1/operate/tools/weather";

async function send(body: unknown, path = PATH) {
  const { app, gateway } = createTestApp();
  const response = await app.request(invocation({ path, body: JSON.stringify(body) }));
  return { status: response.status, json: await response.json(), commands: gateway.commands };
}

describe("POST /v1/operate/tools/{tool}", () => {
  it.each([
    { kind: "activate", version: 3 },
    { kind: "canary", version: 3, basisPoints: 250, tenants: ["acme"] },
    { kind: "rollback" },
    { kind: "suspend", reason: "leaks-data" },
    { kind: "resume" },
    { kind: "floor", tenant: "*", version: 0 },
  ])("takes $kind", async (command) => {
    const { status, commands } = await send({ command, note: "why" });
    expect(status).toBe(200);
    expect(commands).toEqual([{ tool: "weather", asked: command, note: "why" }]);
  });

  it.each<[string, unknown]>([
    ["nothing", {}],
    ["an unknown command", { command: { kind: "explode" } }],
    ["a command with more than belongs to it", { command: { kind: "rollback", version: 1 } }],
    ["a member that is not known", { command: { kind: "resume" }, force: true }],
    ["no version", { command: { kind: "activate" } }],
    ["version 0", { command: { kind: "activate", version: 0 } }],
    ["half a version", { command: { kind: "activate", version: 1.5 } }],
    ["a share beyond all", { command: { kind: "canary", version: 1, basisPoints: 10_001, tenants: [] } }],
    ["a tenant that is none", { command: { kind: "canary", version: 1, basisPoints: 1, tenants: ["A b"] } }],
    ["a sentence for a reason", { command: { kind: "suspend", reason: "it leaks data" } }],
    ["a floor for nobody", { command: { kind: "floor", tenant: "", version: 1 } }],
  ])("refuses %s, and does nothing", async (_, body) => {
    const { status, json, commands } = await send(body);
    expect([status, json.type]).toEqual([400, "http://localhost/problems/invalid-request"]);
    expect(commands).toEqual([]);
  });

  it("does not know a tool whose name no tool can have", async () => {
    expect((await send({ command: { kind: "resume" } }, "/v1/operate/tools/UP")).status).toBe(404);
  });
});

describe("pages of GET /v1/operate", () => {
  it.each([
    "/v1/operate/tools/weather?limit=0",
    "/v1/operate/tools/weather?before=x",
    "/v1/operate/actions?before=run_01JCA2N3VQ8T5W6X7Y8Z9ABCDE",
    "/v1/operate/actions?limit=101",
    "/v1/operate/tools?limit=0",
    "/metrics?format=text",
  ])("refuses %s", async (path) => {
    const { app } = createTestApp();
    expect((await app.request(invocation({ path, method: "GET" }))).status).toBe(400);
  });
});
