/** Pages by name: all of a list once and in order, however it is cut. */
import fc from "fast-check";
import { expect, it } from "vitest";
import { pageByName } from "../../src/core/page.ts";

it("pageByName() gives every item once, in order, in pages of any size", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ maxLength: 3 })),
      fc.integer({ min: 1, max: 5 }),
      (names, limit) => {
        const seen: string[] = [];
        for (let after: string | undefined, more = true; more; ) {
          const { items, next } = pageByName(names, (name) => name, limit, after);
          expect(items.length).toBeLessThanOrEqual(limit);
          seen.push(...items);
          after = next;
          more = next !== undefined;
        }
        expect(seen).toEqual(names.toSorted((a, b) => (a < b ? -1 : 1)));
      },
    ),
  );
});

it("pageByName() goes on behind a name that is gone", () => {
  expect(pageByName(["a", "c"], (name) => name, 9, "b")).toEqual({ items: ["c"] });
});
