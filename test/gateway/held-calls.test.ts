/** A guest that runs before its intent is durable: whatever its executor says, nothing that it asks for is done before. */
import { expect, it } from "vitest";
import { holdCalls } from "../../src/gateway/held-calls.ts";
import { createFakeRunHost } from "../support/fake-run-host.ts";

const CALL = { name: "http-client/send", args: {}, body: new Uint8Array(0) };
const STOP = { kind: "stop", outcome: { kind: "revoked", reason: "evidence-unavailable" } };

/** Calls that wait for a sync whose end is the test's. */
function setUp() {
  const host = createFakeRunHost();
  const syncing = Promise.withResolvers<void>();
  let syncs = 0;
  const held = holdCalls(host, () => {
    syncs++;
    return syncing.promise;
  });
  return { host, held, syncing, syncs: () => syncs };
}

/** Lets everything go on that waits for nothing. */
const pass = () => new Promise((resolve) => setTimeout(resolve, 0));

it("holdCalls() syncs nothing for a run that asks for nothing", async () => {
  const { host, held, syncs } = setUp();
  held.host.close();
  await pass();
  expect([syncs(), host.closed, held.failure()]).toEqual([0, 1, undefined]);
});

it("serves no call before the one sync that all of them wait for, and all in their order behind it", async () => {
  const { host, held, syncing, syncs } = setUp();
  const asked = ["one", "two", "three"].map((name) => held.host.call({ ...CALL, name }));
  await pass();
  expect([host.calls, syncs()]).toEqual([[], 1]);
  syncing.resolve();
  expect(await Promise.all(asked)).toEqual(Array(3).fill({ kind: "ok", value: null }));
  expect(await held.host.call({ ...CALL, name: "four" })).toEqual({ kind: "ok", value: null });
  expect(host.calls.map(({ name }) => name)).toEqual(["one", "two", "three", "four"]);
  expect([syncs(), held.failure()]).toEqual([1, undefined]);
});

it("stops the run when the sync fails, whatever it asks then, and says why", async () => {
  const { host, held, syncing, syncs } = setUp();
  const asked = [held.host.call(CALL), held.host.call(CALL)];
  const reason = new Error("the disk failed");
  syncing.reject(reason);
  expect([...(await Promise.all(asked)), await held.host.call(CALL)]).toEqual([STOP, STOP, STOP]);
  expect([host.calls, syncs(), held.failure()]).toEqual([[], 1, reason]);
});
