/**
 * Many runs under way in one executor: what waits costs its neighbours nothing, and what ends badly ends by itself. Real
 * processes, so that a guest that computes really holds the thread.
 */
import { kill } from "node:process";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { HostReply, SandboxComponent } from "../../src/ports/index.ts";
import { componentOf, LOG_IMPORT, MEMORY_MODULE } from "../support/components.ts";
import { ECHO_GUEST, INNER_ECHO_GUEST, LOGGING_PART, SPIN_GUEST, WAIT_GUEST } from "../support/guests.ts";
import { patientClock } from "../support/patient-clock.ts";
import { alive } from "../support/processes.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { createScriptedExecutor, READY } from "../support/scripted-executor.ts";

const OK: HostReply = { kind: "ok", value: null };
const LOST = { kind: "revoked", reason: "executor-lost" };

let box: TestSandbox | undefined;
let wait: SandboxComponent;
let echo: SandboxComponent;
let spin: SandboxComponent;
let inner: SandboxComponent;
let logging: SandboxComponent;
beforeAll(async () => {
  wait = await componentOf(WAIT_GUEST);
  echo = await componentOf(ECHO_GUEST);
  spin = await componentOf(SPIN_GUEST);
  inner = await componentOf(INNER_ECHO_GUEST);
  logging = await componentOf(`(component ${LOG_IMPORT} ${MEMORY_MODULE} ${LOGGING_PART})`);
});
afterEach(async () => {
  await box?.close();
  box = undefined;
});

async function open(options: Parameters<typeof openSandbox>[0] = {}): Promise<TestSandbox> {
  box = await openSandbox({ executors: 1, most: 1, ...options });
  for (const component of [wait, echo, spin, inner, logging]) await box.sandbox.prepare(component, 64 << 20);
  return box;
}

const executors = ({ started }: TestSandbox) => started.filter(({ role }) => role === "run");
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** A reply that a test holds back, and that tells when it is asked for. */
function held(): {
  readonly reply: () => Promise<HostReply>;
  readonly asked: Promise<void>;
  release(reply?: HostReply): void;
} {
  const asked = Promise.withResolvers<void>();
  const released = Promise.withResolvers<HostReply>();
  return {
    asked: asked.promise,
    reply() {
      asked.resolve();
      return released.promise;
    },
    release: (reply = OK) => released.resolve(reply),
  };
}

describe("an executor with many runs under way", () => {
  it("computes for one while a hundred others wait, each for its own answer", async () => {
    const opened = await open();
    const gates = Array.from({ length: 100 }, held);
    const runs = gates.map(({ reply }, n) => opened.call(logging, "run", { n: 1 + (n % 3) }, { reply }));
    await Promise.all(gates.map(({ asked }) => asked));
    expect((await opened.call(echo, "run", { n: 7 })).output).toBe(7);
    // Answered backwards: whoever took another's answer would end in another order.
    for (const { release } of gates.toReversed()) release();
    const ends = await Promise.all(runs);
    expect(ends.map(({ output }) => output)).toEqual(gates.map((_, n) => 1 + (n % 3)));
    expect(ends.map(({ host }) => host.calls.length)).toEqual(gates.map((_, n) => 1 + (n % 3)));
    expect(executors(opened)).toHaveLength(1);
  });

  it("is free for another run while one waits for the clock alone", async () => {
    const opened = await open();
    const sleeping = opened.call(wait, "run", {}, { timeToLiveMs: 3000 });
    expect((await opened.call(echo, "run", { n: 4 })).output).toBe(4);
    expect((await sleeping).outcome.kind).toBe("timed-out");
    expect(executors(opened).length).toBeLessThanOrEqual(2);
  });

  it("takes no more runs than it may have under way", async () => {
    const opened = await open({ runs: 3 });
    const gates = Array.from({ length: 3 }, held);
    const runs = gates.map(({ reply }) => opened.call(logging, "run", { n: 1 }, { reply }));
    await Promise.all(gates.map(({ asked }) => asked));
    await expect(opened.call(echo, "run", { n: 1 }, { timeToLiveMs: 200 })).rejects.toMatchObject({
      code: "sandbox-unavailable",
    });
    for (const { release } of gates) release();
    expect((await Promise.all(runs)).every(({ outcome }) => outcome.kind === "completed")).toBe(true);
  });

  it("takes no more runs than it has memory for", async () => {
    const opened = await open();
    const gate = held();
    const large = { memoryBytes: 2 ** 32, timeToLiveMs: 500 };
    const first = opened.call(logging, "run", { n: 1 }, { ...large, ...gate, timeToLiveMs: 20_000 });
    await gate.asked;
    const gate2 = held();
    const second = opened.call(logging, "run", { n: 1 }, { ...large, ...gate2, timeToLiveMs: 20_000 });
    await gate2.asked;
    await expect(opened.call(logging, "run", { n: 1 }, large)).rejects.toMatchObject({
      code: "sandbox-unavailable",
    });
    gate.release();
    gate2.release();
    expect([(await first).output, (await second).output]).toEqual([1, 1]);
  });

  it("ends a run that waits past its time, with its readings, and its neighbours live", async () => {
    const opened = await open({ clock: patientClock });
    const gate = held();
    const neighbour = opened.call(logging, "run", { n: 1 }, { reply: gate.reply });
    await gate.asked;
    const late = await opened.call(
      logging,
      "run",
      { n: 1 },
      { reply: () => new Promise(() => undefined), timeToLiveMs: 1500 },
    );
    expect(late.outcome).toMatchObject({ kind: "timed-out" });
    expect(late.fuelUsed).toBeGreaterThan(0);
    gate.release();
    expect((await neighbour).output).toBe(1);
    expect(executors(opened)[0]?.process.pid).toBeGreaterThan(0);
  });

  it("gives up a run whose time is over while a neighbour computes that takes no turns, and lets that finish", async () => {
    const opened = await open();
    const gate = held();
    const waiting = opened.call(logging, "run", { n: 2 }, { reply: gate.reply, timeToLiveMs: 1200 });
    await gate.asked;
    // Some seconds of computing in a part of a component, where no stop interrupts it.
    const long = opened.call(inner, "run", { n: 900_000_000 }, { fuel: 1e13, timeToLiveMs: 60_000 });
    const end = await waiting;
    expect(end.outcome).toMatchObject({ kind: "timed-out" });
    expect(end.host.calls).toHaveLength(1);
    expect((await long).outcome).toEqual({ kind: "completed" });
    gate.release();
    await pause(50);
    // What it still says has no effect.
    expect(end.host.calls).toHaveLength(1);
  });
});

