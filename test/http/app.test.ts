import { expect, test } from "vitest";
import { GatewayError } from "../../src/core/errors.ts";
import {
  BUNDLE,
  createTestApp,
  EXPLANATION,
  GOOD_BODY,
  invocation,
  KEY,
  REFUSALS,
  RUN,
  TRACE,
} from "./support.ts";

const get = (path: string, headers: Record<string, string> = {}) =>
  invocation({ path, method: "GET", headers });

test("createApp() carries an invocation to the gateway and its answer back", async () => {
  const { app, gateway, lines } = createTestApp();
  const task = { id: "t-1", class: "exploratory" };
  const response = await app.request(
    invocation({ body: JSON.stringify({ ...GOOD_BODY, task }), headers: { traceparent: TRACE } }),
  );

  expect(gateway.invocations).toEqual([
    { tool: "weather", function: "weather/forecast", ...GOOD_BODY, task, traceparent: TRACE },
  ]);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({
    run: RUN,
    outcome: { kind: "completed" },
    output: { forecast: "rain" },
    manifest: BUNDLE,
    receipt: gateway.answer.receipt,
  });
  expect(response.headers.get("traceparent")).toBe(gateway.answer.traceparent);
  expect(response.headers.get("writ-run")).toBe(RUN);
  expect(response.headers.get("writ-outcome")).toBe("completed");
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(lines).toEqual([
    {
      event: "request",
      method: "POST",
      route: "/v1/tools/:tool/:interface/:function",
      status: 200,
      ms: expect.any(Number),
      tenant: "acme",
      run: RUN,
      outcome: "completed",
    },
  ]);
});

test("createApp() answers a bad end with 200, its outcome, and the fallback beside the output", async () => {
  const { app, gateway } = createTestApp();
  gateway.answer = {
    ...gateway.answer,
    outcome: { kind: "exhausted", budget: "fuel" },
    output: null,
    fallback: { kind: "static", value: { forecast: "unavailable" } },
  };
  const response = await app.request(invocation());
  expect(response.status).toBe(200);
  expect(response.headers.get("writ-outcome")).toBe("exhausted");
  expect(await response.json()).toMatchObject({
    outcome: { kind: "exhausted", budget: "fuel" },
    output: null,
    fallback: { kind: "static", value: { forecast: "unavailable" } },
  });
});

test.for([
  ["/v1/tools/weather/weather/forecast", "weather/forecast"],
  ["/v1/tools/weather/weather%2Fforecast", "weather/forecast"],
  ["/v1/tools/weather/forecast", "forecast"],
  ["/v1/tools/weather/report-outage", "report-outage"],
])("createApp() reads %s as function %s", async ([path = "", name]) => {
  const { app, gateway } = createTestApp();
  expect((await app.request(invocation({ path }))).status).toBe(200);
  expect(gateway.invocations.map((request) => request.function)).toEqual([name]);
});

test.for([["application/json"], ["application/json; charset=utf-8"], ['Application/JSON;charset="UTF-8"']])(
  "createApp() takes content type %s",
  async ([type = ""]) => {
    const { app } = createTestApp();
    expect((await app.request(invocation({ headers: { "content-type": type } }))).status).toBe(200);
  },
);

test.for([
  ["null", null],
  ["1e20", 1e20],
  ["123456789012345680000", 123456789012345680000],
  ["9007199254740992", 9007199254740992],
  ['"\\ud83d\\ude00 \\"quoted\\" [{"', '😀 "quoted" [{'],
  ['{"a":{"a":[{"a":1},{"a":1}]},"b":{"a":1}}', { a: { a: [{ a: 1 }, { a: 1 }] }, b: { a: 1 } }],
  ["-0.5e-3", -0.0005],
] as const)("createApp() passes input %s through unharmed", async ([text, value]) => {
  const { app, gateway } = createTestApp();
  const response = await app.request(invocation({ body: `{"input":${text},"purpose":"p"}` }));
  expect(response.status).toBe(200);
  expect(gateway.invocations[0]?.input).toEqual(value);
});

test("createApp() passes a member called __proto__ on as data, without touching any prototype", async () => {
  const { app, gateway } = createTestApp();
  await app.request(invocation({ body: '{"input":{"__proto__":{"admin":true}},"purpose":"p"}' }));
  const input = gateway.invocations[0]?.input;
  expect(JSON.stringify(input)).toBe('{"__proto__":{"admin":true}}');
  expect(Reflect.get({}, "admin")).toBeUndefined();
});

