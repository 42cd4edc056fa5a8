/**
 * What the command line opens to look back: the runs of a data folder with what was kept of them, and a sandbox to run
 * journals again in. Reading while a server writes is safe; so is erasing, and giving it another master key.
 */
import type { DataPlace, Records, Replayer } from "../cli/index.ts";
import { firstRunOf } from "../gateway/index.ts";
import { rotateMasterKey } from "../journal/index.ts";
import type { RunRow, Runtime, Store } from "../ports/index.ts";
import { createSandbox } from "../sandbox/index.ts";
import { journalKey, openJournals } from "./kept.ts";
import { databaseOf, isShared, keysOf, openDatabase } from "./place.ts";

const PAGE = 500;

/** @throws {Error} when there is no data, so that a wrong folder does not look like an empty one */
export async function openRecords(runtime: Runtime, place: DataPlace): Promise<Records> {
  const opened = (await openEvery(runtime, place)).map(({ store, keys }) => ({
    store,
    journals: openJournals(runtime, keys, store),
  }));

  async function first<T>(
    find: (parts: (typeof opened)[number]) => Promise<T | undefined>,
  ): Promise<T | undefined> {
    for (const parts of opened) {
      const found = await find(parts);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  return {
    findRun: (run) => first(({ store }) => store.findRunOfAnyTenant(run)),
    readJournal: (run) => first(({ journals }) => journals.read(run)),
    findErasure: (run) => first(({ journals }) => journals.findErasure(run)),
    async *runs(sinceMs) {
      for (const { store } of opened) yield* scan(store, sinceMs);
    },
    async erase(scope) {
      let erased = 0;
      for (const { journals } of opened) erased += await journals.erase(scope);
      return erased;
    },
    async listKeys() {
      return (await Promise.all(opened.map(({ store }) => store.listKeys()))).flat();
    },
    async close() {
      for (const { store } of opened) await store.close();
    },
  };
}

/**
 * Gives what is kept of runs a new master key, in every file of one that there is.
 *
 * @returns the files, and of how many tenants each wraps the keys
 * @throws {GatewayError} `evidence-unavailable` when a key can not be opened: then no master key is taken away
 */
export async function rotateJournalKeys(
  runtime: Runtime,
  place: DataPlace,
  onTenant: (tenant: string) => void,
): Promise<readonly { readonly file: string; readonly tenants: number }[]> {
  const { files, entropy } = runtime;
  const opened = await openEvery(runtime, place);
  try {
    const rotated: { file: string; tenants: number }[] = [];
    for (const keys of new Set(opened.map((one) => one.keys))) {
      const path = journalKey(keys);
      if ((await files.mode(path)) === undefined) continue;
      const stores = opened.filter((one) => one.keys === keys).map(({ store }) => store.journals);
      rotated.push({
        file: path,
        tenants: await rotateMasterKey({ files, entropy, path }, stores, onTenant),
      });
    }
    return rotated;
  } finally {
    for (const { store } of opened) await store.close();
  }
}

/** The databases of a data folder that are there: its server's, and that of `writ run`. @throws {Error} when there is none */
async function openEvery(
  runtime: Runtime,
  place: DataPlace,
): Promise<readonly { readonly store: Store; readonly keys: string }[]> {
  const opened: { readonly store: Store; readonly keys: string }[] = [];
  const ofServer = { database: databaseOf(place), keys: keysOf(place) };
  // Its keys are the folder's, whatever the server's are.
  const ofRuns = { database: `${place.dataFolder}/local.sqlite`, keys: `${place.dataFolder}/keys` };
  for (const { database, keys } of [ofServer, ofRuns]) {
    if (!isShared(database) && (await runtime.files.mode(database)) === undefined) continue;
    opened.push({ store: await openDatabase(runtime, database), keys });
  }
  if (opened.length === 0)
    throw new Error(`Cannot open records: there is no database in ${JSON.stringify(place.dataFolder)}`);
  return opened;
}

async function* scan(store: Store, sinceMs: number): AsyncGenerator<RunRow> {
  for (let after = firstRunOf(sinceMs); ; ) {
    const rows = await store.scanRuns(after, PAGE);
    yield* rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE) return;
    after = last.intent.run;
  }
}

/** A sandbox with the data folder's cache of prepared components. */
export async function openReplayer(runtime: Runtime, { dataFolder }: DataPlace): Promise<Replayer> {
  const { clock, entropy, files } = runtime;
  const sandbox = await createSandbox({
    clock,
    entropy,
    files,
    spawn: runtime.spawnExecutor,
    cacheFolder: `${dataFolder}/cache`,
    executors: 1,
    queue: 10,
  });
  return { runtime: sandbox.isolation.executor, sandbox, close: () => sandbox.close() };
}
