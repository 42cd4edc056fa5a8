/** An executor that says what a test wants: whoever owns the child process can say anything at all. */
import type { ExecutorProcess } from "../../src/ports/index.ts";
import { encodeFrame, type Frame, readFrames } from "../../src/sandbox/pipe/frames.ts";
import { NO_VIEW } from "./no-view.ts";

/** What a script can do. */
export interface Mouth {
  /** Sends a frame. */
  say(head: object, body?: Uint8Array): void;
  /** Sends bytes that need not be a frame. */
  sayBytes(bytes: Uint8Array): void;
  /** Ends the process. */
  die(diagnostics?: string): void;
}

/** A process under a test's control. */
export interface ScriptedExecutor extends ExecutorProcess {
  readonly killed: boolean;
}

/** What a well-behaved executor says first. */
export const READY = { type: "ready", runtime: "scripted", verified: [] };

/**
 * @param script is given each command; the start is one of type `start`
 */
export function createScriptedExecutor(
  script: (command: Frame["head"], mouth: Mouth, body: Uint8Array) => void,
): ScriptedExecutor {
  const exited = Promise.withResolvers<{ code: number | null; diagnostics: string }>();
  const commands = new TransformStream<Uint8Array, Uint8Array>(
    undefined,
    { highWaterMark: 100 },
    { highWaterMark: 100 },
  );
  const writer = commands.writable.getWriter();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  let alive = true;
  let killed = false;
  /** The gateway has stopped to listen. */
  let unread = false;

  const mouth: Mouth = {
    say: (head, body) => mouth.sayBytes(encodeFrame(head, body)),
    sayBytes(bytes) {
      if (alive && !unread) controller?.enqueue(bytes);
    },
    die(diagnostics = "") {
      if (!alive) return;
      alive = false;
      if (!unread) controller?.close();
      writer.close().catch(() => undefined);
      exited.resolve({ code: null, diagnostics });
    },
  };
  const output = new ReadableStream<Uint8Array>({
    start(it) {
      controller = it;
      queueMicrotask(() => script({ type: "start" }, mouth, new Uint8Array(0)));
    },
    cancel() {
      unread = true;
    },
  });
  void (async () => {
    for await (const { head, body } of readFrames(commands.readable, 2 ** 30)) script(head, mouth, body);
  })();

  return {
    pid: -1,
    output,
    async write(...pieces) {
      if (!alive) throw new TypeError("It is gone");
      // Copies: once this resolves, what was given is used for other bytes.
      await Promise.all(pieces.map((piece) => writer.write(new Uint8Array(piece))));
    },
    kill() {
      killed = true;
      mouth.die();
    },
    exited: exited.promise,
    view: NO_VIEW,
    get killed() {
      return killed;
    },
  };
}
