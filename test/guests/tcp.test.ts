/** `wasi:sockets` as a component of another vendor's engine sees it, with a real broker and a real server behind it. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { closeListeners, type Listener, listenTcp, until } from "../broker/support.ts";
import { admit } from "../support/components.ts";
import { reachFrom } from "../support/reach.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { npmGuest } from "./npm-guests.ts";

let box: TestSandbox;
let server: Listener;
let call: ReturnType<typeof reachFrom>;
let closed = 0;

beforeAll(async () => {
  server = await listenTcp((socket) => {
    let heard = 0;
    socket.on("data", (chunk) => (heard += chunk.length));
    // Half closed by the guest: it has said all, and is told what came of it.
    socket.on("end", () => socket.end(`heard ${heard}\n${"x".repeat(200_000)}`));
    socket.on("close", () => (closed += 1));
  });
  box = await openSandbox({ inProcess: true });
  call = reachFrom(box, await admit(await npmGuest("tcp")), {
    clock: runtime.clock,
    egress: { allowAddresses: ["127.0.0.1/32"] },
  });
});
afterAll(async () => {
  await box?.close();
  await closeListeners();
});

const granted = () => ({ sockets: [{ host: "api.test", port: server.port }] });
const ask = (policy: object, name: string, input: Record<string, string | number>) =>
  call(policy, name, input);

describe("a TCP connection of a guest", () => {
  it("carries what is written and what comes back, to the end", async () => {
    const piece = "0123456789abcdef".repeat(64);
    const { outcome, output, events } = await ask(granted(), "talk", {
      name: "api.test",
      port: server.port,
      text: piece,
      times: 100,
    });
    expect(outcome).toEqual({ kind: "completed" });
    expect(output).toEqual({ ok: `heard 102400\n${"x".repeat(200_000)}` });
    expect(events).toMatchObject([
      { effect: "allowed", target: "api.test", clause: "sockets[0]", result: "1 address" },
      {
        effect: "allowed",
        target: `tcp://api.test:${server.port}`,
        clause: "sockets[0]",
        result: "connected to 127.0.0.1",
        bytes_out: 102_400,
        bytes_in: 200_013,
      },
    ]);
  });

  it("is refused without the clause, in the interface's words, and the event says what would allow it", async () => {
    const lookedUp = await ask({}, "look-up", { name: "api.test" });
    expect(lookedUp).toMatchObject({
      outcome: { kind: "denied-import", target: "api.test" },
      output: { err: "access-denied" },
      events: [{ effect: "denied", change: 'add to sockets: { host: "api.test", port: "<its port>" }' }],
    });
    const reached = await ask({}, "reach", { address: "127.0.0.1", port: server.port });
    expect(reached).toMatchObject({
      output: { err: "access-denied" },
      events: [{ change: `add to sockets: { host: "127.0.0.1", port: ${server.port} }` }],
    });
  });

  it.each([
    ["127.0.0.1", { ok: ["127.0.0.1"] }],
    ["::1", { ok: ["0:0:0:0:0:0:0:1"] }],
    ["2001:db8::5:1", { ok: ["2001:db8:0:0:0:0:5:1"] }],
    ["127.1", { err: "access-denied" }],
    ["0x7f.0.0.1", { err: "access-denied" }],
    ["::ffff:127.0.0.1", { err: "invalid-argument" }],
    ["fe80::1%eth0", { err: "invalid-argument" }],
    ["1:2:3:4:5:6:7:8:9", { err: "invalid-argument" }],
    ["a b", { err: "invalid-argument" }],
    ["bücher.example", { err: "invalid-argument" }],
    ["", { err: "invalid-argument" }],
  ])("is looked up for %j: %j, and no name server is asked", async (name, output) => {
    const found = await ask(granted(), "look-up", { name });
    expect(found.output).toEqual(output);
    expect(found.host.usage.requests).toBe(0);
  });

  it("does not pass its budget", async () => {
    const budget = {
      ...{ fuel: 2e9, memory_bytes: "64MiB", output_bytes: "1MiB", log_bytes: 0 },
      ...{ egress_bytes: "100KiB", requests: 2 },
    };
    const { outcome, events } = await ask({ ...granted(), budget }, "talk", {
      ...{ name: "api.test", port: server.port, text: "hello", times: 1 },
    });
    expect(outcome).toEqual({ kind: "exhausted", budget: "egress_bytes" });
    expect(events[1]).toMatchObject({ bytes_out: 5, bytes_in: 102_395 });
  });

  it("ends with the run: a server that says nothing is left at the time to live", async () => {
    const silent = await listenTcp((socket) => void socket.pause());
    const policy = { sockets: [{ host: "api.test", port: silent.port }], max_duration_ms: 1500 };
    const { outcome } = await ask(policy, "talk", {
      ...{ name: "api.test", port: silent.port, text: "?", times: 1 },
    });
    expect(outcome).toMatchObject({ kind: "timed-out" });
  });

  it.each([
    ["bind", "access-denied"],
    ["listen", "access-denied"],
    ["accept", "invalid-state"],
    ["udp", "access-denied"],
    ["early", "not-in-progress"],
    ["family", "invalid-argument"],
    ["mapped", "invalid-argument"],
    ["scoped", "invalid-argument"],
    ["anywhere", "invalid-argument"],
    ["port 0", "invalid-argument"],
    ["twice", "invalid-state"],
    ["write after end", "closed"],
  ])("answers %s with %s", async (what, err) => {
    const { output, events } = await ask(granted(), "probe", { what, port: server.port });
    expect(output).toEqual({ err });
    if (err === "access-denied") expect(events).toMatchObject([{ effect: "denied", clause: "not offered" }]);
  });

  it.each([
    ["options", "true 7 1000 false 0.0.0.0 127.0.0.1 true"],
    ["read after end", ""],
    ["kept pollables", "200009 true"],
  ])("answers %s", async (what, ok) => {
    const end = await ask(granted(), "probe", { what, port: server.port });
    expect(end.outcome).toEqual({ kind: "completed" });
    expect(end.output).toEqual({ ok });
  });

  it("goes when its socket is dropped", async () => {
    const before = closed;
    expect((await ask(granted(), "probe", { what: "half a life", port: server.port })).output).toEqual({
      ok: "dropped",
    });
    await until(() => closed === before + 1);
  });
});
