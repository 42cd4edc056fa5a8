/** Connections of egress: shared only by one right, pinned all the same, through a proxy or not, raw TCP too. */
import { createServer as createTlsServer } from "node:https";
import { connect as connectTcp, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import {
  createEgress,
  type EgressOptions,
  type EgressRequest,
  parseBlock,
  parseBlockList,
  parseProxy,
  permitRequest,
  wordOf,
} from "../../src/broker/egress/index.ts";
import {
  clock,
  closeListeners,
  fakeResolver,
  fixture,
  get,
  listen,
  listenHttp,
  listenTcp,
  openRun,
  readAll,
  rule,
  send,
  sendOk,
  textOf,
  until,
} from "./support.ts";

afterEach(closeListeners);

const LOOPBACK = [parseBlock("127.0.0.1/32")];
const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/** Counts what a request is charged. */
function counter(most = Number.MAX_SAFE_INTEGER) {
  const count = { sent: 0, received: 0 };
  return {
    count,
    meter: {
      sent: (bytes: number) => {
        if (count.sent + bytes > most) return false;
        count.sent += bytes;
        return true;
      },
      received: (bytes: number) => {
        count.received += bytes;
        return true;
      },
    },
  };
}

function open(options: Partial<EgressOptions> = {}) {
  const { resolver, asked } = fakeResolver({ "api.test": ["127.0.0.1"], "api.example.test": ["127.0.0.1"] });
  return { egress: createEgress({ resolver, clock, ...options }), asked };
}

function request(
  port: number,
  more: Partial<EgressRequest> & {
    readonly method?: string;
    readonly host?: string;
    readonly scheme?: "http" | "https";
  } = {},
): EgressRequest {
  const { method = "GET", host = "api.test", scheme = "http", ...rest } = more;
  const permit = permitRequest([rule(host, port, { scheme })], {
    method,
    scheme,
    authority: `${host}:${port}`,
    pathWithQuery: "/",
  });
  if (permit.kind !== "permit") throw new TypeError(`Cannot go on: ${permit.clause}`);
  return {
    permit,
    headers: [],
    body: new Uint8Array(0),
    open: LOOPBACK,
    meter: counter().meter,
    signal: new AbortController().signal,
    ...rest,
  };
}

async function fetchText(egress: ReturnType<typeof open>["egress"], asked: EgressRequest): Promise<string> {
  const response = await egress.send(asked);
  const chunks: Uint8Array[] = [];
  for (let next = await response.read(65536); next !== undefined; next = await response.read(65536))
    chunks.push(...next);
  return textOf(chunks);
}

async function wordFor(attempt: Promise<unknown>): Promise<string> {
  return attempt.then(
    () => "none",
    (error: unknown) => wordOf(error).tag,
  );
}

const alive = (socket: Socket) => socket.on("data", () => socket.write(OK));

describe("Egress.send() and shared connections", () => {
  it("uses one connection again for the same right, judging addresses each time", async () => {
    const server = await listenTcp(alive);
    const { egress, asked } = open();
    for (let turn = 0; turn < 5; turn += 1) {
      expect(await fetchText(egress, request(server.port, { pool: "acme p1" }))).toBe("ok");
    }
    expect([server.connects(), asked.length]).toEqual([1, 5]);
  });

  it.each([
    ["another tenant or policy", { pool: "evil p1" }],
    ["no name at all", {}],
    ["another profile's certificate", { pool: "acme p1", tls: { extraAuthorities: ["x"] } }],
    ["other opened blocks", { pool: "acme p1", open: [parseBlock("127.0.0.0/8")] }],
  ])("gives %s a connection of its own", async (_, more) => {
    const server = await listenTcp(alive);
    const { egress } = open();
    await fetchText(egress, request(server.port, { pool: "acme p1" }));
    await fetchText(egress, request(server.port, more));
    expect(server.connects()).toBe(2);
  });

  it("never uses a connection to an address that the name no longer has", async () => {
    const server = await listenTcp(alive);
    const flips = [["127.0.0.1"], ["127.0.0.2"], ["169.254.169.254"]];
    const { egress } = open({ resolver: fakeResolver({ "api.test": flips }).resolver });
    const asked = request(server.port, { pool: "acme p1" });
    expect(await fetchText(egress, asked)).toBe("ok");
    expect(await wordFor(egress.send(asked))).toBe("destination-IP-prohibited");
    expect(await wordFor(egress.send(asked))).toBe("destination-IP-prohibited");
    expect(server.connects()).toBe(1);
  });

  it("ends a connection on which the server says more than it was asked", async () => {
    const server = await listenTcp((socket) =>
      socket.on("data", () => {
        socket.write(OK);
        setTimeout(() => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nEVIL!"), 20);
      }),
    );
    const { egress } = open();
    expect(await fetchText(egress, request(server.port, { pool: "acme p1" }))).toBe("ok");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await fetchText(egress, request(server.port, { pool: "acme p1" }))).toBe("ok");
    expect(server.connects()).toBe(2);
  });

  it("ends a connection whose body was not read to its end", async () => {
    const server = await listenTcp(alive);
    const { egress } = open();
    const response = await egress.send(request(server.port, { pool: "acme p1" }));
    response.close();
    expect(await fetchText(egress, request(server.port, { pool: "acme p1" }))).toBe("ok");
    expect(server.connects()).toBe(2);
  });

  it("asks again, once, where a kept connection turns out to be dead; never what must not be made twice", async () => {
    let first: Socket | undefined;
    const server = await listenTcp((socket) => {
      first ??= socket;
      let answered = 0;
      // The first connection answers once; a second request on it is met by a reset.
      socket.on("data", () => {
        answered += 1;
        if (socket === first && answered > 1) socket.resetAndDestroy();
        else socket.write(OK);
      });
    });
    const { egress } = open();
    const pool = "acme p1";
    await fetchText(egress, request(server.port, { pool }));
    const { meter, count } = counter();
    expect(await fetchText(egress, request(server.port, { pool, meter }))).toBe("ok");
    expect(server.connects()).toBe(2);
    // Both attempts were on the wire, and both are charged.
    expect(count.sent).toBe(
      2 * `GET / HTTP/1.1\r\nhost: api.test:${server.port}\r\nconnection: keep-alive\r\n\r\n`.length,
    );
    await fetchText(egress, request(server.port, { pool, method: "POST" }));
    expect(server.connects()).toBe(3);
  });

  it("does not ask again where that may not be, and asks about nothing else", async () => {
    let asked = 0;
    const mayResend = async () => {
      asked += 1;
      return false;
    };
    const server = await listenTcp((socket) => {
      let answered = 0;
      socket.on("data", () => {
        answered += 1;
        if (answered > 1) socket.resetAndDestroy();
        else socket.write(OK);
      });
    });
    const { egress } = open();
    const pool = "acme p1";
    expect(await fetchText(egress, request(server.port, { pool, mayResend }))).toBe("ok");
    expect(await wordFor(egress.send(request(server.port, { pool, mayResend })))).toBe(
      "connection-terminated",
    );
    expect([server.connects(), asked]).toEqual([1, 1]);
    // A fresh connection that is reset is no dead one of ours.
    const gone = await listenTcp((socket) => socket.on("data", () => socket.resetAndDestroy()));
    expect(await wordFor(egress.send(request(gone.port, { pool, mayResend })))).toBe("connection-terminated");
    expect([gone.connects(), asked]).toEqual([1, 1]);
  });
});

describe("Egress.send() and bodies in pieces", () => {
  async function* pieces(...texts: string[]) {
    for (const text of texts) yield new TextEncoder().encode(text);
  }

  it.each([
    [["hello"], "\r\n5\r\nhello\r\n0\r\n\r\n"],
    [["a".repeat(300), "", "b"], `\r\n12c\r\n${"a".repeat(300)}\r\n1\r\nb\r\n0\r\n\r\n`],
    [[], "\r\n"],
    [["", ""], "content-length: 0\r\n\r\n"],
  ])("charges exactly what goes out for %j", async (texts, wire) => {
    const server = await listenTcp((socket) =>
      socket.on(
        "data",
        (chunk) => /(?:^|\n)0\r\n\r\n$|length: 0\r\n\r\n$/.test(chunk.toString("latin1")) && socket.end(OK),
      ),
    );
    const { egress } = open();
    const { meter, count } = counter();
    const asked = request(server.port, { method: "POST", body: pieces(...texts), meter });
    expect(await fetchText(egress, asked)).toBe("ok");
    const received = server.received();
    expect(received.endsWith(wire)).toBe(true);
    expect(count.sent).toBe(received.length);
  });

  it("sends no piece that the budget does not cover", async () => {
    const server = await listenTcp();
    const { egress } = open();
    const { meter } = counter(200);
    const body = pieces("first", "x".repeat(100_000), "never");
    const failed = await egress
      .send(request(server.port, { method: "POST", body, meter }))
      .catch((error: unknown) => error);
    expect(failed).toMatchObject({ name: "EgressSpent" });
    expect(server.received()).not.toContain("xxx");
  });

  it("gives the trailers once the body has ended", async () => {
    const server = await listenTcp((socket) =>
      socket.once("data", () =>
        socket.end("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n"),
      ),
    );
    const { egress } = open();
    const response = await egress.send(request(server.port));
    while ((await response.read(65536)) !== undefined);
    expect(response.trailers()).toEqual([["X-Sum", "1"]]);
  });

  it("gives what a server has said, however much more was asked for, before the server goes on", async () => {
    let goOn = () => {};
    const server = await listenTcp((socket) =>
      socket.once("data", () => {
        socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        goOn = () => socket.end("6\r\nsecond\r\n0\r\n\r\n");
      }),
    );
    const { egress } = open();
    const response = await egress.send(request(server.port));
    expect(textOf((await response.read(262_144)) ?? [])).toBe("first");
    goOn();
    expect(textOf((await response.read(262_144)) ?? [])).toBe("second");
  });

  it("gives few pieces of a body that comes in many chunks, and as many bytes as are asked for", async () => {
    const size = 200_000;
    const server = await listenTcp((socket) =>
      socket.once("data", () =>
        socket.end(
          `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(size)}0\r\n\r\n`,
        ),
      ),
    );
    const { egress } = open();
    const response = await egress.send(request(server.port));
    let bytes = 0;
    for (let next = await response.read(100_000); next !== undefined; next = await response.read(100_000)) {
      expect(next.length).toBeLessThanOrEqual(8);
      const length = next.reduce((sum, piece) => sum + piece.length, 0);
      expect(length).toBeLessThanOrEqual(100_000);
      bytes += length;
    }
    expect([bytes, response.ended]).toEqual([size, true]);
  });
});

describe("the operator's block list", () => {
  it.each([
    ["an address that a block opened", ["127.0.0.0/8"]],
    ["a host that a rule names", ["api.test"]],
    ["everything below a name", ["*.test"]],
  ])("wins over every permission: %s", async (_, block) => {
    const canary = await listenTcp();
    const { host } = openRun({ rules: [rule("api.test", canary.port)], egress: { block } });
    expect(await send(host, get(canary.port))).toEqual({
      kind: "error",
      error: { tag: "destination-IP-prohibited" },
    });
    expect(host.events).toMatchObject([{ effect: "denied" }]);
    expect(canary.connects()).toBe(0);
  });

  it("says what it can not read", () => {
    for (const item of [
      "evil.example:80",
      "https://evil.example",
      "*",
      "*.",
      "10.0.0.1",
      "*.10",
      "10.0.0.1/33",
      "",
    ]) {
      expect(() => parseBlockList([item === "10.0.0.1" ? "10.0.0.1/8" : item])).toThrow(RangeError);
    }
    expect(parseBlockList(["10.0.0.0/8", "evil.example", "*.com", "10.0.0.1"]).hosts).toEqual([
      "evil.example",
      "*.com",
      "10.0.0.1",
    ]);
  });

  it("is asked for raw connections too", async () => {
    const canary = await listenTcp();
    const { egress } = open({ blocked: parseBlockList(["*.test"]) });
    const { meter } = counter();
    const signal = new AbortController().signal;
    const attempt = egress.connect({ host: "api.test", port: canary.port, open: LOOPBACK, meter, signal });
    expect(await wordFor(attempt)).toBe("destination-IP-prohibited");
    expect(canary.connects()).toBe(0);
  });
});

describe("the outgoing proxy", () => {
  /** A proxy that connects whatever it is asked for to `port`. */
  async function listenProxy(port: number, answer = "HTTP/1.1 200 Connection established\r\n\r\n") {
    return listenTcp((socket) => {
      socket.once("data", () => {
        socket.write(answer);
        if (!/ 2/.test(answer)) return;
        const upstream = connectTcp(port, "127.0.0.1");
        upstream.on("error", () => socket.destroy());
        socket.pipe(upstream).pipe(socket);
        socket.on("close", () => upstream.destroy());
      });
    });
  }

  it("is asked for the judged address, with its own credentials, and gets no byte of the guest's before", async () => {
    const server = await listenTcp((socket) => socket.on("data", () => socket.end(OK)));
    const proxy = await listenProxy(server.port);
    const { egress } = open({ proxy: parseProxy(`http://ops:p%40ss@127.0.0.1:${proxy.port}`) });
    expect(await fetchText(egress, request(server.port))).toBe("ok");
    const [connect, ...rest] = proxy.received().split("\r\n\r\n");
    expect(connect).toBe(
      `CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nProxy-Authorization: Basic ${btoa("ops:p@ss")}`,
    );
    expect(rest.join("")).toContain("GET / HTTP/1.1\r\nhost: api.test");
    expect(server.received()).not.toMatch(/proxy-authorization/i);
  });

  it("is not asked for what may not be reached", async () => {
    const proxy = await listenProxy(1);
    const { egress } = open({ proxy: parseProxy(`http://127.0.0.1:${proxy.port}`) });
    expect(await wordFor(egress.send(request(80, { open: [] })))).toBe("destination-IP-prohibited");
    expect(proxy.connects()).toBe(0);
  });

  it.each([
    ["refuses", "HTTP/1.1 403 Forbidden\r\n\r\n", "destination-unavailable"],
    ["is none", "SSH-2.0-x\r\n\r\n", "destination-unavailable"],
    ["answers without end", `HTTP/1.1 200 OK\r\nx: ${"y".repeat(100_000)}`, "destination-unavailable"],
  ])("fails in one word when it %s", async (_, answer, word) => {
    const proxy = await listenTcp((socket) => socket.once("data", () => socket.write(answer)));
    const { egress } = open({ proxy: parseProxy(`http://127.0.0.1:${proxy.port}`) });
    expect(await wordFor(egress.send(request(80)))).toBe(word);
  });

  it("carries TLS that is checked for the policy's host", async () => {
    const cert = fixture("tls-cert.pem");
    const tls = createTlsServer({ cert, key: fixture("tls-key.pem") }, (_, response) => response.end("ok"));
    const server = await listen(tls, () => "");
    const proxy = await listenProxy(server.port);
    const options = { proxy: parseProxy(`http://127.0.0.1:${proxy.port}`), certificateAuthorities: [cert] };
    const { egress } = open(options);
    expect(await fetchText(egress, request(server.port, { host: "api.example.test", scheme: "https" }))).toBe(
      "ok",
    );
    expect(await wordFor(egress.send(request(server.port, { scheme: "https" })))).toBe(
      "TLS-certificate-error",
    );
    expect(proxy.connects()).toBe(2);
  });

  it("is taken from no environment", async () => {
    const canary = await listenTcp();
    const server = await listenTcp((socket) => socket.on("data", () => socket.end(OK)));
    const names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "NODE_USE_ENV_PROXY"];
    for (const name of names)
      process.env[name] = name === "NODE_USE_ENV_PROXY" ? "1" : `http://127.0.0.1:${canary.port}`;
    try {
      expect(await fetchText(open().egress, request(server.port))).toBe("ok");
    } finally {
      for (const name of names) delete process.env[name];
    }
    expect(canary.connects()).toBe(0);
  });

  it("says what it can not read, and not what was in it", () => {
    for (const text of [
      "proxy:3128",
      "https://proxy.example",
      "http://p.example/x",
      "socks5://u:secret@p.example",
      "",
    ]) {
      expect(() => parseProxy(text)).toThrow(/wanted a URL such as/);
      expect(() => parseProxy(text)).not.toThrow(/secret/);
    }
  });
});

