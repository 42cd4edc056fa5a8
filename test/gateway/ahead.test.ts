/** A guest that runs ahead of its intent: whatever its executor says, nothing that it asks for is done before. */
import { expect, it } from "vitest";
import { createAhead } from "../../src/gateway/ahead.ts";
import type { Ended, HeldRun } from "../../src/gateway/guest.ts";
import { createFakeRunHost } from "../support/fake-run-host.ts";

const CALL = { name: "http-client/send", args: {}, body: new Uint8Array(0) };
const STOP = { kind: "stop", outcome: { kind: "revoked", reason: "evidence-unavailable" } };
const ENDED: Ended = {
  end: { outcome: { kind: "completed" }, fuelUsed: 1, memoryPeakBytes: 0, outputBytes: 0, wallMs: 1 },
};

/** A run that is under way until the test ends it. */
function setUp() {
  const host = createFakeRunHost();
  const runs: HeldRun[] = [];
  const ended = Promise.withResolvers<Ended>();
  const ahead = createAhead(host, (held) => {
    runs.push(held);
    return ended.promise;
  });
  const held = () => runs[0] ?? expect.fail("it was not run");
  return { host, runs, ended, ahead, held };
}

/** Lets everything go on that waits for nothing. */
const pass = () => new Promise((resolve) => setTimeout(resolve, 0));

it("goOn() runs a guest that was not begun, and answers its calls at once", async () => {
  const { host, runs, ended, ahead, held } = setUp();
  const result = ahead.goOn();
  expect(await held().host.call(CALL)).toEqual({ kind: "ok", value: null });
  ended.resolve(ENDED);
  expect([await result, runs.length, host.calls.length]).toEqual([ENDED, 1, 1]);
});

it("begin() runs it once, and each call waits, in its order, until goOn()", async () => {
  const { host, runs, ended, ahead, held } = setUp();
  ahead.begin();
  const asked = ["one", "two", "three"].map((name) => held().host.call({ ...CALL, name }));
  await pass();
  expect(host.calls).toEqual([]);
  const result = ahead.goOn();
  expect(await Promise.all(asked)).toHaveLength(3);
  expect(host.calls.map(({ name }) => name)).toEqual(["one", "two", "three"]);
  ended.resolve(ENDED);
  expect([await result, runs.length]).toEqual([ENDED, 1]);
});

it("end() stops what waits and what still comes, and tells the run", async () => {
  const { host, ahead, held } = setUp();
  ahead.begin();
  const told: string[] = [];
  held().onUnrecorded((reason) => void told.push(reason));
  const asked = held().host.call(CALL);
  ahead.end();
  expect([await asked, await held().host.call(CALL)]).toEqual([STOP, STOP]);
  expect([host.calls, told]).toEqual([[], ["evidence-unavailable"]]);
});

it("end() tells a run at once that asks only then, and none that has stopped asking", async () => {
  const { ahead, held } = setUp();
  ahead.begin();
  const told: string[] = [];
  held().onUnrecorded(() => void told.push("too late"))();
  ahead.end();
  held().onUnrecorded((reason) => void told.push(reason));
  expect(told).toEqual(["evidence-unavailable"]);
});

it("end() leaves one that was not begun alone", () => {
  const { runs, ahead } = setUp();
  ahead.end();
  expect(runs).toEqual([]);
});
