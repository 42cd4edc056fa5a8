/** The Node half of `#executor-runtime`: runs inside the cage. */
import { spawn } from "node:child_process";
import { Worker } from "node:worker_threads";
import type { ExecutorHost } from "../ports/index.ts";
import { COMMON_ATTEMPTS, randomStream, refusedAttempts } from "./executor-common.ts";

/** The executor's powers, on Node. */
export const executorHost: ExecutorHost = {
  role: process.argv[2] === "prepare" ? "prepare" : "run",
  input: process.stdin,
  write: (bytes) =>
    new Promise((resolve, reject) => {
      process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
    }),
  runtime: `node ${process.versions.node}`,
  monotonicMs: () => performance.now(),
  randomStream,
  async probe() {
    const held = await refusedAttempts(
      [
        ...COMMON_ATTEMPTS,
        ["no-processes", async () => spawn("/bin/true").kill()],
        ["no-threads", async () => new Worker("", { eval: true }).terminate()],
      ],
      (error) => error instanceof Error && "code" in error && error.code === "ERR_ACCESS_DENIED",
    );
    if (Object.keys(process.env).length === 0) held.push("no-environment");
    return held.sort();
  },
  exit: (code) => process.exit(code),
};