test.for([
  ["absent", undefined, undefined],
  ["valid", TRACE, TRACE],
  ["with flags nobody defined", TRACE.replace(/01$/, "ff"), TRACE],
  ["not sampled", TRACE.replace(/01$/, "02"), TRACE.replace(/01$/, "00")],
  ["of a later version", `${TRACE.replace(/^00/, "01")}-more`, TRACE],
  ["of version ff", TRACE.replace(/^00/, "ff"), undefined],
  ["of version 00 with more", `${TRACE}-more`, undefined],
  ["with a zero trace id", `00-${"0".repeat(32)}-b7ad6b7169203331-01`, undefined],
  ["with a zero span id", `00-0af7651916cd43dd8448eb211c80319c-${"0".repeat(16)}-01`, undefined],
  ["in capitals", TRACE.toUpperCase(), undefined],
  ["sent twice", `${TRACE}, ${TRACE}`, undefined],
  ["too short", TRACE.slice(1), undefined],
])("createApp() reads a traceparent that is %s", async ([, header, expected]) => {
  const { app, gateway } = createTestApp();
  await app.request(invocation(header === undefined ? {} : { headers: { traceparent: header } }));
  expect(gateway.invocations.map((request) => request.traceparent)).toEqual([expected]);
});

test.for([
  ["absent", undefined, undefined],
  ["of two systems", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"],
  ["with space between members", "rojo=1 ,\t congo=2,", "rojo=1,congo=2"],
  ["of a tenant of a system", "fw529a3039@dt=FfAiRb;x:1", "fw529a3039@dt=FfAiRb;x:1"],
  ["empty", "", undefined],
  ["without a value", "rojo=", undefined],
  ["without a key", "=1", undefined],
  ["in capitals", "Rojo=1", undefined],
  ["with a key twice", "rojo=1,rojo=2", undefined],
  ["with an equals sign in a value", "rojo=a=b", undefined],
  ["with other letters", "rojo=ü", undefined],
  ["of too many members", Array.from({ length: 33 }, (_, n) => `k${n}=1`).join(","), undefined],
  ["too long", `rojo=${"a".repeat(250)},congo=${"b".repeat(256)}`, undefined],
])("createApp() reads a tracestate that is %s", async ([, header, expected]) => {
  const { app, gateway } = createTestApp();
  const headers = { traceparent: TRACE, ...(header === undefined ? {} : { tracestate: header }) };
  await app.request(invocation({ headers }));
  // Of a trace that is none there is no state.
  await app.request(invocation({ headers: { ...headers, traceparent: "none" } }));
  expect(gateway.invocations.map((request) => request.tracestate)).toEqual([expected, undefined]);
});

test("createApp() refuses to prove a manifest in a way that it does not know", async () => {
  const { app } = createTestApp();
  expect((await app.request(get(`/v1/runs/${RUN}/manifest?proof=cosigned`))).status).toBe(200);
  for (const query of ["proof=other", "proof=cosigned&proof=cosigned", "more=1"])
    expect((await app.request(get(`/v1/runs/${RUN}/manifest?${query}`))).status, query).toBe(400);
});

test("createApp() sends a manifest byte for byte as it was sealed", async () => {
  const { app, gateway } = createTestApp();
  const response = await app.request(get(`/v1/runs/${RUN}/manifest`));
  expect(response.headers.get("content-type")).toBe("application/vnd.dev.sigstore.bundle.v0.3+json");
  expect(response.headers.get("content-disposition")).toBe(`attachment; filename="${RUN}.sigstore.json"`);
  const principal = { id: "", tenant: "", tier: "", scopes: [] };
  expect(await response.text()).toBe(await gateway.findManifest(principal, RUN));
});

test("createApp() explains a run as JSON, and as text where that is asked for", async () => {
  const { app } = createTestApp();
  const path = `/v1/runs/${RUN}/explain`;
  const json = await app.request(get(path));
  expect(json.headers.get("content-type")).toBe("application/json");
  expect(await json.json()).toEqual(EXPLANATION);
  const text = await app.request(get(path, { accept: "text/plain" }));
  expect(text.headers.get("content-type")).toBe("text/plain; charset=utf-8");
  expect(await text.text()).toBe(`${RUN} denied-import
  function  weather weather/forecast
  asked by  acme, for support-chat
  policy    ${EXPLANATION.policy_id}
decision allow
  allow  purpose  is listed
denials  1
  wasi:http/outgoing-handler#handle  GET https://x.test:443/\\u{1b}[31m  2 times
    missing   network_allowlist
    to allow  add to network_allowlist: { host: "x.test" }
`);
});

test("createApp() pages through runs", async () => {
  const { app, gateway } = createTestApp();
  for (const query of ["", "?limit=100", `?limit=3&before=${RUN}`]) {
    expect((await app.request(get(`/v1/runs${query}`))).status).toBe(200);
  }
  expect(gateway.pages).toEqual([{ limit: 20 }, { limit: 100 }, { limit: 3, before: RUN }]);
});

test.for(REFUSALS.filter(({ code }) => code !== "internal"))(
  "createApp() answers $code without the words meant for the operator",
  async (refusal) => {
    const { app, gateway, lines } = createTestApp();
    gateway.fault = new GatewayError("Cannot read /srv/policies/weather.yaml", refusal, {
      cause: new Error("EACCES"),
    });
    const response = await app.request(invocation());
    const text = await response.text();
    expect(text).not.toMatch(/srv|EACCES/);
    expect(JSON.parse(text)).toMatchObject({
      type: `http://localhost/problems/${refusal.code}`,
      status: response.status,
    });
    expect(lines.at(-1)).toMatchObject({ code: refusal.code, cause: "Error: EACCES" });
  },
);

test("createApp() answers a bug with a name for it, and says the rest in the log only", async () => {
  const { app, gateway, lines } = createTestApp();
  for (const bug of [
    new TypeError("secret path /srv"),
    "a string",
    undefined,
    new GatewayError("x", { code: "internal" }),
  ]) {
    gateway.fault = bug ?? null;
    const response = await app.request(invocation());
    const problem = await response.json();
    expect(response.status).toBe(500);
    expect(Object.keys(problem).sort()).toEqual(["instance", "status", "title", "type"]);
    expect(problem.instance).toMatch(
      /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
    expect(lines.splice(0)).toMatchObject([
      { event: "bug", instance: problem.instance },
      { event: "request", status: 500, code: "internal", instance: problem.instance },
    ]);
  }
});

test("createApp() says how to authenticate and when to return", async () => {
  const { app, gateway } = createTestApp();
  const unauthenticated = await app.request(invocation({ headers: { authorization: "" } }));
  expect(unauthenticated.headers.get("www-authenticate")).toBe('Bearer realm="writ"');
  for (const [retryAfterSeconds, header] of [
    [3, "3"],
    [0.2, "1"],
    [0, "1"],
  ] as const) {
    gateway.fault = new GatewayError("", { code: "sandbox-unavailable", retryAfterSeconds });
    expect((await app.request(invocation())).headers.get("retry-after")).toBe(header);
  }
});

test("createApp() names the methods of a path in a 405", async () => {
  const { app } = createTestApp();
  const post = await app.request(invocation({ path: "/v1/tools" }));
  expect(post.headers.get("allow")).toBe("GET, HEAD");
  const head = await app.request(invocation({ method: "HEAD", path: "/v1/tools" }));
  expect([head.status, await head.text()]).toEqual([200, ""]);
  const put = await app.request(invocation({ method: "PUT" }));
  expect(put.headers.get("allow")).toBe("POST");
});

test("createApp() answers 503 when not ready, and stays alive", async () => {
  const { app, gateway } = createTestApp();
  expect((await app.request(get("/readyz"))).status).toBe(200);
  gateway.isReady = false;
  const response = await app.request(get("/readyz"));
  expect([response.status, await response.json()]).toEqual([
    503,
    { ready: false, checks: [{ name: "store", ok: false }] },
  ]);
  expect((await app.request(get("/healthz"))).status).toBe(200);
});

test("createApp() lets the origins and hosts in that it was told of, and no others", async () => {
  const { app } = createTestApp({
    allowedHosts: ["writ.example"],
    allowedOrigins: ["https://console.example"],
  });
  const at = (url: string, headers: Record<string, string> = {}) =>
    app.request(new Request(url, { headers }));
  expect((await at("http://writ.example:8787/healthz")).status).toBe(200);
  expect((await at("http://WRIT.example/healthz", { origin: "https://console.example" })).status).toBe(200);
  expect((await at("http://writ.example/healthz", { origin: "https://console.example.evil" })).status).toBe(
    403,
  );
  expect((await at("http://localhost/healthz")).status).toBe(421);
  expect((await at("http://evil.example/healthz", { host: "writ.example" })).status).toBe(421);
});

test("createApp() sends its guarding headers with every kind of answer", async () => {
  const { app } = createTestApp();
  const paths = [
    "/",
    "/style.css",
    "/problems/denied",
    "/openapi.json",
    "/healthz",
    "/v1/tools",
    "/nothing",
    "/v1/tools/A",
  ];
  for (const path of paths) {
    const { headers } = await app.request(get(path, { authorization: KEY }));
    expect(headers.get("x-content-type-options"), path).toBe("nosniff");
    expect(headers.get("content-security-policy"), path).toMatch(
      /^default-src 'none';.*frame-ancestors 'none'$/,
    );
    if (path.startsWith("/v1")) expect(headers.get("cache-control"), path).toBe("no-store");
  }
});

test("createApp() gives tools by page", async () => {
  const { app } = createTestApp();
  const ask = async (query: string) => {
    const response = await app.request(get(`/v1/tools${query}`));
    return [response.status, (await response.json()).tools?.length];
  };
  expect(await ask("?limit=1")).toEqual([200, 1]);
  expect(await ask("?after=weather")).toEqual([200, 0]);
  for (const query of ["?limit=0", "?limit=1001", "?after=../x", "?before=weather"])
    expect(await ask(query)).toEqual([400, undefined]);
  const { errors } = await (await app.request(get("/v1/tools?limit=0"))).json();
  // In words too: a pattern alone tells nobody what to send.
  expect(errors[0].detail).toMatch(/^query\/limit: has to match .* \(How many tools at most: 1 to 1000/);
});
