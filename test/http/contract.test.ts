import { expect, test } from "vitest";
import { z } from "zod";
import { GatewayError } from "../../src/core/errors.ts";
import { OPERATIONS } from "../../src/http/operations.ts";
import { PROBLEMS, REFUSAL_CODES } from "../../src/http/problem-table.ts";
import { ACTION, createTestApp, invocation, REFUSALS, RUN } from "./support.ts";

const get = (path: string, headers: Record<string, string> = {}) =>
  invocation({ path, method: "GET", headers });

/** As far as these tests read it. */
interface OpenApi {
  openapi: string;
  paths: Record<
    string,
    Record<
      string,
      {
        operationId: string;
        responses: Record<
          string,
          { content?: Record<string, { schema: { $ref?: string; oneOf?: { $ref: string }[] } }> }
        >;
      }
    >
  >;
  components: {
    schemas: Record<string, { properties?: Record<string, { const?: unknown }>; required?: string[] }>;
    responses: Record<string, unknown>;
  };
}

async function readOpenApi(): Promise<OpenApi> {
  const response = await createTestApp().app.request(get("/openapi.json"));
  return response.json();
}

test("the OpenAPI document describes every route, and no other", async () => {
  const { app } = createTestApp();
  const served = app.routes
    .filter(({ method, path }) => method !== "ALL" && !["/style.css", "/icon.svg"].includes(path))
    .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)(\{[^}]*\})?/g, "{$1}")}`);
  const described = Object.entries((await readOpenApi()).paths).flatMap(([path, operations]) =>
    Object.keys(operations).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(described.toSorted()).toEqual(served.toSorted());
});

test("the OpenAPI document refers to nothing that it lacks, and names each operation once", async () => {
  const document = await readOpenApi();
  const text = JSON.stringify(document);
  const references = new Set([...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference = ""]) => reference));
  expect(references.size).toBeGreaterThan(20);
  for (const reference of references) {
    const target = reference.replace(/^#\//, "").split("/").reduce<unknown>(descend, document);
    expect(target, reference).toBeTypeOf("object");
  }
  const ids = Object.values(document.paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId),
  );
  expect(new Set(ids).size).toBe(ids.length);
  expect(text).not.toMatch(/"\$id"|"\$schema"/);
});

function descend(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}

test("every refusal code is among the responses of some operation", async () => {
  const document = await readOpenApi();
  const responses = Object.values(document.paths).flatMap((operations) =>
    Object.values(operations).flatMap((operation) => Object.values(operation.responses)),
  );
  const described = responses.flatMap(({ content }) => {
    const schema = content?.["application/problem+json"]?.schema;
    return (schema?.oneOf ?? [schema]).map((one) => one?.$ref);
  });
  for (const code of REFUSAL_CODES) {
    const name = `${code.replaceAll(/(^|-)([a-z])/g, (_, _dash, letter) => letter.toUpperCase())}Problem`;
    expect(described, code).toContain(`#/components/schemas/${name}`);
    expect(Object.keys(document.components.responses)).toContain(code);
  }
});

test("REFUSALS of these tests cover every code", () => {
  expect(REFUSALS.map(({ code }) => code).toSorted()).toEqual([...REFUSAL_CODES].toSorted());
});

test.for(REFUSALS)(
  "$code: answer, table and OpenAPI schema agree on status, type and members",
  async (refusal) => {
    const { app, gateway } = createTestApp();
    gateway.fault = new GatewayError("", refusal);
    const response = await app.request(invocation());
    const problem: Record<string, unknown> = await response.json();
    const row = PROBLEMS[refusal.code];

    expect(response.status).toBe(row.status);
    expect(response.headers.has("retry-after")).toBe(row.retryAfter);
    const usual = ["type", "title", "status", "detail"];
    expect(
      Object.keys(problem)
        .filter((name) => !usual.includes(name))
        .toSorted(),
    ).toEqual(row.members.map(({ name }) => name).toSorted());
    const name = `${refusal.code.replaceAll(/(^|-)([a-z])/g, (_, _dash, letter) => letter.toUpperCase())}Problem`;
    const schema = (await readOpenApi()).components.schemas[name];
    expect(schema?.properties?.type?.const).toBe(problem.type);
    expect(schema?.properties?.status?.const).toBe(problem.status);
    expect(schema?.required).toEqual(row.members.map((member) => member.name));
  },
);

