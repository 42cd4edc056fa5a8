/**
 * What is kept of runs beside what is signed of them: journals, and outputs for later requests. Both are encrypted under
 * the tenant's key, and those keys under the one in the data folder.
 */
import { type Accounts, createAccounts } from "../accounts/index.ts";
import { FREE, type Prices } from "../core/budget/index.ts";
import { createAnswerVault, createJournals, type Journals } from "../journal/index.ts";
import type { Runtime, Store } from "../ports/index.ts";

/** Journals of a store, under the master key beside the other keys. */
export function openJournals(
  { clock, entropy, files }: Runtime,
  keysFolder: string,
  { journals }: Store,
): Journals {
  return createJournals({
    store: journals,
    clock,
    entropy,
    files,
    keyPath: journalKey(keysFolder),
  });
}

/** Accounts of a store; outputs that they keep are encrypted like journals. */
export function openAccounts(
  { clock, entropy, files }: Runtime,
  keysFolder: string,
  store: Store,
  prices: () => Prices = () => FREE,
): Accounts {
  const vault = createAnswerVault({ entropy, files, store: store.journals, path: journalKey(keysFolder) });
  return createAccounts({ store, clock, vault, prices });
}

/** The file with the master key of what is kept of runs. */
export function journalKey(keysFolder: string): string {
  return `${keysFolder}/journals.key`;
}
