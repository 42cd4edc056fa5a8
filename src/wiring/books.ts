/** What the command line opens to read the ledger of a data folder, whether or not a gateway runs on it. */
import { type Books, createBooks, loadPrices } from "../accounts/index.ts";
import type { DataPlace } from "../cli/index.ts";
import type { Runtime } from "../ports/index.ts";
import { databaseOf, openExisting } from "./place.ts";

/**
 * @param pricesFile undefined = `prices.yaml` in the data folder
 * @throws {Error} when there is no data, so that a wrong folder does not look like an empty one
 */
export async function openBooks(
  runtime: Runtime,
  place: DataPlace,
  pricesFile = `${place.dataFolder}/prices.yaml`,
): Promise<Books & { close(): Promise<void> }> {
  const prices = await loadPrices(runtime.files, pricesFile);
  const store = await openExisting(runtime, databaseOf(place), "the ledger");
  // Amounts are in the ledger's own, whatever file is at hand.
  const currency = (await store.ledger.holdCurrency(undefined)) ?? prices.currency;
  return {
    ...createBooks(store, runtime.clock, () => ({ ...prices, currency })),
    close: () => store.close(),
  };
}
