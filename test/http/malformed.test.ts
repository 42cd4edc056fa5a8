import { expect, test } from "vitest";
import { createTestApp, invocation, RUN } from "./support.ts";

const deep = (levels: number): string => `{"input":${"[".repeat(levels)}${"]".repeat(levels)},"purpose":"p"}`;
const withInput = (input: string): string => `{"input":${input},"purpose":"support-chat"}`;
const body = (text: string | Uint8Array<ArrayBuffer>) => ({ body: text });
const headers = (map: Record<string, string>) => ({ headers: map });
const get = (path: string, map: Record<string, string> = {}) => ({ path, method: "GET", headers: map });

/** What is wrong, the request, its status, its code, and where the fault is said to be. */
const MALFORMED: readonly (readonly [
  what: string,
  parts: Parameters<typeof invocation>[0],
  status: number,
  code: string,
  pointer?: string,
])[] = [
  // Who asks
  ["no credentials", headers({ authorization: "" }), 401, "unauthenticated"],
  ["wrong credentials", headers({ authorization: "Bearer bad" }), 401, "unauthenticated"],
  ["another scheme", headers({ authorization: "Basic Z29vZA==" }), 401, "unauthenticated"],
  [
    "wrong credentials and a bad body",
    { headers: { authorization: "x" }, body: "{" },
    401,
    "unauthenticated",
  ],
  ["no credentials for the list", get("/v1/tools", { authorization: "" }), 401, "unauthenticated"],
  [
    "no credentials for a manifest",
    get(`/v1/runs/${RUN}/manifest`, { authorization: "" }),
    401,
    "unauthenticated",
  ],
  // Where it comes from, whom it is addressed to
  ["a foreign origin", headers({ origin: "https://evil.example" }), 403, "http-403"],
  ["the null origin", headers({ origin: "null" }), 403, "http-403"],
  ["a foreign origin on a page", get("/", { origin: "https://evil.example" }), 403, "http-403"],
  ["a foreign host", headers({ host: "evil.example" }), 421, "http-421"],
  ["a foreign host with our port", headers({ host: "evil.example:8787" }), 421, "http-421"],
  ["a host that begins like ours", headers({ host: "localhost.evil.example" }), 421, "http-421"],
  ["a host with user information", headers({ host: "localhost@evil.example" }), 421, "http-421"],
  ["a host that is a list", headers({ host: "localhost, evil.example" }), 421, "http-421"],
  ["an empty host", headers({ host: "" }), 421, "http-421"],
  // Size and form of the head
  ["a very long URL", { path: `/v1/tools/${"a".repeat(9000)}/f` }, 414, "http-414"],
  ["very large headers", headers({ "x-filler": "a".repeat(17_000) }), 431, "http-431"],
  ["no content type", headers({ "content-type": "" }), 415, "http-415"],
  ["a form", headers({ "content-type": "application/x-www-form-urlencoded" }), 415, "http-415"],
  ["plain text, as a browser may send unasked", headers({ "content-type": "text/plain" }), 415, "http-415"],
  ["two content types", headers({ "content-type": "application/json, text/plain" }), 415, "http-415"],
  ["another charset", headers({ "content-type": "application/json; charset=utf-16" }), 415, "http-415"],
  [
    "a content type that only begins well",
    headers({ "content-type": "application/json-patch+json" }),
    415,
    "http-415",
  ],
  ["a content coding", headers({ "content-encoding": "gzip" }), 415, "http-415"],
  ["two idempotency keys", headers({ "idempotency-key": "1, 2" }), 400, "invalid-request", ""],
  [
    "an idempotency key too long",
    headers({ "idempotency-key": "k".repeat(129) }),
    400,
    "invalid-request",
    "",
  ],
  ["an idempotency key with one quote", headers({ "idempotency-key": '"k' }), 400, "invalid-request", ""],
  ["an empty idempotency key", headers({ "idempotency-key": "" }), 400, "invalid-request", ""],
  // Where to
  ["an unknown path", { path: "/v2/tools/x/y" }, 404, "http-404"],
  ["a trailing slash", get("/v1/tools/"), 404, "http-404"],
  ["a path too many", { path: "/v1/tools/a/b/c/d" }, 404, "http-404"],
  ["a tool in capitals", { path: "/v1/tools/Weather/weather/forecast" }, 404, "unknown-tool"],
  ["a tool that begins with a digit", { path: "/v1/tools/1x/f" }, 404, "unknown-tool"],
  ["a tool with an underscore", { path: "/v1/tools/__proto__/f" }, 404, "unknown-tool"],
  ["a tool name too long", { path: `/v1/tools/${"a".repeat(64)}/f` }, 404, "unknown-tool"],
  ["a tool that climbs", { path: "/v1/tools/%2e%2e%2f%2e%2e/f" }, 404, "unknown-tool"],
  ["a tool with a NUL", { path: "/v1/tools/a%00/f" }, 404, "unknown-tool"],
  ["a tool with a broken escape", { path: "/v1/tools/a%ff/f" }, 404, "unknown-tool"],
  ["a function with a hash", { path: "/v1/tools/weather/a%23b" }, 404, "unknown-tool"],
  ["a function with two slashes", { path: "/v1/tools/weather/a%2Fb%2Fc" }, 404, "unknown-tool"],
  ["a method as function", { path: "/v1/tools/weather/%5Bmethod%5Dx.y" }, 404, "unknown-tool"],
  ["a description of no tool name", get("/v1/tools/A"), 404, "unknown-tool"],
  ["a run id too short", get("/v1/runs/run_1"), 404, "unknown-tool"],
  ["a run id with a line break", get(`/v1/runs/${RUN}%0d%0ax`), 404, "unknown-tool"],
  ["an unknown problem", get("/problems/nothing"), 404, "http-404"],
  ["a problem called like a member of every object", get("/problems/constructor"), 404, "http-404"],
  ["an invocation by GET", get("/v1/tools/weather/weather/forecast"), 405, "http-405"],
  ["an invocation by PUT", { method: "PUT" }, 405, "http-405"],
  ["a list by POST", { path: "/v1/tools" }, 405, "http-405"],
  ["a run by DELETE", { path: `/v1/runs/${RUN}`, method: "DELETE" }, 405, "http-405"],
  ["a preflight", { method: "OPTIONS" }, 405, "http-405"],
  // Queries
  ["a query on an invocation", { path: "/v1/tools/weather/f?dry-run=1" }, 400, "invalid-request", ""],
  ["a query on the list of tools", get("/v1/tools?x=1"), 400, "invalid-request", ""],
  ["a limit of nothing", get("/v1/runs?limit=0"), 400, "invalid-request", ""],
  ["a limit too large", get("/v1/runs?limit=101"), 400, "invalid-request", ""],
  ["a limit in another base", get("/v1/runs?limit=0x10"), 400, "invalid-request", ""],
  ["two limits", get("/v1/runs?limit=1&limit=2"), 400, "invalid-request", ""],
  ["an unknown parameter", get("/v1/runs?tenant=other"), 400, "invalid-request", ""],
  ["a parameter called __proto__", get("/v1/runs?__proto__=1"), 400, "invalid-request", ""],
  ["a page from no run", get("/v1/runs?before=yesterday"), 400, "invalid-request", ""],
  // Bodies that are not JSON
  ["an empty body", body(""), 400, "invalid-request", ""],
  ["no body", { body: null }, 400, "invalid-request", ""],
  ["half an object", body('{"input":1,'), 400, "invalid-request", ""],
  ["an open string", body('{"input":"'), 400, "invalid-request", ""],
  ["a string ending in a backslash", body('"\\'), 400, "invalid-request", ""],
  ["JSON and more", body(`${withInput("1")}x`), 400, "invalid-request", ""],
  ["two documents", body(`${withInput("1")}${withInput("2")}`), 400, "invalid-request", ""],
  ["a comment", body(withInput("1/*x*/")), 400, "invalid-request", ""],
  ["a trailing comma", body('{"input":1,"purpose":"p",}'), 400, "invalid-request", ""],
  ["single quotes", body("{'input':1,'purpose':'p'}"), 400, "invalid-request", ""],
  ["NaN", body(withInput("NaN")), 400, "invalid-request", ""],
  ["a number with a leading zero", body(withInput("01")), 400, "invalid-request", ""],
  ["a raw control character", body(withInput('"\u0001"')), 400, "invalid-request", ""],
  ["a byte order mark", body(`\ufeff${withInput("1")}`), 400, "invalid-request", ""],
  ["bytes that are not UTF-8", body(Uint8Array.of(0x22, 0xff, 0x22)), 400, "invalid-request", ""],
  ["an overlong encoding", body(Uint8Array.of(0x22, 0xc0, 0xaf, 0x22)), 400, "invalid-request", ""],
  ["UTF-16", body(Uint8Array.of(0x7b, 0x00, 0x7d, 0x00)), 400, "invalid-request", ""],
  ["closing brackets alone", body("]]]}}}"), 400, "invalid-request", ""],
  // JSON with more than one reading
  ["a key twice", body('{"input":1,"purpose":"p","purpose":"q"}'), 400, "invalid-request", "/purpose"],
  [
    "a key twice, once escaped",
    body('{"input":1,"purpose":"p","p\\u0075rpose":"q"}'),
    400,
    "invalid-request",
    "/purpose",
  ],
  [
    "a key twice, deep",
    body(withInput('[0,{"a":{"b/c":1,"b/c":2}}]')),
    400,
    "invalid-request",
    "/input/1/a/b~1c",
  ],
  ["an empty key twice", body(withInput('{"":1,"":2}')), 400, "invalid-request", "/input/"],
  [
    "a large integer that would change",
    body(withInput("9007199254740993")),
    400,
    "invalid-request",
    "/input",
  ],
  [
    "a large negative integer that would change",
    body(withInput("[1,-9007199254740993]")),
    400,
    "invalid-request",
    "/input/1",
  ],
  ["a number beyond all doubles", body(withInput("1e400")), 400, "invalid-request", "/input"],
  ["an integer of 400 digits", body(withInput("9".repeat(400))), 400, "invalid-request", "/input"],
  ["half a surrogate pair", body(withInput('"\\ud800"')), 400, "invalid-request", "/input"],
  ["half a surrogate pair as key", body(withInput('{"\\udc00":1}')), 400, "invalid-request", "/input/\udc00"],
  ["nesting", body(deep(100)), 400, "invalid-request", ""],
  ["a great deal of nesting", body("[".repeat(500_000)), 400, "invalid-request", ""],
  ["a great deal of nesting in objects", body('{"a":'.repeat(100_000)), 400, "invalid-request", ""],
  // JSON of another shape
  ["null", body("null"), 400, "invalid-request", ""],
  ["an array", body("[]"), 400, "invalid-request", ""],
  ["a string", body('"x"'), 400, "invalid-request", ""],
  ["no input", body('{"purpose":"p"}'), 400, "invalid-request", "/input"],
  ["no purpose", body('{"input":1}'), 400, "invalid-request", "/purpose"],
  ["a purpose of another type", body('{"input":1,"purpose":["p"]}'), 400, "invalid-request", "/purpose"],
  ["a purpose with spaces", body('{"input":1,"purpose":"p q"}'), 400, "invalid-request", "/purpose"],
  ["a purpose with a line break", body('{"input":1,"purpose":"p\\n"}'), 400, "invalid-request", "/purpose"],
  ["an empty purpose", body('{"input":1,"purpose":""}'), 400, "invalid-request", "/purpose"],
  [
    "an unknown member",
    body('{"input":1,"purpose":"p","tenant":"other"}'),
    400,
    "invalid-request",
    "/tenant",
  ],
  [
    "a member called __proto__",
    body('{"input":1,"purpose":"p","__proto__":{"x":1}}'),
    400,
    "invalid-request",
    "/__proto__",
  ],
  [
    "a member called constructor",
    body('{"input":1,"purpose":"p","constructor":1}'),
    400,
    "invalid-request",
    "/constructor",
  ],
  [
    "a member in other letters",
    body('{"Input":1,"input":1,"purpose":"p"}'),
    400,
    "invalid-request",
    "/Input",
  ],
  ["a task that is null", body('{"input":1,"purpose":"p","task":null}'), 400, "invalid-request", "/task"],
  [
    "a task without class",
    body('{"input":1,"purpose":"p","task":{"id":"1"}}'),
    400,
    "invalid-request",
    "/task/class",
  ],
  [
    "a task of no known class",
    body('{"input":1,"purpose":"p","task":{"id":"1","class":"x"}}'),
    400,
    "invalid-request",
    "/task/class",
  ],
  [
    "a task id with a space",
    body('{"input":1,"purpose":"p","task":{"id":"a b","class":"exploratory"}}'),
    400,
    "invalid-request",
    "/task/id",
  ],
  [
    "a confidence above one",
    body('{"input":1,"purpose":"p","task":{"id":"1","class":"exploratory","confidence":1.01}}'),
    400,
    "invalid-request",
    "/task/confidence",
  ],
  [
    "a confidence in words",
    body('{"input":1,"purpose":"p","task":{"id":"1","class":"exploratory","confidence":"high"}}'),
    400,
    "invalid-request",
    "/task/confidence",
  ],
  // Size
  ["a body that says it is too large", headers({ "content-length": "999999999" }), 413, "input-too-large"],
  ["a body that is too large", body(withInput(`"${"a".repeat(1_100_000)}"`)), 413, "input-too-large"],
];

