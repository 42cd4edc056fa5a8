/**
 * What both runtimes do alike, over the `node:` modules that each of them ships. Whatever differs between them
 * is in `node.ts` and `deno.ts`; no other room names a runtime.
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { Resolver as DnsResolver } from "node:dns/promises";
import { writeSync } from "node:fs";
import { link, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { clearTimeout, setTimeout } from "node:timers";
import type { AppendFile, Clock, Entropy, Files, Resolver, SqliteDatabase } from "../ports/index.ts";
import { makeFolder } from "./make-folder.ts";

/** The system's clocks. */
export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(ms, action) {
    const timer = setTimeout(action, ms);
    // A deadline that is still pending must not keep a finished process alive.
    timer.unref();
    return () => clearTimeout(timer);
  },
};

/** How long requests under way may go on once a server is told to close. */
export const CLOSE_GRACE_MS = 15_000;

/** The system's random generator. */
export const systemEntropy: Entropy = createEntropy();

/** How much is drawn from the system at once: a run needs some hundred bytes, in five draws. */
const DRAWN_BYTES = 4096;

function createEntropy(): Entropy {
  let drawn = new Uint8Array(0);
  let at = 0;
  return {
    bytes(length) {
      if (length > DRAWN_BYTES / 8) return new Uint8Array(randomBytes(length));
      if (at + length > drawn.length) {
        drawn = new Uint8Array(randomBytes(DRAWN_BYTES));
        at = 0;
      }
      const given = drawn.slice(at, at + length);
      // INVARIANT: no byte is given twice, or to be found here once it was given.
      drawn.fill(0, at, at + length);
      at += length;
      return given;
    },
  };
}

