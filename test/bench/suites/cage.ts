/** What runs under way cost, and how fast the dead are dead. Real executors, no gateway around them. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { runtime } from "#runtime";
import type { JsonValue } from "../../../src/core/policy/index.ts";
import type { ExecutorProcess, HostReply, SandboxComponent, SystemCage } from "../../../src/ports/index.ts";
import { npmGuest } from "../../guests/npm-guests.ts";
import { admit, componentOf, LOG_IMPORT, MEMORY_MODULE, sampleTool } from "../../support/components.ts";
import { ECHO_GUEST, LOGGING_PART, SPIN_GUEST, WAIT_GUEST } from "../../support/guests.ts";
import { openSandbox, type TestSandbox } from "../../support/sandbox.ts";
import { type Row, rowOf } from "../harness.ts";
import type { Figure, Suite, SuiteContext, SuiteOutput } from "../suite.ts";

const MIB = 1024 * 1024;
const TINY_BYTES = 64 * 1024;
/** For a function of the QuickJS guest that waits for its host. */
const NOTE = { level: "info", context: "bench", message: "waits" };
/** One page, with room for what a call needs. */
const SMALL_MEMORY = MEMORY_MODULE.replace(
  '(memory (export "memory") 32)',
  '(memory (export "memory") 1)',
).replace("1048576", "4096");

/** The suite. */
export const cage: Suite = {
  name: "cage",
  about: "suspended runs, kill to dead, executors in each cage",
  async run({ folder, quick, say }) {
    // Waiting callers and new executors are all that is left at times, and neither keeps a process alive.
    const alive = setInterval(() => undefined, 60_000);
    try {
      return await measure(folder, quick, say);
    } finally {
      clearInterval(alive);
    }
  },
};

async function measure(folder: string, quick: boolean, say: SuiteContext["say"]): Promise<SuiteOutput> {
  const cacheFolder = join(folder, "cache");
  await mkdir(cacheFolder, { recursive: true });
  const wait = await componentOf(WAIT_GUEST);
  const spin = await componentOf(SPIN_GUEST);
  const echo = await componentOf(ECHO_GUEST);
  const rogue = await sampleTool("rogue");
  const quickjs = await admit(await npmGuest("reach"));
  const tiny = await componentOf(`(component ${LOG_IMPORT} ${SMALL_MEMORY} ${LOGGING_PART})`);

  say("kill to dead");
  const deaths = await killAll(cacheFolder, { wait, spin, rogue, echo }, quick);
  say("suspended runs");
  const figures = [
    ...(await suspend(cacheFolder, "tiny", tiny, TINY_BYTES, quick ? 100 : 10_000, "run", { n: 1 })),
    ...(await suspend(cacheFolder, "QuickJS", quickjs, 16 * MIB, quick ? 10 : 500, "note", NOTE)),
    ...(await suspend(cacheFolder, "StarlingMonkey", rogue, 64 * MIB, quick ? 3 : 20, "flood-log", {})),
  ];
  say("starting executors in each cage");
  const starts = await startInEach(quick);
  return {
    tables: [
      {
        title: "time to live over → the run ended, and the process gone where it had to be killed",
        rows: deaths,
      },
      { title: "executor process: spawn → probed and ready", rows: starts },
    ],
    figures,
    notes: [
      "resident bytes are of the executors alone, as /proc says; the gateway's own part of a suspended run is in the figure named so",
    ],
  };
}

