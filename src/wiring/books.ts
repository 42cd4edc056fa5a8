/** What the command line opens to read the ledger of a data folder, whether or not a gateway runs on it. */
import { type Books, createBooks, loadPrices } from "../accounts/index.ts";
import type { DataPlace } from "../cli/index.ts";
import type { Runtime } from "../ports/index.ts";
import { databaseOf, isShared, openDatabase } from "./place.ts";

/**
 * @param pricesFile undefined = `prices.yaml` in the data folder
 * @throws {Error} when there is no data, so that a wrong folder does not look like an empty one
 */
export async function openBooks(
  runtime: Runtime,
  place: DataPlace,
  pricesFile = `${place.dataFolder}/prices.yaml`,
): Promise<Books & { close(): Promise<void> }> {
  const database = databaseOf(place);
  if (!isShared(database) && (await runtime.files.mode(database)) === undefined)
    throw new Error(`Cannot open the ledger: there is no database in ${JSON.stringify(place.dataFolder)}`);
  const prices = await loadPrices(runtime.files, pricesFile);
  const store = await openDatabase(runtime, database);
  // Amounts are in the ledger's own, whatever file is at hand.
  const currency = (await store.ledger.holdCurrency(undefined)) ?? prices.currency;
  return {
    ...createBooks(store, runtime.clock, () => ({ ...prices, currency })),
    close: () => store.close(),
  };
}
