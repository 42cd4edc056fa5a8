/**
 * Executors of both runtimes from one test, whichever of them it runs on.
 *
 * The runtime's own kind is started by the runtime port: Deno's `node:child_process` adds `-A` to the arguments when
 * the program is Deno itself, which would open the cage.
 */
import { spawn } from "node:child_process";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { runtime } from "#runtime";
import type { ExecutorProcess, ExecutorRole } from "../../src/ports/index.ts";
import { denoArguments, nodeArguments } from "../../src/runtime/lockdown.ts";

const packages = fileURLToPath(new URL("../../node_modules", import.meta.url));

/** How to start an executor of each runtime, by the pinned packages. */
export const EACH_RUNTIME: readonly (readonly [
  name: "node" | "deno",
  start: (role: ExecutorRole) => ExecutorProcess,
])[] = [
  ["node", (role) => startAs("node", role, `${packages}/node/bin/node`, nodeArguments(role))],
  ["deno", (role) => startAs("deno", role, `${packages}/deno/deno`, denoArguments(role))],
];

function startAs(
  name: string,
  role: ExecutorRole,
  program: string,
  args: readonly string[],
): ExecutorProcess {
  return runtime.name === name ? runtime.spawnExecutor(role) : start(program, args);
}

function start(program: string, args: readonly string[]): ExecutorProcess {
  const child = spawn(program, args, { env: {}, stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => undefined);
  let diagnostics = "";
  child.stderr.on("data", (chunk) => {
    diagnostics = `${diagnostics}${chunk}`.slice(-4096);
  });
  return {
    pid: child.pid ?? -1,
    output: Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>, // Node's own type of the same stream.
    write: (bytes) =>
      new Promise((resolve, reject) =>
        child.stdin.write(bytes, (error) => (error ? reject(error) : resolve())),
      ),
    kill: () => void child.kill("SIGKILL"),
    exited: new Promise((resolve) => {
      child.once("error", (error) => resolve({ code: null, diagnostics: String(error) }));
      child.once("close", (code) => resolve({ code, diagnostics }));
    }),
  };
}