/** Ways of refusing to stop. */
async function killAll(
  cacheFolder: string,
  guests: Readonly<Record<"wait" | "spin" | "rogue" | "echo", SandboxComponent>>,
  quick: boolean,
): Promise<readonly Row[]> {
  const ways: readonly (readonly [string, SandboxComponent, string, boolean])[] = [
    ["a loop in WebAssembly", guests.spin, "run", false],
    ["a loop of JavaScript in StarlingMonkey", guests.rogue, "spin", false],
    ["waiting for the clock", guests.wait, "run", false],
    ["an executor that the system has stopped", guests.spin, "run", true],
  ];
  const rows: Row[] = [];
  for (const [name, component, func, stopped] of ways) {
    const box = await openSandbox({ cacheFolder, executors: 1 });
    try {
      await box.sandbox.prepare(component, 64 * MIB);
      await box.call(component, func, {}, { fuel: 1e15, timeToLiveMs: 1500 });
      const samples: number[] = [];
      for (let i = 0; i < (quick ? 2 : 8); i++) {
        const ttl = 300;
        // The executor is ready: a run that is late for one that starts kills nothing.
        await box.call(guests.echo, "run", { n: 1 });
        const at = performance.now();
        const running = box.call(component, func, {}, { fuel: 1e15, timeToLiveMs: ttl });
        if (stopped) {
          await new Promise((resolve) => setTimeout(resolve, 150));
          const pid = lastRun(box)?.pid;
          if (pid !== undefined) process.kill(pid, "SIGSTOP");
        }
        const victim = lastRun(box);
        const end = await running;
        if (end.outcome.kind !== "timed-out") throw new Error(`${name}: ${JSON.stringify(end.outcome)}`);
        // Only who does not hear is killed; the others are stopped by their executor, which lives on.
        if (stopped) await victim?.exited;
        samples.push(performance.now() - at - ttl);
      }
      rows.push(rowOf(name, samples));
    } finally {
      await box.close();
    }
  }
  return rows;
}

async function suspend(
  cacheFolder: string,
  name: string,
  component: SandboxComponent,
  memoryBytes: number,
  count: number,
  func: string,
  input: JsonValue,
): Promise<readonly Figure[]> {
  const box = await openSandbox({ cacheFolder, executors: 2, most: 2, runs: count, queue: count });
  try {
    let asked = 0;
    const reply = () => {
      asked += 1;
      return new Promise<HostReply>(() => undefined);
    };
    const options = { memoryBytes, fuel: 1e12, timeToLiveMs: 300_000, reply };
    // Compiled, and everything that is made once is there.
    await box.sandbox.prepare(component, memoryBytes);
    for (const timeToLiveMs of [1500, 1500])
      await Promise.all([1, 2].map(() => box.call(component, func, input, { ...options, timeToLiveMs })));
    await new Promise((resolve) => setTimeout(resolve, 1500));
    asked = 0;
    const before = residentOf(box);
    const gatewayBefore = process.memoryUsage().rss;
    const at = performance.now();
    let ended = 0;
    const runs: Promise<unknown>[] = [];
    const fail = () => {
      ended += 1;
    };
    // As many at once as begin within a caller's patience.
    for (; runs.length < count && ended === 0; await new Promise((resolve) => setTimeout(resolve, 1)))
      while (runs.length < count && runs.length < asked + 200)
        runs.push(box.call(component, func, input, options).then(fail, fail));
    while (asked < count && ended === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const took = performance.now() - at;
    // What was made on the way is collected, or would be.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const each = (residentOf(box) - before) / count / MIB;
    const gateway = (process.memoryUsage().rss - gatewayBefore) / count / 1024;
    if (ended > 0) throw new Error(`${ended} of ${count} suspended runs ended`);
    await box.sandbox.close();
    await Promise.all(runs);
    return [
      { name: `${name}: runs suspended at once`, value: count, unit: "runs" },
      { name: `${name}: resident in executors, each`, value: each, unit: "MiB" },
      { name: `${name}: resident in the gateway, each`, value: gateway, unit: "KiB" },
      { name: `${name}: until the last was suspended`, value: took, unit: "ms" },
    ];
  } finally {
    await box.close();
  }
}

async function startInEach(quick: boolean): Promise<readonly Row[]> {
  const rows: Row[] = [];
  for (const name of ["node", "deno"] as const) {
    for (const system of ["none", "setpriv", "bubblewrap"] as const satisfies readonly SystemCage[]) {
      const samples: number[] = [];
      for (let i = 0; i < (quick ? 2 : 3); i++) {
        const at = performance.now();
        const box = await openSandbox({
          spawn: (role, where) => runtime.spawnExecutor(role, { runtime: name, ...where, system }),
        });
        samples.push(performance.now() - at);
        await box.close();
      }
      rows.push(rowOf(`${name}, ${system}`, samples));
    }
  }
  return rows;
}

function lastRun(box: TestSandbox): ExecutorProcess | undefined {
  return box.started.findLast(({ role }) => role === "run")?.process;
}

function residentOf(box: TestSandbox): number {
  return box.started
    .filter(({ role }) => role === "run")
    .reduce((sum, { process: child }) => sum + (child.view.memory()?.residentBytes ?? 0), 0);
}
