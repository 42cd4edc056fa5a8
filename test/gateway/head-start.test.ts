/** A guest that begins before its intent is stored: once, and with the word about its intent. */
import { expect, it } from "vitest";
import type { Ended } from "../../src/gateway/guest.ts";
import { giveHeadStart } from "../../src/gateway/head-start.ts";

const ENDED: Ended = {
  end: { outcome: { kind: "completed" }, fuelUsed: 1, memoryPeakBytes: 0, outputBytes: 0, wallMs: 1 },
};

/** A guest, and what it was told of its intent. */
function setUp() {
  const told: unknown[] = [];
  let runs = 0;
  const guest = giveHeadStart(async (recorded) => {
    runs++;
    recorded.then(
      () => told.push("recorded"),
      (reason) => told.push(reason),
    );
    return ENDED;
  });
  return { guest, told, runs: () => runs };
}

/** Lets everything go on that waits for nothing. */
const pass = () => new Promise((resolve) => setTimeout(resolve, 0));

it("goOn() begins a guest that was not begun", async () => {
  const { guest, told, runs } = setUp();
  expect([await guest.goOn(), runs(), told]).toEqual([ENDED, 1, ["recorded"]]);
});

it("begin() begins it once, and goOn() tells it that there is an intent", async () => {
  const { guest, told, runs } = setUp();
  guest.begin();
  await pass();
  expect([runs(), told]).toEqual([1, []]);
  expect([await guest.goOn(), runs(), told]).toEqual([ENDED, 1, ["recorded"]]);
});

it("end() tells it that there is none, and begins nothing", async () => {
  const [begun, idle] = [setUp(), setUp()];
  begun.guest.begin();
  for (const { guest } of [begun, idle]) guest.end("the disk failed");
  await pass();
  expect([begun.told, idle.runs(), idle.told]).toEqual([["the disk failed"], 0, []]);
});
