/** Guests that hold more than their host will keep for them: handles, ends of streams, sets, calls under way. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createContext } from "../../src/sandbox/executor/context.ts";
import { createGuard } from "../../src/sandbox/executor/guard.ts";
import { createInputs } from "../../src/sandbox/executor/inputs.ts";
import { MOST_HANDLES_OF_A_RUN } from "../../src/sandbox/executor/linker/handles.ts";
import { createRooms } from "../../src/sandbox/executor/rooms.ts";
import { componentOf } from "../support/components.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

const HANDLES = { kind: "exhausted", budget: "handles" };
const CALLS = { kind: "exhausted", budget: "concurrent_calls" };

/** What each export does as often as it is told. */
const BODIES = {
  resources: "(drop (call $new (local.get $left)))",
  streams: "(drop (call $stream))",
  sets: "(drop (call $set))",
  turns: "(call $drop (call $new (i32.const 1)))",
};

const MAKING = `(component
  (type $r (resource (rep i32))) (type $s (stream u8))
  (core func $new (canon resource.new $r))
  (core func $drop (canon resource.drop $r))
  (core func $stream (canon stream.new $s))
  (core func $set (canon waitable-set.new))
  (core module $guest
    (import "" "new" (func $new (param i32) (result i32))) (import "" "drop" (func $drop (param i32)))
    (import "" "stream" (func $stream (result i64))) (import "" "set" (func $set (result i32)))
    ${Object.entries(BODIES)
      .map(
        ([name, body]) => `(func (export "${name}") (param i32) (result i32) (local $left i32)
      (local.set $left (local.get 0))
      loop $again
        ${body}
        (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1))))
      end
      local.get 0)`,
      )
      .join("\n")})
  (core instance $guest (instantiate $guest (with "" (instance (export "new" (func $new)) (export "drop" (func $drop))
    (export "stream" (func $stream)) (export "set" (func $set))))))
  ${Object.keys(BODIES)
    .map(
      (name) =>
        `(func (export "${name}") async (param "n" u32) (result u32) (canon lift (core func $guest "${name}")))`,
    )
    .join("\n")})`;

/** One component hands another so many handles in one call: a list of them, which it makes and gives away. */
const HANDING = `(component
  (component $maker
    (type $r (resource (rep i32)))
    (core func $new (canon resource.new $r))
    (core module $guest (import "" "new" (func $new (param i32) (result i32))) (memory (export "m") 8)
      (func (export "make") (param i32) (result i32) (local $i i32)
        loop $again
          (i32.store (i32.add (i32.const 16) (i32.shl (local.get $i) (i32.const 2))) (call $new (local.get $i)))
          (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 0)))
        end
        (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (local.get 0)) i32.const 0))
    (core instance $guest (instantiate $guest (with "" (instance (export "new" (func $new))))))
    (export $R "r" (type $r))
    (func (export "make") (param "n" u32) (result (list (own $R)))
      (canon lift (core func $guest "make") (memory (core memory $guest "m")))))
  (component $keeper
    (import "r" (type $r (sub resource)))
    (import "make" (func $make (param "n" u32) (result (list (own $r)))))
    (core module $lib (memory (export "m") 8)
      (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536))
    (core instance $lib (instantiate $lib))
    (core func $make (canon lower (func $make) (memory (core memory $lib "m")) (realloc (core func $lib "realloc"))))
    (core module $guest (import "" "make" (func $make (param i32 i32)))
      (func (export "run") (param i32) (result i32) (call $make (local.get 0) (i32.const 0))
        (call $make (local.get 0) (i32.const 0)) local.get 0))
    (core instance $guest (instantiate $guest (with "" (instance (export "make" (func $make))))))
    (func (export "run") (param "n" u32) (result u32) (canon lift (core func $guest "run"))))
  (instance $a (instantiate $maker))
  (instance $b (instantiate $keeper (with "r" (type $a "r")) (with "make" (func $a "make"))))
  (export "run" (func $b "run")))`;

let box: TestSandbox;
beforeAll(async () => {
  box = await openSandbox({ inProcess: true });
});
afterAll(() => box.close());

describe("a run that holds handles", () => {
  it.each([
    ["resources", 1],
    ["streams", 2],
    ["sets", 1],
  ])("ends by `handles` beyond so many at once: %s", async (name, each) => {
    // The last one is the first that there is no room for.
    const n = MOST_HANDLES_OF_A_RUN / each + 1;
    expect((await box.call(await componentOf(MAKING), name, { n }, { fuel: 1e9 })).outcome).toEqual(HANDLES);
  });

  it("may make more of them one after another", async () => {
    const n = MOST_HANDLES_OF_A_RUN + 1;
    const { outcome } = await box.call(await componentOf(MAKING), "turns", { n }, { fuel: 1e9 });
    expect(outcome).toEqual({ kind: "completed" });
  });

  it("is counted over all of its components, whoever handed them to whom", async () => {
    const component = await componentOf(HANDING);
    const call = async (n: number) => (await box.call(component, "run", { n }, { fuel: 1e9 })).outcome;
    expect(await call(MOST_HANDLES_OF_A_RUN / 2)).toEqual({ kind: "completed" });
    expect(await call(MOST_HANDLES_OF_A_RUN / 2 + 1)).toEqual(HANDLES);
  });
});

describe("a run that does not wait for its calls", () => {
  it("ends by `concurrent_calls` beyond so many under way at its broker, and not as one that broke the protocol", async () => {
    const guard = createGuard(1_000_000);
    let asked = 0;
    const context = createContext({
      guard,
      inputs: createInputs({ elapsedMs: () => 0 }),
      pipe: {
        ask() {
          asked += 1;
          return new Promise(() => undefined);
        },
        pause: () => undefined,
        rooms: createRooms(),
        turn: () => undefined,
      },
      startWallMs: 0,
      random: (length) => new Uint8Array(length),
      endOfExit: () => ({ kind: "trapped", reason: "exit" }),
      info: {
        ...{ run: "r", traceId: "t", tool: "t", function: "f", purpose: "p" },
        ...{ fuel: 1, timeToLiveMs: 1 },
      },
      charge: () => undefined,
      settings: { environment: [], arguments: [], config: [], roots: [] },
      work: { underWay: () => undefined },
    });
    for (let call = 0; call < 1000; call += 1) void context.call("any", null);
    expect(guard.stopped()).toBeUndefined();
    await expect(context.call("any", null)).rejects.toThrow(WebAssembly.RuntimeError);
    expect(guard.stopped()).toEqual(CALLS);
    expect(asked).toBe(1000);
  });
});
