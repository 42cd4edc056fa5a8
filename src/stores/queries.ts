/**
 * The statements that both databases understand, written with Kysely and compiled to SQL; whoever holds a database runs
 * them. Values are parameters throughout: no text from outside ever becomes SQL. PostgreSQL writes the parameters
 * another way, and gets them so in `postgres/statements.ts`.
 */
import {
  type CompiledQuery,
  type Dialect,
  DummyDriver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  sql,
} from "kysely";
import type { FullTile } from "../core/merkle/index.ts";
import type { Intent, KeyRow, LogHead, Seal } from "../ports/index.ts";
import type { Tables } from "./schema.ts";
import { statement } from "./statement.ts";

const dialect: Dialect = {
  createAdapter: () => new SqliteAdapter(),
  // Compiles only: a transaction must not be broken up by awaits (see write-queue.ts).
  createDriver: () => new DummyDriver(),
  createIntrospector: (db) => new SqliteIntrospector(db),
  createQueryCompiler: () => new SqliteQueryCompiler(),
};
/** Compiles statements of our tables; runs none. For this room's query files alone. */
export const db = new Kysely<Tables>({ dialect });

/** Columns of a run with its seal, if any. */
const RUN_COLUMNS = [
  "runs.run",
  "runs.tenant",
  "runs.tool",
  "runs.function",
  "runs.admitted_at_ms",
  "runs.predicate",
  "seals.sequence",
  "seals.outcome",
  "seals.digest",
  "seals.bundle",
  "seals.entry",
  "seals.sealed_at_ms",
] as const;

/** Columns of a key, by name: a prepared `*` breaks when a newer gateway adds a column. */
export const KEY_COLUMNS = [
  "id",
  "hash",
  "tenant",
  "tier",
  "scopes",
  "created_at_ms",
  "expires_at_ms",
  "revoked_at_ms",
  "label",
] as const;

// What every run executes is compiled once, with values that stand for their places: compiling takes longer than running.
const INSERT_RUN = db
  .insertInto("runs")
  .values({ run: "", tenant: "", tool: "", function: "", admitted_at_ms: 0, predicate: "" })
  .compile();
const INSERT_OPEN_RUN = db.insertInto("open_runs").values({ run: "", admitted_at_ms: 0 }).compile();
const DELETE_OPEN_RUN = db.deleteFrom("open_runs").where("run", "=", "").compile();
const OPEN_RUN = db.selectFrom("open_runs").select("run").where("run", "=", "").compile();
const INSERT_SEAL = db
  .insertInto("seals")
  .values({
    sequence: sql<number>`(select coalesce(max(sequence), -1) + 1 from seals)`,
    ...{ run: "", outcome: "", digest: "", bundle: "", entry: "", sealed_at_ms: 0 },
  })
  .returning("sequence")
  .compile();
const KEY = db.selectFrom("keys").select(KEY_COLUMNS).where("hash", "=", "").compile();
const LOG_SIZE = db
  .selectFrom("seals")
  .select(sql<number>`coalesce(max(sequence), -1) + 1`.as("size"))
  .compile();
const ENTRIES = db
  .selectFrom("seals")
  .select("entry")
  .where("sequence", ">=", 0)
  .where("sequence", "<", 0)
  .orderBy("sequence")
  .compile();
const INSERT_HEAD = db.insertInto("heads").values({ size: 0, root: new Uint8Array() }).compile();
const NEWEST_HEAD = db
  .selectFrom("heads")
  .select(["size", "root"])
  .orderBy("size", "desc")
  .limit(1)
  .compile();

const LOGGED_SIZE = db.selectFrom("heads").select(sql<number>`coalesce(max(size), 0)`.as("size")).compile();

/** Adds the run. Fails when there is one of that id. */
export function insertRun(intent: Intent): typeof INSERT_RUN {
  const { run, tenant, tool, admittedAtMs, predicate } = intent;
  return { ...INSERT_RUN, parameters: [run, tenant, tool, intent.function, admittedAtMs, predicate] };
}

