/** `sockets`: what a policy names and no more, asserted at real listeners. */
import { afterEach, describe, expect, it } from "vitest";
import type { Grant, JsonValue, SocketRule } from "../../src/core/policy/index.ts";
import type { HostReply, RunHost } from "../../src/ports/index.ts";
import { call, closeListeners, listenTcp, openRun, profileFor, type RunOptions, until } from "./support.ts";

afterEach(closeListeners);

const LOOK_UP = "wasi:sockets/ip-name-lookup#resolve-addresses";
const CONNECT = "wasi:sockets/tcp#[method]tcp-socket.start-connect";
const DENIED = { kind: "error", error: "access-denied" };

function open(
  rules: readonly SocketRule[],
  more: Omit<RunOptions, "grants"> & { grants?: readonly Grant[] } = {},
) {
  return openRun({ grants: [{ kind: "sockets", rules }, ...(more.grants ?? [])], ...more });
}

const resolve = (host: RunHost, name: string) => call(host, "sockets/resolve", { name });
const connect = (host: RunHost, address: string, port: number) =>
  call(host, "sockets/connect", { address, port });

/** Looks up, connects, and gives the handle. */
async function reach(host: RunHost, name: string, port: number): Promise<number> {
  const looked = await resolve(host, name);
  if (looked.kind !== "ok") throw new TypeError(JSON.stringify(looked));
  const [address = ""] = looked.value as readonly string[];
  const connected = await connect(host, address, port);
  if (connected.kind !== "ok") throw new TypeError(JSON.stringify(connected));
  return Number(Reflect.get(Object(connected.value), "handle"));
}

const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const read = (host: RunHost, handle: number, maxBytes = 1000) =>
  call(host, "sockets/read", { handle, maxBytes });
const write = (host: RunHost, handle: number, bytes: string) =>
  call(host, "sockets/write", { handle }, new TextEncoder().encode(bytes));
const bytesOf = (reply: HostReply) => (reply.kind === "ok" ? text(reply.body) : JSON.stringify(reply));

describe("sockets/resolve", () => {
  it.each([
    ["no rule", [], "api.test"],
    ["another host's rule", [{ host: "db.test", port: 1 }], "api.test"],
    ["a name beside a wildcard", [{ host: "*.test.example", port: 1 }], "test.example"],
    ["a trailing dot", [{ host: "api.test", port: 1 }], "api.test."],
    ["an empty name", [{ host: "api.test", port: 1 }], ""],
    ["a name that ends in a number", [{ host: "api.test", port: 1 }], "0x7f.1"],
    ["a name too long to have been cut", [{ host: "api.test", port: 1 }], `${"a".repeat(300)}.api.test`],
  ] as const)("denies with %s, and asks no name server", async (_, rules, name) => {
    const { host, asked } = open(rules);
    expect(await resolve(host, name)).toEqual(DENIED);
    expect(asked).toEqual([]);
    expect(host.events).toMatchObject([{ import: LOOK_UP, effect: "denied", clause: "sockets" }]);
    expect(host.denial?.import).toBe(LOOK_UP);
    expect(host.usage.requests).toBe(0);
  });

  it("gives what is granted, once for every request of the budget", async () => {
    const { host, asked } = open([{ host: "api.test", port: 1 }], { budget: { requests: 2 } });
    expect(await resolve(host, "API.test")).toEqual({ kind: "ok", value: ["127.0.0.1"] });
    expect(host.events).toMatchObject([{ target: "api.test", clause: "sockets[0]", result: "1 address" }]);
    await resolve(host, "api.test");
    expect(await resolve(host, "api.test")).toEqual({
      kind: "stop",
      outcome: { kind: "exhausted", budget: "requests" },
    });
    expect(asked).toEqual(["api.test", "api.test"]);
  });

  it.each([
    [["10.0.0.1"], "egressAllow: 10.0.0.1/32", `["10.0.0.1/32"]`],
    [
      ["127.0.0.1", "169.254.169.254", "fd00::1"],
      "egressAllow: 169.254.169.254/32, fd00::1/128",
      `["169.254.169.254/32", "fd00::1/128"]`,
    ],
    [["127.0.0.1", "::1"], "egressAllow: ::1/128", `["::1/128"]`],
  ])("denies a granted name that leads to %j, naming the blocks", async (answers, clause, blocks) => {
    const { host } = open([{ host: "db.test", port: 1 }], { hosts: { "db.test": answers } });
    expect(await resolve(host, "db.test")).toEqual(DENIED);
    expect(host.events).toMatchObject([
      {
        effect: "denied",
        clause: `${clause}; permitted by sockets[0]`,
        result: "access-denied",
        change: `add to the operator's egressAllow: ${blocks}`,
      },
    ]);
    expect(await connect(host, answers[0] ?? "", 1)).toEqual(DENIED);
  });

  it("is told of under the name of the import that was called", async () => {
    const { host } = open([]);
    await call(host, "sockets/resolve", { name: "api.test", wasi: "0.3.7" });
    await call(host, "sockets/connect", { address: "127.0.0.1", port: 80, wasi: "0.3.7" });
    expect(host.events.map((event) => event.import)).toEqual([
      "wasi:sockets/ip-name-lookup@0.3.7#resolve-addresses",
      "wasi:sockets/types@0.3.7#[method]tcp-socket.connect",
    ]);
  });

  it("says that the operator's own list is in the way where it is", async () => {
    const { host } = open([{ host: "api.test", port: 1 }], { egress: { block: ["*.test", "api.test"] } });
    expect(await resolve(host, "api.test")).toEqual(DENIED);
    expect(host.events).toMatchObject([
      {
        clause: "egressBlock; permitted by sockets[0]",
        change: expect.stringMatching(/take out of .*egressBlock/),
      },
    ]);
  });

  it("tells a name without an address from a name server that fails", async () => {
    const { host } = open([{ host: "*.gone.example", port: 1 }]);
    expect(await resolve(host, "a.gone.example")).toEqual({ kind: "error", error: "name-unresolvable" });
    expect(host.events).toMatchObject([{ effect: "failed", result: "name-unresolvable" }]);
  });
});

