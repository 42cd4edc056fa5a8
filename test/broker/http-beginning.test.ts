/** What of a response's body may travel with its head, and with its end: fewer questions, the same bytes and charges. */
import { afterEach, describe, expect, it } from "vitest";
import type { JsonValue } from "../../src/core/policy/index.ts";
import type { HostReply } from "../../src/ports/index.ts";
import {
  bodyOf,
  call,
  closeListeners,
  get,
  listenHttp,
  openRun,
  profileFor,
  readAll,
  rule,
  send,
  until,
} from "./support.ts";

afterEach(closeListeners);

const text = (reply: HostReply) =>
  reply.kind === "ok" ? new TextDecoder().decode(bodyOf(reply)) : reply.kind;
const value = (reply: HostReply): { [name: string]: JsonValue } =>
  reply.kind === "ok" ? Object(reply.value) : {};

async function open(path: string, beginBytes = 65_536) {
  let stalled = () => {};
  const server = await listenHttp((request, response) => {
    switch (request.url) {
      case "/short":
        return void response.writeHead(200, { "content-length": 5 }).end("short");
      case "/chunked":
        response.writeHead(200, { "transfer-encoding": "chunked" });
        return void response.end("pieces");
      case "/none":
        return void response.writeHead(204).end();
      case "/late":
        response.writeHead(200, { "content-length": 4 });
        response.flushHeaders();
        stalled = () => response.end("late");
        return;
      default:
        return void response.writeHead(200, { "content-length": 200_000 }).end("x".repeat(200_000));
    }
  });
  const run = openRun({ rules: [rule("api.test", server.port)], pool: "p" });
  const reply = await send(run.host, get(server.port, { pathWithQuery: path, beginBytes }));
  return { ...run, server, reply, handle: Number(value(reply)["body"]), finish: () => stalled() };
}

describe("http-client/send with beginBytes", () => {
  it("answers a short body whole, with its end: nothing is left to ask or to close, and the connection is kept", async () => {
    const { host, server, reply, handle } = await open("/short");
    expect([text(reply), value(reply)["end"]]).toEqual(["short", true]);
    expect(await call(host, "http-client/read", { handle, maxBytes: 10 })).toEqual({
      kind: "ok",
      value: { end: true },
    });
    await send(host, get(server.port, { pathWithQuery: "/short" }));
    expect(server.connects()).toBe(1);
    // More than may be open at once, if any were still held.
    for (let n = 0; n < 20; n += 1)
      expect((await send(host, get(server.port, { pathWithQuery: "/short", beginBytes: 5 }))).kind).toBe(
        "ok",
      );
  });

  it("gives no more than was asked for, and the rest to whoever reads", async () => {
    const { host, reply, handle } = await open("/short", 2);
    expect([text(reply), value(reply)["end"]]).toEqual(["sh", false]);
    const rest = await call(host, "http-client/read", { handle, maxBytes: 10 });
    expect([text(rest), rest]).toEqual(["ort", expect.objectContaining({ value: { end: true } })]);
  });

  it.each(["/short", "/long"])("says nothing of %s's body to who does not ask for it", async (path) => {
    const { reply } = await open(path, 0);
    expect(reply).not.toHaveProperty("body");
    expect(value(reply)).not.toHaveProperty("end");
  });

  it("does not wait for a body that has not come", async () => {
    const { host, reply, handle, finish } = await open("/late");
    expect(reply).not.toHaveProperty("body");
    finish();
    expect(text(await call(host, "http-client/read", { handle, maxBytes: 10 }))).toBe("late");
  });

  it("ends a body without a length where it ends", async () => {
    const { host, reply, handle } = await open("/chunked");
    const rest = await readAll(host, handle);
    expect(text(reply) + new TextDecoder().decode(rest.chunks[0] ?? new Uint8Array(0))).toContain("pieces");
    expect(rest.last).toEqual({ kind: "ok", value: { end: true } });
    expect((await open("/none")).reply).not.toHaveProperty("body");
  });

  it("charges and tells what arrived, to the byte, and reads the rest of a long body", async () => {
    const { host, reply, handle } = await open("/long");
    const rest = await readAll(host, handle);
    const first = bodyOf(reply).length;
    expect(first + rest.length).toBe(200_000);
    await until(() => (host.events[0]?.bytes_in ?? 0) > 200_000);
    const [event] = host.events;
    expect((event?.bytes_in ?? 0) + (event?.bytes_out ?? 0)).toBe(host.usage.egress_bytes);
  });

  it("gives nothing unsearched to a run with a secret", async () => {
    const server = await listenHttp((request, response) =>
      response.end(`key ${request.headers["x-api-key"]}`),
    );
    const { host } = openRun({ rules: [rule("api.test", server.port)], profile: profileFor(server.port) });
    const reply = await send(host, get(server.port, { beginBytes: 1000 }));
    expect(reply).not.toHaveProperty("body");
    const read = await readAll(host, Number(value(reply)["body"]));
    expect(new TextDecoder().decode(read.chunks[0])).toBe("key ************");
  });
});