test.for(MALFORMED)("createApp() refuses %s", async ([, parts, status, code, pointer]) => {
  const { app, gateway, lines } = createTestApp();
  const response = await app.request(invocation(parts));
  const problem = await response.json();

  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect({ status: response.status, inBody: problem.status, code: lines.at(-1)?.code }).toEqual({
    status,
    inBody: status,
    code,
  });
  const type = code.startsWith("http-") ? "about:blank" : `http://localhost/problems/${code}`;
  expect(problem.type).toBe(type);
  if (pointer !== undefined)
    expect(problem.errors.map((fault: { pointer: string }) => fault.pointer)).toContain(pointer);
  expect(gateway.invocations).toEqual([]);
});

test("createApp() repeats no value of the caller, neither in a problem nor in the log", async () => {
  const { app, lines } = createTestApp();
  const secret = "s3cr3t-value";
  const bodies = [
    `{"input":"${secret}`,
    `{"input":1,"purpose":"${secret} "}`,
    `{"input":1,"purpose":"p","task":{"id":"${secret} ","class":"${secret}"}}`,
    withInput(`["${secret}",9007199254740993]`),
  ];
  for (const text of bodies) {
    const response = await app.request(invocation({ body: text, headers: { "x-note": secret } }));
    expect(response.status).toBe(400);
    expect(await response.text()).not.toContain(secret);
  }
  await app.request(invocation({ path: `/v1/runs?before=${secret}`, method: "GET" }));
  expect(lines).toHaveLength(bodies.length + 1);
  expect(JSON.stringify(lines)).not.toContain(secret);
});

test("createApp() answers a small request with many faults by a small answer", async () => {
  const { app } = createTestApp();
  const long = "k".repeat(20_000);
  const members = Array.from({ length: 40 }, (_, index) => `"${long}${index}":1`);
  const response = await app.request(invocation({ body: `{"input":1,"purpose":"p",${members.join(",")}}` }));
  const text = await response.text();
  expect(JSON.parse(text).errors).toHaveLength(20);
  expect(text.length).toBeLessThan(10_000);
});
