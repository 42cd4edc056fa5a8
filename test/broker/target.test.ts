/** The strict parse, and that what it refuses never reaches a resolver or a socket. */
import { afterEach, describe, expect, it } from "vitest";
import { parseTarget } from "../../src/broker/egress/index.ts";
import { closeListeners, get, listenTcp, openRun, rule, send } from "./support.ts";

afterEach(closeListeners);

const HOSTILE_AUTHORITIES = [
  "user@api.test",
  "user:pass@api.test",
  "api.test@evil.test",
  "api.test:80@evil.test",
  "api.test\\@evil.test",
  "api.test\\.evil.test",
  "api.test/",
  "api.test/evil",
  "api.test?x",
  "api.test#x",
  "api.test ",
  " api.test",
  "api.test\t",
  "api.test\r\nX: y",
  "api.test\0",
  "api.test%00",
  "api%2etest",
  "api.test.",
  ".api.test",
  "api..test",
  "",
  ":80",
  "api.test:",
  "api.test:0",
  "api.test:080",
  "api.test:65536",
  "api.test:99999",
  "api.test:+80",
  "api.test:80:80",
  "api.test:0x50",
  "api.test:８０",
  "аpi.test",
  "api。test",
  "ａpi.test",
  "bücher.example",
  "a".repeat(64),
  `${"a.".repeat(130)}test`,
  "*.test",
  "api.test,evil.test",
  "[api.test]",
  "[::1",
  "::1",
  "[::1]x",
  "[::1%25lo]",
  "[::ffff:127.0.0.1]",
  "[::127.0.0.1]",
  "[0:0:0:0:0:0:0:1]",
  "[::0001]",
  "[2001:DB8::1]",
  "[127.0.0.1]",
  "[]",
  "127.1",
  "127.0.1",
  "2130706433",
  "017700000001",
  "0x7f000001",
  "0x7f.1",
  "0x7f.0.0.1",
  "0177.0.0.1",
  "127.0.0.01",
  "127.0.0.256",
  "127.0.0.1.",
  "1.2.3",
  "evil.test.1",
  "evil.0x1",
  "evil.0x",
];

const HOSTILE_PATHS = [
  "",
  "v1",
  "*",
  "http://evil.test/",
  "/a b",
  "/a\tb",
  "/a\r\nHost: evil.test",
  "/a\nb",
  "/a\0b",
  "/a\\b",
  "\\\\evil.test",
  "/a#b",
  "/ä",
  "/\u{1f600}",
  "/\ud800",
  "/a\x7f",
];

describe("parseTarget()", () => {
  it.each(HOSTILE_AUTHORITIES)("refuses the authority %j", (authority) => {
    const parsed = parseTarget({ method: "GET", scheme: "http", authority, pathWithQuery: "/" });
    expect(parsed).toMatchObject({ ok: false, word: { tag: "HTTP-request-URI-invalid" } });
  });

  it.each(HOSTILE_PATHS)("refuses the path %j", (pathWithQuery) => {
    const parsed = parseTarget({ method: "GET", scheme: "http", authority: "api.test", pathWithQuery });
    expect(parsed).toMatchObject({ ok: false, word: { tag: "HTTP-request-URI-invalid" } });
  });

  it.each(["ftp", "HTTP", "ws", "file", "", "http:"])("refuses the scheme %j", (scheme) => {
    expect(parseTarget({ method: "GET", scheme, authority: "api.test", pathWithQuery: "/" }).ok).toBe(false);
  });

  it("refuses a path that is too long, in the word for it", () => {
    const parsed = parseTarget({
      method: "GET",
      scheme: "http",
      authority: "a.test",
      pathWithQuery: `/${"a".repeat(8192)}`,
    });
    expect(parsed).toMatchObject({ ok: false, word: { tag: "HTTP-request-URI-too-long" } });
  });

  it("reads plain targets", () => {
    const cases: readonly (readonly [string, string, string, number, boolean])[] = [
      ["http", "api.test", "api.test", 80, false],
      ["https", "API.Test", "api.test", 443, false],
      ["https", "api.test:8443", "api.test", 8443, false],
      ["http", "127.0.0.1:8788", "127.0.0.1", 8788, true],
      ["http", "[::1]:8080", "::1", 8080, true],
      ["http", "xn--bcher-kva.example", "xn--bcher-kva.example", 80, false],
    ];
    for (const [scheme, authority, host, port, literal] of cases) {
      const parsed = parseTarget({ method: "GET", scheme, authority, pathWithQuery: "/a/b?c=/d" });
      expect(parsed).toEqual({
        ok: true,
        target: { scheme, host, port, path: "/a/b", query: "?c=/d", literal },
      });
    }
  });
});

