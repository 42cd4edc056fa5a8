/**
 * After a trap. The instance is over: nothing enters it again, whatever still arrives for it. Its executor is not: the
 * tenant's next run in the same process is right, finds nothing of the last one, and costs no new process.
 */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { HostReply } from "../../src/ports/index.ts";
import type { ComponentFunction } from "../../src/sandbox/executor/linker/index.ts";
import { instantiate, prepareComponent } from "../conformance/component-model/component.ts";
import { assemble, componentOf, LOG_IMPORT, MEMORY_MODULE } from "../support/components.ts";
import {
  ECHO_GUEST,
  INNER_ECHO_GUEST,
  LOGGING_PART,
  SPIN_GUEST,
  TRAP_GUEST,
  WAIT_GUEST,
} from "../support/guests.ts";
import { memoryOf } from "../support/processes.ts";
import { type CallOptions, openSandbox, type TestSandbox } from "../support/sandbox.ts";
import { createScriptedExecutor, READY } from "../support/scripted-executor.ts";

const MIB = 1024 * 1024;
let box: TestSandbox | undefined;
/** One executor for every bad end there is. */
let hardened: TestSandbox;
beforeAll(async () => {
  hardened = await openSandbox({ executors: 1, most: 1, inProcess: true });
});
afterEach(async () => {
  await box?.close();
  box = undefined;
});
afterAll(() => hardened.close());

const executors = ({ started }: TestSandbox) => started.filter(({ role }) => role === "run");

/** A component whose `run` is one core function. */
const guest = (module: string, result = "", lift = "") => `(component
  (core module $guest ${module}) (core instance $guest (instantiate $guest))
  (func (export "run") ${result} (canon lift (core func $guest "run") ${lift})))`;
const LOGGING = `(component ${LOG_IMPORT} ${MEMORY_MODULE} ${LOGGING_PART})`;
const STOP: HostReply = { kind: "stop", outcome: { kind: "exhausted", budget: "log_bytes" } };

/** Bad ends of a guest, all of which its executor survives. */
const ENDS: [how: string, wat: string, outcome: object, options?: CallOptions][] = [
  ["trapped", TRAP_GUEST, { kind: "trapped", reason: "unreachable" }],
  ["ran out of fuel", SPIN_GUEST, { kind: "exhausted", budget: "fuel" }, { fuel: 100_000 }],
  [
    "recursed too deep",
    guest(`(func $f (export "run") call $f)`),
    { kind: "exhausted", budget: "call_depth" },
  ],
  [
    "filled its memory",
    guest(`(memory 1) (func (export "run")
      loop $again (br_if $again (i32.ne (memory.grow (i32.const 1)) (i32.const -1))) end unreachable)`),
    { kind: "exhausted", budget: "memory_bytes" },
    { memoryBytes: 4 * MIB },
  ],
  [
    "gave a pointer out of its memory",
    guest(
      `(memory (export "m") 1) (func (export "run") (result i32) i32.const -8)`,
      "(result string)",
      `(memory (core memory $guest "m"))`,
    ),
    { kind: "trapped" },
  ],
  [
    "forged a handle",
    `(component (type $r (resource (rep i32))) (core func $drop (canon resource.drop $r))
      (core module $m (import "" "drop" (func $drop (param i32))) (func (export "run") (call $drop (i32.const 77))))
      (core instance $m (instantiate $m (with "" (instance (export "drop" (func $drop))))))
      (func (export "run") (canon lift (core func $m "run"))))`,
    { kind: "trapped" },
  ],
  ["was stopped by its broker", LOGGING, { kind: "exhausted", budget: "log_bytes" }, { reply: () => STOP }],
  ["waited past its time", WAIT_GUEST, { kind: "timed-out" }, { timeToLiveMs: 150 }],
];

