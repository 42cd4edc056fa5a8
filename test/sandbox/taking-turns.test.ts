/**
 * Runs of one executor that compute for long take turns. Real processes and one executor, so that whatever is served
 * beside a guest that never ends was served between two of its turns.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HostReply, SandboxComponent } from "../../src/ports/index.ts";
import { componentOf, LOG_IMPORT, MEMORY_MODULE } from "../support/components.ts";
import { ECHO_GUEST, INNER_ECHO_GUEST, LOGGING_PART, SPIN_GUEST } from "../support/guests.ts";
import { patientClock } from "../support/patient-clock.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

const SPIN = { fuel: 1e15, timeToLiveMs: 60_000 };
/** Some tens of turns, and of portions of fuel. */
const LONG = { n: 60_000_000 };
const LONG_FUEL = { fuel: 1e12, timeToLiveMs: 60_000 };

/** It spins from the moment that it is instantiated. */
const START_GUEST = `(component
  (core module $guest (func $spin (loop $again (br $again))) (start $spin) (func (export "run")))
  (core instance $guest (instantiate $guest))
  (func (export "run") (canon lift (core func $guest "run"))))`;

let box: TestSandbox;
let [echo, spin, inner, logging, start]: SandboxComponent[] = [];
beforeAll(async () => {
  [echo, spin, inner, logging, start] = await Promise.all(
    [
      ECHO_GUEST,
      SPIN_GUEST,
      INNER_ECHO_GUEST,
      `(component ${LOG_IMPORT} ${MEMORY_MODULE} ${LOGGING_PART})`,
      START_GUEST,
    ].map(componentOf),
  );
  box = await openSandbox({ executors: 1, most: 1 });
  for (const component of [echo, spin, inner, logging, start])
    await box.sandbox.prepare(given(component), 64 << 20);
});
afterAll(async () => {
  await box.close();
});

function given(component: SandboxComponent | undefined): SandboxComponent {
  if (component === undefined) throw new TypeError("It was not assembled");
  return component;
}

/** A run that never ends by itself, and how to end it. */
function spinning(component: SandboxComponent | undefined) {
  const revoked = Promise.withResolvers<(reason: string) => void>();
  const end = box.call(
    given(component),
    "run",
    {},
    {
      ...SPIN,
      onRevoked(listener) {
        revoked.resolve(listener);
        return () => undefined;
      },
    },
  );
  return {
    end,
    async revoke() {
      (await revoked.promise)("enough");
      return end;
    },
  };
}

/** Executors that were started until now: each that is killed has a successor. */
const executors = () => box.started.filter(({ role }) => role === "run").length;

describe("an executor in which a run computes for long", () => {
  it.each([
    ["in its function", () => spin],
    ["in its start function", () => start],
  ])("serves others of its tenant between its turns: it spins %s", async (_, component) => {
    const { revoke } = spinning(component());
    const before = executors();
    for (const n of [1, 2, 3]) expect((await box.call(given(echo), "run", { n })).output).toBe(n);
    expect(executors()).toBe(before);
    expect((await revoke()).outcome).toEqual({ kind: "revoked", reason: "enough" });
  });

  it("lets one that waited go on with its answer", async () => {
    const asked = Promise.withResolvers<void>();
    const answer = Promise.withResolvers<HostReply>();
    const waiting = box.call(
      given(logging),
      "run",
      { n: 1 },
      {
        reply() {
          asked.resolve();
          return answer.promise;
        },
      },
    );
    await asked.promise;
    const { revoke } = spinning(spin);
    await box.call(given(echo), "run", { n: 1 });
    answer.resolve({ kind: "ok", value: null });
    expect((await waiting).output).toBe(1);
    await revoke();
  });

  it("gives turns to all that compute, and each its own fuel, to the unit", async () => {
    const before = executors();
    const alone = await box.call(given(echo), "run", LONG, LONG_FUEL);
    const { revoke } = spinning(spin);
    const ends = await Promise.all([1, 2, 3].map(() => box.call(given(echo), "run", LONG, LONG_FUEL)));
    for (const end of ends)
      expect(end).toMatchObject({ output: LONG.n, fuelUsed: alone.fuelUsed, outcome: { kind: "completed" } });
    expect(executors()).toBe(before);
    await revoke();
  });

  it("ends it when its time is over, and lives on", async () => {
    const patient = await openSandbox({ executors: 1, most: 1, clock: patientClock });
    const executor = () => patient.started.filter(({ role }) => role === "run").length;
    try {
      // One that has not yet computed for long is killed when its time is over: on a busy machine it needs more of it.
      for (let timeToLiveMs = 300; ; timeToLiveMs *= 2) {
        await patient.call(given(echo), "run", { n: 5 });
        const before = executor();
        const late = await patient.call(given(spin), "run", {}, { ...SPIN, timeToLiveMs });
        expect(late.outcome).toMatchObject({ kind: "timed-out" });
        await patient.call(given(echo), "run", { n: 5 });
        if (executor() === before) break;
      }
    } finally {
      await patient.close();
    }
  });

  it("is killed where our own code stands between the guest and whoever waits for it", async () => {
    await box.call(given(echo), "run", { n: 5 });
    const before = executors();
    const end = await box.call(given(inner), "spin", {}, { ...SPIN, timeToLiveMs: 300 });
    expect(end.outcome).toMatchObject({ kind: "timed-out" });
    expect((await box.call(given(echo), "run", { n: 5 })).output).toBe(5);
    expect(executors()).toBe(before + 1);
  });
});

describe("fuel in portions", () => {
  it.each([
    ["by itself", () => echo],
    ["inside of another component", () => inner],
  ])("is enough when it is exactly enough, and one unit less is not: %s", async (_, component) => {
    const { fuelUsed } = await box.call(given(component()), "run", { n: 4_000_000 }, LONG_FUEL);
    // Several portions.
    expect(fuelUsed).toBeGreaterThan(12_000_000);
    const run = (fuel: number) =>
      box.call(given(component()), "run", { n: 4_000_000 }, { ...LONG_FUEL, fuel });
    expect(await run(fuelUsed ?? 0)).toMatchObject({ outcome: { kind: "completed" }, fuelUsed });
    expect(await run((fuelUsed ?? 0) - 1)).toMatchObject({
      outcome: { kind: "exhausted", budget: "fuel" },
      fuelUsed: (fuelUsed ?? 0) - 1,
    });
  });
});
