/** One capability call through the locked-down process, beside what two bare processes take for a question and an answer. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { runtime } from "#runtime";
import { PROJECT_FOLDER } from "../../../src/compose.ts";
import type { RunHost } from "../../../src/ports/index.ts";
import { createSandbox } from "../../../src/sandbox/index.ts";
import { componentOf, exported, LOG_IMPORT, MEMORY_MODULE } from "../../support/components.ts";
import { rowOf } from "../harness.ts";
import { median } from "../stats.ts";
import type { Figure, Suite, SuiteContext, Table } from "../suite.ts";
import { PLACEMENTS, place } from "../support/placement.ts";

const CALLS = 1000;
/** Of one question: about a small frame. */
const BYTES = 64;
/** Answers each read by as many bytes: as an executor reads and writes, and without its event loop. */
const ECHOES = {
  "event loop": `new (require("net").Socket)({ fd: 0, readable: true, writable: false, onread: { buffer: new Uint8Array(65536),
    callback(bytes, buffer) { process.stdout.write(buffer.slice(0, bytes)); return true; } } }).resume()`,
  "blocking reads": `const fs = require("fs"), buffer = new Uint8Array(65536);
    for (let bytes; (bytes = fs.readSync(0, buffer)) > 0; ) fs.writeSync(1, buffer, 0, bytes)`,
} as const;

/** Something of which a round is many. */
interface Subject {
  readonly name: string;
  /** Of the process that answers. */
  readonly pid: number;
  /** @returns ms of one, of a round of {@link CALLS} */
  round(): Promise<number>;
  close(): Promise<void>;
}

/** The suite. */
export const pipe: Suite = {
  name: "pipe",
  about: "one capability call through the pipe, beside a bare question and answer of two processes",
  async run(context) {
    const subjects = [
      ...Object.entries(ECHOES).map(([name, source]) => bareEcho(name, source)),
      await capabilityCall(context),
    ];
    try {
      context.say("warming up");
      // A call is a matter of microseconds once its code is compiled for good, which takes some ten thousand of them.
      for (const subject of subjects)
        for (let warm = 0; warm < (context.quick ? 3 : 40); warm += 1) await subject.round();
      const tables: Table[] = [];
      const figures: Figure[] = [];
      const notes = [
        `a bare question has ${BYTES} bytes, a call some 130, its answer 70; the call's broker answers at once and does nothing`,
        "in turns, one after another: whoever waits sleeps, so each includes that the system wakes two processes",
        "a system that finds the other core asleep may wake that, or let the two take turns on one: which it does is chance, and each was made to happen as well",
      ];
      for (const placement of PLACEMENTS) {
        context.say(`asking, ${placement}`);
        const placed = await Promise.all(subjects.map(({ pid }) => place(placement, process.pid, pid)));
        if (placement !== "anywhere" && placed.includes(false)) {
          notes.push(`${placement}: not measured, for it is not to be had here`);
          continue;
        }
        const samples = subjects.map((): number[] => []);
        for (let round = 0; round < (context.quick ? 3 : placement === "anywhere" ? 40 : 20); round += 1)
          for (const [index, subject] of subjects.entries()) samples[index]?.push(await subject.round());
        const rows = subjects.map(({ name }, index) => rowOf(name, samples[index] ?? []));
        const [bare = [], , call = []] = samples;
        tables.push({
          title: `one question and its answer, ${placement}: means of rounds of ${CALLS}`,
          rows,
        });
        figures.push({
          name: `${placement}: a capability call over a bare question and answer, median of rounds`,
          value: median(call.map((ms, round) => ms - (bare[round] ?? 0))),
          unit: "ms",
        });
      }
      return { tables, figures, notes };
    } finally {
      await place("anywhere", process.pid, process.pid);
      for (const subject of subjects) await subject.close();
    }
  },
};

function bareEcho(name: string, source: string): Subject {
  const child = spawn(join(PROJECT_FOLDER, "node_modules/.bin/node"), ["-e", source], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  const question = new Uint8Array(BYTES);
  let answered = () => {};
  let due = 0;
  child.stdout.on("data", ({ length }: Uint8Array) => {
    due -= length;
    if (due === 0) answered();
  });
  return {
    name: `bare, ${name}`,
    pid: child.pid ?? 0,
    async round() {
      const startedAt = performance.now();
      for (let call = 0; call < CALLS; call += 1) {
        await new Promise<void>((resolve) => {
          answered = resolve;
          due = BYTES;
          child.stdin.write(question);
        });
      }
      return (performance.now() - startedAt) / CALLS;
    },
    async close() {
      child.stdin.end();
      await ended;
    },
  };
}

async function capabilityCall(context: SuiteContext): Promise<Subject> {
  const component = await componentOf(guestText());
  let pid = 0;
  const sandbox = await createSandbox({
    clock: runtime.clock,
    entropy: runtime.entropy,
    files: runtime.files,
    spawn(role, cage) {
      const child = runtime.spawnExecutor(role, cage);
      if (role === "run") ({ pid } = child);
      return child;
    },
    cacheFolder: join(context.folder, "cache"),
    executors: 1,
    queue: 10,
  });
  const time = async (count: number) => {
    const startedAt = performance.now();
    const { outcome } = await sandbox.run({
      run: "run_bench",
      tenant: "bench",
      component,
      ...exported(component, "run"),
      input: { n: count },
      fuel: 1e12,
      memoryBytes: 16 * 1024 * 1024,
      outputBytes: 1024,
      timeToLiveMs: 60_000,
      info: { traceId: "0".repeat(32), tool: "bench", purpose: "benchmark" },
      host: answering(),
    });
    if (outcome.kind !== "completed") throw new Error(`The guest ended as ${JSON.stringify(outcome)}`);
    return performance.now() - startedAt;
  };
  return {
    name: "writ:host/log#write of a guest",
    pid,
    round: async () => ((await time(CALLS)) - (await time(0))) / CALLS,
    close: () => sandbox.close(),
  };
}

function answering(): RunHost {
  return {
    call: async () => ({ kind: "ok", value: null }),
    close: () => undefined,
    events: [],
    usage: { egress_bytes: 0, requests: 0, log_bytes: 0 },
    denial: undefined,
    diagnostics: [],
  };
}

/** `run(n)`: writes `n` log entries of no text, each a call that waits for its answer. */
function guestText(): string {
  return `(component
    ${LOG_IMPORT}
    ${MEMORY_MODULE}
    (core func $write' (canon lower (func $write) (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
    (core module $guest
      (import "h" "write" (func $write (param i32 i32 i32 i32 i32 i32)))
      (func (export "run") (param $left i32)
        (block $done (loop $again
          (br_if $done (i32.eqz (local.get $left)))
          (call $write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br $again)))))
    (core instance $guest (instantiate $guest (with "h" (instance (export "write" (func $write'))))))
    (func (export "run") (param "n" u32) (canon lift (core func $guest "run"))))`;
}
