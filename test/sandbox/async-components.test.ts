/** Components that are asynchronous inside: tasks, streams and futures between them, and how such runs end. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TASK_SWITCH_COST } from "../../src/core/metering/index.ts";
import { AbiTrap } from "../../src/sandbox/executor/linker/index.ts";
import { instantiate, prepareComponent } from "../conformance/component-model/component.ts";
import { assemble, componentOf } from "../support/components.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

let box: TestSandbox;
beforeAll(async () => {
  box = await openSandbox({ inProcess: true });
});
afterAll(() => box.close());

/** Built-ins that the guests below are given, by the name that they import them under. */
const BUILTINS = {
  "stream.new": ["(canon stream.new $s)", "(result i64)"],
  "stream.read": ["(canon stream.read $s (memory $m))", "(param i32 i32 i32) (result i32)"],
  "stream.write": ["(canon stream.write $s (memory $m))", "(param i32 i32 i32) (result i32)"],
  "stream.drop-readable": ["(canon stream.drop-readable $s)", "(param i32)"],
  "stream.drop-writable": ["(canon stream.drop-writable $s)", "(param i32)"],
  "future.new": ["(canon future.new $f)", "(result i64)"],
  "future.write-async": ["(canon future.write $f async (memory $m))", "(param i32 i32) (result i32)"],
  "future.drop-writable": ["(canon future.drop-writable $f)", "(param i32)"],
  "set.new": ["(canon waitable-set.new)", "(result i32)"],
  "set.wait": ["(canon waitable-set.wait (memory $m))", "(param i32 i32) (result i32)"],
  "set.drop": ["(canon waitable-set.drop)", "(param i32)"],
  join: ["(canon waitable.join)", "(param i32 i32)"],
  "subtask.cancel": ["(canon subtask.cancel)", "(param i32) (result i32)"],
  "subtask.drop": ["(canon subtask.drop)", "(param i32)"],
  "task.cancel": ["(canon task.cancel)", ""],
  yield: ["(canon thread.yield)", "(result i32)"],
  "return-stream": ["(canon task.return (result $s) (memory $m))", "(param i32)"],
  "return-u32": ["(canon task.return (result u32) (memory $m))", "(param i32)"],
} as const;

type Builtin = keyof typeof BUILTINS;

/**
 * A component whose core module is given some built-ins and other core functions.
 *
 * @param wanted names of built-ins
 * @param body of the core module
 * @param others core functions besides: name, definition, type
 */
function component(
  wanted: readonly Builtin[],
  body: string,
  rest: string,
  others: readonly (readonly [name: string, definition: string, type: string])[] = [],
): string {
  const all = [...wanted.map((name) => [name, ...BUILTINS[name]] as const), ...others];
  const imports = all.map(([name, , type]) => `(import "" "${name}" (func $${name} ${type}))`).join("\n");
  const functions = all.map(([name, made]) => `(core func $${name} ${made})`).join("\n");
  const given = all.map(([name]) => `(export "${name}" (func $${name}))`).join(" ");
  return `
    (core module $lib (memory (export "m") 1))
    (core instance $lib (instantiate $lib))
    (alias core export $lib "m" (core memory $m))
    (type $s (stream u32)) (type $f (future u32))
    ${functions}
    (core module $guest ${imports} (import "" "m" (memory 1)) ${body})
    (core instance $guest (instantiate $guest (with "" (instance ${given} (export "m" (memory $m))))))
    ${rest}`;
}

/** Gives a stream back at once, and then writes 1, 2 and 3 into it, each when somebody reads. */
const NUMBERS = component(
  ["stream.new", "stream.write", "stream.drop-writable", "return-stream"],
  `(func (export "numbers") (local $pair i64) (local $n i32)
    (local.set $pair (call $stream.new))
    (call $return-stream (i32.wrap_i64 (local.get $pair)))
    loop $next
      (i32.store (i32.const 0) (local.tee $n (i32.add (local.get $n) (i32.const 1))))
      (drop (call $stream.write
        (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32))) (i32.const 0) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $n) (i32.const 3)))
    end
    (call $stream.drop-writable (i32.wrap_i64 (i64.shr_u (local.get $pair) (i64.const 32)))))`,
  `(func (export "numbers") async (result (stream u32))
    (canon lift (core func $guest "numbers") async (memory $m)))`,
);

const SUM = `(component
  (component $producer ${NUMBERS})
  (component $consumer
    (import "numbers" (func $numbers async (result (stream u32))))
    ${component(
      ["stream.read", "stream.drop-readable"],
      `(func (export "run") (result i32) (local $in i32) (local $sum i32)
        (local.set $in (call $numbers))
        loop $next
          (i32.store (i32.const 0) (i32.const 0))
          ;; The lowest four bits say how it went: 0 is that there may be more.
          (if (i32.eqz (i32.and (call $stream.read (local.get $in) (i32.const 0) (i32.const 1)) (i32.const 15)))
            (then
              (local.set $sum (i32.add (local.get $sum) (i32.load (i32.const 0))))
              (br $next)))
        end
        (call $stream.drop-readable (local.get $in))
        (local.get $sum))`,
      `(func (export "run") async (result u32) (canon lift (core func $guest "run")))`,
      [["numbers", "(canon lower (func $numbers))", "(result i32)"]],
    )})
  (instance $p (instantiate $producer))
  (instance $c (instantiate $consumer (with "numbers" (func $p "numbers"))))
  (export "run" (func $c "run")))`;

/** An export of its own, asynchronous or not, that does `body` and gives a number. */
const alone = (wanted: readonly Builtin[], body: string, isAsync = true) =>
  `(component ${component(
    wanted,
    `(func (export "run") (result i32) ${body})`,
    `(func (export "run") ${isAsync ? "async" : ""} (result u32) (canon lift (core func $guest "run")))`,
  )})`;

