/** Which cage is found, what it is called, and that no executor with less of one is given a run. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { afterEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import type { ExecutorProcess, SystemCage } from "../../src/ports/index.ts";
import { type FilterArch, systemCallFilter } from "../../src/runtime/seccomp/program.ts";
import { findCage, levelOf } from "../../src/sandbox/cage.ts";
import { componentOf } from "../support/components.ts";
import { ECHO_GUEST, SPIN_GUEST } from "../support/guests.ts";
import { NO_VIEW } from "../support/no-view.ts";
import { alive, groupOf } from "../support/processes.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { createScriptedExecutor } from "../support/scripted-executor.ts";

/** The system's cages that are tested here; `npm test` knows of none, because they need more than npm. */
const CAGES = (process.env["WRIT_TEST_CAGES"] ?? "none").split(",") as readonly SystemCage[];
const PERMISSIONS = ["no-environment", "no-network", "no-processes", "no-read", "no-write"];
const SYSTEM = [
  "os-no-environment",
  "os-no-files",
  "os-no-names",
  "os-no-network",
  "os-no-other-processes",
  "os-no-writes",
];

let box: TestSandbox | undefined;
afterEach(async () => {
  await box?.close();
  box = undefined;
});

/** A process that greets with some layers, of which the kernel confirms others. */
function greeting(verified: readonly string[], confinement: readonly string[] = []): ExecutorProcess {
  const scripted = createScriptedExecutor((command, mouth) => {
    if (command["type"] === "start") mouth.say({ type: "ready", runtime: "scripted", verified });
    if (command["type"] === "load") mouth.say({ type: "loaded", key: command["key"] });
    if (command["type"] === "run") {
      const end = { kind: "completed", output: 5 };
      mouth.say({ type: "end", run: command["run"], end, fuelUsed: 1, memoryPeakBytes: 0, doubtful: false });
    }
  });
  return { ...scripted, view: { ...NO_VIEW, confinement: () => confinement } };
}

describe("levelOf()", () => {
  it.each([
    ["process", []],
    ["process", SYSTEM],
    ["process+permissions", PERMISSIONS],
    ["process+permissions", [...PERMISSIONS, ...SYSTEM]],
    ["process+permissions", [...PERMISSIONS, ...SYSTEM.slice(1), "os-no-new-privileges"]],
    ["process+os", [...PERMISSIONS, ...SYSTEM, "os-no-new-privileges"]],
    ["process", [...PERMISSIONS.slice(1), ...SYSTEM, "os-no-new-privileges"]],
  ] as const)("is %s when %j hold", (level, layers) => {
    expect(levelOf(layers)).toBe(level);
  });
});

describe("findCage()", () => {
  const whole = () => greeting(SYSTEM, ["os-no-new-privileges"]);

  it("takes the strongest that holds, and says why not a stronger one", async () => {
    const cage = await findCage(
      ["bubblewrap", "setpriv", "none"],
      (system) =>
        system === "bubblewrap" ? greeting(SYSTEM.slice(2), []) : greeting([], ["os-no-new-privileges"]),
      runtime.clock,
    );
    expect(cage.system).toBe("setpriv");
    expect(cage.refused).toEqual([
      {
        system: "bubblewrap",
        why: "it does not hold: os-no-environment, os-no-files, os-no-new-privileges",
      },
    ]);
    expect((await findCage(["bubblewrap", "none"], whole, runtime.clock)).system).toBe("bubblewrap");
  });

  it("goes on when a cage can not be made, or its probe dies or breaks the protocol", async () => {
    const faults: Readonly<Record<string, () => ExecutorProcess>> = {
      "is not installed": () => {
        throw new Error("bwrap is not installed");
      },
      "setting up uid map": () =>
        createScriptedExecutor((_command, mouth) => mouth.die("setting up uid map")),
      protocol: () =>
        createScriptedExecutor((_command, mouth) => mouth.sayBytes(new Uint8Array(100).fill(7))),
    };
    for (const [why, spawn] of Object.entries(faults)) {
      const cage = await findCage(["bubblewrap", "none"], spawn, runtime.clock);
      expect(cage.system).toBe("none");
      expect(cage.refused[0]?.why).toContain(why);
    }
  });

  it("finds none rather than one that was not asked for", async () => {
    await expect(findCage(["bubblewrap"], () => greeting([]), runtime.clock)).rejects.toThrow(
      "Cannot isolate executors as asked: bubblewrap: it does not hold",
    );
  });
});

