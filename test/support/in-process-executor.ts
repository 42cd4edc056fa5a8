/**
 * The executor's own code, run in this process behind the port of a child process: the same frames, no cage. A
 * `kill` stops what it hears and says; it can not stop a guest that computes.
 */
import type { ExecutorProcess } from "../../src/ports/index.ts";
import { nextRound, randomStream } from "../../src/runtime/executor-common.ts";
import { serveExecutor } from "../../src/sandbox/executor/index.ts";
import { NO_VIEW } from "./no-view.ts";

/** Starts one. */
export function createInProcessExecutor(): ExecutorProcess {
  const commands = new TransformStream<Uint8Array, Uint8Array>(
    undefined,
    { highWaterMark: 1000 },
    { highWaterMark: 1000 },
  );
  const reports = new TransformStream<Uint8Array, Uint8Array>(
    undefined,
    { highWaterMark: 1000 },
    { highWaterMark: 1000 },
  );
  const toExecutor = commands.writable.getWriter();
  const toGateway = reports.writable.getWriter();
  const exited = Promise.withResolvers<{ code: number | null; diagnostics: string }>();
  let alive = true;

  function end(code: number | null, diagnostics = ""): void {
    if (!alive) return;
    alive = false;
    toGateway.close().catch(() => undefined);
    toExecutor.close().catch(() => undefined);
    exited.resolve({ code, diagnostics });
  }

  serveExecutor({
    role: "run",
    async readInput(take) {
      for await (const chunk of commands.readable) take(chunk);
    },
    async write(bytes) {
      if (alive) await toGateway.write(bytes);
    },
    runtime: "in-process",
    monotonicMs: () => performance.now(),
    nextRound,
    randomStream,
    probe: () => Promise.resolve([]),
    exit(code) {
      end(code);
      throw new TypeError("The in-process executor exited");
    },
  }).then(
    () => end(0),
    (error: unknown) => end(1, String(error)),
  );

  return {
    pid: -1,
    output: reports.readable,
    async write(...pieces) {
      if (!alive) throw new TypeError("It is gone");
      // Copies: once this resolves, what was given is used for other bytes.
      await Promise.all(pieces.map((piece) => toExecutor.write(new Uint8Array(piece))));
    },
    kill: () => end(null),
    exited: exited.promise,
    view: NO_VIEW,
  };
}