describe("sockets/connect", () => {
  it("connects to no address that was not an answer of this run, though the policy names its host", async () => {
    const canary = await listenTcp();
    const { host, another } = open([{ host: "api.test", port: canary.port }]);
    expect(await connect(host, "127.0.0.1", canary.port)).toEqual(DENIED);
    expect(host.events).toMatchObject([
      {
        import: CONNECT,
        target: `tcp://127.0.0.1:${canary.port}`,
        clause: "sockets",
        change: `add to sockets: { host: "127.0.0.1", port: ${canary.port} }`,
      },
    ]);
    await resolve(host, "api.test");
    // What one run was answered is nothing to another.
    expect(await connect(another(), "127.0.0.1", canary.port)).toEqual(DENIED);
    expect(canary.connects()).toBe(0);
  });

  it("connects to no port that the policy does not name for the host that was looked up", async () => {
    const canary = await listenTcp();
    const rules = [
      { host: "api.test", port: canary.port + 1 },
      { host: "other.test", port: canary.port },
    ];
    const { host } = open(rules, { hosts: { "api.test": ["127.0.0.1"], "other.test": ["127.0.0.1"] } });
    await resolve(host, "api.test");
    expect(await connect(host, "127.0.0.1", canary.port)).toEqual(DENIED);
    expect(host.events.at(-1)).toMatchObject({
      target: `tcp://api.test:${canary.port}`,
      clause: "sockets[0].port",
      change: `add to sockets: { host: "api.test", port: ${canary.port} }`,
    });
    expect(canary.connects()).toBe(0);
    // The other host has the same address and that port.
    await resolve(host, "other.test");
    expect((await connect(host, "127.0.0.1", canary.port)).kind).toBe("ok");
    expect(host.events.at(-1)).toMatchObject({
      target: `tcp://other.test:${canary.port}`,
      clause: "sockets[1]",
    });
  });

  it("judges an address again: what was open at the look-up and is not now is not connected to", async () => {
    const canary = await listenTcp();
    const { host } = open([{ host: "127.0.0.1", port: canary.port }], { allow: [] });
    expect(await connect(host, "127.0.0.1", canary.port)).toEqual(DENIED);
    expect(host.events).toMatchObject([
      {
        effect: "denied",
        clause: "egressAllow: 127.0.0.1/32; permitted by sockets[0]",
        change: `add to the operator's egressAllow: ["127.0.0.1/32"]`,
      },
    ]);
    expect(canary.connects()).toBe(0);
  });

  it.each(["127.1", "0177.0.0.1", "2130706433", "::ffff:127.0.0.1", "localhost", "[::1]", ""])(
    "takes %j for no address: our executor does not spell one so",
    async (address) => {
      const { host } = open([{ host: "127.0.0.1", port: 80 }]);
      expect(await connect(host, address, 80)).toMatchObject({
        outcome: { kind: "revoked", reason: "protocol" },
      });
    },
  );

  it("has no answer for a run without the grant but no", async () => {
    const canary = await listenTcp();
    const { host } = openRun({ grants: [] });
    expect(await resolve(host, "api.test")).toEqual(DENIED);
    expect(await connect(host, "127.0.0.1", canary.port)).toEqual(DENIED);
    expect(canary.connects()).toBe(0);
  });

  it("says refused where nobody listens, and keeps at most eight open", async () => {
    const server = await listenTcp();
    const { host } = open([{ host: "api.test", port: "1-65535" }]);
    await resolve(host, "api.test");
    expect(await connect(host, "127.0.0.1", 1)).toEqual({ kind: "error", error: "connection-refused" });
    for (let n = 0; n < 8; n += 1) expect((await connect(host, "127.0.0.1", server.port)).kind).toBe("ok");
    expect(await connect(host, "127.0.0.1", server.port)).toEqual({
      kind: "error",
      error: "new-socket-limit",
    });
    await call(host, "sockets/close", { handle: 1 });
    expect((await connect(host, "127.0.0.1", server.port)).kind).toBe("ok");
    expect(server.connects()).toBe(9);
  });
});

