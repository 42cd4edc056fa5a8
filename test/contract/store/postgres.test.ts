/** The PostgreSQL store, on a real server: the contract, and what is PostgreSQL's own. */
import { describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { leafHash, rootFromInclusion, TreeEdge } from "../../../src/core/merkle/index.ts";
import type { Store } from "../../../src/ports/index.ts";
import { openPostgresStore } from "../../../src/stores/index.ts";
import { MIGRATIONS, type Migration } from "../../../src/stores/migrations.ts";
import { migrate } from "../../../src/stores/postgres/migrate.ts";
import { claimsOf } from "../../accounts/leases.ts";
import { openFaultyPostgres, postgresOfFile } from "../../support/postgres.ts";
import { accountsSuite } from "./accounts.suite.ts";
import { intentOf, sealOf } from "./intents.ts";
import { itemsSuite } from "./items.suite.ts";
import { journalsSuite } from "./journals.suite.ts";
import { keyActsSuite } from "./key-acts.suite.ts";
import { ledgerSuite } from "./ledger.suite.ts";
import { measuresSuite } from "./measures.suite.ts";
import { type StoreSubject, storeSuite } from "./store.suite.ts";
import { versionsSuite } from "./versions.suite.ts";

/** A transaction that says nothing for a while goes on: it is not about that. */
const PATIENT = "SET LOCAL idle_in_transaction_session_timeout = 0";
const postgres = postgresOfFile();

async function createSubject(): Promise<StoreSubject> {
  const schema = await postgres.borrowSchema();
  return {
    open: async (faults) => openPostgresStore(await openFaultyPostgres(schema.url, faults)),
    // Intents are one statement, which is a transaction by itself.
    isCommit: (sql) => sql === "COMMIT" || sql.startsWith("WITH unsynced"),
    remove: schema.giveBack,
  };
}

storeSuite("PostgreSQL", createSubject);
itemsSuite("PostgreSQL", createSubject);
journalsSuite("PostgreSQL", createSubject);
versionsSuite("PostgreSQL", createSubject);
accountsSuite("PostgreSQL", createSubject);
keyActsSuite("PostgreSQL", createSubject);
ledgerSuite("PostgreSQL", createSubject);

const open = async (url: string) => openPostgresStore(await runtime.openPostgres(url));

/** Runs `use` with stores, each as another gateway would have it, and closes them. */
async function withStores<T>(url: string, count: number, use: (stores: readonly Store[]) => Promise<T>) {
  const stores = await Promise.all(Array.from({ length: count }, () => open(url)));
  try {
    return await use(stores);
  } finally {
    await Promise.all(stores.map((store) => store.close()));
  }
}

describe("openPostgresStore()", () => {
  it("makes one log of what three gateways seal at once, and proves it to each of them", async () => {
    await withStores(await postgres.createSchema(), 3, async (stores) => {
      const intents = Array.from({ length: 300 }, (_, n) => intentOf(n));
      const logged = await Promise.all(
        intents.map(async (intent, n) => {
          const store = stores[n % 3] ?? expect.fail("no store");
          await store.recordIntent(intent);
          return { entry: sealOf(intent).entry, ...(await store.seal(sealOf(intent))) };
        }),
      );
      const byPlace = logged.toSorted((a, b) => a.sequence - b.sequence);
      expect(byPlace.map(({ sequence }) => sequence)).toEqual(intents.map((_, n) => n));
      const edge = new TreeEdge(0);
      const roots = new Map<number, Uint8Array>();
      for (const { entry } of byPlace) {
        edge.append(leafHash(new TextEncoder().encode(entry)));
        roots.set(edge.size, edge.root());
      }
      for (const { sequence, head, path, entry } of logged) {
        expect(head.root).toEqual(roots.get(head.size));
        const leaf = leafHash(new TextEncoder().encode(entry));
        expect(rootFromInclusion({ index: BigInt(sequence), size: BigInt(head.size), leaf, path })).toEqual(
          head.root,
        );
      }
      for (const store of stores) {
        expect(await store.logHead()).toEqual({ size: 300, root: edge.root() });
        expect((await store.prove(7)).path).toEqual((await stores[0]?.prove(7))?.path);
      }
    });
  });

  it("lets one of many gateways close a run", async () => {
    await withStores(await postgres.createSchema(), 3, async (stores) => {
      await stores[0]?.recordIntent(intentOf(1));
      const tries = stores.flatMap((store) => [store, store]).map((store) => store.seal(sealOf(intentOf(1))));
      const results = await Promise.allSettled(tries);
      expect(results.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect((await stores[2]?.logHead())?.size).toBe(1);
    });
  });

  it("lets one of many gateways claim a name, and counts items of all against one quota", async () => {
    await withStores(await postgres.createSchema(), 3, async (stores) => {
      const claimed = await Promise.all(stores.map((store, n) => store.claim("origin", `of ${n}`)));
      expect(new Set(claimed).size).toBe(1);
      const drawer = { tenant: "acme", tool: "notes", kind: "keyvalue", bucket: "a" } as const;
      const puts = stores.flatMap((store, n) =>
        Array.from({ length: 10 }, (_, at) =>
          store.items.change(
            drawer,
            [{ key: `k${n}${at}`, value: new Uint8Array(97) }],
            { bytes: 1000, items: 99 },
            1,
          ),
        ),
      );
      expect((await Promise.all(puts)).filter((made) => made === "done")).toHaveLength(10);
    });
  });

  it("keeps guests' keys apart and in the order of their bytes, U+0000 and all", async () => {
    await withStores(await postgres.createSchema(), 1, async ([store]) => {
      const drawer = { tenant: "acme", tool: "notes", kind: "keyvalue", bucket: "a" } as const;
      const keys = [
        "\u0000",
        "\u0000\u0001",
        "\u0001",
        "\u0001\u0001",
        "\u0001\u0002",
        "\u0002",
        "a\u0000b",
        "a\u0001",
      ];
      const changes = keys.map((key) => ({ key, value: new TextEncoder().encode(JSON.stringify(key)) }));
      expect(await store?.items.change(drawer, changes, { bytes: 10_000, items: 99 }, 1)).toBe("done");
      expect((await store?.items.list(drawer, "", 99))?.map(({ key }) => key)).toEqual(keys);
      expect((await store?.items.list(drawer, "\u0001", 2))?.map(({ key }) => key)).toEqual(keys.slice(3, 5));
      for (const key of keys)
        expect(new TextDecoder().decode((await store?.items.get(drawer, key))?.value)).toBe(
          JSON.stringify(key),
        );
    });
  });

  it("refuses one that the database will not take, and none of those that came with it", async () => {
    await withStores(await postgres.createSchema(), 1, async ([store]) => {
      for (const n of [1, 2, 3]) await store?.recordIntent(intentOf(n));
      const seals = [1, 2, 3].map((n) => sealOf(intentOf(n), n === 2 ? "not\u0000text" : "completed"));
      const results = await Promise.allSettled(seals.map((seal) => store?.seal(seal)));
      expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
      expect((await store?.logHead())?.size).toBe(2);
      expect((await store?.openRuns(Number.MAX_SAFE_INTEGER, 9))?.map(({ run }) => run)).toEqual([
        intentOf(2).run,
      ]);
    });
  });

  it("refuses what our own code must never do", async () => {
    const url = await postgres.createSchema();
    await withStores(url, 1, async ([store]) => {
      for (const n of [1, 2]) await store?.recordIntent(intentOf(n));
      await store?.seal(sealOf(intentOf(1)));
      for (const [sql, refusal] of [
        ["UPDATE runs SET tenant = 'evil'", "runs are append-only"],
        ["DELETE FROM seals", "seals are append-only"],
        ["TRUNCATE seals", "seals are append-only"],
        ["TRUNCATE runs CASCADE", "are append-only"],
        ["UPDATE heads SET size = 7", "heads are append-only"],
        ["INSERT INTO heads VALUES (1, decode(repeat('00', 32), 'hex'))", "heads are append-only"],
        ["DELETE FROM open_runs", "open runs close by a seal"],
        [`INSERT INTO seals VALUES (5, '${intentOf(2).run}', 'x', 'x', 'x', 1, 'x')`, "seals have no gaps"],
        [`INSERT INTO seals VALUES (1, 'nobody', 'x', 'x', 'x', 1, 'x')`, "foreign key"],
      ] as const) {
        await expect(postgres.run(url, sql), sql).rejects.toThrow(refusal);
      }
      expect((await store?.listRuns("acme", 9))?.map(({ seal }) => seal?.sequence)).toEqual([undefined, 0]);
    });
  });

  it("refuses to go on from entries that do not hash to the head", async () => {
    const url = await postgres.createSchema();
    await withStores(url, 1, async ([store]) => {
      for (const n of [1, 2, 3]) await store?.recordRefusal(intentOf(n), sealOf(intentOf(n)));
    });
    await postgres.run(
      url,
      "SET session_replication_role = replica",
      "UPDATE seals SET entry = 'other' WHERE sequence = 1",
    );
    await withStores(url, 1, async ([store]) => {
      await expect(store?.logHead()).rejects.toThrow("do not hash to its head");
      await expect(store?.recordRefusal(intentOf(4), sealOf(intentOf(4)))).rejects.toThrow("do not hash");
      expect(await store?.listRuns("acme", 10)).toHaveLength(3);
    });
  });
});

describe("a database that was taken back", () => {
  const SEALED = 300;
  const AS_A_REPLICA = "SET session_replication_role = replica";

  /** What a standby that lagged, or a copy from before, is to a gateway that goes on running. */
  async function takeBack(url: string, size: number): Promise<void> {
    await postgres.run(
      url,
      AS_A_REPLICA,
      `DELETE FROM heads WHERE size > ${size}`,
      `DELETE FROM seals WHERE sequence >= ${size}`,
      ...(size < 256 ? ["DELETE FROM tiles"] : []),
    );
  }

  // Heads are those of commits: of 30 each.
  for (const size of [270, 90, 0]) {
    it(`to ${size} of ${SEALED} entries is noticed by whoever saw more, and not gone on with`, async () => {
      const url = await postgres.createSchema();
      await withStores(url, 2, async ([one, other]) => {
        for (let n = 0; n < SEALED; n += 30)
          await Promise.all(
            Array.from({ length: 30 }, (_, at) =>
              one?.recordRefusal(intentOf(n + at), sealOf(intentOf(n + at))),
            ),
          );
        expect((await other?.logHead())?.size).toBe(SEALED);
        await takeBack(url, size);
        for (const store of [one, other]) {
          await expect(store?.recordRefusal(intentOf(900), sealOf(intentOf(900)))).rejects.toThrow(
            `has ${size} of 300 entries`,
          );
          await expect(store?.logHead()).rejects.toThrow("restore the newer one");
        }
        // Somebody who saw nothing goes on, and makes it as long as it was: it is another history all the same.
        await withStores(url, 1, async ([stranger]) => {
          const intents = Array.from({ length: SEALED - size + 1 }, (_, n) => intentOf(1000 + n));
          await Promise.all(intents.map((intent) => stranger?.recordRefusal(intent, sealOf(intent))));
        });
        for (const store of [one, other]) {
          await expect(store?.logHead()).rejects.toThrow(
            /do not hash to its head|does not begin with the 300 entries/,
          );
          await expect(store?.recordRefusal(intentOf(901), sealOf(intentOf(901)))).rejects.toThrow();
        }
      });
    });
  }
});

describe("migrate()", () => {
  const migrateTo = async (url: string, migrations: readonly Migration[]) => {
    const server = await runtime.openPostgres(url);
    await migrate(server, migrations).finally(() => server.close());
  };

  it("makes the tables once, whoever of many gateways comes first", async () => {
    const url = await postgres.createSchema();
    await withStores(url, 5, async (stores) => {
      await Promise.all(stores.map((store, n) => store.recordIntent(intentOf(n))));
    });
    expect(await postgres.run(url, "SELECT version, oldest FROM writ_schema")).toEqual([
      { version: MIGRATIONS.length, oldest: 0 },
    ]);
  });

  it("from every version to this one is the same as at once", async () => {
    const columns = `SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns
      WHERE table_schema = current_schema() ORDER BY table_name, column_name`;
    const triggers = `SELECT tgrelid::regclass::text AS t, tgname FROM pg_trigger
      WHERE tgrelid IN (SELECT oid FROM pg_class WHERE relnamespace = current_schema()::regnamespace)
        AND NOT tgisinternal ORDER BY 1, 2`;
    const [whole, stepwise] = [await postgres.createSchema(), await postgres.createSchema()];
    await migrateTo(whole, MIGRATIONS);
    for (let version = 1; version <= MIGRATIONS.length; version++)
      await migrateTo(stepwise, MIGRATIONS.slice(0, version));
    for (const sql of [columns, triggers])
      expect(await postgres.run(stepwise, sql)).toEqual(await postgres.run(whole, sql));
  });

  it("adds under gateways that run and know nothing of it; one of theirs may start again", async () => {
    const url = await postgres.createSchema();
    await withStores(url, 1, async ([old]) => {
      // Every statement that is prepared by now meets tables that are wider than they were.
      for (const n of [1, 2]) await old?.recordIntent(intentOf(n));
      await old?.seal(sealOf(intentOf(1)));
      const key = { id: "k", hash: "h", tenant: "acme", tier: "free", scopes: [], createdAtMs: 1, label: "" };
      await old?.insertKey(key);
      expect(await old?.findKey("h")).toEqual(key);
      const added = ["runs", "seals", "keys", "open_runs", "heads", "items", "journals"]
        .map((table) => `ALTER TABLE ${table} ADD COLUMN added TEXT NOT NULL DEFAULT '';`)
        .join("\n");
      await migrateTo(url, [...MIGRATIONS, [added]]);
      await old?.recordIntent(intentOf(3));
      expect((await old?.seal(sealOf(intentOf(2))))?.sequence).toBe(1);
      expect(await old?.findKey("h")).toEqual(key);
      expect((await old?.findRun("acme", intentOf(1).run))?.seal?.sequence).toBe(0);
      await withStores(url, 1, async ([again]) => {
        expect((await again?.seal(sealOf(intentOf(3))))?.sequence).toBe(2);
      });
    });
    expect(await postgres.run(url, "SELECT version FROM writ_schema")).toEqual([
      { version: MIGRATIONS.length + 1 },
    ]);
  });

  it("gives way to gateways that work: what they wait for they get, and then it goes on", async () => {
    const url = await postgres.createSchema();
    await withStores(url, 1, async ([old]) => {
      // Somebody reads for a long time, an export for one.
      const reader = await runtime.openPostgres(url);
      const reading = await reader.connect();
      await reading.send([{ text: "BEGIN" }, { text: PATIENT }, { text: "SELECT count(*) FROM open_runs" }]);
      let isOver = false;
      const migrating = migrateTo(url, [
        ...MIGRATIONS,
        ["ALTER TABLE open_runs ADD COLUMN added TEXT NOT NULL DEFAULT '';"],
      ]).finally(() => {
        isOver = true;
      });
      const waits = "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted";
      await expect.poll(() => postgres.run(url, waits)).toHaveLength(1);
      // Behind it in the queue for the table, which its reader does not leave.
      for (const n of [1, 2, 3]) {
        await old?.recordIntent(intentOf(n));
        await old?.seal(sealOf(intentOf(n)));
      }
      expect(isOver).toBe(false);
      await reading.send([{ text: "COMMIT" }]);
      await migrating;
      reading.release();
      await reader.close();
      await old?.recordIntent(intentOf(4));
      expect((await old?.seal(sealOf(intentOf(4))))?.sequence).toBe(3);
    });
  });

  it("is shut out where a newer version says so", async () => {
    const url = await postgres.createSchema();
    const oldest = MIGRATIONS.length + 1;
    await migrateTo(url, [...MIGRATIONS, [{ kind: "shut-out-older", oldest }]]);
    await expect(open(url)).rejects.toThrow(
      `shuts out versions before ${oldest}, and this Writ knows ${oldest - 1}`,
    );
  });

  it("leaves a database as it was when it fails half way, and another program's alone", async () => {
    const url = await postgres.createSchema();
    await expect(
      migrateTo(url, [...MIGRATIONS, ["CREATE TABLE half (x TEXT); SELECT 1 / 0;"]]),
    ).rejects.toThrow("zero");
    expect(await postgres.run(url, TABLES)).toEqual([]);
    await postgres.run(url, "CREATE TABLE theirs (x int)");
    await expect(open(url)).rejects.toThrow('belongs to another program, it has a table "theirs"');
    expect(await postgres.run(url, TABLES)).toEqual([{ table_name: "theirs" }]);
  });
});

const TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema()";

describe("durability", () => {
  for (const [name, value] of [
    ["synchronous_commit", "off"],
    ["synchronous_commit", "local"],
    ["transaction_read_only", "on"],
  ] as const) {
    it(`is refused to a server whose ${name} is ${value}`, async () => {
      const url = `${await postgres.createSchema()}%20-c%20${name === "transaction_read_only" ? "default_" : ""}${name}%3D${value}`;
      await expect(open(url)).rejects.toThrow(`its ${name} is ${value}, want`);
      expect(await postgres.run(url, TABLES)).toEqual([]);
    });
  }

  it("waits for the disk of all that is said to be durable, and of no intent by itself, on whatever connection", async () => {
    const url = await postgres.createSchema();
    await withStores(url, 1, async ([store]) => {
      await postgres.run(
        url,
        "CREATE TABLE told (at serial, what text)",
        `CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
          INSERT INTO told (what) VALUES (TG_OP || ' ' || current_setting('synchronous_commit')); RETURN NULL; END $$`,
        "CREATE TRIGGER tell AFTER INSERT OR UPDATE OR DELETE ON open_runs FOR EACH ROW EXECUTE FUNCTION tell()",
      );
      // Connections are used again, for whatever comes: what was set for a transaction has to end with it.
      for (let n = 0; n < 8; n++) {
        await store?.recordIntent(intentOf(n), ...(n % 2 === 0 ? [] : [claimsOf(n)]));
        await store?.syncIntent(intentOf(n).run);
        await store?.seal(sealOf(intentOf(n)));
      }
      const told = (await postgres.run(url, "SELECT what FROM told ORDER BY at")) as { what: string }[];
      const each = ["INSERT off", "UPDATE on", "DELETE on"];
      expect(told.map(({ what }) => what)).toEqual(Array(8).fill(each).flat());
    });
  });

  it("is asked for again and again: a server that is set to forget is not ready", async () => {
    await withStores(await postgres.createSchema(), 1, async ([store]) => {
      await store?.check();
      const set = async (sql: string) => {
        await postgres.run(postgres.server.url(), sql);
        await postgres.run(postgres.server.url(), "SELECT pg_reload_conf()");
      };
      await set("ALTER SYSTEM SET fsync = off");
      await expect.poll(() => store?.check().catch(String)).toContain("its fsync is off, want on");
      await set("ALTER SYSTEM RESET fsync");
      await expect.poll(() => store?.check().catch(String)).toBeUndefined();
    });
  });
});
measuresSuite("PostgreSQL", createSubject);
