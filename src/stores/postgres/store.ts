/**
 * The Store port over PostgreSQL: the same tables, shared by any number of gateways. What the port promises about
 * durability is the server's `synchronous_commit`; about the order of many gateways, the log's lock and the locks that
 * sub-stores name; about shape, the constraints and triggers of `migrations.ts`.
 *
 * Nothing of consequence is in a gateway's memory: what is kept here of the log is read again when it is not sure.
 */
import { claimsNothing } from "../../core/budget/index.ts";
import { TILE_WIDTH } from "../../core/merkle/index.ts";
import type { Intent, KeyRow, Logged, LogHead, PostgresServer, Store } from "../../ports/index.ts";
import { claim, NOTHING_CLAIMED, orRefused } from "../account-steps.ts";
import { createAccounts } from "../accounts.ts";
import { send } from "../database.ts";
import { createItems } from "../items.ts";
import { createJournals } from "../journals.ts";
import { createKeyActs } from "../key-acts.ts";
import { createLedger } from "../ledger.ts";
import { createMeasures } from "../measures.ts";
import * as queries from "../queries.ts";
import { createRecords } from "../records.ts";
import { toKeyRow } from "../rows.ts";
import type { HeadsTable, KeysTable } from "../schema.ts";
import { createVersions } from "../versions.ts";
import { Batcher, type Settled } from "./batcher.ts";
import { requireDurability } from "./durability.ts";
import { withAnyKey } from "./item-keys.ts";
import { createLanes } from "./lanes.ts";
import { join, LogTree, readHashes, takenBack } from "./log-tree.ts";
import { migrate } from "./migrate.ts";
import { EMPTY, Sealer, type Sealing } from "./sealer.ts";
import { insertIntents, rewriteOpenRuns, selectKeysOf } from "./sealing-queries.ts";
import { rowsOf, Statements } from "./statements.ts";
import { PostgresDatabase, withConnection } from "./transaction.ts";

/** What may be set about a store. */
export interface PostgresStoreOptions {
  /** Calls its argument once, later; writes that arrive until then share a commit. Default: the event loop's next turn. */
  readonly nextTurn?: (action: () => void) => void;
}

/**
 * Opens a store, creating or migrating its tables.
 *
 * @param server owned by the store from now on: it closes it
 * @throws {Error} when the server can not be reached, does not promise durability, or has tables that are not ours
 */
