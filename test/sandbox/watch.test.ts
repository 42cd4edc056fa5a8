/** What is seen of an executor from outside: memory beyond its grants, and computing without a pause. */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { Clock, ExecutorProcess, ProcessView } from "../../src/ports/index.ts";
import { viewProcess } from "../../src/runtime/process-view.ts";
import { createLink, type LinkRun } from "../../src/sandbox/link.ts";
import { createWatch, type Watched } from "../../src/sandbox/watch.ts";
import { createFakeRunHost } from "../support/fake-run-host.ts";
import { NO_VIEW } from "../support/no-view.ts";

const MIB = 1024 * 1024;

/** A clock that a test moves. */
function handClock(): Clock & { tick(ms: number): void } {
  let now = 0;
  let timers: { at: number; action: () => void }[] = [];
  return {
    nowMs: () => now,
    monotonicMs: () => now,
    after(ms, action) {
      const timer = { at: now + ms, action };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    tick(ms) {
      const until = now + ms;
      for (;;) {
        const next = timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        now = next.at;
        timers = timers.filter((timer) => timer !== next);
        next.action();
      }
      now = until;
    },
  };
}

interface Run extends Watched {
  waiting: boolean;
  computingSinceMs: number;
}

function setUp(mayRestore = true) {
  const clock = handClock();
  const exceeded: (Run | undefined)[] = [];
  const yields: boolean[] = [];
  const state = { bytes: 100 * MIB, isCrowded: true };
  const view: ProcessView = {
    ...NO_VIEW,
    memory: () => ({ residentBytes: state.bytes, writableBytes: 0 }),
    yieldToOthers(on) {
      yields.push(on);
      return on || mayRestore;
    },
  };
  const watch = createWatch<Run>(view, clock, {
    exceeded: (culprit) => exceeded.push(culprit),
    unbounded: () => expect.unreachable(),
    isCrowded: () => state.isCrowded,
  });
  const begin = (memoryMib: number): Run => {
    const run = {
      memoryBytes: memoryMib * MIB,
      stacks: 1,
      waiting: false,
      computingSinceMs: clock.monotonicMs(),
    };
    watch.began(run);
    return run;
  };
  const end = (run: Run) => watch.ended(run);
  return { clock, state, watch, exceeded, yields, begin, end };
}

describe("createWatch() of memory", () => {
  it("says nothing of a run that holds what it was granted", () => {
    const { clock, state, begin, exceeded } = setUp();
    begin(64);
    clock.tick(20);
    state.bytes += 64 * MIB;
    clock.tick(1000);
    expect(exceeded).toEqual([]);
  });

  it("names the run that holds more, at the next look", () => {
    const { clock, state, begin, exceeded } = setUp();
    const run = begin(16);
    clock.tick(20);
    state.bytes += (16 + 49) * MIB;
    clock.tick(10);
    expect(exceeded[0]).toBe(run);
  });

  it("looks more often where there is little room, so that little is taken between two looks", () => {
    const { clock, state, begin, exceeded } = setUp();
    begin(16);
    clock.tick(8);
    state.bytes += 60 * MIB;
    clock.tick(8);
    expect(exceeded).toEqual([]);
    state.bytes += 5 * MIB;
    clock.tick(1);
    expect(exceeded.length).toBe(1);
  });

  it("names the one that computes among those that wait, and nobody when two compute", () => {
    const { clock, state, begin, exceeded } = setUp();
    const waits = begin(1);
    const computes = begin(1);
    waits.waiting = true;
    clock.tick(20);
    state.bytes += 60 * MIB;
    clock.tick(8);
    expect(exceeded.at(-1)).toBe(computes);
    waits.waiting = false;
    clock.tick(8);
    expect(exceeded.at(-1)).toBe(undefined);
  });

  it("does not hold against a run what earlier ones left, nor against many in turn", () => {
    const { clock, state, begin, end, exceeded } = setUp();
    for (let index = 0; index < 100; index += 1) {
      const run = begin(8);
      clock.tick(3);
      state.bytes += 4 * MIB;
      end(run);
      clock.tick(7);
    }
    expect(exceeded).toEqual([]);
  });

  it("does hold it, past a bound, against one that stays while others come and go", () => {
    const { clock, state, begin, end, exceeded } = setUp();
    const stays = begin(8);
    clock.tick(20);
    for (let index = 0; index < 100; index += 1) {
      const other = begin(64);
      clock.tick(10);
      end(other);
      state.bytes += 4 * MIB;
    }
    expect(exceeded.length).toBeGreaterThan(0);
    expect(stays.waiting).toBe(false);
  });

  it("does not hold against a run what its executor is given to load meanwhile, up to a bound", () => {
    const { clock, state, watch, begin, exceeded } = setUp();
    const run = begin(16);
    clock.tick(20);
    watch.loads(12 * MIB);
    state.bytes += (16 + 100) * MIB;
    clock.tick(20);
    watch.loaded(12 * MIB);
    clock.tick(100);
    expect(exceeded).toEqual([]);
    // An executor that never says that it has loaded, whatever it is given.
    for (let index = 0; index < 100; index += 1) watch.loads(12 * MIB);
    state.bytes += 256 * MIB;
    clock.tick(20);
    expect(exceeded.at(-1)).toBe(run);
  });

  it("stops looking when nothing runs", () => {
    const { clock, state, begin, end, exceeded } = setUp();
    end(begin(8));
    clock.tick(20);
    state.bytes += 900 * MIB;
    clock.tick(1000);
    expect(exceeded).toEqual([]);
  });
});

describe("createWatch() of what is held when nothing runs", () => {
  it.each([
    [1023, false],
    [1025, true],
  ])("finds an executor that holds %d MiB worn: %s", (mib, worn) => {
    const { clock, state, watch, begin, end } = setUp();
    const run = begin(64);
    state.bytes = mib * MIB;
    clock.tick(20);
    void watch.roomFor(run);
    expect(watch.worn).toBe(false); // what a run holds is its own
    end(run);
    clock.tick(20);
    void watch.roomFor(run);
    expect(watch.worn).toBe(worn);
  });
});

describe("createWatch() of the processor", () => {
  it("lets others go first once a run has computed for long, and no longer when it waits", () => {
    const { clock, watch, begin, yields } = setUp();
    const run = begin(8);
    clock.tick(30);
    expect(yields).toEqual([]);
    clock.tick(30);
    expect(yields).toEqual([true]);
    run.waiting = true;
    watch.heard();
    expect(yields).toEqual([true, false]);
    expect(watch.worn).toBe(false);
  });

  it("goes on letting others first while one computes, whatever its neighbours say", () => {
    const { clock, watch, begin, end, yields } = setUp();
    begin(8);
    for (let index = 0; index < 20; index += 1) {
      const neighbour = begin(1);
      clock.tick(5);
      end(neighbour);
      watch.heard();
    }
    expect(yields).toEqual([true]);
  });

  it("does not give way while it is to hear something, and does again once it has spoken", () => {
    const { clock, watch, begin, yields } = setUp();
    begin(8);
    clock.tick(60);
    watch.hurry();
    clock.tick(60);
    expect(yields).toEqual([true, false]);
    watch.heard();
    clock.tick(60);
    expect(yields).toEqual([true, false, true]);
  });

  it("gives way to nobody where there is nobody, and from when somebody comes until he is gone", () => {
    const { clock, state, begin, yields } = setUp();
    state.isCrowded = false;
    begin(8);
    clock.tick(200);
    expect(yields).toEqual([]);
    state.isCrowded = true;
    clock.tick(20);
    expect(yields).toEqual([true]);
    state.isCrowded = false;
    clock.tick(20);
    expect(yields).toEqual([true, false]);
  });

  it("leaves one alone that waits", () => {
    const { clock, begin, yields } = setUp();
    begin(8).waiting = true;
    clock.tick(1000);
    expect(yields).toEqual([]);
  });

  it("says so when the system does not let it be as it was", () => {
    const { clock, watch, begin, end } = setUp(false);
    const run = begin(8);
    clock.tick(100);
    end(run);
    watch.heard();
    expect(watch.worn).toBe(true);
  });
});

describe("viewProcess() of a process that is to give way", () => {
  it("lowers it and its session, and raises both again where that is allowed", async () => {
    const child = spawn(NODE, ["--eval", "setInterval(() => {}, 1e6)"], {
      env: {},
      stdio: "ignore",
      detached: true,
    });
    try {
      const pid = child.pid ?? -1;
      const view = viewProcess(pid, "none");
      const read = () => {
        const path = `/proc/${pid}/autogroup`;
        const session = existsSync(path) ? Number(readFileSync(path, "utf8").split("nice")[1]) : undefined;
        return { own: getPriority(pid), session };
      };
      const { session } = read();
      const both = (nice: number) => ({ own: nice, session: session === undefined ? undefined : nice });
      expect(view.yieldToOthers(true)).toBe(true);
      expect(read()).toEqual(both(10));
      // An ordinary user may not raise a priority.
      const isRaised = view.yieldToOthers(false);
      if (isRaised) expect(read()).toEqual(both(0));
      else expect(read().own).toBe(10);
    } finally {
      child.kill("SIGKILL");
    }
  });
});

const NODE = fileURLToPath(new URL("../../node_modules/node/bin/node", import.meta.url));
const PIPE = fileURLToPath(new URL("../../src/sandbox/pipe/frames.ts", import.meta.url));

/** An executor that greets, and at its first run takes all the memory that it can. */
const HOG = `
  const { encodeFrame, readFrames } = await import(${JSON.stringify(PIPE)});
  process.stdout.write(encodeFrame({ type: "ready", runtime: "hog", verified: [] }));
  const held = [];
  for await (const { head } of readFrames(process.stdin, 2 ** 30)) {
    if (head.type === "load") process.stdout.write(encodeFrame({ type: "loaded", key: head.key }));
    if (head.type === "run") setInterval(() => held.push(Buffer.alloc(4 * 1024 * 1024, 1)), 0);
  }`;

function startHog(): ExecutorProcess {
  const child = spawn(NODE, ["--input-type=module", "--eval", HOG], {
    env: {},
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => undefined);
  return {
    pid: child.pid ?? -1,
    output: child.stdout,
    write: (bytes) =>
      new Promise((resolve, reject) =>
        child.stdin.write(bytes, (error) => (error ? reject(error) : resolve())),
      ),
    kill: () => void child.kill("SIGKILL"),
    exited: new Promise((resolve) =>
      child.once("close", (code: number | null) => resolve({ code, diagnostics: "" })),
    ),
    // Nobody but the watch sees to it.
    view: { ...viewProcess(child.pid ?? -1, "none"), limitWritable: undefined },
  };
}

describe("an executor that takes memory", () => {
  it("is killed once it is seen to have more than its run was granted, whatever it says", async () => {
    const link = createLink(startHog(), runtime.clock);
    await link.greeting;
    const run: LinkRun = {
      load: { type: "load", key: "k", stacks: 1 } as LinkRun["load"],
      body: new Uint8Array(0),
      command: {
        type: "run",
        run: "hog",
        limits: { outputBytes: 0, memoryBytes: 16 * MIB },
      } as LinkRun["command"],
      host: createFakeRunHost(),
      deadlineMs: 20_000,
    };
    expect(await link.run(run)).toEqual({ kind: "killed", why: "memory" });
  });
});