/** Adds the run to those without a seal. */
export function insertOpenRun({ run, admittedAtMs }: Intent): typeof INSERT_OPEN_RUN {
  return { ...INSERT_OPEN_RUN, parameters: [run, admittedAtMs] };
}

/** Takes the run from those without a seal: one row is changed exactly when it was among them. */
export function deleteOpenRun(run: string): typeof DELETE_OPEN_RUN {
  return { ...DELETE_OPEN_RUN, parameters: [run] };
}

/** The run, when it is among those without a seal. */
export function selectOpenRun(run: string): typeof OPEN_RUN {
  return { ...OPEN_RUN, parameters: [run] };
}

/** Adds the seal under the next sequence number, and gives that number. */
export function insertSeal(seal: Seal): typeof INSERT_SEAL {
  const { run, outcome, digest, bundle, entry, sealedAtMs } = seal;
  return { ...INSERT_SEAL, parameters: [run, outcome, digest, bundle, entry, sealedAtMs] };
}

/** Runs without a seal, oldest first. */
export function selectOpenRuns(admittedBeforeMs: number, limit: number) {
  return db
    .selectFrom("open_runs")
    .innerJoin("runs", "runs.run", "open_runs.run")
    .select([
      "runs.run",
      "runs.tenant",
      "runs.tool",
      "runs.function",
      "runs.admitted_at_ms",
      "runs.predicate",
    ])
    .where("open_runs.admitted_at_ms", "<", admittedBeforeMs)
    .orderBy("open_runs.admitted_at_ms")
    .orderBy("open_runs.run")
    .limit(limit)
    .compile();
}

/** One run of a tenant. */
export function selectRun(tenant: string, run: string) {
  return runsWithSeals().where("runs.tenant", "=", tenant).where("runs.run", "=", run).compile();
}

/** Runs of a tenant, newest first: run ids are ordered by time. */
export function selectRuns(tenant: string, limit: number, before: string | undefined) {
  let query = runsWithSeals().where("runs.tenant", "=", tenant);
  if (before !== undefined) query = query.where("runs.run", "<", before);
  return query.orderBy("runs.run", "desc").limit(limit).compile();
}

/** A run of whatever tenant. */
export function selectRunOfAnyTenant(run: string) {
  return runsWithSeals().where("runs.run", "=", run).compile();
}

/** Runs of all tenants, oldest first. */
export function selectRunsAfter(after: string, limit: number) {
  return runsWithSeals().where("runs.run", ">", after).orderBy("runs.run").limit(limit).compile();
}

/** Seals in the log's order, and whether their runs are there. */
export function selectSeals(from: number, limit: number) {
  return db
    .selectFrom("seals")
    .leftJoin("runs", "runs.run", "seals.run")
    .select([
      "seals.sequence",
      "seals.run",
      "seals.outcome",
      "seals.digest",
      "seals.bundle",
      "seals.entry",
      "seals.sealed_at_ms",
      "runs.run as known",
    ])
    .where("seals.sequence", ">=", from)
    .orderBy("seals.sequence")
    .limit(limit)
    .compile();
}

/** How many seals there are: sequences have no gaps. */
export function selectLogSize() {
  return LOG_SIZE;
}

/** How many of them the log has: the newest head's size, without its root, which takes longer to read. */
export function selectLoggedSize() {
  return LOGGED_SIZE;
}

/** Entries of the log, in order. */
export function selectEntries(from: number, until: number): typeof ENTRIES {
  return { ...ENTRIES, parameters: [from, until] };
}

/** Keeps a full tile. Fails when it is there. */
export function insertTile(tile: FullTile) {
  const { level, index, hashes, root } = tile;
  return db.insertInto("tiles").values({ level, position: index, hashes, root }).compile();
}

/** A full tile. */
export function selectTile(level: number, index: number) {
  return db
    .selectFrom("tiles")
    .select("hashes")
    .where("level", "=", level)
    .where("position", "=", index)
    .compile();
}

