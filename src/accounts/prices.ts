/** The operator's prices: a file of data, read whole or not at all. */
import { parse } from "yaml";
import { z } from "zod";
import { FREE, formatAmount, MOST_NANO, type Prices } from "../core/budget/index.ts";
import type { JsonValue } from "../core/policy/index.ts";
import type { Files, Store } from "../ports/index.ts";

/** Billionths in a unit. */
const NANO = 1e9;

const price = z
  .number()
  .min(0)
  .max(MOST_NANO / NANO)
  .transform((units) => Math.round(units * NANO));

const document = z.strictObject({
  currency: z.string().regex(/^[A-Z]{3}$/, { error: "three capital letters" }),
  run: price.default(0),
  fuel_per_1e9: price.default(0),
  egress_per_gib: price.default(0),
  second: price.default(0),
  success: price.default(0),
  tools: z.record(z.string(), price).default({}),
});

/**
 * Reads prices.
 *
 * @param path YAML or JSON; what is absent from it costs nothing
 * @returns {@link FREE} when there is no such file
 * @throws {Error} when it is not prices, with every fault
 */
export async function loadPrices(files: Pick<Files, "read">, path: string): Promise<Prices> {
  const bytes = await files.read(path);
  if (bytes === undefined) return FREE;
  let value: unknown;
  try {
    value = parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes), { maxAliasCount: 0 });
  } catch (cause) {
    throw new Error(`Cannot read prices ${JSON.stringify(path)}: it is not YAML`, { cause });
  }
  const parsed = document.safeParse(value);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `/${issue.path.join("/")} ${issue.message}`);
    throw new Error(`Cannot read prices ${JSON.stringify(path)}: ${faults.join("; ")}`);
  }
  const { fuel_per_1e9: fuel, egress_per_gib: egress, ...rest } = parsed.data;
  return { ...rest, fuel, egress };
}

/**
 * Has the ledger kept in the currency of these prices; sums of two would be of neither. Whoever is first to have prices
 * names it, on this gateway or on another, and for good.
 *
 * @throws {Error} when the ledger is in another one, or in some and these prices are none
 */
export async function holdCurrency({ ledger }: Pick<Store, "ledger">, { currency }: Prices): Promise<void> {
  const isNone = currency === FREE.currency;
  const held = await ledger.holdCurrency(isNone ? undefined : currency);
  if (held === undefined || held === currency) return;
  const named = isNone ? "there are none" : `they are in ${currency}`;
  throw new Error(
    `Cannot use prices: ${named}, and the ledger is in ${held}; keep "currency: ${held}" in prices.yaml, or begin another database`,
  );
}

/** Prices as plain JSON, in the words and units of the file: to compare, to digest and to sign. */
export function pricesState({ currency, run, fuel, egress, second, success, tools }: Prices): JsonValue {
  const amount = (nano: number) => formatAmount(nano).replace(/\.?0+$/, "");
  return {
    currency,
    run: amount(run),
    fuel_per_1e9: amount(fuel),
    egress_per_gib: amount(egress),
    second: amount(second),
    success: amount(success),
    tools: Object.fromEntries(Object.entries(tools).map(([name, nano]) => [name, amount(nano)])),
  };
}
