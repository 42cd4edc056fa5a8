/**
 * Look-ups and connections of `sockets` against a real name server that changes its mind, asserted at real listeners. A
 * guest connects to addresses it has been told, so what it is told is judged, and what it then asks for again.
 */
import { createServer, type Server } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createBroker } from "../../src/broker/index.ts";
import type { SocketRule } from "../../src/core/policy/index.ts";
import { createResolver } from "../../src/runtime/common.ts";
import { type Answer, type DnsServer, listenDns } from "../support/dns-server.ts";
import { BUDGET, call, clock, closeListeners, listen } from "./support.ts";

const servers: DnsServer[] = [];
afterEach(async () => {
  await closeListeners();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

/** What a rule says beside the port of the service. */
const RULE = { host: "db.test" };
const SERVICE = "127.0.0.2";
const CANARY = "127.0.0.1";
/** Where a guest that was told nothing would try it all the same. */
const EVERYWHERE = [CANARY, SERVICE, "127.0.0.3", "::1", "0.0.0.0", "169.254.169.254", "10.0.0.1"];

/** A service on 127.0.0.2, which the operator opened, and a canary on the same port of 127.0.0.1, which he did not. */
async function openScene(answer: (turn: number) => readonly Answer[], more: readonly SocketRule[] = []) {
  const canary = await listen(
    createServer((socket) => socket.destroy()),
    () => "",
  );
  let served = 0;
  const service: Server = createServer((socket) => {
    served += 1;
    socket.on("error", () => {}).end();
  });
  await new Promise<void>((resolve) => service.listen(canary.port, SERVICE, resolve));
  let turn = 0;
  const dns = await listenDns(() => answer(turn));
  const close = () => new Promise<void>((resolve) => void service.close(() => resolve()));
  servers.push(dns, { server: "", asked: [], close });
  const broker = createBroker({
    clock,
    resolver: createResolver([dns.server]),
    profiles: new Map(),
    egress: { allowAddresses: [`${SERVICE}/32`] },
  });
  const openRun = () =>
    broker.openRun({
      grants: [{ kind: "sockets", rules: [{ ...RULE, port: canary.port }, ...more] }],
      budget: { ...BUDGET, requests: 100_000 },
      startedAtMs: clock.nowMs(),
    });
  const host = openRun();
  return {
    canary,
    served: () => served,
    openRun,
    host,
    async lookUp(next: number): Promise<readonly string[] | undefined> {
      turn = next;
      const reply = await call(host, "sockets/resolve", { name: RULE.host });
      // From the broker: what a look-up gives is addresses.
      return reply.kind === "ok" ? (reply.value as readonly string[]) : undefined;
    },
    async connect(address: string, port = canary.port): Promise<string> {
      const reply = await call(host, "sockets/connect", { address, port });
      if (reply.kind !== "ok") return reply.kind === "error" ? String(reply.error) : reply.kind;
      await call(host, "sockets/close", { handle: Number(Reflect.get(Object(reply.value), "handle")) });
      return "connected";
    },
  };
}

const A = (address: string): Answer => ({ address });

describe("a name server that flips", () => {
  it("1,000 times leads no socket to what was not judged", async () => {
    const scene = await openScene((turn) => [A(turn % 2 === 0 ? SERVICE : CANARY)]);
    const ends: Record<string, number> = {};
    for (let turn = 0; turn < 1000; turn += 1) {
      const found = await scene.lookUp(turn);
      // To what it was told, else to where it knows that the canary sits.
      const end = await scene.connect(found?.[0] ?? CANARY);
      ends[end] = (ends[end] ?? 0) + 1;
    }
    expect(ends).toEqual({ connected: 500, "access-denied": 500 });
    expect([scene.canary.connects(), scene.served()]).toEqual([0, 500]);
  });

  it.each<[string, readonly Answer[]]>([
    ["a good and a bad address", [A(SERVICE), A(CANARY)]],
    ["a good A and a bad AAAA", [A(SERVICE), A("::1")]],
    ["a bad address in IPv6's clothes", [A("::ffff:7f00:1")]],
    ["metadata behind another name", [{ cname: "metadata.test" }, A("169.254.169.254")]],
    ["a name that leads home", [{ cname: "localhost" }, A(CANARY)]],
    ["nothing", []],
  ])("is told nothing for %s, and may connect nowhere by it", async (_, answers) => {
    const scene = await openScene(() => answers);
    expect(await scene.lookUp(0)).toBeUndefined();
    for (const address of EVERYWHERE) expect(await scene.connect(address)).toBe("access-denied");
    expect([scene.canary.connects(), scene.served()]).toEqual([0, 0]);
  });
});

describe("an address", () => {
  it("that one run was told is nothing to another, and nothing on another port", async () => {
    const scene = await openScene(() => [A(SERVICE)]);
    expect(await scene.lookUp(0)).toEqual([SERVICE]);
    const other = scene.openRun();
    const args = { address: SERVICE, port: scene.canary.port };
    expect(await call(other, "sockets/connect", args)).toEqual({ kind: "error", error: "access-denied" });
    for (const port of [1, 22, 65_535]) expect(await scene.connect(SERVICE, port)).toBe("access-denied");
    expect(scene.served()).toBe(0);
    expect(await scene.connect(SERVICE)).toBe("connected");
  });

  it("that the policy names itself is reached only where the operator opened it", async () => {
    const port = "1-65535" as const;
    const named = ["127.0.0.1", "::1", "169.254.169.254", "10.0.0.1"].map((host) => ({ host, port }));
    const scene = await openScene(() => [], named);
    for (const { host } of named) expect(await scene.connect(host)).toBe("access-denied");
    for (const { clause } of scene.host.events)
      expect(clause).toMatch(/^egressAllow: \S+; permitted by sockets\[[1-4]\]$/);
    expect(scene.canary.connects()).toBe(0);
  });
});
