/** Executors that belong to nobody are given the components that are in use, before anyone calls. */
import { afterEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { componentOf } from "../support/components.ts";
import { ECHO_GUEST, SPIN_GUEST, TRAP_GUEST } from "../support/guests.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { createScriptedExecutor, READY } from "../support/scripted-executor.ts";

let box: TestSandbox | undefined;
afterEach(async () => {
  await box?.close();
  box = undefined;
});

/** What each executor was told, in order: `load`, `run`. */
interface Told {
  readonly commands: string[];
  readonly keys: string[];
}

/** @param hold keeps the answer to a load back */
async function open(executors: number, hold?: Promise<unknown>) {
  const told: Told[] = [];
  box = await openSandbox({
    executors,
    spares: 0,
    spawn(role) {
      if (role === "prepare") return runtime.spawnExecutor(role);
      const own: Told = { commands: [], keys: [] };
      told.push(own);
      return createScriptedExecutor((command, mouth) => {
        const type = String(command["type"]);
        if (type === "start") mouth.say(READY);
        else own.commands.push(type);
        if (type === "load") {
          own.keys.push(String(command["key"]));
          void Promise.resolve(hold).then(() => mouth.say({ type: "loaded", key: command["key"] }));
        }
        if (type === "run")
          mouth.say({
            type: "end",
            run: command["run"],
            end: { kind: "completed", output: 1 },
            fuelUsed: 1,
            memoryPeakBytes: 0,
            doubtful: false,
          });
      });
    },
  });
  return { ...box, told };
}

const settle = () => new Promise((resolve) => setTimeout(resolve, 200));

describe("an executor that belongs to nobody", () => {
  it("has a component before its first run, and is not given it again", async () => {
    const { sandbox, told, call } = await open(2);
    const echo = await componentOf(ECHO_GUEST);
    await sandbox.prepare(echo, 64 << 20);
    await settle();
    expect(told.map(({ commands }) => commands)).toEqual([["load"], ["load"]]);
    await call(echo, "run", { n: 1 });
    expect(told.flatMap(({ commands }) => commands).filter((type) => type === "load")).toHaveLength(2);
  });

  it("is taken before one that has not what is wanted", async () => {
    const release = Promise.withResolvers<void>();
    const { sandbox, told, call } = await open(1, release.promise);
    const [echo, spin] = [await componentOf(ECHO_GUEST), await componentOf(SPIN_GUEST)];
    await sandbox.prepare(echo, 64 << 20);
    await settle();
    // Another was on its way when the run came: nothing more is loaded ahead of it.
    await sandbox.prepare(spin, 64 << 20);
    const run = call(echo, "run", { n: 1 });
    await settle();
    release.resolve();
    expect((await run).output).toBe(1);
    await settle();
    expect(told[0]?.commands).toEqual(["load", "run"]);
  });

  it("is given nothing once it is a tenant's", async () => {
    const { sandbox, told, call } = await open(1);
    const [echo, trap] = [await componentOf(ECHO_GUEST), await componentOf(TRAP_GUEST)];
    await call(echo, "run", { n: 1 });
    await sandbox.prepare(trap, 64 << 20);
    await settle();
    expect(told[0]?.commands).toEqual(["load", "run"]);
  });

  it("is given no more than eight, however many are in use", async () => {
    const { sandbox, told } = await open(1);
    const wats = Array.from({ length: 11 }, (_, n) =>
      TRAP_GUEST.replace("unreachable", `${"nop ".repeat(n)}unreachable`),
    );
    for (const wat of wats) await sandbox.prepare(await componentOf(wat), 64 << 20);
    await settle();
    expect(told[0]?.keys).toHaveLength(8);
    expect(new Set(told[0]?.keys).size).toBe(8);
  });
});
