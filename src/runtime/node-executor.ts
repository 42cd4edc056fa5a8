/** The Node half of `#executor-runtime`: runs inside the cage. */
import { spawn } from "node:child_process";
import { syncBuiltinESMExports } from "node:module";
import { Socket } from "node:net";
import os from "node:os";
import { Worker } from "node:worker_threads";
import type { ExecutorHost } from "../ports/index.ts";
import {
  COMMON_ATTEMPTS,
  nextRound,
  probeSystem,
  randomStream,
  refusedAttempts,
  roleOf,
} from "./executor-common.ts";
import { closeInherited } from "./inherited.ts";

// Before anything else runs. `--permission` lets a process signal every other one of its user: a guest who broke out
// could stop the gateway, or start its inspector. Without these members nothing in the process can.
for (const member of ["kill", "_kill", "_debugProcess", "_debugEnd"]) Reflect.deleteProperty(process, member);
Reflect.deleteProperty(os, "setPriority");
// Whoever imports these modules by name gets what they export now.
syncBuiltinESMExports();

closeInherited();

// Ctrl+C in a terminal reaches every process of its group. The gateway finishes what is running and then closes our
// pipe; that is when we end.
process.on("SIGINT", () => undefined);

/**
 * Holds what comes through the pipe until it is taken: one for all of it, for new ones would keep the collector busy. No
 * larger than most frames, so that of a large one little has come before its place is known.
 */
const INPUT_BYTES = 8 * 1024;

/** The executor's powers, on Node. */
export const executorHost: ExecutorHost = {
  role: roleOf(process.argv[2]),
  readInput: (take, place = () => undefined) =>
    new Promise((resolve, reject) => {
      const own = new Uint8Array(INPUT_BYTES);
      const input = new Socket({
        fd: 0,
        readable: true,
        writable: false,
        onread: {
          buffer: () => place() ?? own,
          callback(bytes, buffer) {
            try {
              take(buffer.subarray(0, bytes));
            } catch (error) {
              reject(error);
              input.destroy();
            }
            return true;
          },
        },
      });
      input.once("end", resolve).once("error", reject).resume();
    }),
  write: (bytes) =>
    new Promise((resolve, reject) => {
      process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
    }),
  runtime: `node ${process.versions.node}`,
  monotonicMs: () => performance.now(),
  nextRound,
  randomStream,
  async probe() {
    if (executorHost.role === "probe") return probeSystem();
    const held = await refusedAttempts(
      [
        ...COMMON_ATTEMPTS,
        ["no-processes", async () => spawn("/bin/true").kill()],
        ["no-threads", async () => new Worker("", { eval: true }).terminate()],
      ],
      (error) => error instanceof Error && "code" in error && error.code === "ERR_ACCESS_DENIED",
    );
    if (Object.keys(process.env).length === 0) held.push("no-environment");
    if (!("kill" in process)) held.push("no-signals");
    if (process.getBuiltinModule("node:sqlite") === undefined) held.push("no-databases");
    return held.sort();
  },
  exit: (code) => process.exit(code),
};