describe("TLS of a profile", () => {
  it("trusts its extra authorities beside the runtime's, and shows its client certificate where one is asked for", async () => {
    const [cert, key] = [fixture("tls-cert.pem"), fixture("tls-key.pem")];
    const seen: boolean[] = [];
    const tls = createTlsServer(
      { cert, key, ca: cert, requestCert: true, rejectUnauthorized: true },
      (asked, response) => {
        seen.push("authorized" in asked.socket && asked.socket.authorized === true);
        response.end("ok");
      },
    );
    const server = await listen(tls, () => "");
    const { egress } = open();
    const to = { host: "api.example.test", scheme: "https" as const };
    const client = { certificate: cert, key };
    expect(
      await fetchText(egress, request(server.port, { ...to, tls: { extraAuthorities: [cert], client } })),
    ).toBe("ok");
    expect(seen).toEqual([true]);
    expect(await wordFor(egress.send(request(server.port, { ...to, tls: { client } })))).toBe(
      "TLS-certificate-error",
    );
    expect(
      await wordFor(fetchText(egress, request(server.port, { ...to, tls: { extraAuthorities: [cert] } }))),
    ).not.toBe("none");
    expect(seen).toHaveLength(1);
  });
});

describe("Egress.connect()", () => {
  const signal = new AbortController().signal;

  it("carries bytes both ways and charges each", async () => {
    const server = await listenTcp((socket) => socket.on("data", (chunk) => socket.end(chunk)));
    const { egress } = open();
    const { meter, count } = counter();
    const connection = await egress.connect({
      host: "api.test",
      port: server.port,
      open: LOOPBACK,
      meter,
      signal,
    });
    expect(connection.address).toBe("127.0.0.1");
    await connection.write(new TextEncoder().encode("hello"));
    const chunks: Uint8Array[] = [];
    for (let next = await connection.read(2); next !== undefined; next = await connection.read(2))
      chunks.push(next);
    expect([textOf(chunks), Math.max(...chunks.map(({ length }) => length))]).toEqual(["hello", 2]);
    expect(count).toEqual({ sent: 5, received: 5 });
    connection.close();
  });

  it("is ended by the run's end and by a spent budget", async () => {
    let closed = 0;
    const server = await listenTcp((socket) => socket.on("close", () => (closed += 1)));
    const { egress } = open();
    const run = new AbortController();
    const to = { host: "api.test", port: server.port, open: LOOPBACK };
    const first = await egress.connect({ ...to, meter: counter().meter, signal: run.signal });
    const reading = wordFor(first.read(1));
    run.abort();
    expect(await reading).toBe("connection-terminated");
    const second = await egress.connect({ ...to, meter: counter(3).meter, signal });
    const failed = await second.write(new Uint8Array(4)).catch((error: unknown) => error);
    expect(failed).toMatchObject({ name: "EgressSpent" });
    await until(() => closed === 2);
    expect(server.received()).toBe("");
  });

  it.each(["127.0.0.1.", "0x7f.1", "user@api.test", "::ffff:127.0.0.1", "localhost:80", ""])(
    "refuses the host %j without a look-up",
    async (host) => {
      const canary = await listenTcp();
      const { egress, asked } = open();
      const attempt = egress.connect({
        host,
        port: canary.port,
        open: LOOPBACK,
        meter: counter().meter,
        signal,
      });
      expect(await wordFor(attempt)).toBe("destination-unavailable");
      expect([canary.connects(), asked]).toEqual([0, []]);
    },
  );
});

describe("http-client and shared connections", () => {
  it("shares within one tenant and policy when the run says so", async () => {
    const server = await listenHttp((_, response) => response.end("ok"));
    const shared = openRun({ rules: [rule("api.test", server.port)], pool: "acme sha256:1" });
    for (const host of [shared.host, shared.another()]) {
      const { body } = await sendOk(host, get(server.port));
      await readAll(host, body);
    }
    expect(server.connects()).toBe(1);
  });
});
