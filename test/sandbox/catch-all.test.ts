/**
 * Guests that wrap their import calls in `catch_all`. A JavaScript exception is caught by it, and the guest goes on
 * to its next effect: with `raise()` in guard.ts made a throw and `enter()` made to forget, the broker saw all five
 * calls of the guests below instead of one. Each of the two defences holds alone; the second is there for what the
 * first can not reach, a guest that catches and goes on without a further import, whom fuel ends.
 *
 * A real trap is not caught, on either runtime, in any of the ways in which it can come out of an import: straight
 * from a trampoline, from a suspending import before it waits, and out of a promise that rejects with it.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createGuard, type Trampoline } from "../../src/sandbox/executor/guard.ts";
import { assemble, componentOf, LOG_IMPORT, MEMORY_MODULE, RUN_INFO_IMPORT } from "../support/components.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

const LEGACY = (call: string) => `try ${call} catch_all end`;
const FORMS = {
  "a legacy try": (call: string) => LEGACY(call),
  try_table: (call: string) => `block $caught try_table (catch_all $caught) ${call} end end`,
  "try_table with a reference": (call: string) =>
    `block $caught (result exnref) try_table (catch_all_ref $caught) ${call} end ref.null exn end drop`,
  "try_table, three deep": (call: string) =>
    `${"block $caught try_table (catch_all $caught) ".repeat(3)} ${call} ${"end end ".repeat(3)}`,
} as const;

/** `run` makes `times` calls, each with its exceptions swallowed, and returns how many times it went round. */
function swallowingGuest(swallow: (call: string) => string, call: string, times: number): string {
  return `(component ${LOG_IMPORT} ${RUN_INFO_IMPORT} ${MEMORY_MODULE}
    (alias core export $libc "memory" (core memory $memory))
    (alias core export $libc "realloc" (core func $realloc))
    (core func $write (canon lower (func $write) (memory $memory) (realloc $realloc)))
    (core func $describe (canon lower (func $describe) (memory $memory) (realloc $realloc)))
    (core module $guest
      (import "host" "write" (func $write (param i32 i32 i32 i32 i32 i32)))
      (import "host" "describe" (func $describe (param i32)))
      (func (export "run") (result i32)
        (local $round i32)
        loop $again
          ${swallow(call)}
          (local.set $round (i32.add (local.get $round) (i32.const 1)))
          (br_if $again (i32.lt_u (local.get $round) (i32.const ${times})))
        end
        local.get $round))
    (core instance $guest (instantiate $guest (with "host" (instance
      (export "write" (func $write)) (export "describe" (func $describe))))))
    (func (export "run") (result u32) (canon lift (core func $guest "run"))))`;
}

/** An entry without a message and without fields. */
const WRITE =
  "(call $write (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16))";
/** A level that the enum has not: no honest guest's value. */
const WRITE_NONSENSE = WRITE.replace("(i32.const 0)", "(i32.const 99)");
const DESCRIBE = "(call $describe (i32.const 16))";

let box: TestSandbox;
beforeAll(async () => {
  box = await openSandbox({ inProcess: true });
});
afterAll(() => box.close());

describe.each(Object.entries(FORMS))("run() of a guest that swallows with %s", (_name, swallow) => {
  it("ends after the broker's stop, without one more call", async () => {
    const component = await componentOf(swallowingGuest(swallow, WRITE, 5));
    const end = await box.call(
      component,
      "run",
      {},
      {
        reply: () => ({ kind: "stop", outcome: { kind: "exhausted", budget: "log_bytes" } }),
      },
    );
    expect(end.outcome).toEqual({ kind: "exhausted", budget: "log_bytes" });
    expect(end.host.calls).toHaveLength(1);
  });

  it("ends after the second call, when that is the one that is stopped", async () => {
    const component = await componentOf(swallowingGuest(swallow, WRITE, 5));
    const end = await box.call(
      component,
      "run",
      {},
      {
        reply: (_call, index) =>
          index === 0
            ? { kind: "ok", value: null }
            : { kind: "stop", outcome: { kind: "revoked", reason: "operator" } },
      },
    );
    expect(end.outcome).toEqual({ kind: "revoked", reason: "operator" });
    expect(end.host.calls).toHaveLength(2);
  });

  it("goes on after the interface's own error, which is a value and no exception", async () => {
    const component = await componentOf(swallowingGuest(swallow, WRITE, 5));
    const end = await box.call(
      component,
      "run",
      {},
      {
        reply: () => ({ kind: "error", error: { tag: "budget-spent" } }),
      },
    );
    expect(end).toMatchObject({ outcome: { kind: "completed" }, output: 5 });
    expect(end.host.calls).toHaveLength(5);
  });

  it("ends at a value that the interface's type has not, with no call at all", async () => {
    const component = await componentOf(swallowingGuest(swallow, WRITE_NONSENSE + WRITE, 5));
    const end = await box.call(component, "run", {});
    expect(end.outcome).toMatchObject({ kind: "trapped" });
    expect(end.host.calls).toHaveLength(0);
  });

  it("ends when its import calls are spent", async () => {
    const component = await componentOf(swallowingGuest(swallow, DESCRIBE, 200_000));
    const end = await box.call(component, "run", {}, { fuel: 1e9 });
    expect(end.outcome).toEqual({ kind: "exhausted", budget: "host_calls" });
  });
});

describe("createGuard()", () => {
  const stopped = (limit: number) => {
    const guard = createGuard(limit);
    guard.stop({ kind: "exhausted", budget: "host_calls" });
    return guard;
  };
  const SOURCES: readonly (readonly [string, () => Trampoline])[] = [
    ["a trampoline", () => stopped(9).wrap("x", () => undefined)],
    [
      "a trampoline that throws",
      () =>
        createGuard(9).wrap("x", () => {
          throw new Error("x");
        }),
    ],
    [
      "a waiting import that throws before it waits",
      () =>
        createGuard(9).wrapWaiting("x", () => {
          throw new Error("x");
        }),
    ],
    [
      "a waiting import that rejects",
      () => createGuard(9).wrapWaiting("x", () => Promise.reject(new Error("x"))),
    ],
    ["a waiting import of a stopped run", () => stopped(9).wrapWaiting("x", async () => undefined)],
  ];

  it.each(SOURCES)("raises a trap that no catch_all holds, out of %s", async (_name, make) => {
    for (const swallow of Object.values(FORMS)) {
      const bytes = await assemble(`(module (import "h" "f" (func $f))
        (func (export "run") (result i32) ${swallow("(call $f)")} i32.const 1))`);
      const call = make();
      const Suspending: new (call: Trampoline) => Trampoline = Reflect.get(WebAssembly, "Suspending");
      const promising: (call: unknown) => () => Promise<number> = Reflect.get(WebAssembly, "promising");
      for (const f of _name.includes("waiting") ? [new Suspending(call)] : [call]) {
        const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), {
          h: { f },
        } as WebAssembly.Imports);
        await expect(promising(exports["run"])()).rejects.toThrow(WebAssembly.RuntimeError);
      }
    }
  });

  it("shows that the check above can fail: a thrown error is caught, and the guest returns", async () => {
    for (const swallow of Object.values(FORMS)) {
      const bytes = await assemble(`(module (import "h" "f" (func $f))
        (func (export "run") (result i32) ${swallow("(call $f)")} i32.const 1))`);
      const f = () => {
        throw new WebAssembly.RuntimeError("made by JavaScript");
      };
      const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { h: { f } });
      const { run } = exports;
      if (typeof run !== "function") throw new TypeError("no run");
      expect(run()).toBe(1);
    }
  });
});
