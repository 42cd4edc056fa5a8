/** A gateway as a process of its own, of the runtime that runs the test: what can be killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeFolder } from "./folder.ts";
import { type Answer, callGateway, PROJECT, SAMPLE_TOOLS } from "./gateway.ts";
import { shareCache } from "./shared-cache.ts";

const isDeno = "Deno" in globalThis;

/** A gateway that listens. */
export interface GatewayProcess {
  readonly child: ChildProcess;
  readonly url: string;
  /** The bootstrap key, when this start made one. */
  readonly key: string;
}

/** Processes and folders of one test file; everything goes with {@link Processes.end}. */
export class Processes {
  readonly #children: ChildProcess[] = [];
  readonly #folders: string[] = [];

  /** Runs the command line. */
  spawn(args: readonly string[], prefix: readonly string[] = []): ChildProcess {
    const main = join(PROJECT, "src", "main.ts");
    const own = isDeno ? ["run", "-A", main, ...args] : [main, ...args];
    const [command = process.execPath, ...rest] = [...prefix, process.execPath, ...own];
    const child = spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"] });
    this.#children.push(child);
    return child;
  }

  /**
   * Starts `writ serve --json`.
   *
   * @param flags more of the command line
   * @param prefix a command to run it under, such as strace
   */
  async start(
    dataFolder: string,
    flags: readonly string[] = [],
    prefix: readonly string[] = [],
  ): Promise<GatewayProcess> {
    await shareCache(dataFolder);
    const tools = flags.includes("--tools") ? [] : ["--tools", SAMPLE_TOOLS];
    const args = [
      "serve",
      "--json",
      "--port",
      "0",
      "--data",
      dataFolder,
      "--log-level",
      "silent",
      ...tools,
      ...flags,
    ];
    const child = this.spawn(args, prefix);
    const { url, bootstrapKey } = JSON.parse(await firstLine(child));
    return { child, url, key: bootstrapKey ?? "" };
  }

  /** @returns a fresh folder */
  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), "writ-process-"));
    this.#folders.push(folder);
    return folder;
  }

  /** Ends everything that is left, and waits until it is gone. */
  async end(): Promise<void> {
    await Promise.all(this.#children.splice(0).map(kill));
    for (const folder of this.#folders.splice(0)) await removeFolder(folder);
  }
}

/** @returns the first line that a process prints; rejects when it ends before */
export function firstLine(child: ChildProcess): Promise<string> {
  let errors = "";
  child.stderr?.on("data", (chunk) => {
    errors += chunk;
  });
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout?.on("data", (chunk) => {
      text += chunk;
      const end = text.indexOf("\n");
      if (end >= 0) resolve(text.slice(0, end));
    });
    child.once("exit", (code) => reject(new Error(`The process ended with ${code}: ${errors}`)));
  });
}

/** SIGKILL, and waits until it is gone. One that never began, or is gone already, is not waited for. */
export async function kill(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
}

/** Runs a function of a tool. */
export function invokeTool(
  { url }: Pick<GatewayProcess, "url">,
  key: string,
  path: string,
  input: unknown,
  purpose: string,
): Promise<Answer> {
  return callGateway(url, `/v1/tools/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ input, purpose }),
  });
}
