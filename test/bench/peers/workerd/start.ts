/** Finds and starts workerd. It is optional: without it the suite says so, and measures our own side alone. */
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { PROJECT_FOLDER } from "../../../../src/compose.ts";

/** A running workerd. */
export interface Workerd {
  readonly url: string;
  readonly pid: number;
  stop(): Promise<void>;
}

/** What the npm package gives: the path of the binary of this platform. */
interface Package {
  readonly default: string;
  readonly version: string;
}

/** Version of the workerd that is installed, or `undefined`. */
export function workerdVersion(): string | undefined {
  return find()?.version;
}

/** @throws when it is not installed, or does not start */
export async function startWorkerd(): Promise<Workerd> {
  const found = find();
  if (found === undefined) throw new Error("Cannot start workerd: it is not installed");
  const config = join(import.meta.dirname, "config.capnp");
  const child = spawn(found.default, ["serve", "--experimental", "--control-fd=3", config], {
    stdio: ["ignore", "ignore", "inherit", "pipe"],
    // It inherits nothing: a variable of ours must not change the peer's figures.
    env: {},
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const control = child.stdio[3];
  if (!(control instanceof Readable)) throw new TypeError("Cannot read the control pipe of workerd");
  const port = await Promise.race([
    listening(control),
    ended.then(() => {
      throw new Error("Cannot start workerd: it ended before it listened");
    }),
  ]);
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid ?? -1,
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

function listening(control: Readable): Promise<number> {
  return new Promise((resolve) => {
    createInterface(control).on("line", (line) => {
      const event: { event: string; port?: number } = JSON.parse(line);
      if (event.event === "listen" && event.port !== undefined) resolve(event.port);
    });
  });
}

/** The project's own, or one in a folder that `WRIT_BENCH_PEERS` names (a folder with a `node_modules`). */
function find(): Package | undefined {
  const folders = [PROJECT_FOLDER, process.env["WRIT_BENCH_PEERS"]];
  for (const folder of folders) {
    if (folder === undefined) continue;
    try {
      return createRequire(join(folder, "package.json"))("workerd");
    } catch {
      // Not there: the next folder, or none.
    }
  }
  return undefined;
}
