/** Exports of the asynchronous ABI with a callback: how their results come, and what ends them. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { componentOf } from "../support/components.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

let box: TestSandbox;
beforeAll(async () => {
  box = await openSandbox({ inProcess: true });
});
afterAll(() => box.close());

/** `run` yields once and then does `body`; its result is two core values, which one core function can not return. */
const yielding = (body: string) => `(component
  (core func $return (canon task.return (result (tuple u32 u32))))
  (core module $guest
    (import "" "return" (func $return (param i32 i32)))
    (func (export "run") (result i32) i32.const 1)
    (func (export "turn") (param i32 i32 i32) (result i32) ${body} i32.const 0))
  (core instance $guest (instantiate $guest (with "" (instance (export "return" (func $return))))))
  (func (export "run") async (result (tuple u32 u32))
    (canon lift (core func $guest "run") async (callback (core func $guest "turn")))))`;

const RETURN = "(call $return (i32.const 40) (i32.const 2))";

describe("an asynchronous export", () => {
  it("gives its result through task.return, with no memory where it needs none", async () => {
    const { outcome, output } = await box.call(await componentOf(yielding(RETURN)), "run", {});
    expect({ outcome, output }).toMatchObject({ outcome: { kind: "completed" }, output: [40, 2] });
  });

  it.each([
    ["returned-nothing", ""],
    ["returned-twice", `${RETURN} ${RETURN}`],
  ])("ends in a trap that is called %s", async (reason, body) => {
    const { outcome } = await box.call(await componentOf(yielding(body)), "run", {});
    expect(outcome).toMatchObject({ kind: "trapped", reason: expect.stringContaining(reason) });
  });
});
