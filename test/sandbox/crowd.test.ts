/** Who has to give way to others, and who is alone. */
import { describe, expect, it } from "vitest";
import { createCrowd } from "../../src/sandbox/crowd.ts";

function setUp() {
  let nowMs = 0;
  const crowd = createCrowd({ monotonicMs: () => nowMs });
  return {
    ...crowd,
    later: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe("createCrowd()", () => {
  it("is nobody's before anybody has asked, and a tenant's own asking makes no crowd for it", () => {
    const { asks, isBeside } = setUp();
    expect(isBeside("a")).toBe(false);
    for (let again = 0; again < 3; again += 1) asks("a");
    expect(isBeside("a")).toBe(false);
    expect(isBeside("b")).toBe(true);
  });

  it("is each one's once two have asked, however often one of them does", () => {
    const { asks, isBeside } = setUp();
    asks("b");
    for (let again = 0; again < 5; again += 1) asks("a");
    expect(isBeside("a")).toBe(true);
    expect(isBeside("b")).toBe(true);
  });

  it("forgets who has not asked for half a minute", () => {
    const { asks, isBeside, later } = setUp();
    asks("b");
    asks("a");
    later(29_000);
    asks("a");
    expect(isBeside("a")).toBe(true);
    later(2000);
    asks("a");
    expect(isBeside("a")).toBe(false);
    expect(isBeside("b")).toBe(true);
  });
});
