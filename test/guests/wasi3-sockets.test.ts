/** `wasi:sockets` 0.3 from a component written by hand: the grants, events and budgets of 0.2, asserted at the socket. */
import type { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { closeListeners, type Listener, listenTcp } from "../broker/support.ts";
import { admit } from "../support/components.ts";
import { reachFrom } from "../support/reach.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { wasi3SocketsGuest } from "../support/wasi3-sockets-guest.ts";

let box: TestSandbox;
let server: Listener;
let call: ReturnType<typeof reachFrom>;
let closed = 0;

beforeAll(async () => {
  server = await listenTcp((socket) => {
    let heard = "";
    socket.on("data", (chunk) => (heard += chunk.toString("latin1")));
    // Half closed by the guest: it has said all, and is told what came of it.
    socket.on("end", () => socket.end(`heard ${heard} ${"x".repeat(100_000)}`));
    socket.on("close", () => (closed += 1));
  });
  box = await openSandbox({ inProcess: true });
  call = reachFrom(box, await admit(await wasi3SocketsGuest()), {
    clock: runtime.clock,
    egress: { allowAddresses: ["127.0.0.1/32"] },
  });
});
afterAll(async () => {
  await box?.close();
  await closeListeners();
});

const granted = () => ({ sockets: [{ host: "api.test", port: server.port }] });
const talk = (policy: object, text: string, port = server.port) =>
  call(policy, "talk", { name: "api.test", port, text });

/** A busy machine takes its time to close a connection. */
const LOOK_UP = "wasi:sockets/ip-name-lookup@0.3.0#resolve-addresses";
const CONNECT = "wasi:sockets/types@0.3.0#[method]tcp-socket.connect";
const HOME = 0x7f000001;

describe("a TCP connection of WASI 0.3", () => {
  it("carries a stream out and one back, to the end, and outlasts its socket's handle", async () => {
    const before = closed;
    const text = "0123456789abcdef".repeat(2000);
    const { outcome, output, events, host } = await talk(granted(), text);
    expect(outcome).toEqual({ kind: "completed" });
    expect(output).toEqual({ ok: `heard ${text} ${"x".repeat(100_000)}` });
    expect(events).toMatchObject([
      { import: LOOK_UP, effect: "allowed", target: "api.test", clause: "sockets[0]", result: "1 address" },
      {
        import: CONNECT,
        effect: "allowed",
        target: `tcp://api.test:${server.port}`,
        clause: "sockets[0]",
        result: "connected to 127.0.0.1",
        bytes_out: 32_000,
        bytes_in: 132_007,
      },
    ]);
    expect(host.usage).toMatchObject({ requests: 2, egress_bytes: 164_007 });
    await expect.poll(() => closed).toBe(before + 1);
  });

  it("is refused without the clause, in the interface's words, and the event says what would allow it", async () => {
    const before = server.connects();
    const lookedUp = await call({}, "look-up", { name: "api.test" });
    expect(lookedUp).toMatchObject({
      outcome: { kind: "denied-import", import: LOOK_UP, target: "api.test" },
      output: { err: 0 },
      events: [{ effect: "denied", change: 'add to sockets: { host: "api.test", port: "<its port>" }' }],
    });
    const reached = await call({}, "reach", { address: HOME, port: server.port });
    expect(reached).toMatchObject({
      outcome: { kind: "denied-import", import: CONNECT },
      output: { err: 0 },
      events: [{ change: `add to sockets: { host: "127.0.0.1", port: ${server.port} }` }],
    });
    // Named by its host, and by no look-up of this run.
    expect((await call(granted(), "reach", { address: HOME, port: server.port })).output).toEqual({ err: 0 });
    // The same host on another port.
    const other = await talk({ sockets: [{ host: "api.test", port: 1 }] }, "?");
    expect(other).toMatchObject({ output: { err: 0 } });
    expect(other.events.at(-1)).toMatchObject({ import: CONNECT, clause: "sockets[0].port" });
    expect(server.connects()).toBe(before);
  });

  it.each([
    ["127.0.0.1", { ok: 1 }],
    ["2001:db8::5:1", { ok: 1 }],
    ["127.1", { err: 0 }],
    ["::ffff:127.0.0.1", { err: 1 }],
    ["a b", { err: 1 }],
    ["bücher.example", { err: 1 }],
    ["", { err: 1 }],
  ])("is looked up for %j: %j, and no name server is asked", async (name, output) => {
    const found = await call(granted(), "look-up", { name });
    expect(found.output).toEqual(output);
    expect(found.host.usage.requests).toBe(0);
  });

  it("tells where nobody listens", async () => {
    const { output, events } = await talk({ sockets: [{ host: "api.test", port: 1 }] }, "?", 1);
    expect(output).toEqual({ err: 9 });
    expect(events.at(-1)).toMatchObject({ import: CONNECT, effect: "failed", result: "connection-refused" });
  });

  it("does not pass its budget", async () => {
    const budget = {
      ...{ fuel: 2e9, memory_bytes: "64MiB", output_bytes: "1MiB", log_bytes: 0 },
      ...{ egress_bytes: "50KiB", requests: 2 },
    };
    const { outcome, events } = await talk({ ...granted(), budget }, "hello");
    expect(outcome).toEqual({ kind: "exhausted", budget: "egress_bytes" });
    expect(events[1]).toMatchObject({ bytes_out: 5, bytes_in: 51_195 });
  });

  it("ends with the run: a server that says nothing is left at the time to live", async () => {
    let left = 0;
    const held: Socket[] = [];
    const silent = await listenTcp((socket) => {
      held.push(socket.pause());
      socket.on("close", () => (left += 1));
    });
    const policy = { sockets: [{ host: "api.test", port: silent.port }], max_duration_ms: 300 };
    expect((await talk(policy, "?", silent.port)).outcome).toMatchObject({ kind: "timed-out" });
    // Nobody reads there, so the end is not seen before somebody does.
    for (const socket of held) socket.resume();
    await expect.poll(() => left).toBe(silent.connects());
  });

  // Cases of `error-code`; 255 is none.
  it.each([
    ["bind", 0, 0],
    ["listen", 1, 0],
    ["a datagram's socket", 2, 0],
    ["the far end of no connection", 3, 5],
    ["a connection while one is made", 4, 5],
    ["a connection of one that has one", 5, 5],
    ["a hop limit of zero", 6, 2],
    ["sending without a connection", 7, 5],
    ["receiving without a connection", 8, 5],
    ["sending twice", 9, 5],
    ["receiving twice", 10, 5],
  ])("answers %s as the interface has it", async (_, what, err) => {
    const policy = { sockets: [{ host: "127.0.0.1", port: server.port }] };
    const { outcome, output, events } = await call(policy, "probe", { what, port: server.port });
    expect(output).toBe(err);
    if (err !== 0) return;
    const name = ["[method]tcp-socket.bind", "[method]tcp-socket.listen", "[static]udp-socket.create"][what];
    expect(events).toMatchObject([
      { import: `wasi:sockets/types@0.3.0#${name}`, effect: "denied", clause: "not offered" },
    ]);
    expect(outcome.kind).toBe("completed");
  });
});
