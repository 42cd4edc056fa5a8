/** DNS rebinding by a real name server, through the runtime's own resolver, asserted at real listeners. */
import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createBroker } from "../../src/broker/index.ts";
import { createResolver } from "../../src/runtime/common.ts";
import { type Answer, type DnsServer, listenDns } from "../support/dns-server.ts";
import { BUDGET, clock, closeListeners, get, listen, readAll, rule, send } from "./support.ts";

const servers: DnsServer[] = [];
afterEach(async () => {
  await closeListeners();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

const OK = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/** A service on 127.0.0.2, which the operator opened, and a canary on the same port of 127.0.0.1, which he did not. */
async function openScene(answer: (turn: number, type: "A" | "AAAA") => readonly Answer[], pool?: string) {
  const canary = await listen(
    createServer((socket) => socket.end(OK)),
    () => "",
  );
  const service = createServer((socket) => socket.on("data", () => socket.write(OK)).on("error", () => {}));
  let served = 0;
  service.on("connection", () => (served += 1));
  await new Promise<void>((resolve) => service.listen(canary.port, "127.0.0.2", resolve));
  let turn = 0;
  const dns = await listenDns((_, type) => answer(turn, type));
  servers.push(dns, {
    server: "",
    asked: [],
    close: () => new Promise((resolve) => void service.close(() => resolve())),
  });
  const broker = createBroker({
    clock,
    resolver: createResolver([dns.server]),
    profiles: new Map(),
    egress: { allowAddresses: ["127.0.0.2/32"] },
  });
  const host = broker.openRun({
    grants: [{ kind: "http-client", rules: [rule("api.test", canary.port)] }],
    budget: { ...BUDGET, requests: 10_000 },
    startedAtMs: Date.now(),
    ...(pool === undefined ? {} : { pool }),
  });
  return {
    canary,
    served: () => served,
    dns,
    async ask(next: number) {
      turn = next;
      const reply = await send(host, get(canary.port));
      if (reply.kind !== "ok")
        return reply.kind === "error" ? String(Reflect.get(Object(reply.error), "tag")) : reply.kind;
      await readAll(host, Number(Reflect.get(Object(reply.value), "body")));
      return "ok";
    },
  };
}

const A = (address: string): Answer => ({ address });

describe("a name server that flips", () => {
  it.each([
    ["with connections of their own", undefined],
    ["with shared connections", "acme p1"],
  ])("1,000 times reaches nothing that was not judged, %s", async (_, pool) => {
    // Two questions a request, A and AAAA: whichever of them sees the flip.
    const scene = await openScene((turn) => [A(turn % 2 === 0 ? "127.0.0.2" : "127.0.0.1")], pool);
    const ends: Record<string, number> = {};
    for (let turn = 0; turn < 1000; turn += 1) {
      const end = await scene.ask(turn);
      ends[end] = (ends[end] ?? 0) + 1;
    }
    expect(ends).toEqual({ ok: 500, "destination-IP-prohibited": 500 });
    expect(scene.canary.connects()).toBe(0);
    expect(scene.dns.asked.length).toBe(2000);
    if (pool === undefined) expect(scene.served()).toBe(500);
    else expect(scene.served()).toBeLessThan(500);
  });

  it("is not trusted when it changes its mind between the question for A and the one for AAAA, or with every question", async () => {
    let questions = 0;
    const choices = ["127.0.0.1", "127.0.0.2", "::1", "169.254.169.254", "10.0.0.1", "::ffff:7f00:1"];
    const scene = await openScene(() => {
      questions += 1;
      return [
        A(choices[questions % choices.length] ?? ""),
        A(choices[(questions * 7) % choices.length] ?? ""),
      ];
    });
    for (let turn = 0; turn < 200; turn += 1) await scene.ask(turn);
    expect(scene.canary.connects()).toBe(0);
  });

  it.each<[string, readonly Answer[]]>([
    ["a good and a bad address", [A("127.0.0.2"), A("127.0.0.1")]],
    ["a good A and a bad AAAA", [A("127.0.0.2"), A("::1")]],
    ["metadata behind another name", [{ cname: "metadata.test" }, A("169.254.169.254")]],
    ["a name that leads home", [{ cname: "localhost" }, A("127.0.0.1")]],
  ])("is refused as a whole for %s", async (_, answers) => {
    const scene = await openScene(() => answers);
    expect(await scene.ask(0)).toMatch(/^(destination-IP-prohibited|DNS-error)$/);
    expect([scene.canary.connects(), scene.served()]).toEqual([0, 0]);
  });
});