/** Calls a function that waits for ever, as often as `times` says, and goes on with `then`; `$sub` is the last. */
const callingSleeper = (times: number, wanted: readonly Builtin[], then: string) => `(component
  (component $sleeper ${component(
    ["set.new", "task.cancel"],
    // Waits for what is in an empty set; 6 is that its caller wants no more of it.
    `(func (export "sleep") (result i32) (i32.or (i32.const 2) (i32.shl (call $set.new) (i32.const 4))))
     (func (export "turn") (param i32 i32 i32) (result i32)
      (if (i32.eq (local.get 0) (i32.const 6)) (then (call $task.cancel)))
      i32.const 0)`,
    `(func (export "sleep") async
      (canon lift (core func $guest "sleep") async (callback (core func $guest "turn"))))`,
  )})
  (component $caller
    (import "sleep" (func $sleep async))
    ${component(
      wanted,
      `(func (export "run") (result i32) (local $n i32) (local $sub i32)
        loop $again
          (local.set $sub (call $sleep))
          (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const ${times})))
        end
        (local.set $sub (i32.shr_u (local.get $sub) (i32.const 4)))
        ${then})`,
      `(func (export "run") async (result u32) (canon lift (core func $guest "run")))`,
      [["sleep", "(canon lower (func $sleep) async)", "(result i32)"]],
    )})
  (instance $s (instantiate $sleeper))
  (instance $c (instantiate $caller (with "sleep" (func $s "sleep"))))
  (export "run" (func $c "run")))`;

/** Calls `run` in this process, with our linker and nothing between. @returns what came back, or why it ended */
async function runHere(wat: string) {
  const { guard, linked } = await instantiate(await prepareComponent(await assemble(wat)));
  try {
    const output = await linked.exported(null, "run")([]);
    await linked.goOn();
    return { output, guard, linked };
  } catch (error) {
    const stop = guard.stopped();
    if (stop?.kind === "trapped") return { end: stop.reason };
    if (stop?.kind === "exhausted") return { end: stop.budget };
    return { end: error instanceof AbiTrap ? error.reason : String(error) };
  }
}

describe("components that are asynchronous", () => {
  it("pass values through a stream, each side waiting for the other; for the same fuel each time", async () => {
    const component = await componentOf(SUM);
    const [first, second] = [await box.call(component, "run", {}), await box.call(component, "run", {})];
    expect(first).toMatchObject({ outcome: { kind: "completed" }, output: 6 });
    expect(second.fuelUsed).toBe(first.fuelUsed);
    // Two tasks that begin, and three values at least for which one of them has to go on.
    expect(first.fuelUsed).toBeGreaterThan(5 * TASK_SWITCH_COST);
  });

  it.each<[reason: string, wat: string]>([
    ["deadlock", alone(["set.new", "set.wait"], "(call $set.wait (call $set.new) (i32.const 0))")],
    [
      "blocked-in-synchronous-task",
      alone(["future.new", "set.new", "set.wait"], "(call $set.wait (call $set.new) (i32.const 0))", false),
    ],
    [
      "future-not-written",
      alone(
        ["future.new", "future.drop-writable"],
        `(call $future.drop-writable (i32.wrap_i64 (i64.shr_u (call $future.new) (i64.const 32)))) i32.const 0`,
      ),
    ],
    [
      "unknown-handle",
      alone(["stream.read"], "(call $stream.read (i32.const 7) (i32.const 0) (i32.const 1))"),
    ],
    [
      "handle-of-another-type",
      alone(
        ["future.new", "stream.read"],
        "(drop (call $future.new)) (call $stream.read (i32.const 1) (i32.const 0) (i32.const 1))",
      ),
    ],
    [
      "pointer-out-of-bounds",
      alone(
        ["stream.new", "stream.read"],
        "(drop (call $stream.new)) (call $stream.read (i32.const 1) (i32.const 65532) (i32.const 2))",
      ),
    ],
    ["task-is-not-asynchronous", alone(["return-u32"], "(call $return-u32 (i32.const 1)) i32.const 1")],
    [
      "waitable-set-not-empty",
      alone(
        ["future.new", "set.new", "join", "set.drop"],
        `(drop (call $future.new)) (call $join (i32.const 1) (call $set.new))
         (call $set.drop (i32.const 3)) i32.const 0`,
      ),
    ],
    ["concurrent_calls", callingSleeper(1000, [], "(local.get $n)")],
  ])("end by %s", async (reason, wat) => {
    expect((await runHere(wat)).end).toContain(reason);
  });

  it("cancel what they have called, and are told when it is over", async () => {
    const wat = callingSleeper(
      1,
      ["subtask.cancel", "subtask.drop"],
      `(local.set $n (call $subtask.cancel (local.get $sub)))
       (call $subtask.drop (local.get $sub)) (local.get $n)`,
    );
    // 4: cancelled before it returned.
    expect((await runHere(wat)).output).toBe(4);
  });

  it("end as exhausted, when they give way to each other for ever", async () => {
    const wat = alone(["yield"], "(loop $again (drop (call $yield)) (br $again)) unreachable");
    const { outcome } = await box.call(await componentOf(wat), "run", {}, { fuel: 1_000_000 });
    expect(outcome).toEqual({ kind: "exhausted", budget: "fuel" });
  });

  it("are over when their run is: what still waits is unwound, and runs no more", async () => {
    const { output, guard, linked } = await runHere(callingSleeper(3, [], "(local.get $n)"));
    expect(output).toBe(3);
    expect(linked?.isAtRest()).toBe(false);
    guard?.close();
    await linked?.endAll();
    expect(linked?.isAtRest()).toBe(true);
    expect(guard?.stopped()).toBeUndefined();
  });
});