describe("an executor in which a guest came to a bad end", () => {
  it.each(ENDS)("runs the next one after one that %s", async (_how, wat, outcome, options = {}) => {
    const { call, sandbox } = hardened;
    const bad = await componentOf(wat);
    const echo = await componentOf(ECHO_GUEST);
    await sandbox.prepare(bad, options.memoryBytes ?? 64 * MIB);
    for (let n = 1; n <= 3; n += 1) {
      const input = wat === LOGGING ? { n: 5 } : {};
      expect((await call(bad, "run", input, options)).outcome).toMatchObject(outcome);
      expect((await call(echo, "run", { n })).output).toBe(n);
    }
    expect(executors(hardened)).toHaveLength(1);
  });

  it("serves the tenant's other tools in the middle of a burst of traps, in one process, without keeping memory", async () => {
    box = await openSandbox({ executors: 1, most: 1, queue: 1000 });
    const { call } = box;
    // It dirties eight megabytes each time, so that what is kept of them shows.
    const trap = await componentOf(
      guest(`(memory 128) (func (export "run")
        (memory.fill (i32.const 0) (i32.const 1) (i32.const 8388608)) unreachable)`),
    );
    const echo = await componentOf(ECHO_GUEST);
    await call(echo, "run", { n: 1 });
    // In waves: however slow the machine, nobody in one waits for an executor longer than anybody may.
    for (let wave = 0; wave < 10; wave += 1) {
      const burst = Array.from({ length: 12 }, () => call(trap, "run", {}));
      const others = Array.from({ length: 3 }, (_, n) => call(echo, "run", { n }));
      expect((await Promise.all(others)).map(({ output }) => output)).toEqual(others.map((_, n) => n));
      const ends = await Promise.all(burst);
      expect(ends.filter(({ outcome }) => outcome.kind !== "trapped")).toEqual([]);
    }
    const [executor, ...more] = executors(box);
    expect(more).toEqual([]);
    // Far less than the 960 MB that went through it, as soon as its collector has had time: a busy machine gives it none
    // during the burst, and what is really kept grows by each of these runs.
    const heldBytes = () => memoryOf(executor?.process.pid ?? 0).nowBytes;
    for (let again = 0; again < 200 && heldBytes() > 400 * MIB; again += 1) await call(trap, "run", {});
    expect(heldBytes() / MIB).toBeLessThan(400);
  });

  it("is replaced when the guest had to be killed", async () => {
    box = await openSandbox({ executors: 1 });
    const spin = await componentOf(INNER_ECHO_GUEST);
    await box.sandbox.prepare(spin, 64 * MIB);
    await box.call(await componentOf(ECHO_GUEST), "run", { n: 1 });
    const end = await box.call(spin, "spin", {}, { fuel: 1e15, timeToLiveMs: 200 });
    expect(end.outcome.kind).toBe("timed-out");
    expect((await box.call(await componentOf(ECHO_GUEST), "run", { n: 2 })).output).toBe(2);
    expect(executors(box)).toHaveLength(2);
  });

  it.each([
    ["says that it is in doubt", { doubtful: true }],
    ["does not say that it is not", {}],
  ])("is replaced when it %s", async (_how, more) => {
    const ends = { fuelUsed: 1, memoryPeakBytes: 0, end: { kind: "completed", output: 3 }, ...more };
    const { spawnExecutor } = (await import("#runtime")).runtime;
    box = await openSandbox({
      executors: 1,
      spawn: (role) =>
        role === "prepare"
          ? spawnExecutor(role)
          : createScriptedExecutor((command, mouth) => {
              if (command["type"] === "start") mouth.say(READY);
              if (command["type"] === "load") mouth.say({ type: "loaded", key: command["key"] });
              if (command["type"] === "run") mouth.say({ type: "end", run: command["run"], ...ends });
            }),
    });
    const echo = await componentOf(ECHO_GUEST);
    for (let n = 0; n < 3; n += 1) expect((await box.call(echo, "run", { n: 3 })).output).toBe(3);
    expect(executors(box).length).toBeGreaterThanOrEqual(3);
  });
});

/** Waits for a text from its host, which goes into memory through its own `realloc`; or traps. */
const RESUMED = `(component
  (import "writ:host/reveal@0.1.0" (instance $host (export "reveal" (func (result string)))))
  (core module $libc (memory (export "m") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (i32.store (i32.const 8) (i32.const 0xdead)) i32.const 64))
  (core instance $libc (instantiate $libc))
  (core func $ask (canon lower (func $host "reveal")
    (memory (core memory $libc "m")) (realloc (core func $libc "realloc"))))
  (core module $guest (import "h" "ask" (func $ask (param i32))) (import "h" "m" (memory 1))
    (func (export "run") (call $ask (i32.const 16)) (i32.store (i32.const 12) (i32.const 0xbeef)))
    (func (export "trap") unreachable)
    (func (export "fine")))
  (alias core export $libc "m" (core memory $m))
  (core instance $guest (instantiate $guest (with "h" (instance
    (export "ask" (func $ask)) (export "m" (memory $m))))))
  (func (export "run") (canon lift (core func $guest "run")))
  (func (export "trap") (canon lift (core func $guest "trap")))
  (func (export "fine") (canon lift (core func $guest "fine"))))`;

