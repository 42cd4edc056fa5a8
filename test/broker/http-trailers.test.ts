/** Fields behind a request's body, as a raw server sees them. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import {
  call,
  closeListeners,
  fixture,
  get,
  listen as listenOn,
  listenTcp,
  openRun,
  profileFor,
  type RunOptions,
  readAll,
  rule,
  textOf,
  until,
} from "./support.ts";

afterEach(closeListeners);

const bytes = (text: string) => new TextEncoder().encode(text);
const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const ENDS = /\r\n0\r\n(?:[^\r\n]+\r\n)*\r\n$/;

/** Sends "a", then "b" with its trailers, and gives what a server got of it. */
async function sendWith(
  trailers: readonly (readonly [string, string])[],
  more: (port: number) => Omit<RunOptions, "rules"> & { readonly rule?: object } = () => ({}),
) {
  const server = await listenTcp((socket) =>
    socket.on("data", () => ENDS.test(server.received()) && socket.write(OK)),
  );
  const { rule: ofRule = {}, ...options } = more(server.port);
  const { host } = openRun({ rules: [rule("api.test", server.port, ofRule)], ...options });
  const sent = call(host, "http-client/send", get(server.port, { method: "POST", stream: 1 }), bytes("a"));
  const pushed = call(host, "http-client/push", { stream: 1, end: true, trailers }, bytes("b"));
  const reply = await sent;
  await pushed;
  return { reply, host, server, received: server.received() };
}

describe("http-client/push with trailers", () => {
  it("puts them behind the last chunk, and charges them to the byte", async () => {
    const { reply, host, received } = await sendWith([
      ["X-Sum", "1"],
      ["x-more", "caf\xe9"],
    ]);
    expect(reply).toMatchObject({ kind: "ok", value: { status: 200 } });
    expect(received.endsWith("\r\n1\r\na\r\n1\r\nb\r\n0\r\nx-sum: 1\r\nx-more: caf\xe9\r\n\r\n")).toBe(true);
    expect(host.events).toMatchObject([{ bytes_out: received.length, result: "200" }]);
  });

  it("leaves the connection as it was: the next request on it has none", async () => {
    const { host, server } = await sendWith([["x-sum", "1"]], () => ({ pool: "p" }));
    await call(host, "http-client/read", { handle: 1, maxBytes: 9 });
    const before = server.received().length;
    const second = call(
      host,
      "http-client/send",
      get(server.port, { method: "POST", stream: 2 }),
      bytes("c"),
    );
    await call(host, "http-client/push", { stream: 2, end: true }, bytes(""));
    expect(await second).toMatchObject({ kind: "ok" });
    expect(server.received().slice(before)).toMatch(/\r\n1\r\nc\r\n0\r\n\r\n$/);
  });

  it.each([
    "transfer-encoding",
    "content-length",
    "host",
    "trailer",
    "connection",
    "authorization",
    "cookie",
    "content-type",
    "content-encoding",
    "x-forwarded-for",
    "if-match",
    "x-api-key",
    "x-blocked",
  ])("never sends %s behind a body", async (name) => {
    const { received } = await sendWith(
      [
        [name, "forged"],
        ["x-sum", "1"],
      ],
      (port) => ({ profile: profileFor(port), rule: { request_headers: { strip: ["x-blocked"] } } }),
    );
    expect(received.endsWith("\r\n0\r\nx-sum: 1\r\n\r\n")).toBe(true);
    expect(received).not.toContain("forged");
  });

  it.each([
    [[["x-sum", "1\r\nPOST / HTTP/1.1"]], "HTTP-protocol-error"],
    [[["x sum", "1"]], "HTTP-protocol-error"],
    [[["x-sum", "\0"]], "HTTP-protocol-error"],
    [Array.from({ length: 200 }, () => ["x-sum", "1"]), "HTTP-request-trailer-section-size"],
    [[["x-sum", "x".repeat(40_000)]], "HTTP-request-trailer-section-size"],
  ] as [[string, string][], string][])(
    "cuts the request at what no trailers can be: %#",
    async (trailers, tag) => {
      const { reply, host, received } = await sendWith(trailers);
      expect(reply).toEqual({ kind: "error", error: { tag } });
      expect(received).not.toMatch(/\r\n0\r\n/);
      expect(host.events).toMatchObject([{ effect: "failed", result: tag }]);
    },
  );

  it("sends none that the budget does not cover", async () => {
    const { reply, received } = await sendWith([["x-sum", "x".repeat(500)]], () => ({
      budget: { egress_bytes: 400 },
    }));
    expect(reply).toEqual({ kind: "stop", outcome: { kind: "exhausted", budget: "egress_bytes" } });
    expect(received).not.toContain("x-sum");
  });

  it.each([
    ["over TLS", "https", false],
    ["through the outgoing proxy", "http", true],
    ["over TLS through the outgoing proxy", "https", true],
  ] as const)("sends and receives them %s as well", async (_, scheme, proxied) => {
    const cert = fixture("tls-cert.pem");
    let got: object | undefined;
    const serve = (request: IncomingMessage, response: ServerResponse) => {
      request.resume().on("end", () => {
        got = request.trailers;
        response.writeHead(200, { trailer: "x-digest" });
        response.write("ok");
        response.addTrailers({ "x-digest": "abc" });
        response.end();
      });
    };
    const options = { cert, key: fixture("tls-key.pem") };
    const server = scheme === "https" ? createTlsServer(options, serve) : createServer(serve);
    const { port } = await listenOn(server, () => "");
    const proxy = await listenTcp((socket) =>
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 Connection established\r\n\r\n");
        const upstream = connect(port, "127.0.0.1");
        upstream.on("error", () => socket.destroy());
        socket.pipe(upstream).pipe(socket);
        socket.on("close", () => upstream.destroy());
      }),
    );
    const name = "api.example.test";
    const { host } = openRun({
      rules: [rule(name, port, { scheme })],
      hosts: { [name]: ["127.0.0.1"] },
      egress: {
        certificateAuthorities: [cert],
        ...(proxied ? { proxy: `http://127.0.0.1:${proxy.port}` } : {}),
      },
    });
    const args = get(port, { scheme, authority: `${name}:${port}`, method: "POST", stream: 1 });
    const sent = call(host, "http-client/send", args, bytes("a"));
    await call(host, "http-client/push", { stream: 1, end: true, trailers: [["x-sum", "1"]] }, bytes("b"));
    expect(await sent).toMatchObject({ kind: "ok", value: { status: 200 } });
    await until(() => got !== undefined);
    expect(got).toEqual({ "x-sum": "1" });
    const { chunks, last } = await readAll(host, 1);
    expect([textOf(chunks), last]).toEqual([
      "ok",
      { kind: "ok", value: { end: true, trailers: [["x-digest", "abc"]] } },
    ]);
    expect(proxy.connects()).toBe(proxied ? 1 : 0);
  });
});
