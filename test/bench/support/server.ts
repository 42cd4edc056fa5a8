/** Starts the servers under test as processes of their own: a client in the same process would share their event loop. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PROJECT_FOLDER } from "../../../src/compose.ts";

/** A server that listens. */
export interface RunningServer {
  readonly url: string;
  /** API key, of a gateway. */
  readonly key: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const DENO = join(PROJECT_FOLDER, "node_modules", ".bin", "deno");

/**
 * @param script file of `support/` that prints `{ "url": …, "key": … }` once it listens, and ends when its stdin does
 * @param args handed to it
 * @throws when it ends before it listens
 */
export async function startServer(
  host: "node" | "deno",
  script: "gateway-server.ts" | "echo-server.ts",
  args: readonly string[] = [],
): Promise<RunningServer> {
  const path = join(import.meta.dirname, script);
  const [command, ...before] = host === "node" ? [process.execPath] : [DENO, "run", "-A"];
  const child = spawn(command ?? process.execPath, [...before, path, ...args], {
    cwd: PROJECT_FOLDER,
    stdio: ["pipe", "pipe", process.env["WRIT_BENCH_STDERR"] === undefined ? "ignore" : "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const line = await Promise.race([
    new Promise<string>((resolve) => createInterface(child.stdout).once("line", resolve)),
    ended.then(() => {
      throw new Error(`${script} ended before it listened; set WRIT_BENCH_STDERR=1 to see why`);
    }),
  ]);
  const { url, key }: { url: string; key: string } = JSON.parse(line);
  return {
    url,
    key,
    pid: child.pid ?? -1,
    async stop() {
      child.stdin.end();
      const impatience = setTimeout(() => child.kill("SIGKILL"), 15_000);
      await ended;
      clearTimeout(impatience);
    },
  };
}
