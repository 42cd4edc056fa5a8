/** Folders of many gateways that are written one after another, an operator who speaks in between, and who wins. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  command,
  endsWith,
  firstState,
  followFolder,
  placeAtStart,
  type ToolState,
} from "../../../src/core/rollout/index.ts";

const NEWEST = 4;
const FIRST = firstState("hash", 1, 0);
const follow = (state: ToolState, version: number, place: number, activate = true) =>
  followFolder(state, version, place, NEWEST, activate, 100);

function operate(state: ToolState, version: number): ToolState {
  const done = command(state, { kind: "activate", version }, NEWEST, 50);
  return done.kind === "changed" ? done.next : state;
}

describe("followFolder()", () => {
  it("puts in force what nobody's folder had come to, and lets those behind catch up with it", () => {
    const news = follow(FIRST, 2, 1);
    expect(news).toMatchObject({
      place: 2,
      next: { active: 2, earlier: [1], folders: { versions: [1, 2] } },
    });
    const state = news.next ?? FIRST;
    expect(follow(state, 2, 1)).toEqual({ place: 2 });
    const back = follow(state, 1, 2);
    expect(back).toMatchObject({ place: 3, next: { active: 1, folders: { count: 3, versions: [1, 2, 1] } } });
  });

  it("leaves what an operator chose since to him, where another gateway's folder comes to the same later", () => {
    let state = follow(FIRST, 2, 1).next ?? FIRST;
    state = follow(state, 1, 2).next ?? state;
    state = operate(state, 2);
    // Both steps were taken by another gateway before the operator spoke.
    const one = follow(state, 2, 1);
    expect(one).toEqual({ place: 2 });
    expect(follow(state, 1, one.place)).toEqual({ place: 3 });
    // A change that nobody's folder had: his latest word.
    expect(follow(state, 3, 3).next).toMatchObject({ active: 3 });
  });

  it("notes what it does not put in force: while a canary is looked at, and where the operator wants it so", () => {
    const canary = { version: 3, basisPoints: 100, tenants: [], sinceMs: 5 };
    expect(follow({ ...FIRST, canary }, 2, 1).next).toMatchObject({
      active: 1,
      canary,
      folders: { count: 2 },
    });
    expect(follow(FIRST, 2, 1, false).next).toMatchObject({ active: 1, folders: { versions: [1, 2] } });
    // What is in force already is noted too: who comes later must not take it for news.
    expect(follow(operate(FIRST, 2), 2, 1).next).toMatchObject({ active: 2, folders: { count: 2 } });
  });

  it("goes on from a state that was written without folders", () => {
    const { folders: _, ...old } = FIRST;
    expect(placeAtStart(old, 1)).toBe(0);
    expect(endsWith(old, 1)).toBe(false);
    expect(follow(old, 2, 0).next).toMatchObject({ active: 2, folders: { count: 1, versions: [2] } });
  });

  it("puts a gateway that starts where its version stood last", () => {
    const folders = { count: 40, versions: [2, 1, 2, 3] };
    expect(placeAtStart({ ...FIRST, folders }, 2)).toBe(39);
    expect(placeAtStart({ ...FIRST, folders }, 3)).toBe(40);
    expect(placeAtStart({ ...FIRST, folders }, 4)).toBe(40);
    // Further behind than what is kept.
    expect(follow({ ...FIRST, folders }, 1, 3)).toEqual({ place: 38 });
  });

  it("puts each change in force once, at its first gateway, however late and skipping the others come", () => {
    const step = fc.oneof(
      fc.record({ gateway: fc.nat({ max: 2 }), skips: fc.nat({ max: 2 }) }),
      fc.record({ operator: fc.integer({ min: 1, max: NEWEST }) }),
    );
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: NEWEST }), { minLength: 1, maxLength: 25 }),
        fc.array(step, { maxLength: 60 }),
        (written, steps) => {
          // A folder that is written with what it has is no change.
          const changes = [1, ...written].filter((version, n, all) => version !== all[n - 1]);
          const gateways = [0, 1, 2].map(() => ({ at: 0, place: 1 }));
          let state = FIRST;
          let wanted = 1;
          let first = 0;
          for (const one of steps) {
            if ("operator" in one) {
              state = operate(state, one.operator);
              wanted = one.operator;
            } else {
              const gateway = gateways[one.gateway];
              if (gateway === undefined) continue;
              // Only what others had already is skipped: what is nobody's yet is somebody's first.
              const next = Math.min(gateway.at + 1 + one.skips, Math.max(first, gateway.at + 1));
              const version = changes[next];
              if (version === undefined) continue;
              const isNews = next > first;
              const isSame = version === changes[gateway.at];
              gateway.at = next;
              if (isSame) continue;
              const { place, next: after } = follow(state, version, gateway.place);
              gateway.place = place;
              if (after !== undefined) {
                // Never without news; with it, unless it looks like something that the others had.
                expect(isNews).toBe(true);
                state = after;
                wanted = version;
              }
              if (isNews) first = next;
              if (isNews && after === undefined) return;
            }
            expect(state.active).toBe(wanted);
          }
        },
      ),
    );
  });
});
