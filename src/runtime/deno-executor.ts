/** The Deno half of `#executor-runtime`: runs inside the cage. */
import threads from "node:worker_threads";
import type { ExecutorHost } from "../ports/index.ts";
import {
  COMMON_ATTEMPTS,
  nextRound,
  probeSystem,
  randomStream,
  refusedAttempts,
  roleOf,
} from "./executor-common.ts";

// Before anything else runs. What a page stores is on the disk, for every later executor of whatever tenant, and no permission
// is asked for it. A thread would have these again, so there are none: the class that theirs is made from refuses.
for (const name of ["localStorage", "sessionStorage", "caches", "Worker"])
  Reflect.deleteProperty(globalThis, name);
function NoThread() {
  throw new Deno.errors.NotCapable("Threads are not available here");
}
Reflect.setPrototypeOf(threads.Worker, NoThread);
Object.preventExtensions(threads.Worker);

// Ctrl+C in a terminal reaches every process of its group. The gateway finishes what is running and then closes our
// pipe; that is when we end.
Deno.addSignalListener("SIGINT", () => undefined);

/** Holds what comes through the pipe until it is taken. */
const INPUT_BYTES = 256 * 1024;

/**
 * Rounds of which every third waits for a timer: nothing else has Deno look for what came in on its standard input, and a
 * timer takes a millisecond or more.
 */
function createRounds(): () => Promise<void> {
  let rounds = 0;
  return () => {
    rounds = (rounds + 1) % 3;
    return rounds === 0 ? new Promise((resolve) => void setTimeout(resolve, 0)) : nextRound();
  };
}

/**
 * One write at a time: the system may take a part of what it is given (two bytes of seventy thousand were seen), and what is
 * left of it must not stand behind whatever is written next.
 */
function createWriter(): (bytes: Uint8Array) => Promise<void> {
  let last = Promise.resolve();
  const writeAll = async (bytes: Uint8Array) => {
    for (let written = 0; written < bytes.length; ) {
      written += await Deno.stdout.write(bytes.subarray(written));
    }
  };
  return (bytes) => {
    last = last.then(() => writeAll(bytes));
    return last;
  };
}

/** The executor's powers, on Deno. */
export const executorHost: ExecutorHost = {
  role: roleOf(Deno.args[0]),
  async readInput(take, place = () => undefined) {
    const own = new Uint8Array(INPUT_BYTES);
    for (;;) {
      const buffer = place() ?? own;
      const bytes = await Deno.stdin.read(buffer);
      if (bytes === null) return;
      take(buffer.subarray(0, bytes));
    }
  },
  write: createWriter(),
  runtime: `deno ${Deno.version.deno}`,
  monotonicMs: () => performance.now(),
  nextRound: createRounds(),
  randomStream,
  async probe() {
    if (executorHost.role === "probe") return probeSystem();
    const held = await refusedAttempts(
      [
        ...COMMON_ATTEMPTS,
        ["no-processes", async () => new Deno.Command("/bin/true").outputSync()],
        ["no-threads", async () => new threads.Worker("", { eval: true }).terminate()],
        ["no-signals", async () => Deno.kill(Deno.ppid, "SIGCONT")],
        // Without the permission to read it, the environment might as well be empty; it is empty too.
        ["no-environment", async () => Deno.env.toObject()],
      ],
      (error) => error instanceof Deno.errors.NotCapable || String(error).includes("NotCapable"),
    );
    if (!("caches" in globalThis) && !("localStorage" in globalThis)) held.push("no-storage");
    return held.sort();
  },
  exit: (code) => Deno.exit(code),
};
