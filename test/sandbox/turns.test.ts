/** Whose turn it is: order and shares, without processes. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createTurns } from "../../src/sandbox/turns.ts";

interface Someone {
  readonly tenant: string;
  readonly sinceMs: number;
  readonly name: string;
}
const someone = (tenant: string, name = tenant): Someone => ({ tenant, name, sinceMs: 0 });
const always = () => true;

describe("createTurns()", () => {
  it("serves a tenant that comes late right after the turn that is due", () => {
    const turns = createTurns<Someone>(100);
    for (let index = 0; index < 50; index += 1) turns.join(someone("burst", `burst-${index}`));
    for (let index = 0; index < 10; index += 1) turns.next(always);
    turns.join(someone("quiet"));
    const order = Array.from({ length: 3 }, () => turns.next(always)?.tenant);
    expect(order.indexOf("quiet")).toBeLessThanOrEqual(1);
  });

  it("gives each tenant turns by its weight", () => {
    const turns = createTurns<Someone>(1000, (tenant) => (tenant === "heavy" ? 3 : 1));
    for (let index = 0; index < 200; index += 1)
      for (const tenant of ["heavy", "light"]) turns.join(someone(tenant));
    const served = Array.from({ length: 200 }, () => turns.next(always)?.tenant);
    expect(served.filter((tenant) => tenant === "heavy")).toHaveLength(150);
  });

  it("starves nobody by one who comes back at once each time", () => {
    const turns = createTurns<Someone>(100);
    for (let index = 0; index < 20; index += 1) turns.join(someone("burst"));
    turns.join(someone("back"));
    const served: string[] = [];
    for (let index = 0; index < 20; index += 1) {
      const next = turns.next(always);
      served.push(next?.tenant ?? "");
      if (next?.tenant === "back") turns.join(next);
    }
    expect(served.filter((tenant) => tenant === "back").length).toBeGreaterThanOrEqual(9);
    expect(served.filter((tenant) => tenant === "burst").length).toBeGreaterThanOrEqual(9);
  });

  it("is full first for whoever fills it", () => {
    const turns = createTurns<Someone>(10);
    for (let index = 0; index < 10; index += 1)
      expect(turns.join(someone("burst", `burst-${index}`))).toBe(undefined);
    expect(turns.join(someone("burst", "late"))?.name).toBe("late");
    // The newest of the burst goes, not the one that has waited longest.
    expect(turns.join(someone("quiet"))?.name).toBe("burst-9");
    expect(turns.size).toBe(10);
    expect(turns.heads().map(({ name }) => name)).toEqual(expect.arrayContaining(["burst-0", "quiet"]));
  });

  it("passes over a tenant that can not be served now, without taking its turn", () => {
    const turns = createTurns<Someone>(10);
    for (const tenant of ["a", "b", "a", "b"]) turns.join(someone(tenant));
    expect(turns.next(({ tenant }) => tenant === "b")?.tenant).toBe("b");
    expect(turns.next(always)?.tenant).toBe("a");
    expect(turns.next(() => false)).toBe(undefined);
    expect(turns.size).toBe(2);
  });

  it("loses nobody and serves nobody twice, whatever comes and goes", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("join" as const), tenant: fc.constantFrom("a", "b", "c") }),
      fc.record({ do: fc.constant("next" as const), tenant: fc.constant("") }),
      fc.record({ do: fc.constant("leave" as const), tenant: fc.constant("") }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const turns = createTurns<Someone>(8);
        const inside = new Set<Someone>();
        for (const [index, { do: what, tenant }] of steps.entries()) {
          if (what === "join") {
            const one = someone(tenant, String(index));
            inside.add(one);
            const out = turns.join(one);
            if (out !== undefined) expect(inside.delete(out)).toBe(true);
          } else if (what === "next") {
            const one = turns.next(always);
            if (one === undefined) expect(inside.size).toBe(0);
            else expect(inside.delete(one)).toBe(true);
          } else {
            const [one] = inside;
            if (one !== undefined) turns.leave(one);
            if (one !== undefined) inside.delete(one);
          }
          expect(turns.size).toBe(inside.size);
        }
        expect(new Set(turns.clear())).toEqual(inside);
      }),
    );
  });
});
