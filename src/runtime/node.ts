/** The Node half of `#runtime`. */
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { Runtime } from "../ports/index.ts";
import { chunksOf } from "./chunks.ts";
import { runCommand } from "./command.ts";
import {
  CLOSE_GRACE_MS,
  openAppend,
  openSqlite,
  readAll,
  readTail,
  systemClock,
  systemEntropy,
  systemFiles,
  systemResolver,
} from "./common.ts";
import { readFolder } from "./folder.ts";
import { killGroup } from "./kill-group.ts";
import { systemSockets } from "./local-sockets.ts";
import { executorCommand, type Self } from "./lockdown.ts";
import { viewProcess } from "./process-view.ts";
import { createSigning } from "./signing.ts";
import { systemVerification } from "./verification.ts";

const SELF: Self = {
  name: "node",
  program: process.execPath,
  arch: process.arch,
  knowsFlag: (flag) => process.allowedNodeEnvironmentFlags.has(flag),
};

// Whoever reads our output may have read enough, as `head` does. What is printed after that is told to nobody, and is no
// failure; Deno does the same by itself.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });
}

/** What this process can do, on Node. */
export const runtime: Runtime = {
  name: "node",
  version: process.versions.node,
  clock: systemClock,
  entropy: systemEntropy,
  signing: createSigning("fast"),
  verification: systemVerification,
  files: systemFiles,
  resolver: systemResolver,
  tlsHoldsBack: true,
  readFolder,
  runCommand,
  sockets: systemSockets,
  args: process.argv.slice(2),
  env: (name) => process.env[name],
  print: (line) => void process.stdout.write(`${line}\n`),
  printError: (line) => void process.stderr.write(`${line}\n`),
  terminal: { isTty: process.stdout.isTTY === true, columns: process.stdout.columns },
  readStdin: () => readAll(process.stdin),
  setExitCode(code) {
    process.exitCode = code;
  },
  onStopSignal(action) {
    process.once("SIGINT", action);
    process.once("SIGTERM", action);
  },
  onReloadSignal: (action) => void process.on("SIGHUP", action),
  openSqlite,
  // Loaded by those who have such a database.
  openPostgres: async (url) => (await import("./postgres.ts")).openPostgres(url),
  openAppend,
  spawnExecutor(role, cage = {}) {
    const { program, args, input } = executorCommand(role, cage, SELF);
    const child = spawn(program, args, {
      // An empty environment: nothing of the operator's is there to be read, not even in /proc/self/environ.
      env: {},
      stdio: ["pipe", "pipe", "pipe"],
      // A process group of its own, to be killed whole: bubblewrap that dies while it starts leaves a child behind.
      detached: true,
    });
    const { pid = -1 } = child;
    // Writing to a child that died is an ordinary end, reported by `write` and `exited`, never an uncaught error.
    child.stdin.on("error", () => undefined);
    child.stdin.write(input);
    const diagnostics = readTail(child.stderr, 8192);
    const exited = new Promise<{ code: number | null; diagnostics: string }>((resolve) => {
      const finish = async (code: number | null) => resolve({ code, diagnostics: await diagnostics });
      child.once("error", () => void finish(null));
      child.once("close", (code) => void finish(code));
    });
    return {
      pid,
      output: chunksOf(child.stdout),
      write: (...pieces) =>
        new Promise((resolve, reject) => {
          const written = (error?: Error | null) => (error ? reject(error) : resolve());
          if (pieces.length === 1) {
            child.stdin.write(pieces[0] ?? "", written);
            return;
          }
          // One call of the system for all of them.
          child.stdin.cork();
          for (const piece of pieces.slice(0, -1)) child.stdin.write(piece);
          child.stdin.write(pieces.at(-1) ?? "", written);
          child.stdin.uncork();
        }),
      kill() {
        // Once it was waited for, its number may be another's.
        if (child.exitCode === null && child.signalCode === null) killGroup(pid, process.kill);
      },
      exited,
      view: viewProcess(pid, cage.system ?? "none"),
    };
  },
  async serve(handler, options) {
    // Its own Request and Response become the global ones: answering from the text that a Response was made of, instead
    // of from the stream that the runtime's makes of it, is a third of what a request costs here.
    const server = createServer(getRequestListener(handler));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(options.port, options.hostname, resolve);
    });
    const address = server.address();
    if (address === null || typeof address === "string") throw new TypeError("Cannot read the bound port");
    return {
      port: address.port,
      close: (graceMs = CLOSE_GRACE_MS) =>
        new Promise((resolve, reject) => {
          // A request that never becomes whole must not keep the gateway from stopping.
          const cancel = systemClock.after(graceMs, () => server.closeAllConnections());
          server.close((error) => {
            cancel();
            if (error) reject(error);
            else resolve();
          });
          server.closeIdleConnections();
        }),
    };
  },
};
