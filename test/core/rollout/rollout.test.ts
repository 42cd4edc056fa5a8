/** Which version a run is given, and what commands make of that. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  choose,
  command,
  firstState,
  type ToolCommand,
  type ToolState,
} from "../../../src/core/rollout/index.ts";

const STATE: ToolState = { tool: "hash", active: 2, activatedAtMs: 5, earlier: [1], floors: [] };
const RUN = { tenant: "acme", run: "run_01J00000000000000000000000" };

describe("choose()", () => {
  const canary = { version: 3, basisPoints: 0, tenants: ["acme"], sinceMs: 9 };
  const cases: readonly (readonly [name: string, state: Partial<ToolState>, choice: object])[] = [
    ["the active version", {}, { kind: "serve", version: 2, canary: false }],
    ["a canary's tenants the canary", { canary }, { kind: "serve", version: 3, canary: true }],
    ["others the active one", { canary: { ...canary, tenants: ["b"] } }, { kind: "serve", version: 2 }],
    ["all a canary of 100 %", { canary: { ...canary, basisPoints: 10_000, tenants: [] } }, { version: 3 }],
    [
      "nothing of a suspended tool, canary or not",
      { canary, suspended: { reason: "leak", sinceMs: 7 } },
      { kind: "refuse", reason: "leak", sinceMs: 7 },
    ],
    [
      "nothing below the tenant's floor",
      { floors: [{ tenant: "acme", version: 3 }] },
      { reason: "below-floor" },
    ],
    ["nothing below everyone's floor", { floors: [{ tenant: "*", version: 3 }] }, { reason: "below-floor" }],
    ["what is on the floor", { floors: [{ tenant: "acme", version: 2 }] }, { kind: "serve", version: 2 }],
    [
      "what another's floor keeps from that one",
      { floors: [{ tenant: "b", version: 9 }] },
      { kind: "serve" },
    ],
    [
      "the higher of two floors",
      {
        floors: [
          { tenant: "*", version: 1 },
          { tenant: "acme", version: 3 },
        ],
      },
      { reason: "below-floor" },
    ],
  ];
  it.each(cases)("gives %s", (_, state, choice) => {
    expect(choose({ ...STATE, ...state }, RUN)).toMatchObject(choice);
  });

  it("cuts a share by the run's id: the same each time, and as large as it says", () => {
    const state = { ...STATE, canary: { ...canary, basisPoints: 1_000, tenants: [] } };
    const runs = Array.from({ length: 5_000 }, (_, index) => ({ tenant: "acme", run: `run_${index}` }));
    const first = runs.map((run) => choose(state, run));
    expect(runs.map((run) => choose(state, run))).toEqual(first);
    const taken = first.filter((choice) => choice.kind === "serve" && choice.canary).length;
    // 500 expected; five standard deviations are 106.
    expect(taken).toBeGreaterThan(394);
    expect(taken).toBeLessThan(606);
    // A larger share keeps whom the smaller one had.
    const wider = { ...state, canary: { ...state.canary, basisPoints: 3_000 } };
    for (const [index, run] of runs.entries()) {
      if (first[index]?.kind === "serve" && first[index].canary)
        expect(choose(wider, run)).toMatchObject({ canary: true });
    }
  });
});

describe("command()", () => {
  const on = (state: Partial<ToolState>, asked: ToolCommand) =>
    command({ ...STATE, ...state }, asked, 3, 100);
  const canary = { version: 3, basisPoints: 500, tenants: [], sinceMs: 9 };

  it("activates, and remembers where rolling back leads", () => {
    expect(on({ canary }, { kind: "activate", version: 3 })).toEqual({
      kind: "changed",
      next: { ...STATE, active: 3, activatedAtMs: 100, earlier: [1, 2] },
    });
    expect(on({}, { kind: "activate", version: 2 })).toEqual({ kind: "unchanged" });
    expect(on({}, { kind: "activate", version: 4 })).toMatchObject({ kind: "refused" });
    expect(on({}, { kind: "activate", version: 0 })).toMatchObject({ kind: "refused" });
  });

  it("rolls back: first the canary, then to the version before, then no further", () => {
    expect(on({ canary }, { kind: "rollback" })).toEqual({ kind: "changed", next: STATE });
    expect(on({}, { kind: "rollback" })).toMatchObject({ next: { active: 1, earlier: [], wentBack: true } });
    expect(on({ active: 1, earlier: [] }, { kind: "rollback" })).toMatchObject({ kind: "refused" });
  });

  it("rolls back over versions that everyone's floor refuses, and to none of them", () => {
    const state = { active: 3, earlier: [1, 2] };
    const floor = (version: number, tenant = "*") => ({ floors: [{ tenant, version }] });
    expect(on({ ...state, ...floor(2) }, { kind: "rollback" })).toMatchObject({ next: { active: 2 } });
    expect(on({ active: 3, earlier: [2, 1], ...floor(2) }, { kind: "rollback" })).toMatchObject({
      next: { active: 2, earlier: [] },
    });
    expect(on({ ...state, ...floor(3) }, { kind: "rollback" })).toMatchObject({
      kind: "refused",
      why: expect.stringContaining("below the floor of everyone, 3; suspend the tool"),
    });
    // One tenant's floor refuses him alone.
    expect(on({ ...state, ...floor(3, "acme") }, { kind: "rollback" })).toMatchObject({
      next: { active: 2 },
    });
  });

  it("says that what is active was gone back to, until a version is activated", () => {
    const back = on({ active: 3, earlier: [1, 2] }, { kind: "rollback" });
    const next = back.kind === "changed" ? back.next : STATE;
    const forward = command(next, { kind: "activate", version: 3 }, 3, 200);
    expect(forward).toMatchObject({ next: { active: 3, earlier: [1, 2] } });
    expect(forward.kind === "changed" && forward.next.wentBack).toBeUndefined();
  });

  it("begins no canary of what is active, or for nobody", () => {
    const asked = { kind: "canary", version: 3, basisPoints: 100, tenants: ["a", "a"] } as const;
    expect(on({}, asked)).toMatchObject({ next: { active: 2, canary: { version: 3, tenants: ["a"] } } });
    expect(on({}, { ...asked, version: 2 })).toMatchObject({ kind: "refused" });
    expect(on({}, { ...asked, basisPoints: 0, tenants: [] })).toMatchObject({ kind: "refused" });
  });

  it("suspends since the first time, and resumes", () => {
    const suspended = { reason: "leak", sinceMs: 50 };
    expect(on({}, { kind: "suspend", reason: "leak" })).toMatchObject({
      next: { suspended: { reason: "leak", sinceMs: 100 } },
    });
    expect(on({ suspended }, { kind: "suspend", reason: "worse" })).toMatchObject({
      next: { suspended: { reason: "worse", sinceMs: 50 } },
    });
    expect(on({ suspended }, { kind: "resume" })).toEqual({ kind: "changed", next: STATE });
    expect(on({}, { kind: "resume" })).toEqual({ kind: "unchanged" });
  });

  it("never resumes, nor lowers a floor, by anything but that command", () => {
    const commands = fc.oneof<fc.Arbitrary<ToolCommand>[]>(
      fc.record({ kind: fc.constant("activate"), version: fc.integer({ min: 0, max: 4 }) }),
      fc.record({
        kind: fc.constant("canary"),
        version: fc.integer({ min: 0, max: 4 }),
        basisPoints: fc.integer({ min: 0, max: 10_000 }),
        tenants: fc.constantFrom<string[]>([], ["acme"]),
      }),
      fc.constant({ kind: "rollback" }),
    );
    fc.assert(
      fc.property(fc.array(commands, { maxLength: 30 }), (asked) => {
        let state: ToolState = {
          ...firstState("hash", 1, 0),
          suspended: { reason: "leak", sinceMs: 1 },
          floors: [{ tenant: "*", version: 2 }],
        };
        for (const one of asked) {
          const done = command(state, one, 3, 10);
          if (done.kind === "changed") state = done.next;
          expect(choose(state, RUN)).toMatchObject({ kind: "refuse", reason: "leak" });
          expect(state.floors).toEqual([{ tenant: "*", version: 2 }]);
          expect(state.earlier).not.toContain(state.active);
        }
      }),
    );
  });
});
