/** Runs that may not go on: computing, waiting, asking, or still without an executor; and their neighbours, who may. */
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { HostReply, SandboxComponent } from "../../src/ports/index.ts";
import { componentOf, LOG_IMPORT, MEMORY_MODULE } from "../support/components.ts";
import { ECHO_GUEST, LOGGING_PART, SPIN_GUEST, WAIT_GUEST } from "../support/guests.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

const REVOKED = { kind: "revoked", reason: "leak" };
let box: TestSandbox | undefined;
let components: Record<"wait" | "echo" | "spin" | "logging", SandboxComponent>;
beforeAll(async () => {
  components = {
    wait: await componentOf(WAIT_GUEST),
    echo: await componentOf(ECHO_GUEST),
    spin: await componentOf(SPIN_GUEST),
    logging: await componentOf(`(component ${LOG_IMPORT} ${MEMORY_MODULE} ${LOGGING_PART})`),
  };
});
afterEach(async () => {
  await box?.close();
  box = undefined;
});

/** @param runs under way at once in its one executor */
async function open(runs = 1000): Promise<TestSandbox> {
  box = await openSandbox({ executors: 1, most: 1, runs });
  for (const component of Object.values(components)) await box.sandbox.prepare(component, 64 << 20);
  return box;
}

/** A word that a test gives, and whether anyone still listens for it. */
function word() {
  let listening = 0;
  let given = false;
  let tell = (_reason: string): void => undefined;
  return {
    give() {
      given = true;
      tell("leak");
    },
    get listening() {
      return listening;
    },
    onRevoked(revoke: (reason: string) => void) {
      listening += 1;
      tell = revoke;
      if (given) revoke("leak");
      return () => {
        listening -= 1;
      };
    },
  };
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const LONG = { timeToLiveMs: 30_000, fuel: 1e14 };

describe("a run that is revoked", () => {
  it("ends while it computes, and the next one finds an executor", async () => {
    const opened = await open();
    const { give, onRevoked } = word();
    const run = opened.call(components.spin, "run", {}, { ...LONG, onRevoked });
    await pause(100);
    give();
    expect((await run).outcome).toEqual(REVOKED);
    expect((await opened.call(components.echo, "run", { n: 3 })).output).toBe(3);
  });

  it("ends while it waits for the clock, and its neighbour lives", async () => {
    const opened = await open();
    const { give, onRevoked } = word();
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<HostReply>();
    const reply = () => {
      asked.resolve();
      return answer.promise;
    };
    const neighbour = opened.call(components.logging, "run", { n: 1 }, { ...LONG, reply });
    await asked.promise;
    const run = opened.call(components.wait, "run", {}, { ...LONG, onRevoked });
    await pause(100);
    give();
    expect((await run).outcome).toEqual(REVOKED);
    answer.resolve({ kind: "ok", value: null });
    expect((await neighbour).output).toBe(1);
  });

  it("has no effect any more once the word is given, though it was just asking", async () => {
    const opened = await open();
    const { give, onRevoked } = word();
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<HostReply>();
    const reply = () => {
      asked.resolve();
      return answer.promise;
    };
    const run = opened.call(components.logging, "run", { n: 3 }, { ...LONG, reply, onRevoked });
    await asked.promise;
    give();
    answer.resolve({ kind: "ok", value: null });
    const end = await run;
    expect(end.outcome).toEqual(REVOKED);
    expect(end.output).toBeUndefined();
    expect(end.host.calls).toHaveLength(1);
  });

  it("ends at once while it waits for an executor, and its place goes to the next", async () => {
    const opened = await open(1);
    const { give, onRevoked } = word();
    const busy = opened.call(components.spin, "run", {}, { ...LONG, timeToLiveMs: 1_500 });
    await pause(50);
    const run = opened.call(components.echo, "run", { n: 1 }, { ...LONG, onRevoked });
    const next = opened.call(components.echo, "run", { n: 2 }, LONG);
    give();
    const first = await Promise.race([run, busy]);
    expect(first).toMatchObject({ outcome: REVOKED, fuelUsed: 0 });
    await busy;
    expect((await next).output).toBe(2);
  });

  it("does not begin when the word was given before, and nobody listens after any end", async () => {
    const opened = await open();
    const told = word();
    told.give();
    const end = await opened.call(components.echo, "run", { n: 1 }, { onRevoked: told.onRevoked });
    expect(end).toMatchObject({ outcome: REVOKED, fuelUsed: 0 });
    expect(end.host.calls).toEqual([]);
    const never = word();
    const { onRevoked } = never;
    expect((await opened.call(components.echo, "run", { n: 5 }, { onRevoked })).output).toBe(5);
    expect([told.listening, never.listening]).toEqual([0, 0]);
  });
});