/** An instance of it, with its memory and the answer that it waits for. */
async function resumed() {
  const component = await prepareComponent(await assemble(RESUMED), [
    { name: "writ:host/reveal@0.1.0", served: true, functions: [], resources: [] },
  ]);
  const answer = Promise.withResolvers<unknown>();
  const memories: WebAssembly.Memory[] = [];
  const instance = await instantiate(component, {
    hostFunction: (): ComponentFunction => () => answer.promise,
    memoryFor(module) {
      const memory = component.memories.take(module);
      if (memory !== undefined) memories.push(memory);
      return memory;
    },
  });
  const words = () => memories.map(({ buffer }) => [...new Uint32Array(buffer, 8, 2)]);
  return { ...instance, answer, words, call: (name: string) => instance.linked.exported(null, name)([]) };
}

describe("an instance that waits for its host", () => {
  it.each(["fine", "run", "trap"])("is not entered meanwhile, by %s or anything else", async (name) => {
    const { answer, call, words } = await resumed();
    const running = call("run");
    await expect(async () => call(name)).rejects.toThrow("cannot-enter-instance");
    answer.resolve("text");
    await running;
    expect(words()).toEqual([[0xdead, 0xbeef]]);
  });
});

/** `g` of one component calls `f` of another; who makes whom is the caller's to say. */
const CALLING = `(core func $f' (canon lower (func $f)))
  (core module $m (import "" "f" (func $f)) (func (export "g") (call $f)))
  (core instance $i (instantiate $m (with "" (instance (export "f" (func $f'))))))
  (func $g (export "g") (canon lift (core func $i "g")))`;
const CALLED = `(core module $n (func (export "f"))) (core instance $j (instantiate $n))
  (func $f (export "f") (canon lift (core func $j "f")))`;

describe("a component that calls another", () => {
  it.each([
    [
      "its sibling",
      `(component $a ${CALLED}) (component $b (import "f" (func $f)) ${CALLING})
      (instance $x (instantiate $a)) (instance $y (instantiate $b (with "f" (func $x "f"))))
      (export "g" (func $y "g"))`,
      undefined,
    ],
    [
      "its child",
      `(component $a ${CALLED}) (instance $x (instantiate $a))
      (alias export $x "f" (func $f)) ${CALLING}`,
      "cannot-enter-instance (component)",
    ],
    [
      "its grandchild",
      `(component $b (component $a ${CALLED}) (instance $x (instantiate $a)) (export "f" (func $x "f")))
      (instance $y (instantiate $b)) (alias export $y "f" (func $f)) ${CALLING}`,
      "cannot-enter-instance (component)",
    ],
    [
      "its parent",
      `(core module $n (func (export "f"))) (core instance $j (instantiate $n))
      (func $f (canon lift (core func $j "f"))) (component $b (import "f" (func $f)) ${CALLING})
      (instance $y (instantiate $b (with "f" (func $f)))) (export "g" (func $y "g"))`,
      "cannot-enter-instance (component)",
    ],
  ])("is let through to nobody but whom the specification allows: %s", async (_whom, wat, reason) => {
    const { linked, guard } = await instantiate(await prepareComponent(await assemble(`(component ${wat})`)));
    const call = async () => linked.exported(null, "g")([]);
    if (reason === undefined) await call();
    else await expect(call).rejects.toThrow(WebAssembly.RuntimeError);
    expect(guard.stopped()).toEqual(reason === undefined ? undefined : { kind: "trapped", reason });
  });
});

describe("an instance that is over", () => {
  it("runs on when its answer comes while it is not", async () => {
    const { answer, words, call } = await resumed();
    const running = call("run");
    answer.resolve("text");
    await running;
    expect(words()).toEqual([[0xdead, 0xbeef]]);
  });

  it("is not woken by an answer that comes late: neither its code nor its realloc runs, and nothing is written", async () => {
    const { guard, answer, words, call, linked } = await resumed();
    const running = Promise.resolve(call("run"));
    expect(linked.isAtRest()).toBe(false);
    guard.close();
    answer.resolve("text");
    await expect(running).rejects.toThrow(WebAssembly.RuntimeError);
    expect(words()).toEqual([[0, 0]]);
    expect(linked.isAtRest()).toBe(true);
  });

  it("is not entered again after a trap, through any export", async () => {
    const { guard, call } = await resumed();
    await expect(async () => call("trap")).rejects.toThrow("unreachable");
    guard.close();
    for (const name of ["fine", "trap", "run"])
      await expect(async () => call(name)).rejects.toThrow(/instance-is-over|cannot-enter-instance/);
  });

  it("is not instantiated any further", async () => {
    const component = await prepareComponent(await assemble(RESUMED));
    const { guard, linked } = await instantiate(component);
    guard.close();
    expect(() => linked.instantiate()).toThrow("instance-is-over");
  });
});
