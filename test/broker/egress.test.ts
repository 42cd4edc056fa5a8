/** Egress against hostile resolvers and servers, asserted at the sockets of both ends. */
import { createServer as createTlsServer } from "node:https";
import { afterEach, describe, expect, it } from "vitest";
import { createBroker } from "../../src/broker/index.ts";
import {
  BUDGET,
  call,
  clock,
  closeListeners,
  FLOODS,
  fixture,
  flood,
  get,
  listen,
  listenHttp,
  listenTcp,
  openRun,
  profileFor,
  readAll,
  rule,
  send,
  sendOk,
  textOf,
  until,
} from "./support.ts";

afterEach(closeListeners);

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

describe("http-client/send and addresses", () => {
  it.each([
    [["127.0.0.1"]],
    [["::1"]],
    [["::ffff:127.0.0.1"]],
    [["169.254.169.254"]],
    [["8.8.8.8", "127.0.0.1"]],
    [["2606:4700::1111", "10.0.0.1"]],
    [["not an address"]],
    [Array<string>(65).fill("8.8.8.8")],
  ])("prohibits a name that resolves to %j, without a connect", async (addresses) => {
    const canary = await listenTcp();
    const { host } = openRun({
      rules: [rule("api.test", canary.port)],
      hosts: { "api.test": addresses },
      allow: [],
    });
    expect(await send(host, get(canary.port))).toEqual({
      kind: "error",
      error: { tag: "destination-IP-prohibited" },
    });
    expect(canary.connects()).toBe(0);
    expect(host.events).toMatchObject([{ effect: "denied", result: "destination-IP-prohibited" }]);
    expect(host.denial?.target).toBe(`GET http://api.test:${canary.port}/`);
  });

  it("prohibits a literal that a rule names and the operator has not opened", async () => {
    const canary = await listenTcp();
    const { host, asked } = openRun({ rules: [rule("127.0.0.1", canary.port)], allow: [] });
    const reply = await send(host, get(canary.port, { authority: `127.0.0.1:${canary.port}` }));
    expect(reply).toEqual({ kind: "error", error: { tag: "destination-IP-prohibited" } });
    expect(asked).toEqual([]);
    expect(canary.connects()).toBe(0);
  });

  it("looks a name up once per request, so that a flip between check and connect finds no second look-up", async () => {
    // 127.0.0.2 is prohibited, 127.0.0.1 is opened: both would reach a listener here if they were connected to.
    const server = await listenTcp((socket) => socket.on("data", () => socket.end(OK)));
    const flips = Array.from({ length: 1000 }, (_, turn) => [turn % 2 === 0 ? "127.0.0.1" : "127.0.0.2"]);
    const { host, asked } = openRun({ rules: [rule("api.test", server.port)], hosts: { "api.test": flips } });
    for (let turn = 0; turn < flips.length; turn += 1) {
      const reply = await send(host, get(server.port));
      if (turn % 2 === 0) {
        expect(reply).toMatchObject({ kind: "ok", value: { status: 200, body: turn / 2 + 1 } });
        await readAll(host, turn / 2 + 1);
      } else {
        expect(reply).toEqual({ kind: "error", error: { tag: "destination-IP-prohibited" } });
      }
    }
    expect(asked).toHaveLength(1000);
    expect(server.connects()).toBe(500);
  });

  it("answers DNS-error for a name without addresses, and for a resolver that fails", async () => {
    const { host } = openRun({ rules: [rule("none.test", 80)], hosts: {} });
    expect(await send(host, get(80, { authority: "none.test" }))).toEqual({
      kind: "error",
      error: { tag: "DNS-error", val: { rcode: "NXDOMAIN" } },
    });
  });

  it("answers connection-refused where nobody listens", async () => {
    const server = await listenTcp();
    await server.close();
    const { host } = openRun({ rules: [rule("api.test", server.port)] });
    expect(await send(host, get(server.port))).toEqual({
      kind: "error",
      error: { tag: "connection-refused" },
    });
    expect(host.events).toMatchObject([{ effect: "failed", result: "connection-refused" }]);
    expect(host.usage).toMatchObject({ egress_bytes: 0, requests: 1 });
  });
});

