/** Every route names one scope, and credentials without it get a problem that names it too. */
import { describe, expect, it } from "vitest";
import { SCOPE_NAMES, type ScopeName } from "../../src/core/policy/index.ts";
import { OPERATIONS } from "../../src/http/operations.ts";
import { ACTION, createTestApp, invocation, RUN } from "./support.ts";

const VALUES: Readonly<Record<string, string>> = {
  tool: "weather",
  interface: "weather",
  function: "forecast",
  action: ACTION,
  key: "key_7f3a91c2",
};

/** Operations that are for somebody, with real values in their paths. */
const GUARDED = OPERATIONS.flatMap((operation) =>
  operation.scope === "public"
    ? []
    : [
        {
          ...operation,
          scope: operation.scope,
          concrete: operation.path.replaceAll(/\{(\w+)\}/g, (_, name) => VALUES[name] ?? RUN),
        },
      ],
);

/** Of a run the decision says no, so that the denial is signed: that is the gateway's part. */
const DECIDED = ["invoke", "invokeBare"];

async function ask(path: string, method: string, scopes: readonly ScopeName[]) {
  const { app, gateway } = createTestApp();
  gateway.scopes = scopes;
  const response = await app.request(invocation({ path, method: method.toUpperCase() }));
  return { status: response.status, headers: response.headers, body: await response.text() };
}

describe("a route's scope", () => {
  it.each(GUARDED.filter(({ id }) => !DECIDED.includes(id)))(
    "$id refuses credentials with every scope but its own, and names it",
    async ({ concrete, method, scope }) => {
      const others = SCOPE_NAMES.filter((name) => name !== scope);
      const { status, headers, body } = await ask(concrete, method, others);
      expect(status).toBe(403);
      expect(JSON.parse(body)).toEqual({
        type: "http://localhost/problems/insufficient-scope",
        title: "The credentials lack a scope",
        status: 403,
        detail: `These credentials lack the scope "${scope}"`,
        scope,
        decision: "",
      });
      expect(headers.get("www-authenticate")).toBe(
        `Bearer realm="writ", error="insufficient_scope", scope="${scope}"`,
      );
      expect((await ask(concrete, method, [scope])).status).not.toBe(403);
    },
  );

  it("is asked for before a body is read", async () => {
    const { app, gateway } = createTestApp();
    gateway.scopes = [];
    for (const { concrete, method, id } of GUARDED.filter(({ method }) => method === "post")) {
      if (DECIDED.includes(id)) continue;
      const body = new ReadableStream(
        { pull: () => expect.fail(`${id} read the body`) },
        { highWaterMark: 0 },
      );
      const request = invocation({ path: concrete, method: method.toUpperCase(), body });
      expect((await app.request(request)).status, id).toBe(403);
    }
  });
});
