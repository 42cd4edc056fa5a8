/** Starts the servers under test as processes of their own: a client in the same process would share their event loop. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PROJECT_FOLDER } from "../../../src/compose.ts";
import { TOOLS_FOLDER } from "./tools.ts";

/** A server that listens. */
export interface RunningServer {
  readonly url: string;
  /** API key, of a gateway. */
  readonly key: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const DENO = join(PROJECT_FOLDER, "node_modules", ".bin", "deno");

/** `writ serve` as an operator starts it, a line of log for every request included. */
export function startGateway(
  host: "node" | "deno",
  dataFolder: string,
  executors: number,
  more: Readonly<Record<string, string>> = {},
): Promise<RunningServer> {
  const flags = { port: 0, data: dataFolder, tools: TOOLS_FOLDER, executors, "log-level": "info", ...more };
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return start(host, [join(PROJECT_FOLDER, "src", "main.ts"), "serve", "--json", ...args]);
}

/** The bare Hono server of `echo-server.ts`. */
export function startEcho(host: "node" | "deno"): Promise<RunningServer> {
  return start(host, [join(import.meta.dirname, "echo-server.ts")]);
}

/** @throws when it ends before its first line, which says where it listens */
async function start(host: "node" | "deno", args: readonly string[]): Promise<RunningServer> {
  const [command, before] = host === "node" ? [process.execPath, []] : [DENO, ["run", "-A"]];
  const child = spawn(command, [...before, ...args], {
    cwd: PROJECT_FOLDER,
    stdio: ["ignore", "pipe", process.env["WRIT_BENCH_STDERR"] === undefined ? "ignore" : "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const lines = createInterface(child.stdout);
  const line = await Promise.race([
    // What it logs before, about preparing tools, has no URL.
    new Promise<string>((resolve) => {
      lines.on("line", (text) => {
        if (text.startsWith('{"url"')) resolve(text);
      });
    }),
    ended.then(() => {
      throw new Error(`${args[0]} ended before it listened; set WRIT_BENCH_STDERR=1 to see why`);
    }),
  ]);
  // Whatever it logs from now on is read, so that its pipe never fills, and dropped.
  lines.close();
  child.stdout.resume();
  const { url, bootstrapKey = "" }: { url: string; bootstrapKey?: string } = JSON.parse(line);
  return {
    url,
    key: bootstrapKey,
    pid: child.pid ?? -1,
    async stop() {
      child.kill("SIGTERM");
      const impatience = setTimeout(() => child.kill("SIGKILL"), 15_000);
      await ended;
      clearTimeout(impatience);
    },
  };
}
