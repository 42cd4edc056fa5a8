/** What a guest may do while it cleans up after its answer: change its own state, and call nobody. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { componentOf } from "../support/components.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

let box: TestSandbox;
beforeAll(async () => {
  box = await openSandbox({ inProcess: true });
});
afterAll(() => box.close());

/** `run` answers 7, and then calls what `defined` makes. */
const cleaning = (defined: string) => `(component
  ${defined}
  (core module $guest
    (import "" "called" (func $called))
    (func (export "run") (result i32) i32.const 7)
    (func (export "clean") (param i32) (call $called)))
  (core instance $guest (instantiate $guest (with "" (instance (export "called" (func $called))))))
  (func (export "run") (result u32)
    (canon lift (core func $guest "run") (post-return (core func $guest "clean")))))`;

describe("post-return", () => {
  it.each(["backpressure.inc", "backpressure.dec"])("may use %s", async (name) => {
    const guest = await componentOf(cleaning(`(core func $called (canon ${name}))`));
    const { outcome, output } = await box.call(guest, "run", {});
    expect({ outcome, output }).toMatchObject({ outcome: { kind: "completed" }, output: 7 });
  });

  it("ends in a trap when it calls another instance", async () => {
    const guest = await componentOf(
      cleaning(`(component $other
          (core module $m (func (export "f")))
          (core instance $i (instantiate $m))
          (func (export "f") (canon lift (core func $i "f"))))
        (instance $o (instantiate $other))
        (core func $called (canon lower (func $o "f")))`),
    );
    const { outcome } = await box.call(guest, "run", {});
    expect(outcome).toMatchObject({
      kind: "trapped",
      reason: expect.stringContaining("cannot-leave-instance"),
    });
  });
});