describe("createSandbox()", () => {
  it("gives no run to an executor that holds less than the first one did", async () => {
    let started = 0;
    box = await openSandbox({
      executors: 2,
      spawn: (role) => {
        if (role === "prepare") return runtime.spawnExecutor(role);
        started += 1;
        return started === 1 ? greeting(PERMISSIONS) : greeting(PERMISSIONS.slice(1));
      },
    });
    expect(box.sandbox.isolation.level).toBe("process+permissions");
    const echo = await componentOf(ECHO_GUEST);
    expect((await box.call(echo, "run", { n: 5 }, { tenant: "a" })).output).toBe(5);
    // The first belongs to the first tenant now; everything else that starts is weaker.
    const other = box.call(echo, "run", { n: 5 }, { tenant: "b", timeToLiveMs: 700 });
    const end = await other.catch((error: unknown) => error);
    expect(end).not.toHaveProperty("output");
  });
});

const PAIRS = (["node", "deno"] as const).flatMap((name) => CAGES.map((system) => [name, system] as const));

describe.each(PAIRS)("executors on %s in the cage %s, under this gateway's runtime", (name, system) => {
  it("run a guest, say their level, and leave no process when they are killed", async () => {
    box = await openSandbox({
      spawn: (role, cage) => runtime.spawnExecutor(role, { runtime: name, ...cage }),
      cages: [system],
    });
    const { isolation } = box.sandbox;
    expect(isolation.executor).toContain(name);
    const isWhole = system === "bubblewrap" || system === "landlock";
    expect(isolation.level).toBe(isWhole ? "process+os" : "process+permissions");
    if (system === "landlock")
      expect(isolation.verified).toEqual(
        expect.arrayContaining(["os-no-capabilities", "os-no-processes", "os-system-call-filter"]),
      );
    if (system === "bubblewrap" && ["x64", "arm64"].includes(process.arch))
      expect(isolation.verified).toEqual(
        expect.arrayContaining(["os-no-processes", "os-own-namespaces", "os-system-call-filter"]),
      );
    expect((await box.call(await componentOf(ECHO_GUEST), "run", { n: 9 })).output).toBe(9);
    const pids = box.started.map(({ process }) => process.view.pid() ?? process.pid);
    const spun = await box.call(await componentOf(SPIN_GUEST), "run", {}, { fuel: 1e15, timeToLiveMs: 2500 });
    expect(spun.outcome).toMatchObject({ kind: "timed-out" });
    await box.close();
    // Where the cage is a process too, it is that one whose end was waited for; the kernel ends what was in it.
    await expect.poll(() => alive(pids)).toEqual([]);
    box = undefined;
  });
});

describe.each(CAGES)("kill() of an executor that is starting in the cage %s", (system) => {
  it("leaves nothing of it behind, at whatever moment it falls", async () => {
    const pids: number[] = [];
    for (let afterMs = 0; afterMs < 30; afterMs++) {
      const executor = runtime.spawnExecutor("run", { system });
      pids.push(executor.pid);
      await new Promise((resolve) => setTimeout(resolve, afterMs / 2));
      executor.kill();
      await executor.exited;
    }
    await expect.poll(() => pids.flatMap(groupOf)).toEqual([]);
  });
});

describe("the system call filter", () => {
  it.each(["x64", "arm64"] as const)("for %s is what its source says", async (arch: FilterArch) => {
    const written = await readFile(join("src", "runtime", "seccomp", `${arch}.bpf`));
    expect(new Uint8Array(written)).toEqual(systemCallFilter(arch));
  });
});