/** The system's files. */
export const systemFiles: Files = {
  async read(path) {
    try {
      const bytes = await readFile(path);
      // A view where the buffer is this file's alone: a large one is not copied.
      return bytes.length === bytes.buffer.byteLength
        ? new Uint8Array(bytes.buffer, 0, bytes.length)
        : new Uint8Array(bytes);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },
  async write(path, bytes, options) {
    const temporary = await writeTemporary(path, bytes, options?.mode ?? 0o644);
    try {
      // A crash before this line leaves a `.tmp` file that nobody reads; after it, the whole new file.
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(dirname(path));
  },
  async create(path, bytes, { mode }) {
    const temporary = await writeTemporary(path, bytes, mode);
    try {
      // Unlike a renaming, it never takes the place of what is there.
      await link(temporary, path);
    } catch (error) {
      if (hasCode(error, "EEXIST")) return false;
      throw error;
    } finally {
      await rm(temporary, { force: true });
    }
    await syncFolder(dirname(path));
    return true;
  },
  async remove(path) {
    await rm(path, { force: true });
  },
  async list(path) {
    try {
      const entries = await readdir(path, { withFileTypes: true });
      return entries
        .map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }))
        .sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  },
  async stamp(path) {
    try {
      const { ino, size, mtimeMs, ctimeMs } = await stat(path);
      return `${ino} ${size} ${mtimeMs} ${ctimeMs}`;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },
  async mode(path) {
    try {
      return (await stat(path)).mode & 0o777;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  },
};

/** Writes, syncs and closes a file beside the one that it is for. @returns its path */
async function writeTemporary(path: string, bytes: Uint8Array | string, mode: number): Promise<string> {
  // Folders that we make are the operator's own: keys, records and caches go there.
  await makeFolder(dirname(path));
  const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
  // The mode is set at creation, so a key is at no moment readable by others.
  const handle = await open(temporary, "wx", mode);
  try {
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return temporary;
}

/** How much of a file that is opened for appending is read. */
const TAIL_BYTES = 64 * 1024;

/** Opens a file that only grows. */
export async function openAppend(path: string): Promise<AppendFile> {
  await makeFolder(dirname(path));
  const handle = await open(path, "a+", 0o600);
  const { size } = await handle.stat();
  const tail = new Uint8Array(Math.min(size, TAIL_BYTES));
  await handle.read(tail, 0, tail.length, size - tail.length);
  if (size === 0) await syncFolder(dirname(path));
  return {
    tail,
    // At once, not by another thread: handing a few hundred bytes to the system takes less than going there and back.
    async append(bytes) {
      for (let at = 0; at < bytes.length; ) at += writeSync(handle.fd, bytes, at);
    },
    sync: () => handle.datasync(),
    close: () => handle.close(),
  };
}

/** The system's name servers, without its hosts file: what a policy names is a name in the DNS. */
export const systemResolver: Resolver = createResolver();

/** @param servers addresses of name servers, `127.0.0.1:5353`; default: the system's */
export function createResolver(servers?: readonly string[]): Resolver {
  return { resolve: (host, signal) => resolve(host, signal, servers) };
}

async function resolve(
  host: string,
  signal: AbortSignal,
  servers: readonly string[] | undefined,
): Promise<readonly string[]> {
  const resolver = new DnsResolver({ timeout: 2_000, tries: 2 });
  if (servers !== undefined) resolver.setServers([...servers]);
  const abort = () => resolver.cancel();
  signal.addEventListener("abort", abort, { once: true });
  try {
    const families = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    const addresses = families.flatMap((family) => (family.status === "fulfilled" ? family.value : []));
    signal.throwIfAborted();
    return addresses;
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Opens a SQLite database file (`:memory:` for a private one). */
export function openSqlite(path: string): SqliteDatabase {
  let database = new DatabaseSync(path);
  const reopen = (): void => {
    // It may be closed already, when the last attempt to open it failed.
    if (database.isOpen) database.close();
    database = new DatabaseSync(path);
  };
  return {
    ...(path === ":memory:" ? {} : { reopen }),
    prepare(sql) {
      const statement = database.prepare(sql);
      // A statement has result columns exactly when it returns rows (SELECT, RETURNING, some PRAGMAs).
      const reader = statement.columns().length > 0;
      return {
        reader,
        all: (parameters) => statement.all(...sqlValues(parameters)),
        run: (parameters) => statement.run(...sqlValues(parameters)),
        iterate: (parameters) => statement.iterate(...sqlValues(parameters)),
      };
    },
    exec: (sql) => database.exec(sql),
    close() {
      if (database.isOpen) database.close();
    },
  };
}

/** Everything a stream holds. */
export async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return new Uint8Array(Buffer.concat(chunks));
}

/** Keeps the last bytes of a child's stderr, for the operator's log. */
export async function readTail(stream: AsyncIterable<Uint8Array>, limitBytes: number): Promise<string> {
  let tail: Uint8Array = new Uint8Array(0);
  try {
    for await (const chunk of stream) {
      const joined = new Uint8Array(tail.length + chunk.length);
      joined.set(tail);
      joined.set(chunk, tail.length);
      tail = joined.subarray(Math.max(0, joined.length - limitBytes));
    }
  } catch {
    // The child was killed while it wrote: what arrived is what there is.
  }
  return new TextDecoder().decode(tail);
}

async function syncFolder(path: string): Promise<void> {
  // Without this a power loss may forget the rename although the file itself was synced.
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems refuse to sync a folder (EINVAL, EPERM); they give no stronger promise to ask for.
    if (!hasCode(error, "EINVAL") && !hasCode(error, "EPERM")) throw error;
  } finally {
    await handle.close();
  }
}

function sqlValues(parameters: readonly unknown[]): SQLInputValue[] {
  return parameters.map((value) => {
    if (value === null || typeof value === "string" || typeof value === "number") return value;
    if (typeof value === "bigint" || value instanceof Uint8Array) return value;
    throw new TypeError(`Cannot bind a SQL parameter of type ${typeof value}`);
  });
}

function isMissing(error: unknown): boolean {
  return hasCode(error, "ENOENT") || hasCode(error, "ENOTDIR");
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