export async function openPostgresStore(
  server: PostgresServer,
  options: PostgresStoreOptions = {},
): Promise<Store> {
  const { nextTurn = (action) => void setImmediate(action) } = options;
  await requireDurability(server);
  await migrate(server);

  const statements = new Statements();
  const lanes = createLanes(server);
  const database = new PostgresDatabase(lanes.others, statements);
  const claiming = new PostgresDatabase(lanes.claiming, statements);
  const tree = new LogTree();
  const sealer = new Sealer(lanes.sealing, statements, tree);
  const intents = new Batcher<Intent, void>((group) => admit(lanes.admitting, group), nextTurn);
  const keys = new Batcher<string, KeyRow | undefined>((group) => findKeys(lanes.others, group), nextTurn);
  const syncs = new Batcher<string, void>((group) => syncIntents(lanes.admitting, group), nextTurn);
  const seals = new Batcher<Sealing, Logged>((group) => sealer.seal(group), nextTurn);

  const newestHead = async (): Promise<LogHead> => {
    // Known before it is asked: what is committed by then the answer has to have.
    const least = tree.seen.size;
    const head = (await database.read(queries.selectNewestHead())).map(toHead)[0] ?? EMPTY;
    if (head.size < least) throw new Error(takenBack(`has ${head.size} of ${least}`));
    return head;
  };

  return {
    ...createRecords(database),
    findKey: (hash) => keys.add(hash),
    items: withAnyKey(createItems(database)),
    journals: createJournals(database, () => vacuum(lanes.others)),
    measures: createMeasures(database),
    versions: createVersions(database),
    accounts: createAccounts(database),
    ledger: createLedger(database),
    keyActs: createKeyActs(database),
    async recordIntent(intent, claims) {
      if (claims === undefined || claimsNothing(claims)) {
        await intents.add(intent);
        return NOTHING_CLAIMED;
      }
      // A transaction of its own: what it claims is decided row by row, and a refusal undoes the intent.
      return await orRefused(
        claiming.write(
          function* () {
            yield* send(queries.insertRun(intent), queries.insertOpenRun(intent));
            return yield* claim(claims);
          },
          [],
          "unsynced",
        ),
      );
    },
    syncIntent: (run) => syncs.add(run),
    seal: (seal, settlement) => seals.add({ seal, ...(settlement === undefined ? {} : { settlement }) }),
    async recordRefusal(intent, seal) {
      if (seal.run !== intent.run)
        throw new TypeError("Cannot record refusal: intent and seal are of two runs");
      return await seals.add({ seal, refused: intent });
    },
    async logHead() {
      const head = await newestHead();
      // Whoever asks for the head is about to sign it.
      await tree.follow(head, database.read);
      return head;
    },
    async prove(sequence, atLeast = 0) {
      const [head] =
        sequence < 0
          ? []
          : (await database.read(queries.selectHeadAfter(Math.max(sequence, atLeast - 1)))).map(toHead);
      if (head === undefined) throw new RangeError(`Cannot prove seal ${sequence}: there is none`);
      return { sequence, head, path: await tree.path(sequence, head, database.read) };
    },
    async proveGrowth(oldSize, size) {
      return await tree.growth(oldSize, size, await newestHead(), database.read);
    },
    async logTile(level, index, width) {
      const { size } = await newestHead();
      const available = Math.floor(size / TILE_WIDTH ** level) - index * TILE_WIDTH;
      if (index < 0 || available < width) return undefined;
      const from = index * TILE_WIDTH;
      return join(await readHashes(level, from, from + width, database.read));
    },
    async logEntries(index, width) {
      const from = index * TILE_WIDTH;
      const rows = await database.read(queries.selectEntries(from, from + width));
      return rows.length === width ? rows.map(({ entry }) => entry) : undefined;
    },
    async nowMs() {
      const [row] = await database.read(queries.selectPostgresNow());
      return row?.now ?? Number.NaN;
    },
    isWritable: () => true,
    check: () => requireDurability(lanes.others, { text: "UPDATE probe SET beats = beats + 1 WHERE id = 0" }),
    async close() {
      await Promise.all([
        keys.drain(),
        intents.drain(),
        syncs.drain(),
        seals.drain(),
        database.drain(),
        claiming.drain(),
      ]);
      await server.close();
    },
  };
}

function toHead({ size, root }: HeadsTable): LogHead {
  return { size, root: Uint8Array.from(root) };
}

/** Looks keys up: one statement for all that are asked for meanwhile. */
async function findKeys(
  server: PostgresServer,
  hashes: readonly string[],
): Promise<readonly Settled<KeyRow | undefined>[]> {
  const [answer] = await withConnection(server, (connection) => connection.send([selectKeysOf(hashes)]));
  const found = new Map(rowsOf<KeysTable>(answer).map((row) => [row.hash, toKeyRow(row)]));
  return hashes.map((hash) => ({ value: found.get(hash) }));
}

/** Admits runs: one statement, which is a transaction by itself, and waits for no disk. */
async function admit(server: PostgresServer, group: readonly Intent[]): Promise<readonly Settled<void>[]> {
  const [answer] = await withConnection(server, (connection) => connection.send([insertIntents(group)]));
  const added = new Set(rowsOf<{ run: string }>(answer).map(({ run }) => run));
  return group.map(({ run }) =>
    added.delete(run)
      ? { value: undefined }
      : { error: new Error(`Cannot record run ${JSON.stringify(run)}: there is one of that id`) },
  );
}

/**
 * Writes what the open runs' table says of them once more: one statement, which is a transaction by itself, and whose commit
 * takes along all that the server wrote before it. A server that crashed meanwhile has lost what was not synced, and says
 * so: then there is no row.
 */
async function syncIntents(
  server: PostgresServer,
  group: readonly string[],
): Promise<readonly Settled<void>[]> {
  const [answer] = await withConnection(server, (connection) => connection.send([rewriteOpenRuns(group)]));
  const open = new Set(rowsOf<{ run: string }>(answer).map(({ run }) => run));
  return group.map((run) =>
    open.has(run)
      ? { value: undefined }
      : { error: new Error(`Cannot sync intent of run ${JSON.stringify(run)}: it is not open`) },
  );
}

/**
 * Takes away the dead rows of what was erased. Their bytes may stay in free space of the server's files, in its log of
 * writes and in backups: that is PostgreSQL's, and what lies there is ciphertext.
 */
async function vacuum(server: PostgresServer): Promise<void> {
  await withConnection(server, (connection) =>
    connection.send([{ text: "VACUUM journals, tenant_keys, idempotency_keys, last_good" }]),
  );
}
