/** How much memory the kernel lets an executor have: what that is, when it changes, and what its refusal means to a run. */
import { readFileSync } from "node:fs";
import process from "node:process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { ExecutorProcess, HostReply, SystemCage } from "../../src/ports/index.ts";
import { createCeiling } from "../../src/sandbox/ceiling.ts";
import { componentOf, LOG_IMPORT, MEMORY_MODULE } from "../support/components.ts";
import { EACH_RUNTIME } from "../support/each-runtime.ts";
import { temporaryFolder } from "../support/folder.ts";
import { ECHO_GUEST, LOGGING_PART } from "../support/guests.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

const MIB = 1024 * 1024;

/** A kernel that takes a limit when it is let, and a clock that stands where it is put. */
function setUp(isTaken = true) {
  const state = { nowMs: 10_000, failures: 0 };
  const asked: { mib: number; answer: () => void }[] = [];
  const ceiling = createCeiling(
    {
      limitWritable: (bytes) =>
        new Promise((resolve) => asked.push({ mib: bytes / MIB, answer: () => resolve(isTaken) })),
    },
    { ...runtime.clock, monotonicMs: () => state.nowMs },
    () => {
      state.failures += 1;
    },
  );
  /** Lets the kernel answer all that was asked. @returns what that was, in MiB */
  async function kernel(): Promise<readonly number[]> {
    const seen: number[] = [];
    for (let next = asked.shift(); next !== undefined; next = asked.shift()) {
      seen.push(next.mib);
      next.answer();
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
    return seen;
  }
  async function begun(mib: number) {
    const begin = ceiling.begin(mib * MIB);
    await kernel();
    await begin;
  }
  const settle = (mib: number, of: "idle" | "next" | "runs", soonMib = 0) =>
    ceiling.settle(mib * MIB, soonMib * MIB, of);
  return { state, ceiling, kernel, begun, settle, asked };
}

describe("createCeiling()", () => {
  it("bounds nothing, and keeps nobody waiting, before it has begun and where there is no such limit", async () => {
    const { settle, asked } = setUp();
    expect(settle(900, "next")).toBe(undefined);
    expect(asked).toEqual([]);
    const none = createCeiling({ limitWritable: undefined }, runtime.clock, () => expect.unreachable());
    await none.begin(1);
    expect(none.settle(900 * MIB, 0, "next")).toBe(undefined);
  });

  it("has who needs more wait until the kernel has raised it", async () => {
    const { begun, settle, kernel } = setUp();
    await begun(100);
    expect(settle(100, "next")).toBe(undefined);
    const wait = settle(200, "next");
    expect(wait).toBeInstanceOf(Promise);
    expect(await kernel()).toEqual([260]);
    await wait;
    expect(settle(200, "next")).toBe(undefined);
  });

  it("raises it once for as many again when some are under way", async () => {
    const { begun, settle, kernel, asked } = setUp();
    await begun(100);
    void settle(300, "runs", 200);
    expect(await kernel()).toEqual([560]);
    expect(settle(400, "runs", 300)).toBe(undefined);
    expect(asked).toEqual([]);
  });

  it("leaves it alone while it is right within some megabytes, so that most runs change nothing", async () => {
    const { begun, settle, asked } = setUp();
    await begun(100);
    for (const mib of [95, 100, 107]) expect(settle(mib, "next")).toBe(undefined);
    expect(asked).toEqual([]);
  });

  it("lowers it for a run that begins alone, which waits for that, but not within a second of a larger one", async () => {
    const { state, begun, settle, kernel, asked } = setUp();
    await begun(200);
    void settle(200, "next");
    state.nowMs += 900;
    expect(settle(20, "next")).toBe(undefined);
    expect(asked).toEqual([]);
    state.nowMs += 200;
    const wait = settle(20, "next");
    expect(await kernel()).toEqual([80]);
    await wait;
    expect(settle(20, "next")).toBe(undefined);
  });

  it("lowers nothing while the executor is idle: what it loads was the host's own work", async () => {
    const { state, begun, settle, asked } = setUp();
    await begun(200);
    state.nowMs += 5000;
    expect(settle(20, "idle")).toBe(undefined);
    expect(asked).toEqual([]);
  });

  it("lets nobody begin while the kernel is about to lower it below what that one needs", async () => {
    const { state, begun, settle, kernel } = setUp();
    await begun(300);
    state.nowMs += 5000;
    void settle(20, "runs");
    const wait = settle(300, "next");
    expect(wait).toBeInstanceOf(Promise);
    // The lower one is on its way, and cannot be called back.
    expect(await kernel()).toEqual([80, 360]);
    await wait;
    expect(settle(300, "next")).toBe(undefined);
  });

  it("says so when the kernel does not take it, and keeps nobody waiting for ever", async () => {
    const { state, ceiling, settle, kernel } = setUp(false);
    const begin = ceiling.begin(100 * MIB);
    await kernel();
    await begin;
    expect(state.failures).toBe(1);
    expect(settle(900, "next")).toBe(undefined);
  });
});

/** Of all of them: each component is prepared once. */
let cacheFolder = "";
let removeCache = async () => {};
beforeAll(async () => {
  ({ path: cacheFolder, remove: removeCache } = await temporaryFolder());
});
afterAll(() => removeCache());

/** An executor that is never seen to hold anything: only the kernel is left to refuse. */
function unseen(executor: ExecutorProcess): ExecutorProcess {
  const { view } = executor;
  const memory = () => {
    const seen = view.memory();
    return seen && { ...seen, residentBytes: 0 };
  };
  return { ...executor, view: { ...view, memory } };
}

/** `npm test` knows of none of the system's, because they need more than npm. */
const CAGES = (process.env["WRIT_TEST_CAGES"] ?? "none").split(",") as readonly SystemCage[];

function open(system: SystemCage, name: "node" | "deno"): Promise<TestSandbox> {
  return openSandbox({
    cacheFolder,
    most: 1,
    queue: 1000,
    cages: [system],
    spawn: (role, cage) => unseen(runtime.spawnExecutor(role, { runtime: name, ...cage })),
  });
}

/** Objects of the engine's own heap, for ever. */
const GREEDY = `(component
  (core module $guest
    (type $node (struct (field (ref null $node)) (field i64 i64 i64 i64 i64 i64)))
    (global $head (mut (ref null $node)) (ref.null $node))
    (func (export "run") (param i32) (result i32)
      loop $for-ever
        (global.set $head (struct.new $node (global.get $head)
          (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)))
        br $for-ever
      end
      unreachable))
  (core instance $guest (instantiate $guest))
  (func (export "run") (param "n" u32) (result u32) (canon lift (core func $guest "run"))))`;

/** One page, with room for what a call needs. */
const SMALL_MEMORY = MEMORY_MODULE.replace(
  `(memory (export "memory") 32)`,
  `(memory (export "memory") 1)`,
).replace("1048576", "4096");

const executorOf = ({ started }: TestSandbox) => started.findLast(({ role }) => role === "run")?.process;

const KINDS = EACH_RUNTIME.flatMap(([name]) => CAGES.map((system) => [name, system] as const));

describe.each(KINDS)("an executor on %s in the cage %s, whose memory the kernel bounds", (name, system) => {
  let box: TestSandbox;
  beforeAll(async () => {
    box = await open(system, name);
  });
  afterAll(() => box.close());
  const isBounded = () => box.sandbox.isolation.verified.includes("os-memory-limit");

  it("is said to be bounded exactly where the kernel says so", () => {
    const view = executorOf(box)?.view;
    const limits = readFileSync(`/proc/${view?.pid()}/limits`, "utf8");
    expect(isBounded()).toBe(view?.limitWritable !== undefined);
    expect(isBounded()).toBe(/^Max data size\s+\d+\s/m.test(limits));
  });

  it("can not have more than its run was granted, and the run ends as exhausted; the next one runs", async () => {
    if (!isBounded()) return;
    const options = { memoryBytes: 16 * MIB, fuel: 1e12, timeToLiveMs: 60_000 };
    const { outcome } = await box.call(await componentOf(GREEDY), "run", { n: 1 }, options);
    expect(outcome).toEqual({ kind: "exhausted", budget: "resident_bytes" });
    expect((await box.call(await componentOf(ECHO_GUEST), "run", { n: 5 }, options)).output).toBe(5);
  });

  it("has room for a run of whatever grant, and for many at once, in whatever order", async () => {
    const echo = await componentOf(ECHO_GUEST);
    const grants = [16, 1024, 2, 1024, 16];
    const run = (mib: number) => box.call(echo, "run", { n: mib }, { memoryBytes: mib * MIB });
    for (const mib of grants) expect((await run(mib)).output).toBe(mib);
    const ends = await Promise.all([...grants, ...grants].map(run));
    expect(ends.map(({ output }) => output)).toEqual([...grants, ...grants]);
  });

  it("is let have more for each run that waits than such a run takes", async () => {
    const component = await componentOf(`(component ${LOG_IMPORT} ${SMALL_MEMORY} ${LOGGING_PART})`);
    const RUNS = 150;
    let waiting = 0;
    const allWait = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<HostReply>();
    const reply = () => {
      waiting += 1;
      if (waiting === RUNS) allWait.resolve();
      return answer.promise;
    };
    const options = { memoryBytes: MIB / 16, timeToLiveMs: 170_000, reply };
    await box.call(component, "run", { n: 1 }, { ...options, reply: () => ({ kind: "ok", value: null }) });
    const view = executorOf(box)?.view;
    const before = view?.memory()?.writableBytes ?? 0;
    const runs = Array.from({ length: RUNS }, () => box.call(component, "run", { n: 1 }, options));
    await allWait.promise;
    const each = ((view?.memory()?.writableBytes ?? 0) - before) / RUNS;
    // Its memory, its stack, and what the host keeps for it: see `watch.ts`. Thousands of them may wait.
    expect(each / MIB).toBeLessThan(1 / 16 + 1.5);
    answer.resolve({ kind: "ok", value: null });
    for (const { outcome } of await Promise.all(runs)) expect(outcome.kind).toBe("completed");
  });
});
