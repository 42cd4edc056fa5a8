/**
 * A guest without a runtime, served without a broker: a process that asks over its pipe for one GET after another, and
 * counts what comes. What it takes no guest goes without that has a process of its own. Started as a program, this file is
 * that process.
 *
 *     to it: u32le run, u32le kind, u32le number of GETs or of bytes, then those bytes
 *     from it, a line each: `<run>` asks for a GET, `<run> <bytes>` has had all that it wanted
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PROJECT_FOLDER } from "../../../src/compose.ts";

const HEAD_BYTES = 12;
/** What a head says: a run begins, bytes of its answer follow, its answer has ended. */
const KINDS = { begin: 0, bytes: 1, end: 2 } as const;
/** Bytes of an answer that are given to it at once, as to an executor. */
const PIECE_BYTES = 256 * 1024;

/** The process, from outside. */
export interface BareGuest {
  /** @returns bytes of so many GETs, one after another */
  run(url: string, times: number): Promise<number>;
  close(): Promise<void>;
}

/** @param get makes a GET */
export function openBareGuest(get: (url: string) => Promise<AsyncIterable<Uint8Array>>): BareGuest {
  const program = join(PROJECT_FOLDER, "node_modules/.bin/node");
  const child = spawn(program, [fileURLToPath(import.meta.url)], { stdio: ["pipe", "pipe", "inherit"] });
  const runs = new Map<number, { readonly url: string; readonly done: (bytes: number) => void }>();
  let begun = 0;
  let drained: Promise<unknown> | undefined;

  /** @returns whether there is room for more */
  function write(words: readonly number[], pieces: readonly Uint8Array[] = []): boolean {
    const head = new DataView(new ArrayBuffer(HEAD_BYTES));
    for (const [index, word] of words.entries()) head.setUint32(4 * index, word, true);
    child.stdin.cork();
    let hasRoom = child.stdin.write(new Uint8Array(head.buffer));
    for (const piece of pieces) hasRoom = child.stdin.write(piece);
    child.stdin.uncork();
    return hasRoom;
  }

  async function pass(run: number, pieces: readonly Uint8Array[], bytes: number): Promise<void> {
    if (bytes === 0 || write([run, KINDS.bytes, bytes], pieces)) return;
    // All that wait wait for the same.
    drained ??= once(child.stdin, "drain").finally(() => {
      drained = undefined;
    });
    await drained;
  }

  async function answer(run: number, url: string): Promise<void> {
    let pieces: Uint8Array[] = [];
    let bytes = 0;
    for await (const piece of await get(url)) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes < PIECE_BYTES) continue;
      await pass(run, pieces, bytes);
      [pieces, bytes] = [[], 0];
    }
    await pass(run, pieces, bytes);
    write([run, KINDS.end, 0]);
  }

  let rest = "";
  child.stdout.setEncoding("latin1").on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [run = 0, bytes] = line.split(" ").map(Number);
      const asked = runs.get(run);
      if (bytes === undefined) void answer(run, asked?.url ?? "");
      else asked?.done(bytes);
    }
  });

  return {
    run(url, times) {
      const run = begun++;
      const { promise, resolve } = Promise.withResolvers<number>();
      runs.set(run, { url, done: resolve });
      write([run, KINDS.begin, times]);
      return promise.finally(() => runs.delete(run));
    },
    async close() {
      const ended = once(child, "close");
      child.stdin.end();
      await ended;
    },
  };
}

function beBareGuest(): void {
  const runs = new Map<number, { left: number; bytes: number }>();
  const head = new Uint8Array(HEAD_BYTES);
  const words = new Uint32Array(head.buffer);
  let headBytes = 0;
  /** Whose bytes follow, and how many. */
  let [owner, left] = [0, 0];

  function next(run: number): void {
    const own = runs.get(run);
    if (own === undefined) return;
    own.left -= 1;
    if (own.left >= 0) process.stdout.write(`${run}\n`);
    else process.stdout.write(`${run} ${own.bytes}\n`);
    if (own.left < 0) runs.delete(run);
  }

  function obey(): void {
    const [run = 0, kind, value = 0] = words;
    if (kind === KINDS.begin) runs.set(run, { left: value, bytes: 0 });
    if (kind === KINDS.bytes) [owner, left] = [run, value];
    else next(run);
  }

  function take(bytes: number, buffer: Uint8Array): boolean {
    for (let at = 0; at < bytes; ) {
      const part = Math.min(bytes - at, left > 0 ? left : HEAD_BYTES - headBytes);
      if (left > 0) {
        const own = runs.get(owner);
        if (own !== undefined) own.bytes += part;
        left -= part;
      } else {
        head.set(buffer.subarray(at, at + part), headBytes);
        headBytes = (headBytes + part) % HEAD_BYTES;
        if (headBytes === 0) obey();
      }
      at += part;
    }
    return true;
  }

  const onread = { buffer: new Uint8Array(PIECE_BYTES), callback: take };
  new Socket({ fd: 0, readable: true, writable: false, onread }).resume();
}

if (import.meta.main) beBareGuest();
