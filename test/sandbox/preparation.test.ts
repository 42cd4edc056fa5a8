/** What preparing a component tells of itself. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describePreparations } from "../../src/wiring/index.ts";
import { componentOf } from "../support/components.ts";
import { ECHO_GUEST } from "../support/guests.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

const MIB = 1024 * 1024;
const STEPS = ["decode", "plan", "validate", "meter", "compile"];

let box: TestSandbox;
beforeAll(async () => {
  box = await openSandbox({ inProcess: true, freshCache: true });
});
afterAll(() => box.close());

describe("prepare()", () => {
  it("tells each of its steps, and none where there was nothing to do", async () => {
    const echo = await componentOf(ECHO_GUEST);
    const made = await box.sandbox.prepare(echo, 8 * MIB);
    expect(made.steps.map(({ step }) => step)).toEqual(STEPS);
    expect(made.steps.every(({ ms }) => Number.isInteger(ms) && ms >= 0)).toBe(true);
    expect(made.bytes).toBeGreaterThan(0);
    // Another gateway on the same cache.
    const other = await openSandbox({ inProcess: true, cacheFolder: box.cacheFolder });
    expect(await other.sandbox.prepare(echo, 8 * MIB)).toEqual({ steps: [], bytes: made.bytes });
    await other.close();
  });
});

describe("describePreparations()", () => {
  it.each([
    ["what is in the cache", [{ steps: [], bytes: 1 }], "from the cache"],
    [
      "one variant beside one that was there",
      [
        {
          steps: [
            { step: "decode", ms: 3 },
            { step: "meter", ms: 800 },
          ],
          bytes: 1,
        },
        { steps: [], bytes: 1 },
      ],
      "decode 3, meter 800 ms",
    ],
    [
      "two",
      [
        { steps: [{ step: "meter", ms: 8 }], bytes: 1 },
        { steps: [{ step: "meter", ms: 5 }], bytes: 1 },
      ],
      "meter 13 ms for 2 variants",
    ],
  ] as const)("says %s", (_what, preparations, line) => {
    expect(describePreparations(preparations)).toBe(line);
  });
});
