/** What a guest can learn of the world without a grant: nothing but coarse time and its own random numbers. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { componentOf } from "../support/components.ts";
import { RANDOM_GUEST } from "../support/guests.ts";
import { buildOfferGuest, type CoreFunction } from "../support/offer-guest.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

let box: TestSandbox;
beforeAll(async () => {
  box = await openSandbox({ inProcess: true });
});
afterAll(() => box.close());

const MONOTONIC = `
  (import "wasi:clocks/monotonic-clock@0.2.12" (instance $clock (export "now" (func (result u64)))))
  (core func $now (canon lower (func $clock "now")))`;

/** `run` watches the monotonic clock change twenty times, and returns the smallest step, in ns. */
const SMALLEST_TICK = `(component ${MONOTONIC}
  (core module $guest
    (import "h" "now" (func $now (result i64)))
    (func (export "run") (result i64)
      (local $last i64) (local $next i64) (local $least i64) (local $changes i32)
      (local.set $least (i64.const 9223372036854775807))
      (local.set $last (call $now))
      loop $again
        (local.set $next (call $now))
        (br_if $again (i64.eq (local.get $next) (local.get $last)))
        (if (i64.lt_u (i64.sub (local.get $next) (local.get $last)) (local.get $least))
          (then (local.set $least (i64.sub (local.get $next) (local.get $last)))))
        (local.set $last (local.get $next))
        (local.set $changes (i32.add (local.get $changes) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $changes) (i32.const 20)))
      end
      local.get $least))
  (core instance $guest (instantiate $guest (with "h" (instance (export "now" (func $now))))))
  (func (export "run") (result u64) (canon lift (core func $guest "run"))))`;

/** `run` reads the wall clock a thousand times and returns the bits below a millisecond that it ever saw, or-ed. */
const WALL_CLOCK = `(component
  (core module $libc (memory (export "memory") 1))
  (core instance $libc (instantiate $libc))
  (import "wasi:clocks/wall-clock@0.2.12" (instance $clock
    (type $datetime' (record (field "seconds" u64) (field "nanoseconds" u32)))
    (export "datetime" (type $datetime (eq $datetime')))
    (export "now" (func (result $datetime)))))
  (core func $now (canon lower (func $clock "now") (memory (core memory $libc "memory"))))
  (core module $guest
    (import "libc" "memory" (memory 1))
    (import "h" "now" (func $now (param i32)))
    (func (export "run") (result i32) (local $round i32) (local $seen i32)
      loop $again
        (call $now (i32.const 16))
        (local.set $seen (i32.or (local.get $seen) (i32.rem_u (i32.load (i32.const 24)) (i32.const 1000000))))
        (local.set $round (i32.add (local.get $round) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $round) (i32.const 1000)))
      end
      local.get $seen))
  (core instance $guest (instantiate $guest (with "libc" (instance $libc)) (with "h" (instance (export "now" (func $now))))))
  (func (export "run") (result u32) (canon lift (core func $guest "run"))))`;

describe("clocks of a run", () => {
  it("show no step of the monotonic clock below a millisecond", async () => {
    const { outcome, output } = await box.call(await componentOf(SMALLEST_TICK), "run", {}, { fuel: 1e9 });
    expect(outcome).toEqual({ kind: "completed" });
    expect(BigInt(String(output)) % 1_000_000n).toBe(0n);
    expect(BigInt(String(output))).toBeGreaterThanOrEqual(1_000_000n);
  });

  it("show no part of a millisecond on the wall", async () => {
    const end = await box.call(await componentOf(WALL_CLOCK), "run", {});
    expect(end).toMatchObject({ outcome: { kind: "completed" }, output: 0 });
  });

  it("begin at the run's start, so that two runs can not tell when the host was started", async () => {
    const component = await componentOf(`(component ${MONOTONIC}
      (core module $guest (import "h" "now" (func $now (result i64))) (func (export "run") (result i64) call $now))
      (core instance $guest (instantiate $guest (with "h" (instance (export "now" (func $now))))))
      (func (export "run") (result u64) (canon lift (core func $guest "run"))))`);
    const { output } = await box.call(component, "run", {});
    expect(Number(output)).toBeLessThan(1e9);
  });
});

describe("random numbers of a run", () => {
  it("differ from run to run", async () => {
    const component = await componentOf(RANDOM_GUEST);
    const drawn = [];
    for (let index = 0; index < 20; index += 1) drawn.push((await box.call(component, "run", {})).output);
    expect(new Set(drawn).size).toBe(20);
  });

  it("are the same when the gateway draws the same seed", async () => {
    const component = await componentOf(RANDOM_GUEST);
    const entropy = { bytes: (length: number) => new Uint8Array(length).fill(9) };
    const same = await openSandbox({ inProcess: true, entropy, cacheFolder: box.cacheFolder });
    try {
      const first = await same.call(component, "run", {});
      const second = await same.call(component, "run", {});
      expect(second.output).toBe(first.output);
    } finally {
      await same.close();
    }
  });
});

const callOf = (imports: readonly CoreFunction[], name: string): string => {
  const found = imports.find((entry) => entry.name === name);
  if (found === undefined) throw new TypeError(`no import ${name}`);
  return found.call;
};

describe("standard input of a run", () => {
  it("is at its end from the beginning", async () => {
    // err (1) of stream-error closed (1), or else a trap.
    const component = await buildOfferGuest((imports) => [
      `i32.const 64 ${callOf(imports, "get-stdin")} i32.store
       (i32.load (i32.const 64)) i64.const 10 i32.const 128 ${callOf(imports, "[method]input-stream.blocking-read")}
       (i32.ne (i32.load8_u (i32.const 128)) (i32.const 1)) if unreachable end
       (i32.ne (i32.load8_u (i32.const 132)) (i32.const 1)) if unreachable end`,
    ]);
    const end = await box.call(component, "call-0", {});
    expect(end.outcome).toEqual({ kind: "completed" });
  });
});

describe("interfaces that are offered as types only", () => {
  it("have no function that has an effect, and none that keeps the run waiting", async () => {
    let imports: readonly CoreFunction[] = [];
    const component = await buildOfferGuest((found) => {
      imports = found;
      return found.map(({ params, results, call }) =>
        [...params.map((type) => `${type}.const 0`), call, ...results.map(() => "drop")].join("\n"),
      );
    });
    const seen = new Set<string>();
    let tried = 0;
    for (const [index, { module }] of imports.entries()) {
      if (component.imports.some(({ name, served }) => served && name.startsWith(module))) continue;
      tried += 1;
      const end = await box.call(component, `call-${index}`, {}, { timeToLiveMs: 2000 });
      expect(end.outcome.kind).not.toBe("timed-out");
      for (const call of end.host.calls) seen.add(call.name);
    }
    expect(tried).toBeGreaterThan(20);
    expect([...seen]).toEqual(["refused/called"]);
  });
});
