/** What crosses a component's border costs what the published table says: each call of an import or of a built-in. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HOST_CALL_COST, OPERATOR_COSTS, UNITS_PER_VALUE } from "../../src/core/metering/index.ts";
import { componentOf } from "../support/components.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

let box: TestSandbox;
beforeAll(async () => {
  box = await openSandbox();
});
afterAll(() => box.close());

/** `run` does `body` as many times as its argument says. */
const repeat = (imports: string, body: string) => `
  (core module $guest
    ${imports}
    (func (export "run") (param i32)
      loop $again
        ${body}
        (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))
      end))`;

/** local.get, i32.const, i32.sub, local.tee, br_if. */
const TURN = 5 * OPERATOR_COSTS.simple;

const RESOURCES = `(component
  (type $r (resource (rep i32)))
  (core func $new (canon resource.new $r))
  (core func $rep (canon resource.rep $r))
  (core func $drop (canon resource.drop $r))
  ${repeat(
    `(import "r" "new" (func $new (param i32) (result i32)))
    (import "r" "rep" (func $rep (param i32) (result i32)))
    (import "r" "drop" (func $drop (param i32)))
    (global $handle (mut i32) (i32.const 0))`,
    `(global.set $handle (call $new (i32.const 7)))
     (drop (call $rep (global.get $handle)))
     (call $drop (global.get $handle))`,
  )}
  (core instance $guest (instantiate $guest (with "r" (instance
    (export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $drop))))))
  (func (export "run") (param "n" u32) (canon lift (core func $guest "run"))))`;

const RANDOM = `(component
  (import "wasi:random/random@0.2.12" (instance $random (export "get-random-u64" (func (result u64)))))
  (core func $draw (canon lower (func $random "get-random-u64")))
  ${repeat(`(import "r" "draw" (func $draw (result i64)))`, "(drop (call $draw))")}
  (core instance $guest (instantiate $guest (with "r" (instance (export "draw" (func $draw))))))
  (func (export "run") (param "n" u32) (canon lift (core func $guest "run"))))`;

const CASES: readonly [name: string, wat: string, perTurn: number][] = [
  [
    "built-ins of resources",
    RESOURCES,
    // i32.const, global.set, two global.get, and three calls.
    4 * OPERATOR_COSTS.simple + 3 * (OPERATOR_COSTS.call + HOST_CALL_COST),
  ],
  ["an import that gives a value", RANDOM, OPERATOR_COSTS.call + HOST_CALL_COST + UNITS_PER_VALUE],
];

describe("fuel of a run", () => {
  it.each(CASES)("counts every call of %s", async (_name, wat, perTurn) => {
    const component = await componentOf(wat);
    const fuelOf = async (n: number) => {
      const { outcome, fuelUsed } = await box.call(component, "run", { n });
      expect(outcome).toEqual({ kind: "completed" });
      return fuelUsed ?? Number.NaN;
    };
    const one = await fuelOf(1);
    expect((await fuelOf(101)) - one).toBe(100 * (TURN + perTurn));
  });

  it("ends within a call's price of its budget, at a built-in as at an operator", async () => {
    const end = await box.call(await componentOf(RESOURCES), "run", { n: 1e6 }, { fuel: 10_000 });
    expect(end).toMatchObject({ outcome: { kind: "exhausted", budget: "fuel" }, fuelUsed: 10_000 });
  });
});
