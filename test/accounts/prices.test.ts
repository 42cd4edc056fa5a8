/** Prices from a file: exact, or the start is refused with words. */
import { expect, it } from "vitest";
import { loadPrices } from "../../src/accounts/index.ts";
import { FREE, formatAmount, MOST_NANO, runCost, successPrice } from "../../src/core/budget/index.ts";

const load = (text: string | undefined) =>
  loadPrices(
    { read: async () => (text === undefined ? undefined : new TextEncoder().encode(text)) },
    "prices.yaml",
  );

it("loadPrices() reads what there is, and what is not there costs nothing", async () => {
  expect(await load(undefined)).toEqual(FREE);
  const prices = await load("{ currency: EUR, fuel_per_1e9: 0.02, success: 0.1, tools: { mail: 0 } }");
  expect(prices).toEqual({
    ...{ currency: "EUR", run: 0, fuel: 20_000_000, egress: 0, second: 0, success: 100_000_000 },
    tools: { mail: 0 },
  });
  expect([successPrice(prices, "mail"), successPrice(prices, "constructor")]).toEqual([0, 100_000_000]);
});

it.each([
  ["", /currency|object/],
  ["{ currency: eur }", /three capital letters/],
  ["{ currency: EUR, run: -1 }", /\/run/],
  ["{ currency: EUR, sucess: 1 }", /sucess/],
  ["{ currency: EUR, run: &a 1, second: *a }", /YAML/],
  ["{ currency: EUR", /YAML/],
])("loadPrices() refuses %s", async (text, words) => {
  await expect(load(text)).rejects.toThrow(words);
});

it("runCost() is exact for the largest run there can be, and bounded", () => {
  const prices = { ...FREE, run: 1, fuel: 3, egress: 5, second: 7 };
  expect(runCost(prices, { fuel: 2e9, egressBytes: 2 ** 31, wallMs: 1500 })).toBe(1 + 6 + 10 + 10);
  const most = { fuel: Number.MAX_SAFE_INTEGER, egressBytes: Number.MAX_SAFE_INTEGER, wallMs: 600_000 };
  expect(runCost({ ...prices, fuel: 1e9 }, most)).toBe(MOST_NANO);
});

it("formatAmount() loses nothing", () => {
  expect([0, 1, 1_000_000_000, 12_345_678_901n].map(formatAmount)).toEqual([
    "0.000000000",
    "0.000000001",
    "1.000000000",
    "12.345678901",
  ]);
});