test.for(REFUSAL_CODES.map((code) => [code] as const))(
  "/problems/%s is a page, and JSON for who asks",
  async ([code]) => {
    const { app } = createTestApp();
    const page = await app.request(
      get(`/problems/${code}`, { accept: "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8" }),
    );
    const html = await page.text();
    expect([page.status, page.headers.get("content-type"), page.headers.get("vary")]).toEqual([
      200,
      "text/html; charset=utf-8",
      "Accept",
    ]);
    const row = PROBLEMS[code];
    for (const part of [code, String(row.status), row.remedy.slice(0, 20)]) expect(html).toContain(part);
    for (const { name } of row.members) expect(html).toContain(`<code>${name}</code>`);

    const json = await app.request(get(`/problems/${code}`, { accept: "application/json" }));
    expect(json.headers.get("content-type")).toBe("application/json");
    expect(await json.json()).toMatchObject({
      code,
      status: row.status,
      meaning: row.meaning,
      remedy: row.remedy,
    });
  },
);

test("no page holds a script, an inline style, or anything from elsewhere", async () => {
  const { app } = createTestApp();
  for (const path of ["/", ...REFUSAL_CODES.map((code) => `/problems/${code}`)]) {
    const html = await (await app.request(get(path))).text();
    expect(html, path).not.toMatch(/<script|<style|\sstyle=|\son\w+=|src=|href="(?!\/|#)/i);
    for (const [, href = ""] of html.matchAll(/href="([^"#]+)/g)) {
      expect((await app.request(get(href))).status, `${path} → ${href}`).toBe(200);
    }
  }
});

/** A path of each operation, with real values in it. */
const VALUES: Readonly<Record<string, string>> = {
  tile: "0/000",
  tool: "weather",
  interface: "weather",
  function: "forecast",
  run: RUN,
  action: ACTION,
  key: "key_7f3a91c2",
  task: "trip-42",
  code: "denied",
};

/** Bodies of operations that take another one than an invocation. */
const BODIES: Readonly<Record<string, object>> = {
  reportOutcome: { outcome: "succeeded" },
  issueKey: { scopes: ["invoke", "invoke:hash"], label: "ci" },
  commandTool: { command: { kind: "rollback" }, note: "x" },
};

test.for(OPERATIONS.filter(({ answer }) => answer !== undefined))(
  "$id answers as its schema says",
  async (operation) => {
    const { app } = createTestApp();
    const path = operation.path.replaceAll(/\{(\w+)\}/g, (_, name) => VALUES[name] ?? "");
    const own = BODIES[operation.id];
    const body = own === undefined ? {} : { body: JSON.stringify(own) };
    const response = await app.request(invocation({ path, method: operation.method.toUpperCase(), ...body }));
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe(operation.contentType ?? "application/json");
    const answer = await response.json();
    expect(operation.answer?.safeParse(answer).error?.issues).toBeUndefined();
    // Nothing more than the schema tells of leaves the house: compared with what a strict reading keeps.
    if (operation.answer instanceof z.ZodObject)
      expect(Object.keys(operation.answer.strip().parse(answer))).toEqual(Object.keys(answer));
  },
);

test("every secured operation refuses a stranger, and no open one asks who it is", async () => {
  const { app } = createTestApp();
  for (const { id, path, method, scope } of OPERATIONS) {
    const concrete = path.replaceAll(/\{(\w+)\}/g, (_, name) => VALUES[name] ?? "");
    const request = invocation({
      path: concrete,
      method: method.toUpperCase(),
      headers: { authorization: "" },
    });
    expect((await app.request(request)).status, id).toBe(scope === "public" ? 200 : 401);
  }
});
