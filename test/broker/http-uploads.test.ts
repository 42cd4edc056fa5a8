/** Request bodies in pieces, against an executor that says what no honest one says. */
import { afterEach, describe, expect, it } from "vitest";
import {
  call,
  closeListeners,
  get,
  listenHttp,
  listenRelay,
  listenTcp,
  openRun,
  rule,
  TRANSPORTS,
  until,
} from "./support.ts";

afterEach(closeListeners);

const bytes = (text: string) => new TextEncoder().encode(text);
const PROTOCOL = { kind: "stop", outcome: { kind: "revoked", reason: "protocol" } };

/** A server that answers when a body has ended, and what it got. */
async function listen() {
  const got: { text: string; ended: boolean; aborted: boolean } = { text: "", ended: false, aborted: false };
  const { port } = await listenHttp((request, response) => {
    request.on("data", (chunk: Uint8Array) => {
      got.text += new TextDecoder().decode(chunk);
    });
    request.on("error", () => {
      got.aborted = true;
    });
    request.on("end", () => {
      got.ended = true;
      response.end("done");
    });
  });
  const { host } = openRun({ rules: [rule("api.test", port)] });
  const post = (stream: number) => get(port, { method: "POST", stream });
  return { got, host, post };
}

describe("http-client/push", () => {
  it("sends pieces in the order in which they came, and the end last", async () => {
    const { got, host, post } = await listen();
    const sent = call(host, "http-client/send", post(7), bytes("a"));
    for (const [piece, end] of [
      ["b", false],
      ["c", false],
      ["", true],
    ] as const) {
      expect(await call(host, "http-client/push", { stream: 7, end }, bytes(piece))).toMatchObject({
        kind: "ok",
      });
    }
    expect(await sent).toMatchObject({ kind: "ok", value: { status: 200 } });
    expect(got).toMatchObject({ text: "abc", ended: true });
  });

  it.each(["http-client/push", "http-client/abort"])(
    "takes a number that was never begun for a forgery: %s",
    async (name) => {
      const { host } = await listen();
      const args = name.endsWith("push") ? { stream: 1, end: true } : { stream: 1 };
      expect(await call(host, name, args)).toEqual(PROTOCOL);
    },
  );

  it("ends when a server has answered at length and left, though nobody reads that answer", async () => {
    const { port } = await listenTcp((socket) => {
      const answer = `HTTP/1.1 200 OK\r\ncontent-length: 400000\r\n\r\n${"x".repeat(399_999)}`;
      socket.once("data", () => void socket.write(answer, () => socket.destroy()));
    });
    const { host } = openRun({ rules: [rule("api.test", port)] });
    await call(host, "http-client/send", get(port, { method: "POST", stream: 1 }), bytes("a"));
    for (;;) {
      const pushed = await call(host, "http-client/push", { stream: 1, end: false }, bytes("b".repeat(4096)));
      if (pushed.kind === "ok") continue;
      expect(pushed).toEqual({ kind: "error", error: { tag: "connection-terminated" } });
      break;
    }
  });

  it("takes a number that is begun twice for a forgery", async () => {
    const { host, post } = await listen();
    const first = call(host, "http-client/send", post(1), bytes("a"));
    expect(await call(host, "http-client/send", post(1), bytes("b"))).toEqual(PROTOCOL);
    expect(await first).toMatchObject({ kind: "stop" });
  });

  it("takes nothing for a request that was denied", async () => {
    const { host, post, got } = await listen();
    const args = { ...post(1), authority: "other.test:80" };
    expect(await call(host, "http-client/send", args, bytes("a"))).toEqual({
      kind: "error",
      error: { tag: "HTTP-request-denied" },
    });
    expect(await call(host, "http-client/push", { stream: 1, end: true }, bytes("b"))).toEqual({
      kind: "error",
      error: { tag: "connection-terminated" },
    });
    expect(got.text).toBe("");
  });

  it("lets no server take a body that was given up for a whole one", async () => {
    const { host, post, got } = await listen();
    const sent = call(host, "http-client/send", post(1), bytes("half"));
    await until(() => got.text === "half");
    await call(host, "http-client/abort", { stream: 1 });
    expect(await sent).toMatchObject({ kind: "error" });
    expect(got.ended).toBe(false);
  });

  it("ends what is under way when the run is closed, and takes nothing afterwards", async () => {
    const { host, post, got } = await listen();
    const sent = call(host, "http-client/send", post(1), bytes("half"));
    await until(() => got.text === "half");
    host.close();
    expect(await sent).toMatchObject({ kind: "stop" });
    expect(await call(host, "http-client/push", { stream: 1, end: true }, bytes("b"))).toMatchObject({
      kind: "stop",
    });
    await until(() => got.aborted);
    expect(got).toMatchObject({ text: "half", ended: false });
  });

  /** A way to a server that carries nothing more of what it is sent, once that was so many bytes. */
  function stuckAfter(mostBytes: number, port: number) {
    return listenRelay(port, (near, far) => {
      let carried = 0;
      near.on("data", (chunk) => {
        carried += chunk.length;
        far.write(chunk);
        if (carried > mostBytes) near.pause();
      });
      far.on("data", (chunk) => near.write(chunk));
    });
  }

  it.each(Object.entries(TRANSPORTS))(
    "over %s is not taken when nothing takes it onwards",
    async (_name, transport) => {
      const server = await transport.listen();
      const { port } = await stuckAfter(100_000, server.port);
      const { host } = transport.openRun(port, { budget: { egress_bytes: 200_000_000 } });
      void call(
        host,
        "http-client/send",
        { ...transport.get(port, { method: "POST" }), stream: 1 },
        bytes("a"),
      );
      const piece = new Uint8Array(65_536);
      let taken = 0;
      let isStuck = false;
      while (!isStuck && taken < 100_000_000) {
        const pushed = call(host, "http-client/push", { stream: 1, end: false }, piece).then(() => true);
        const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 500));
        isStuck = !(await Promise.race([pushed, late]));
        if (!isStuck) taken += piece.length;
      }
      // What the system's own buffers hold, and no more.
      expect(isStuck).toBe(true);
      expect(taken).toBeGreaterThan(100_000);
      expect(taken).toBeLessThan(20_000_000);
      host.close();
    },
  );
});