describe("a connection", () => {
  const echo = () => listenTcp((socket) => socket.on("data", (chunk) => socket.write(chunk)));

  it("carries bytes both ways, and charges and tells each", async () => {
    const server = await echo();
    const { host } = open([{ host: "api.test", port: server.port }]);
    const handle = await reach(host, "api.test", server.port);
    expect(await write(host, handle, "hello")).toMatchObject({ kind: "ok" });
    expect(bytesOf(await read(host, handle, 3))).toBe("hel");
    expect(bytesOf(await read(host, handle, 9_000_000))).toBe("lo");
    expect(host.usage).toMatchObject({ egress_bytes: 10, requests: 2 });
    expect(host.events.at(-1)).toMatchObject({
      effect: "allowed",
      result: "connected to 127.0.0.1",
      bytes_out: 5,
      bytes_in: 5,
    });
  });

  it("ends in order: half closed by the guest, read to the end", async () => {
    const server = await listenTcp((socket) => socket.on("end", () => socket.end("bye")));
    const { host } = open([{ host: "api.test", port: server.port }]);
    const handle = await reach(host, "api.test", server.port);
    await call(host, "sockets/end", { handle });
    expect(bytesOf(await read(host, handle))).toBe("bye");
    expect(await read(host, handle)).toEqual({ kind: "ok", value: { end: true } });
  });

  it("stops at the budget: nothing of a write that it does not cover, nothing read beyond it", async () => {
    const server = await echo();
    const { host } = open([{ host: "api.test", port: server.port }], { budget: { egress_bytes: 7 } });
    const handle = await reach(host, "api.test", server.port);
    await write(host, handle, "1234");
    expect(await read(host, handle)).toEqual({
      kind: "stop",
      outcome: { kind: "exhausted", budget: "egress_bytes" },
    });
    expect(host.events.at(-1)).toMatchObject({ bytes_out: 4, bytes_in: 3, result: "exhausted" });
    const next = await openAndWrite(server.port);
    expect(next).toMatchObject({ outcome: { kind: "exhausted", budget: "egress_bytes" } });
    expect(server.received()).toBe("1234");

    async function openAndWrite(port: number) {
      const run = open([{ host: "api.test", port }], { budget: { egress_bytes: 3 } }).host;
      return write(run, await reach(run, "api.test", port), "1234");
    }
  });

  it("ends with the run, also one that waits for a byte", async () => {
    let closed = 0;
    const server = await listenTcp((socket) => socket.on("close", () => (closed += 1)));
    const { host } = open([{ host: "api.test", port: server.port }]);
    const handle = await reach(host, "api.test", server.port);
    const waiting = read(host, handle);
    host.close();
    expect(await waiting).toMatchObject({ kind: "stop" });
    await until(() => closed === 1);
    expect(await connect(host, "127.0.0.1", server.port)).toMatchObject({ kind: "stop" });
  });

  it("is no failure when the guest closes it while it waits", async () => {
    const server = await listenTcp();
    const { host } = open([{ host: "api.test", port: server.port }]);
    const handle = await reach(host, "api.test", server.port);
    const waiting = read(host, handle);
    await call(host, "sockets/close", { handle });
    expect(await waiting).toEqual({ kind: "error", error: "connection-reset" });
    expect(host.events.at(-1)).toMatchObject({ effect: "allowed", result: "connected to 127.0.0.1" });
  });

  it.each<[string, JsonValue]>([
    ["sockets/read", { handle: 7, maxBytes: 1 }],
    ["sockets/write", { handle: 7 }],
    ["sockets/end", { handle: 7 }],
    ["sockets/close", { handle: 7 }],
    ["sockets/read", { handle: 1, maxBytes: 0 }],
    ["sockets/connect", { address: "127.0.0.1", port: 0 }],
    ["sockets/connect", { address: "127.0.0.1", port: 65_536 }],
    ["sockets/resolve", { name: 7 }],
    ["sockets/resolve", { name: "api.test", wasi: "0.2.12" }],
    ["sockets/connect", { address: "127.0.0.1", port: 80, wasi: "0.3.0#drop" }],
  ])("is forged by nobody: %s %j ends the run", async (name, args) => {
    const { host } = open([{ host: "127.0.0.1", port: 80 }]);
    expect(await call(host, name, args)).toMatchObject({ outcome: { kind: "revoked", reason: "protocol" } });
  });

  it("is told to be not searched for secrets, and none is sent there", async () => {
    const server = await listenTcp((socket) => socket.end("s3cr3t-value"));
    const profile = profileFor(server.port);
    const grants: readonly Grant[] = [
      { kind: "sockets", rules: [{ host: "api.test", port: server.port }] },
      { kind: "http-client", rules: [], secretProfile: profile.name },
    ];
    const { host } = openRun({ grants, profile });
    const handle = await reach(host, "api.test", server.port);
    expect(bytesOf(await read(host, handle))).toBe("s3cr3t-value");
    expect(host.events.at(-1)?.result).toBe("connected to 127.0.0.1; not searched for secrets");
  });
});
