/** Executors: who shares one, who waits, and what is left of them. */
import { kill } from "node:process";
import { afterEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { ExecutorRole } from "../../src/ports/index.ts";
import { createLink } from "../../src/sandbox/link.ts";
import { createPool } from "../../src/sandbox/pool.ts";
import { componentOf } from "../support/components.ts";
import { ECHO_GUEST, INNER_ECHO_GUEST, WAIT_GUEST } from "../support/guests.ts";
import { createInProcessExecutor } from "../support/in-process-executor.ts";
import { alive } from "../support/processes.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { createScriptedExecutor, READY } from "../support/scripted-executor.ts";

let box: TestSandbox | undefined;
afterEach(async () => {
  await box?.close();
  box = undefined;
});

/** Notes which tenant's runs each executor was given. */
function tenantsByExecutor() {
  const seen: Set<string>[] = [];
  const spawn = (role: ExecutorRole) => {
    if (role === "prepare") return runtime.spawnExecutor(role);
    const tenants = new Set<string>();
    seen.push(tenants);
    return createScriptedExecutor((command, mouth) => {
      if (command["type"] === "start") mouth.say(READY);
      if (command["type"] === "load") mouth.say({ type: "loaded", key: command["key"] });
      if (command["type"] !== "run") return;
      tenants.add(String(command["run"]).split("-")[0] ?? "");
      setTimeout(() => {
        mouth.say({
          type: "end",
          run: command["run"],
          end: { kind: "completed", output: 1 },
          fuelUsed: 1,
          memoryPeakBytes: 0,
          doubtful: false,
        });
      }, 2);
    });
  };
  return { seen, spawn };
}

describe("pool of executors", () => {
  it("never gives an executor that served one tenant to another", async () => {
    const { seen, spawn } = tenantsByExecutor();
    box = await openSandbox({ spawn, executors: 3, queue: 1000 });
    const component = await componentOf(ECHO_GUEST);
    const { call } = box;
    const runs = Array.from({ length: 200 }, (_, index) => {
      const tenant = ["a", "b", "c", "d", "e"][(index * 7) % 5] ?? "";
      return call(component, "run", { n: 1 }, { tenant, run: `${tenant}-${index}` });
    });
    const ends = await Promise.all(runs);
    expect(ends.every(({ outcome }) => outcome.kind === "completed")).toBe(true);
    expect(seen.filter((tenants) => tenants.size > 1)).toEqual([]);
    expect(new Set(seen.flatMap((tenants) => [...tenants])).size).toBe(5);
  });

  it("serves another tenant in the middle of one tenant's burst", async () => {
    const { spawn } = tenantsByExecutor();
    box = await openSandbox({ spawn, executors: 1, queue: 1000 });
    const component = await componentOf(ECHO_GUEST);
    const { call } = box;
    await call(component, "run", { n: 1 }, { tenant: "a", run: "a-first" });
    let done = 0;
    const burst = Array.from({ length: 150 }, async (_, index) => {
      await call(component, "run", { n: 1 }, { tenant: "a", run: `a-${index}` });
      done += 1;
    });
    const other = await call(component, "run", { n: 1 }, { tenant: "b", run: "b-0" });
    expect(other.outcome.kind).toBe("completed");
    // Without turns between tenants it came last, after all 150.
    expect(done).toBeLessThan(120);
    await Promise.all(burst);
  });

  it("refuses callers past its queue, and those who wait too long", async () => {
    box = await openSandbox({ executors: 1, queue: 1, runs: 1, inProcess: true });
    const component = await componentOf(WAIT_GUEST);
    await box.sandbox.prepare(component, 64 << 20);
    // In one turn: each has taken its place before the next one comes.
    const first = box.call(component, "run", {}, { timeToLiveMs: 1500 });
    const refusals = [
      box.call(component, "run", {}, { timeToLiveMs: 300 }),
      box.call(component, "run", {}, { timeToLiveMs: 300 }),
    ].map((refused) => refused.then(String, (error: unknown) => error));
    const [late, beyond] = await Promise.all(refusals);
    const unavailable = (why: RegExp) => ({
      code: "sandbox-unavailable",
      message: expect.stringMatching(why),
    });
    expect(late).toMatchObject(unavailable(/none became free within 300 ms/));
    expect(beyond).toMatchObject(unavailable(/1 callers wait already/));
    expect((await first).outcome.kind).toBe("timed-out");
  });

  it("replaces an executor before its next caller notices", async () => {
    box = await openSandbox({ executors: 1 });
    const spin = await componentOf(INNER_ECHO_GUEST);
    const echo = await componentOf(ECHO_GUEST);
    await box.sandbox.prepare(spin, 64 << 20);
    await box.call(echo, "run", { n: 1 });
    for (let index = 0; index < 3; index += 1) {
      const killed = await box.call(spin, "spin", {}, { fuel: 1e15, timeToLiveMs: 100 });
      expect(killed.outcome.kind).toBe("timed-out");
      expect((await box.call(echo, "run", { n: index })).output).toBe(index);
    }
  });

  it("keeps an executor for its tenant's next run when the guest returned by itself", async () => {
    box = await openSandbox({ executors: 1 });
    const echo = await componentOf(ECHO_GUEST);
    for (let index = 0; index < 5; index += 1) await box.call(echo, "run", { n: index });
    expect(box.started.filter(({ role }) => role === "run")).toHaveLength(1);
  });

  it("ends a run whose executor is killed from outside, and runs the next", async () => {
    box = await openSandbox({ executors: 1 });
    const wait = await componentOf(WAIT_GUEST);
    await box.sandbox.prepare(wait, 64 << 20);
    const run = box.call(wait, "run", {});
    await new Promise((resolve) => setTimeout(resolve, 150));
    const victim = box.started.findLast(({ role }) => role === "run")?.process.pid ?? 0;
    expect(victim).toBeGreaterThan(1);
    kill(victim, "SIGKILL");
    expect((await run).outcome).toEqual({ kind: "trapped", reason: "executor-died" });
    expect((await box.call(await componentOf(ECHO_GUEST), "run", { n: 3 })).output).toBe(3);
  });

  it("revokes what runs when it is closed, refuses who waits, and leaves no process", async () => {
    box = await openSandbox({ executors: 1, runs: 1 });
    const wait = await componentOf(WAIT_GUEST);
    await box.sandbox.prepare(wait, 64 << 20);
    const running = box.call(wait, "run", {});
    await new Promise((resolve) => setTimeout(resolve, 100));
    const waiting = box.call(wait, "run", {}).catch((error: unknown) => error);
    await new Promise((resolve) => setTimeout(resolve, 20));
    await box.sandbox.close();
    expect((await running).outcome).toEqual({ kind: "revoked", reason: "gateway-stopping" });
    expect(await waiting).toMatchObject({ code: "sandbox-unavailable" });
    await expect(box.call(wait, "run", {})).rejects.toMatchObject({ code: "sandbox-unavailable" });
    expect(alive(box.started.map(({ process }) => process.pid))).toEqual([]);
  });

  it("leaves no process behind after many kills", async () => {
    box = await openSandbox({ executors: 4 });
    const [spin, echo] = [await componentOf(INNER_ECHO_GUEST), await componentOf(ECHO_GUEST)];
    for (const component of [spin, echo]) await box.sandbox.prepare(component, 64 << 20);
    const { call, started } = box;
    for (let round = 0; round < 3; round += 1) {
      const kills = Array.from({ length: 4 }, async (_, index) => {
        const tenant = `t${(4 * round + index) % 5}`;
        // What a busy machine takes to replace what was killed is no part of the next one's time.
        await call(echo, "run", { n: 1 }, { tenant });
        return await call(spin, "spin", {}, { fuel: 1e15, timeToLiveMs: 300, tenant });
      });
      for (const end of await Promise.all(kills)) expect(end.outcome.kind).toBe("timed-out");
    }
    expect(started.length).toBeGreaterThan(9);
    await box.close();
    expect(alive(started.map(({ process }) => process.pid))).toEqual([]);
    box = undefined;
  });
});

describe("createPool()", () => {
  it("keeps its size through two hundred kills, and starts nothing once it is closed", async () => {
    let live = 0;
    let starts = 0;
    const pool = createPool(
      { size: 3, queue: 10 },
      () => {
        starts += 1;
        live += 1;
        const link = createLink(createInProcessExecutor(), runtime.clock);
        void link.exited.then(() => {
          live -= 1;
        });
        return link;
      },
      runtime.clock,
    );
    for (let index = 0; index < 200; index += 1) {
      const loan = await pool.borrow(
        { tenant: `tenant-${index % 3}`, memoryBytes: 0, alone: false, key: "" },
        5000,
      );
      loan.end(false);
      loan.end(true);
      // Kills come faster than deaths here; those that are dying still count.
      expect(live).toBeLessThanOrEqual(12);
    }
    await pool.close();
    const before = starts;
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(live).toBe(0);
    expect(starts).toBe(before);
  });
});