describe("http-client/send on the wire", () => {
  it("sends exactly what it counts, byte for byte", async () => {
    const server = await listenTcp((socket) => socket.on("data", () => socket.end(OK)));
    const { host } = openRun({ rules: [rule("api.test", server.port)] });
    const headers = [
      ["Accept", "application/json"],
      ["x-latin", "\xe9"],
      ["content-type", "text/plain"],
    ];
    const requests = [
      [get(server.port, { pathWithQuery: "/v1/x?q=1", headers }), new Uint8Array(0)],
      [get(server.port, { method: "POST", headers }), new TextEncoder().encode("hello")],
      [get(server.port, { method: "POST" }), new Uint8Array(0)],
      [get(server.port, { method: "PUT" }), new Uint8Array(10_000)],
      [get(server.port, { method: "DELETE" }), new Uint8Array(3)],
      [get(server.port, { method: "DELETE" }), new Uint8Array(0)],
      [get(server.port, { method: "GET" }), new Uint8Array(7)],
    ] as const;
    let before = 0;
    for (const [args, body] of requests) {
      const { body: handle } = await sendOk(host, args, body);
      expect(textOf((await readAll(host, handle)).chunks)).toBe("ok");
      const sent = server.received().slice(before);
      before = server.received().length;
      expect(host.events.at(-1), sent.slice(0, 400)).toMatchObject({
        bytes_out: sent.length,
        bytes_in: OK.length,
      });
    }
    const total = host.events.reduce((sum, { bytes_in = 0, bytes_out = 0 }) => sum + bytes_in + bytes_out, 0);
    expect(host.usage.egress_bytes).toBe(total);
  });

  it("lets no framing, routing or hop-by-hop header of the guest through", async () => {
    const server = await listenTcp((socket) => socket.on("data", () => socket.end(OK)));
    const { host } = openRun({ rules: [rule("api.test", server.port)] });
    const names = [
      "Host",
      "Connection",
      "TE",
      "Upgrade",
      "Proxy-Authorization",
      "Proxy-Connection",
      "Keep-Alive",
      "Content-Length",
      "Transfer-Encoding",
      "Expect",
      "Forwarded",
      "X-Forwarded-For",
      "X-Forwarded-Host",
      "Via",
      "Trailer",
      "X-Real-IP",
      "HTTP2-Settings",
      "cOnTeNt-LeNgTh",
      "TRANSFER-ENCODING",
      "x-nominated",
    ];
    const headers = [
      ...names.map((name) => [name, "smuggled"]),
      ["connection", "close, X-Nominated"],
      ["x-kept", "yes"],
    ];
    const { body } = await sendOk(host, get(server.port, { method: "POST", headers }), new Uint8Array([65]));
    await readAll(host, body);
    const received = server.received().toLowerCase();
    expect(received).toBe(
      `post / http/1.1\r\nhost: api.test:${server.port}\r\nconnection: close\r\nx-kept: yes\r\ncontent-length: 1\r\n\r\na`,
    );
  });

  it.each([
    ["x", "a\r\nEvil: 1"],
    ["x", "a\nEvil: 1"],
    ["x", "a\rb"],
    ["x", "a\0b"],
    ["x", "\u0100"],
    ["x", "\x7f"],
    ["x y", "1"],
    ["x:", "1"],
    ["x\r\nEvil", "1"],
    ["", "1"],
    ["ü", "1"],
    ["x\0", "1"],
    [":authority", "evil.test"],
  ])("refuses the header %j: %j without a connect", async (name, value) => {
    const canary = await listenTcp();
    const { host } = openRun({ rules: [rule("api.test", canary.port)] });
    const reply = await send(host, get(canary.port, { headers: [[name, value]] }));
    expect(reply).toEqual({ kind: "error", error: { tag: "HTTP-protocol-error" } });
    expect(host.events).toMatchObject([{ effect: "denied", clause: "headers: not header fields" }]);
    expect(canary.connects()).toBe(0);
  });

  it("lets the rule's own lists decide what else crosses, and an injected secret whatever they say", async () => {
    const server = await listenTcp((socket) =>
      socket.on("data", () =>
        socket.end("HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nx-kept: 1\r\ncontent-length: 0\r\n\r\n"),
      ),
    );
    const lists = { request_headers: { allow: ["accept"] }, response_headers: { strip: ["set-cookie"] } };
    const { host } = openRun({
      rules: [rule("api.test", server.port, lists)],
      profile: profileFor(server.port),
    });
    const headers = [
      ["Accept", "text/plain"],
      ["Cookie", "a=1"],
      ["X-Api-Key", "guest"],
    ];
    const response = await sendOk(host, get(server.port, { headers }));
    expect(response.headers).toEqual([
      ["x-kept", "1"],
      ["content-length", "0"],
    ]);
    expect(server.received()).toBe(
      `GET / HTTP/1.1\r\nhost: api.test:${server.port}\r\nconnection: close\r\naccept: text/plain\r\nx-api-key: s3cr3t-value\r\n\r\n`,
    );
  });

  it("returns a redirect as it is and follows nothing", async () => {
    const canary = await listenTcp();
    const server = await listenHttp((_, response) => {
      response.writeHead(302, { location: `http://127.0.0.1:${canary.port}/` }).end();
    });
    const { host } = openRun({ rules: [rule("api.test", server.port), rule("127.0.0.1", canary.port)] });
    const { status, headers } = await sendOk(host, get(server.port));
    expect(status).toBe(302);
    expect(headers).toContainEqual(["location", `http://127.0.0.1:${canary.port}/`]);
    expect([server.connects(), canary.connects()]).toEqual([1, 0]);
  });

  it("hands over compressed bytes as they came", async () => {
    const bomb = new Uint8Array([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3]);
    const server = await listenHttp((_, response) => {
      response.writeHead(200, { "content-encoding": "gzip" }).end(bomb);
    });
    const { host } = openRun({ rules: [rule("api.test", server.port)] });
    const { headers, body } = await sendOk(
      host,
      get(server.port, { headers: [["accept-encoding", "gzip"]] }),
    );
    expect(headers).toContainEqual(["content-encoding", "gzip"]);
    expect(Uint8Array.from((await readAll(host, body)).chunks.flatMap((chunk) => [...chunk]))).toEqual(bomb);
  });

  it("drops hop-by-hop headers of a response and keeps repeated and latin-1 ones", async () => {
    const head =
      "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-L: \xe9\r\nKeep-Alive: timeout=5\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nProxy-Authenticate: x\r\ncontent-length: 0\r\n\r\n";
    const server = await listenTcp((socket) => socket.on("data", () => socket.end(head, "latin1")));
    const { host } = openRun({ rules: [rule("api.test", server.port)] });
    expect((await sendOk(host, get(server.port))).headers).toEqual([
      ["set-cookie", "a=1"],
      ["set-cookie", "b=2"],
      ["x-l", "\xe9"],
      ["content-length", "0"],
    ]);
  });

  it.each([
    ["not HTTP at all", "SSH-2.0-OpenSSH_9.2\r\n", "HTTP-protocol-error"],
    [
      "a head that is too large",
      `HTTP/1.1 200 OK\r\nx: ${"a".repeat(100_000)}\r\n\r\n`,
      "HTTP-response-header-section-size",
    ],
    ["nothing", "", "connection-terminated"],
    ["half a head", "HTTP/1.1 200 OK\r\nx: ", "connection-terminated"],
    [
      "an upgrade nobody asked for",
      "HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
      "HTTP-upgrade-failed",
    ],
    [
      "both framings",
      "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      "HTTP-response-incomplete",
    ],
  ])("fails in one word for %s", async (_, answer, word) => {
    const server = await listenTcp((socket) => socket.once("data", () => socket.end(answer)));
    const { host } = openRun({ rules: [rule("api.test", server.port)] });
    expect(await send(host, get(server.port))).toEqual({ kind: "error", error: { tag: word } });
    expect(host.events).toMatchObject([{ effect: "failed", result: word }]);
    expect(server.connects()).toBe(1);
  });

  it("tells a body that is cut short from one that ended", async () => {
    const server = await listenTcp((socket) =>
      socket.once("data", () => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort")),
    );
    const { host } = openRun({ rules: [rule("api.test", server.port)] });
    const { body } = await sendOk(host, get(server.port));
    const { last } = await readAll(host, body);
    expect(last).toMatchObject({ kind: "error" });
    expect(await call(host, "http-client/read", { handle: body, maxBytes: 1 })).toEqual(last);
    expect(host.events).toMatchObject([{ effect: "failed" }]);
  });

  it("gives a server no second request on one connection", async () => {
    const server = await listenTcp((socket) =>
      socket.on("data", () => socket.write(`${OK}HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nEVIL!`)),
    );
    const { host } = openRun({ rules: [rule("api.test", server.port)] });
    for (const turn of [1, 2]) {
      const { body } = await sendOk(host, get(server.port));
      expect(textOf((await readAll(host, body)).chunks)).toBe("ok");
      expect(server.connects()).toBe(turn);
    }
  });
});

describe("http-client and time", () => {
  it("ends a connection that sends no head in time", async () => {
    const dripping = await listenTcp((socket) => {
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\n"));
      const drip = setInterval(() => socket.bytesRead > 0 && socket.write("x: y\r\n"), 20);
      socket.on("close", () => clearInterval(drip));
    });
    const silent = await listenTcp();
    const rules = [dripping, silent].map(({ port }) => rule("api.test", port));
    const { host } = openRun({ rules });
    for (const { port } of [dripping, silent]) {
      const start = performance.now();
      expect(await send(host, get(port, { firstByteTimeoutMs: 100 }))).toEqual({
        kind: "error",
        error: { tag: "HTTP-response-timeout" },
      });
      expect(performance.now() - start).toBeLessThan(10_000);
    }
  });

  it("ends a body that falls silent", async () => {
    const server = await listenTcp((socket) =>
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na")),
    );
    const { host } = openRun({ rules: [rule("api.test", server.port)], egress: { idleTimeoutMs: 100 } });
    const { body } = await sendOk(host, get(server.port));
    const { length, last } = await readAll(host, body);
    expect([length, last]).toEqual([1, { kind: "error", error: { tag: "connection-read-timeout" } }]);
  });

  it("ends a look-up that takes too long, though the resolver goes on", async () => {
    const slow = createBroker({
      clock,
      profiles: new Map(),
      resolver: { resolve: () => new Promise(() => {}) },
    }).openRun({
      grants: [{ kind: "http-client", rules: [rule("slow.test", 80)] }],
      budget: BUDGET,
      startedAtMs: Date.now(),
    });
    expect(await send(slow, get(80, { authority: "slow.test", connectTimeoutMs: 50 }))).toEqual({
      kind: "error",
      error: { tag: "DNS-timeout" },
    });
  });

  it("close() ends what is under way, at the socket", async () => {
    let closed = 0;
    const server = await listenTcp((socket) => socket.on("close", () => (closed += 1)));
    const streaming = await listenTcp((socket) => {
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\na"));
      socket.on("close", () => (closed += 1));
    });
    const { host } = openRun({ rules: [rule("api.test", server.port), rule("api.test", streaming.port)] });
    await sendOk(host, get(streaming.port));
    const waiting = send(host, get(server.port));
    await until(() => server.received().includes("\r\n\r\n"));
    host.close();
    expect(await waiting).toEqual({ kind: "stop", outcome: { kind: "revoked", reason: "closed" } });
    await until(() => closed === 2);
    expect(host.events).toMatchObject([{ result: "200" }, { result: "cancelled" }]);
  });
});

describe("http-client and the egress budget", () => {
  it.each(FLOODS)("stops reading %s when it is spent", async (_, head, piece) => {
    const limit = 200_000;
    let written = () => 0;
    const server = await listenTcp((socket) => {
      socket.once("data", () => {
        written = flood(socket, head, piece);
      });
    });
    const { host } = openRun({ rules: [rule("api.test", server.port)], budget: { egress_bytes: limit } });
    const first = await send(host, get(server.port));
    const last = first.kind === "ok" ? (await readAll(host, 1)).last : first;
    const stop = { kind: "stop", outcome: { kind: "exhausted", budget: "egress_bytes" } };
    expect(last).toEqual(stop);
    expect(await send(host, get(server.port))).toEqual(stop);
    expect(host.usage.egress_bytes).toBe(limit);
    const [event] = host.events;
    expect(event).toMatchObject({ effect: "failed", result: "exhausted" });
    expect((event?.bytes_in ?? 0) + (event?.bytes_out ?? 0)).toBe(limit);
    expect(server.connects()).toBe(1);
    expect(written()).toBeLessThan(50_000_000);
  });

  it("sends nothing of a request that it does not cover", async () => {
    const server = await listenTcp();
    const { host } = openRun({ rules: [rule("api.test", server.port)], budget: { egress_bytes: 1000 } });
    expect(await send(host, get(server.port, { method: "POST" }), new Uint8Array(1000))).toEqual({
      kind: "stop",
      outcome: { kind: "exhausted", budget: "egress_bytes" },
    });
    expect(server.received()).toBe("");
    expect(host.events).toMatchObject([{ effect: "failed", result: "exhausted" }]);
    expect(host.usage.egress_bytes).toBe(0);
  });

  it("stops at the request after the last one", async () => {
    const server = await listenTcp((socket) => socket.on("data", () => socket.end(OK)));
    const { host } = openRun({ rules: [rule("api.test", server.port)], budget: { requests: 2 } });
    for (const handle of [1, 2]) {
      await sendOk(host, get(server.port));
      await readAll(host, handle);
    }
    expect(await send(host, get(server.port))).toEqual({
      kind: "stop",
      outcome: { kind: "exhausted", budget: "requests" },
    });
    expect(server.connects()).toBe(2);
    expect(host.usage.requests).toBe(2);
  });

  it("has at most eight requests under way", async () => {
    const server = await listenTcp((socket) => socket.on("data", () => socket.write(OK)));
    const { host } = openRun({ rules: [rule("api.test", server.port)] });
    for (let turn = 0; turn < 8; turn += 1) await sendOk(host, get(server.port));
    expect(await send(host, get(server.port))).toEqual({
      kind: "error",
      error: { tag: "connection-limit-reached" },
    });
    await readAll(host, 1);
    expect(await send(host, get(server.port))).toMatchObject({ kind: "ok" });
    expect(await call(host, "http-client/close", { handle: 2 })).toEqual({ kind: "ok", value: null });
    expect(await send(host, get(server.port))).toMatchObject({ kind: "ok" });
  });
});

describe("http-client and TLS", () => {
  const cert = fixture("tls-cert.pem");

  async function listenTls() {
    const names: (string | undefined)[] = [];
    const server = createTlsServer({ cert, key: fixture("tls-key.pem") }, (request, response) => {
      names.push("servername" in request.socket ? String(request.socket.servername) : undefined);
      response.end("ok");
    });
    return { ...(await listen(server, () => "")), names };
  }

  it("checks the certificate against the policy's host and connects to the judged address", async () => {
    const server = await listenTls();
    const options = { egress: { certificateAuthorities: [cert] } };
    const names = ["api.example.test", "other.example.test"];
    const { host } = openRun({
      ...options,
      rules: names.map((name) => rule(name, server.port, { scheme: "https" })),
      hosts: Object.fromEntries(names.map((name) => [name, ["127.0.0.1"]])),
    });
    const to = (name: string) => get(server.port, { scheme: "https", authority: `${name}:${server.port}` });
    const { status, body } = await sendOk(host, to("api.example.test"));
    expect([status, textOf((await readAll(host, body)).chunks)]).toEqual([200, "ok"]);
    expect(server.names).toEqual(["api.example.test"]);
    expect(await send(host, to("other.example.test"))).toEqual({
      kind: "error",
      error: { tag: "TLS-certificate-error" },
    });
    expect(server.names).toHaveLength(1);
  });

  it("trusts nobody that the runtime or the operator does not name", async () => {
    const server = await listenTls();
    const { host } = openRun({
      rules: [rule("api.example.test", server.port, { scheme: "https" })],
      hosts: { "api.example.test": ["127.0.0.1"] },
    });
    const args = get(server.port, { scheme: "https", authority: `api.example.test:${server.port}` });
    expect(await send(host, args)).toEqual({ kind: "error", error: { tag: "TLS-certificate-error" } });
    expect(server.names).toEqual([]);
  });

  it("ends a handshake that never comes", async () => {
    const server = await listenTcp();
    const { host } = openRun({ rules: [rule("api.test", server.port, { scheme: "https" })] });
    const args = get(server.port, { scheme: "https", connectTimeoutMs: 100 });
    expect(await send(host, args)).toEqual({ kind: "error", error: { tag: "connection-timeout" } });
  });
});

describe("a denied request for an address", () => {
  it.each([
    ["169.254.169.254", [], `"169.254.169.254/32"`],
    ["[fd00::1]", [], `"fd00::1/128"`],
    ["10.1.2.3", ["192.168.0.0/16"], `"10.1.2.3/32"`],
    ["8.8.8.8", [], undefined],
    ["10.1.2.3", ["10.0.0.0/8"], undefined],
  ] as const)(
    "names the operator's half of the change as well: %s with %j open",
    async (host, allow, block) => {
      const { host: run } = openRun({ rules: [rule("api.test", 80)], allow });
      await send(run, get(80, { authority: host, pathWithQuery: "/latest" }));
      const plain = host.replace(/[[\]]/g, "");
      const own = `add to network_allowlist: { host: ${JSON.stringify(plain)}, scheme: http, port: 80, methods: [GET], paths: ["/latest"] }`;
      const [event] = run.events;
      expect(event?.effect).toBe("denied");
      expect(event?.change).toBe(
        block === undefined ? own : `${own} # and add to the operator's egressAllow: [${block}]`,
      );
    },
  );
});
