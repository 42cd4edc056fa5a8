/** Windows: what is taken never passes a limit, and what goes back is never more than was taken. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CLASS_OF_NO_TASK,
  claimWindows,
  findSpent,
  returnOf,
  WINDOW_MEASURES,
  type WindowAmounts,
} from "../../../src/core/budget/index.ts";
import { readPolicy } from "../../../src/core/policy/index.ts";

const policyOf = (windows: object[]) =>
  readPolicy(
    JSON.stringify({
      ...{ tool_id: "hash", tenant_tier: ["free"], purpose: ["demo"], max_duration_ms: 1500, windows },
      functions: { "hash/digest": { operation: "read" } },
      budget: {
        ...{ fuel: 100, memory_bytes: 65536, egress_bytes: 10, requests: 1, output_bytes: 1, log_bytes: 0 },
      },
    }),
    "p",
  ).policy;
const amounts: fc.Arbitrary<WindowAmounts> = fc.record({
  runs: fc.constant(1),
  fuel: fc.nat(300),
  egress_bytes: fc.nat(30),
  wall_ms: fc.nat(5000),
});

describe("claimWindows()", () => {
  it("takes from the windows of the run's class, the shortest first, aligned to 1970", () => {
    const policy = policyOf([
      { per: "1d", class: "customer_visible", runs: 5 },
      { per: "1h", fuel: 1000, seconds: 60 },
      { per: "1d", class: "exploratory", runs: 2 },
    ]);
    const at = Date.UTC(2026, 10, 5, 12, 34, 56);
    expect(claimWindows(policy, "customer_visible", at)).toEqual([
      {
        ...{ class: "customer_visible", per_seconds: 3600, starts_at_ms: Date.UTC(2026, 10, 5, 12) },
        limit: { fuel: 1000, wall_ms: 60_000 },
        take: { runs: 0, fuel: 100, egress_bytes: 0, wall_ms: 1500 },
      },
      {
        ...{ class: "customer_visible", per_seconds: 86_400, starts_at_ms: Date.UTC(2026, 10, 5) },
        limit: { runs: 5 },
        take: { runs: 1, fuel: 0, egress_bytes: 0, wall_ms: 0 },
      },
    ]);
    expect(claimWindows(policy, CLASS_OF_NO_TASK, at).map(({ class: of }) => of)).toEqual([
      "exploratory",
      "exploratory",
    ]);
  });

  it("claims nothing of a policy without windows", () => {
    const { windows: _, ...policy } = policyOf([{ per: 60, runs: 1 }]);
    expect(claimWindows(policy, "exploratory", 0)).toEqual([]);
  });
});

describe("a window", () => {
  it("holds no more than its limit, and nothing once all has gone back but what was used", () => {
    const [claim] = claimWindows(policyOf([{ per: 60, runs: 7, fuel: 450 }]), "exploratory", 0);
    if (claim === undefined) throw new TypeError("wanted a claim");
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant(undefined), amounts), { maxLength: 40 }), (steps) => {
        let held: WindowAmounts = { runs: 0, fuel: 0, egress_bytes: 0, wall_ms: 0 };
        const add = (change: WindowAmounts, sign: 1 | -1) => {
          const sum = (name: keyof WindowAmounts) => held[name] + sign * change[name];
          held = {
            ...{ runs: sum("runs"), fuel: sum("fuel") },
            ...{ egress_bytes: sum("egress_bytes"), wall_ms: sum("wall_ms") },
          };
        };
        let open = 0;
        let used = 0;
        for (const step of steps) {
          if (step === undefined) {
            if (findSpent(claim, held) !== undefined) continue;
            add(claim.take, 1);
            open++;
          } else if (open > 0) {
            add(returnOf(claim, step), -1);
            used += Math.min(step.fuel, claim.take.fuel);
            open--;
          }
          for (const name of WINDOW_MEASURES)
            if (held[name] < 0 || held[name] > (claim.limit[name] ?? 0)) return false;
        }
        return held.fuel === used + open * claim.take.fuel;
      }),
      { numRuns: 2000 },
    );
  });

  it("says what is missing, how much is left, and when there is more", () => {
    const [claim] = claimWindows(policyOf([{ per: 60, runs: 7, fuel: 450 }]), "exploratory", 61_000);
    if (claim === undefined) throw new TypeError("wanted a claim");
    const held = { runs: 4, fuel: 400, egress_bytes: 0, wall_ms: 0 };
    expect(findSpent(claim, held)).toEqual({ measure: "fuel", wanted: 100, left: 50, freesAtMs: 120_000 });
    expect(findSpent(claim, { ...held, runs: 7 })).toMatchObject({ measure: "runs", left: 0 });
    expect(findSpent(claim, undefined)).toBeUndefined();
  });
});
