import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BUDGET_NAMES, charge, chargeUpTo, left, openLease, settle } from "../../../src/core/budget/index.ts";

const BUDGET = {
  fuel: 100,
  memory_bytes: 65536,
  egress_bytes: 10,
  requests: 2,
  output_bytes: 0,
  log_bytes: 5,
};

describe("charge()", () => {
  it.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53])("throws RangeError for %d", (amount) => {
    const lease = openLease(BUDGET);
    expect(() => charge(lease, "fuel", amount)).toThrow(RangeError);
    expect(() => chargeUpTo(lease, "fuel", amount)).toThrow(RangeError);
    expect(() => openLease({ ...BUDGET, fuel: amount })).toThrow(RangeError);
  });

  const table = [
    ["fuel", 100, "ok", 0],
    ["fuel", 101, "exhausted", 100],
    ["requests", 3, "exhausted", 2],
    ["output_bytes", 0, "ok", 0],
    ["output_bytes", 1, "exhausted", 0],
    ["egress_bytes", Number.MAX_SAFE_INTEGER, "exhausted", 10],
  ] as const;
  it.each(table)("charges %s %d: %s", (name, amount, kind, rest) => {
    const lease = openLease(BUDGET);
    const result = charge(lease, name, amount);
    expect(result.kind).toBe(kind);
    expect(left(result.lease, name)).toBe(rest);
    if (result.kind === "exhausted") expect(result).toEqual({ kind: "exhausted", lease, budget: name });
  });

  it("leaves the lease it was given as it was, and frozen", () => {
    const lease = openLease(BUDGET);
    charge(lease, "fuel", 60);
    expect(lease).toEqual(openLease(BUDGET));
    for (const value of [lease, lease.used, lease.granted]) expect(Object.isFrozen(value)).toBe(true);
  });

  it("never grants more than the lease, whatever is charged in whatever order; charges sum to granted minus left", () => {
    const amount = fc.oneof(fc.nat(50), fc.maxSafeNat());
    const charges = fc.array(
      fc.record({ name: fc.constantFrom(...BUDGET_NAMES), amount, upTo: fc.boolean() }),
    );
    const size = fc.oneof(fc.nat(200), fc.maxSafeNat());
    const budget = fc.record({
      fuel: size,
      memory_bytes: size,
      egress_bytes: size,
      requests: size,
      output_bytes: size,
      log_bytes: size,
    });
    fc.assert(
      fc.property(budget, charges, (granted, wanted) => {
        let lease = openLease(granted);
        const sums = new Map<string, bigint>();
        for (const { name, amount: asked, upTo } of wanted) {
          const before = BigInt(left(lease, name));
          const result = (upTo ? chargeUpTo : charge)(lease, name, asked);
          expect(result.kind === "ok").toBe(BigInt(asked) <= before);
          const taken = result.kind === "ok" ? BigInt(asked) : upTo ? before : 0n;
          sums.set(name, (sums.get(name) ?? 0n) + taken);
          lease = result.lease;
        }
        for (const [name, entry] of Object.entries(settle(lease))) {
          expect(BigInt(entry.used)).toBe(sums.get(name) ?? 0n);
          expect(entry.used).toBeLessThanOrEqual(entry.granted);
        }
        expect(Object.keys(settle(lease)).sort()).toEqual(Object.keys(granted).sort());
      }),
    );
  });
});