/** Roots of full tiles, in order: hashes of the next level. */
export function selectTileRoots(level: number, from: number, until: number) {
  return db
    .selectFrom("tiles")
    .select("root")
    .where("level", "=", level)
    .where("position", ">=", from)
    .where("position", "<", until)
    .orderBy("position")
    .compile();
}

/** Keeps what the log was after a commit. */
export function insertHead(head: LogHead): typeof INSERT_HEAD {
  return { ...INSERT_HEAD, parameters: [head.size, head.root] };
}

/** The first head that covers a sequence. */
export function selectHeadAfter(sequence: number) {
  return db
    .selectFrom("heads")
    .select(["size", "root"])
    .where("size", ">", sequence)
    .orderBy("size")
    .limit(1)
    .compile();
}

/** The newest head. */
export function selectNewestHead() {
  return NEWEST_HEAD;
}

/** Adds an API key's row. Fails when its id or its hash is there. */
export function insertKey(key: KeyRow) {
  const row = {
    id: key.id,
    hash: key.hash,
    tenant: key.tenant,
    tier: key.tier,
    scopes: JSON.stringify(key.scopes),
    created_at_ms: key.createdAtMs,
    expires_at_ms: key.expiresAtMs ?? null,
    revoked_at_ms: key.revokedAtMs ?? null,
    label: key.label,
  };
  return db.insertInto("keys").values(row).compile();
}

/** The key of that hash. */
export function selectKey(hash: string): typeof KEY {
  return { ...KEY, parameters: [hash] };
}

/** All keys, oldest first. */
export function selectKeys() {
  return db.selectFrom("keys").select(KEY_COLUMNS).orderBy("created_at_ms").orderBy("id").compile();
}

/** Some keys, oldest first. What a foreign key's place would tell of its age is not told: it is no place at all. */
export function selectKeyPage({
  tenant,
  after,
  limit,
}: {
  readonly tenant?: string;
  readonly after?: string;
  readonly limit: number;
}) {
  let page = db.selectFrom("keys").select(KEY_COLUMNS).orderBy("created_at_ms").orderBy("id").limit(limit);
  if (tenant !== undefined) page = page.where("tenant", "=", tenant);
  if (after !== undefined) {
    const own = tenant === undefined ? sql`` : sql` and tenant = ${tenant}`;
    const place = sql`(select created_at_ms, id from keys where id = ${after}${own})`;
    page = page.where(sql<boolean>`(created_at_ms, id) > ${place}`);
  }
  return page.compile();
}

/** Revokes a key, of one tenant or of any; the first revocation's time stays. */
export function revokeKey(id: string, atMs: number, tenant?: string) {
  const first = sql<number>`coalesce(revoked_at_ms, ${atMs})`;
  const key = db.updateTable("keys").set({ revoked_at_ms: first }).where("id", "=", id);
  return (tenant === undefined ? key : key.where("tenant", "=", tenant)).compile();
}

/** Claims a name. Fails when it is claimed. */
export function insertClaim(name: string, value: string) {
  return db.insertInto("claims").values({ name, value }).compile();
}

/** What was claimed. */
export function selectClaim(name: string) {
  return db.selectFrom("claims").select("value").where("name", "=", name).compile();
}

/** The database's clock, ms. */
export function selectSqliteNow(): CompiledQuery<{ now: number }> {
  return statement<{ now: number }>`select cast(unixepoch('subsec') * 1000 as integer) as now`;
}

/** The database's clock, ms: also in a transaction, where `now()` stands still. */
export function selectPostgresNow(): CompiledQuery<{ now: number }> {
  return statement<{
    now: number;
  }>`select cast(extract(epoch from clock_timestamp()) * 1000 as bigint) as now`;
}

/** Changes one row, so that a commit has something to sync. */
export function beat() {
  return db.updateTable("probe").set({ beats: sql<number>`beats + 1` }).where("id", "=", 0).compile();
}

function runsWithSeals() {
  return db.selectFrom("runs").leftJoin("seals", "seals.run", "runs.run").select(RUN_COLUMNS);
}