describe("http-client/send before the network", () => {
  it("answers every hostile authority and path without a look-up or a connect", async () => {
    const canary = await listenTcp();
    const { host, asked } = openRun({
      rules: [rule("api.test", canary.port), rule("127.0.0.1", canary.port)],
    });
    const authorities = HOSTILE_AUTHORITIES.flatMap((text) => [text, `${text}:${canary.port}`]);
    const requests = [
      ...authorities.map((authority) => get(canary.port, { authority })),
      ...HOSTILE_PATHS.map((pathWithQuery) => get(canary.port, { pathWithQuery })),
    ];
    for (const args of requests)
      expect(await send(host, args), JSON.stringify(args)).toMatchObject({ kind: "error" });
    expect(asked).toEqual([]);
    expect(canary.connects()).toBe(0);
    expect(host.usage).toEqual({ egress_bytes: 0, requests: 0, log_bytes: 0 });
    expect(host.events).toHaveLength(requests.length);
    for (const [index, event] of host.events.entries()) {
      expect(event).toMatchObject({
        seq: index,
        effect: "denied",
        import: "wasi:http/outgoing-handler#handle",
      });
      expect(event.target).toMatch(/^[\x20-\x7e]{1,200}$/);
      expect(event.target).not.toContain("pass");
    }
  });

  it("denies what no rule names, in one word, and names the clause in the event", async () => {
    const canary = await listenTcp();
    const { host, asked } = openRun({
      rules: [rule("api.test", canary.port, { methods: ["GET"], paths: ["/v1/forecast"] })],
    });
    const path = "/v1/forecast";
    const cases = [
      [get(canary.port, { authority: `evil.test:${canary.port}`, pathWithQuery: path }), "network_allowlist"],
      [
        get(canary.port, { authority: `x.api.test:${canary.port}`, pathWithQuery: path }),
        "network_allowlist",
      ],
      [get(canary.port, { authority: `127.0.0.1:${canary.port}`, pathWithQuery: path }), "network_allowlist"],
      [get(canary.port, { scheme: "https", pathWithQuery: path }), "network_allowlist[0].scheme"],
      [get(canary.port + 1, { pathWithQuery: path }), "network_allowlist[0].port"],
      [get(canary.port, { method: "POST", pathWithQuery: path }), "network_allowlist[0].methods"],
      [get(canary.port, { pathWithQuery: "/v1/admin?secret=1" }), "network_allowlist[0].paths"],
      [get(canary.port, { pathWithQuery: "/v1/forecast/../admin" }), "network_allowlist[0].paths"],
      [get(canary.port, { pathWithQuery: "/v1%2fforecast" }), "network_allowlist[0].paths"],
    ] as const;
    for (const [args, clause] of cases) {
      expect(await send(host, args)).toEqual({ kind: "error", error: { tag: "HTTP-request-denied" } });
      expect(host.events.at(-1)).toMatchObject({ effect: "denied", clause, result: "HTTP-request-denied" });
    }
    expect(host.events.some(({ target }) => target?.includes("secret="))).toBe(false);
    expect(host.denial).toEqual({
      import: "wasi:http/outgoing-handler#handle",
      target: `GET http://evil.test:${canary.port}/v1/forecast`,
    });
    expect(asked).toEqual([]);
    expect(canary.connects()).toBe(0);
  });

  it.each(["CONNECT", "TRACE", "get", "GET ", "G\r\nET", "PROPFIND", ""])(
    "refuses the method %j",
    async (method) => {
      const canary = await listenTcp();
      const { host } = openRun({ rules: [rule("api.test", canary.port)] });
      expect(await send(host, get(canary.port, { method }))).toEqual({
        kind: "error",
        error: { tag: "HTTP-request-method-invalid" },
      });
      expect(canary.connects()).toBe(0);
    },
  );

  it("denies everything to a run without an http-client grant", async () => {
    const canary = await listenTcp();
    const { host } = openRun({ grants: [] });
    expect(await send(host, get(canary.port))).toEqual({
      kind: "error",
      error: { tag: "HTTP-request-denied" },
    });
    expect(canary.connects()).toBe(0);
  });
});