describe("a run whose time is over before its executor is ready", () => {
  it("is timed out, costs nothing, and leaves the executor to the next", async () => {
    const opened = await open();
    await unstoppable(opened);
    // The executor was killed for that, and the next one is starting.
    const end = await opened.call(echo, "run", { n: 1 }, { timeToLiveMs: 5 });
    expect(end).toMatchObject({ outcome: { kind: "timed-out" }, fuelUsed: 0 });
    expect((await opened.call(echo, "run", { n: 2 })).output).toBe(2);
    expect(executors(opened)).toHaveLength(2);
  });
});

describe("a run whose executor is slow to start", () => {
  it("is told that its time is over when it is, and not when the executor is ready", async () => {
    const greet = Promise.withResolvers<void>();
    const commands: unknown[] = [];
    box = await openSandbox({
      executors: 1,
      most: 2,
      spawn: (role) =>
        role === "prepare"
          ? runtime.spawnExecutor(role)
          : createScriptedExecutor((command, mouth) => {
              commands.push(command["type"]);
              // The first one is what the sandbox waits for; the second takes its time.
              if (command["type"] !== "start") return;
              if (commands.length === 1) mouth.say(READY);
              else void greet.promise.then(() => mouth.say(READY));
            }),
    });
    await box.sandbox.prepare(echo, 64 << 20);
    const first = box.call(echo, "run", { n: 1 }, { tenant: "a", timeToLiveMs: 300 });
    const second = box.call(echo, "run", { n: 1 }, { tenant: "b", timeToLiveMs: 300 });
    // Neither waits for the other's executor to speak.
    expect((await second).outcome.kind).toBe("timed-out");
    expect((await first).outcome.kind).toBe("timed-out");
    greet.resolve();
    await pause(50);
    expect(commands.filter((type) => type === "run")).toEqual([]);
  });
});

/** A run that computes where nothing can suspend it, and is never done. */
const unstoppable = (opened: TestSandbox) =>
  opened.call(inner, "spin", {}, { fuel: 1e15, timeToLiveMs: 500 });

describe("a run whose executor ends because of another", () => {
  it("is revoked when it had asked for anything, and the one that spun is timed out", async () => {
    const opened = await open();
    const gate = held();
    const neighbour = opened.call(logging, "run", { n: 1 }, { reply: gate.reply });
    await gate.asked;
    const spinning = await unstoppable(opened);
    expect(spinning.outcome).toMatchObject({ kind: "timed-out" });
    const end = await neighbour;
    expect(end.outcome).toEqual(LOST);
    expect(end.host.calls).toHaveLength(1);
  });

  it("begins again when nobody outside has seen anything of it, and no call is made twice", async () => {
    const opened = await open();
    const sleeping = opened.call(wait, "run", {}, { timeToLiveMs: 4000 });
    // Served in the one executor that there is once the other one waits.
    expect((await opened.call(echo, "run", { n: 1 })).output).toBe(1);
    const spinning = await unstoppable(opened);
    expect(spinning.outcome).toMatchObject({ kind: "timed-out" });
    const end = await sleeping;
    // Its own end, in another process, and not its neighbour's.
    expect(end.outcome).toMatchObject({ kind: "timed-out" });
    expect(end.wallMs).toBeGreaterThan(3900);
    expect(executors(opened).length).toBeGreaterThan(1);
  });

  it("has an end of its own when its executor is killed from outside", async () => {
    const opened = await open();
    const gates = [held(), held()];
    const touched = gates.map(({ reply }) => opened.call(logging, "run", { n: 1 }, { reply }));
    await Promise.all(gates.map(({ asked }) => asked));
    const untouched = opened.call(wait, "run", {}, { timeToLiveMs: 1500 });
    await pause(200);
    const victim = executors(opened)[0]?.process.pid ?? 0;
    expect(victim).toBeGreaterThan(1);
    kill(victim, "SIGKILL");
    for (const end of await Promise.all(touched)) expect(end.outcome).toEqual(LOST);
    expect((await untouched).outcome).toMatchObject({ kind: "timed-out" });
  });

  it("is revoked with all others when the gateway stops, and no process is left", async () => {
    const opened = await open();
    const gates = [held(), held(), held()];
    const runs = gates.map(({ reply }) => opened.call(logging, "run", { n: 1 }, { reply }));
    await Promise.all(gates.map(({ asked }) => asked));
    await opened.sandbox.close();
    for (const end of await Promise.all(runs))
      expect(end.outcome).toEqual({ kind: "revoked", reason: "gateway-stopping" });
    expect(alive(opened.started.map(({ process }) => process.pid))).toEqual([]);
  });
});
