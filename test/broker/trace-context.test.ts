/** A run's trace in requests of its guest: there by the policy's word alone, whatever the guest or the service says. */
import { afterEach, describe, expect, it } from "vitest";
import { createBroker } from "../../src/broker/index.ts";
import type { NetworkRule } from "../../src/core/policy/types.ts";
import {
  BUDGET,
  clock,
  closeListeners,
  fakeResolver,
  get,
  listenTcp,
  readAll,
  rule,
  sendOk,
} from "./support.ts";

afterEach(closeListeners);

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const RUN_SPAN = "b7ad6b7169203331";
const CALL_SPAN = "00f067aa0ba902b7";
const STATE = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
/** What a guest that wants to be in another trace, or to tell about its own, may try. */
const FORGED: readonly (readonly [string, string])[] = [
  ["traceparent", "00-11111111111111111111111111111111-2222222222222222-01"],
  ["TraceParent", "00-11111111111111111111111111111111-2222222222222222-01"],
  ["tracestate", "evil=1"],
  ["TRACESTATE", "evil=2"],
  ["traceresponse", "00-11111111111111111111111111111111-2222222222222222-01"],
];

async function serve(extra = "") {
  return await listenTcp((socket) =>
    socket.on("data", () =>
      socket.end(`HTTP/1.1 200 OK\r\n${extra}x-kept: yes\r\ncontent-length: 2\r\n\r\nok`),
    ),
  );
}

function openTraced(rules: readonly NetworkRule[], trace: { tracestate?: string } | undefined = {}) {
  const broker = createBroker({
    clock,
    resolver: fakeResolver({ "api.test": ["127.0.0.1"] }).resolver,
    profiles: new Map(),
    egress: { allowAddresses: ["127.0.0.1/32"] },
  });
  return broker.openRun({
    grants: [{ kind: "http-client", rules }],
    budget: BUDGET,
    startedAtMs: Date.now(),
    trace: { traceparent: `00-${TRACE}-${RUN_SPAN}-01`, ...trace },
  });
}

/** The fields of a trace that a service received. */
function traceFields(received: string): readonly string[] {
  return received.split("\r\n").filter((line) => /^trace/i.test(line));
}

describe("trace_context", () => {
  it("puts the trace, with the call's span as the parent, on requests of a rule that says so", async () => {
    const server = await serve();
    const host = openTraced([rule("api.test", server.port, { trace_context: "propagate" })], {
      tracestate: STATE,
    });
    const sent = get(server.port, { headers: FORGED.map(([name, value]) => [name, value]) });
    const reply = await host.call({
      ...{ name: "http-client/send", args: sent, body: new Uint8Array(0) },
      spanId: CALL_SPAN,
    });
    expect(reply.kind).toBe("ok");
    expect(traceFields(server.received())).toEqual([
      `traceparent: 00-${TRACE}-${CALL_SPAN}-01`,
      `tracestate: ${STATE}`,
    ]);
    expect(host.events).toMatchObject([
      {
        clause: `network_allowlist[0]; trace_context of span ${CALL_SPAN}; the guest's own trace context not sent`,
      },
    ]);
  });

  it("has the run's own span for a parent where nobody names the call", async () => {
    const server = await serve();
    const host = openTraced([rule("api.test", server.port, { trace_context: "propagate" })]);
    await sendOk(host, get(server.port));
    expect(traceFields(server.received())).toEqual([`traceparent: 00-${TRACE}-${RUN_SPAN}-01`]);
    expect(host.events[0]?.clause).toBe(`network_allowlist[0]; trace_context of span ${RUN_SPAN}`);
  });

  it.each([
    ["a rule that does not say so", {}],
    ["a rule with other header lists", { request_headers: { strip: ["cookie"] } }],
  ])("leaves nothing of any trace under %s, the guest's included", async (_, more) => {
    const server = await serve();
    const host = openTraced([rule("api.test", server.port, more)], { tracestate: STATE });
    await sendOk(
      host,
      get(server.port, { headers: [...FORGED.map(([name, value]) => [name, value]), ["x-own", "1"]] }),
    );
    expect(traceFields(server.received())).toEqual([]);
    expect(server.received()).toContain("x-own: 1");
    expect(server.received()).not.toContain(TRACE);
    expect(host.events[0]?.clause).toBe("network_allowlist[0]; the guest's own trace context not sent");
  });

  it("lets the guest speak of a trace of its own where the rule's lists name the field", async () => {
    const server = await serve();
    const lists = { request_headers: { allow: ["traceparent"] } };
    const host = openTraced([rule("api.test", server.port, lists)]);
    await sendOk(host, get(server.port, { headers: [["traceparent", "the-guest's"]] }));
    expect(traceFields(server.received())).toEqual(["traceparent: the-guest's"]);
  });

  it("shows the guest nothing of it that a service sends back, in headers and trailers", async () => {
    const echoes = [
      `traceparent: 00-${TRACE}-${CALL_SPAN}-01`,
      "tracestate: vendor=1",
      `traceresponse: 00-${TRACE}-3333333333333333-01`,
      `server-timing: traceparent;desc="00-${TRACE}-${CALL_SPAN}-01"`,
      `x-request-id: ${CALL_SPAN}`,
      "x-kept: yes",
      "trailer: x-trace",
      "transfer-encoding: chunked",
    ];
    const server = await listenTcp((socket) =>
      socket.on("data", () =>
        socket.end(
          `HTTP/1.1 200 OK\r\n${echoes.join("\r\n")}\r\n\r\n2\r\nok\r\n0\r\nx-trace: ${TRACE}\r\nx-end: 1\r\n\r\n`,
        ),
      ),
    );
    const host = openTraced([rule("api.test", server.port, { trace_context: "propagate" })]);
    const reply = await host.call({
      ...{ name: "http-client/send", args: get(server.port), body: new Uint8Array(0) },
      spanId: CALL_SPAN,
    });
    if (reply.kind !== "ok") throw new TypeError(`Cannot go on: ${JSON.stringify(reply)}`);
    const { body, headers } = Object(reply.value);
    expect(headers).toEqual([["x-kept", "yes"]]);
    const { last } = await readAll(host, body);
    expect(last).toMatchObject({ kind: "ok", value: { end: true, trailers: [["x-end", "1"]] } });
    expect(JSON.stringify([reply, last])).not.toContain(TRACE);
  });
});
