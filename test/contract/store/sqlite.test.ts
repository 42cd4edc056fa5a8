/** The SQLite store: the contract, and what is SQLite's own. */
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { leafHash, TreeEdge } from "../../../src/core/merkle/index.ts";
import { openStore } from "../../../src/stores/index.ts";
import { migrate } from "../../../src/stores/sqlite/migrate.ts";
import { arm, noFaults, openFaultySqlite, temporaryFolder } from "../../support/sqlite.ts";
import { accountsSuite } from "./accounts.suite.ts";
import { intentOf, sealOf } from "./intents.ts";
import { itemsSuite } from "./items.suite.ts";
import { journalsSuite } from "./journals.suite.ts";
import { keyActsSuite } from "./key-acts.suite.ts";
import { ledgerSuite } from "./ledger.suite.ts";
import { measuresSuite } from "./measures.suite.ts";
import { type StoreSubject, storeSuite } from "./store.suite.ts";
import { versionsSuite } from "./versions.suite.ts";

async function createSubject(): Promise<StoreSubject> {
  const folder = await temporaryFolder();
  return {
    open: (faults) => openStore(openFaultySqlite(join(folder.path, "writ.db"), faults)),
    isCommit: (sql) => sql === "COMMIT",
    remove: folder.remove,
  };
}
storeSuite("SQLite", createSubject);
itemsSuite("SQLite", createSubject);
journalsSuite("SQLite", createSubject);
versionsSuite("SQLite", createSubject);
accountsSuite("SQLite", createSubject);
keyActsSuite("SQLite", createSubject);
ledgerSuite("SQLite", createSubject);
measuresSuite("SQLite", createSubject);

describe("openStore()", () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let path: string;

  beforeEach(async () => {
    folder = await temporaryFolder();
    path = join(folder.path, "writ.db");
  });
  afterEach(() => folder.remove());

  // Where two triggers refuse, SQLite does not say which speaks first.
  /** Every way of changing what was sealed that SQL has. */
  const TAMPERING: readonly (readonly [sql: string, refusal: string])[] = [
    ["UPDATE seals SET outcome = 'completed'", "seals are append-only"],
    ["UPDATE seals SET sequence = 7", "seals are append-only"],
    ["DELETE FROM seals", "seals are append-only"],
    ["UPDATE runs SET tenant = 'evil'", "runs are append-only"],
    ["DELETE FROM runs", "runs are append-only"],
    ["INSERT OR REPLACE INTO seals SELECT * FROM seals", "seals "],
    [
      "INSERT OR REPLACE INTO seals SELECT sequence + 1, run, 'x', 'x', 'x', 1, 'x' FROM seals",
      "seals are append-only",
    ],
    ["INSERT OR REPLACE INTO runs SELECT * FROM runs LIMIT 1", "runs are append-only"],
    ["INSERT INTO seals SELECT 5, run, 'x', 'x', 'x', 1, 'x' FROM open_runs", "seals have no gaps"],
    ["INSERT INTO seals VALUES (1, 'run_none', 'x', 'x', 'x', 1, 'x')", "FOREIGN KEY"],
    ["DELETE FROM open_runs", "open runs close by a seal"],
    ["UPDATE seals SET entry = 'x'", "seals are append-only"],
    ["UPDATE heads SET root = zeroblob(32)", "heads are append-only"],
    ["DELETE FROM heads", "heads are append-only"],
    ["INSERT OR REPLACE INTO heads VALUES (1, zeroblob(32))", "heads are append-only"],
    ["INSERT INTO heads VALUES (0, zeroblob(32))", "heads are append-only"],
    ["INSERT INTO heads VALUES (2, zeroblob(31))", "CHECK"],
    ["INSERT INTO tiles VALUES (0, 0, zeroblob(8191), zeroblob(32))", "CHECK"],
  ];

  for (const [sql, refusal] of TAMPERING) {
    it(`refuses ${sql}`, async () => {
      const database = runtime.openSqlite(path);
      const store = await openStore(database);
      await store.recordIntent(intentOf(1));
      await store.recordIntent(intentOf(2));
      await store.seal(sealOf(intentOf(1), "trapped"));
      const before = await store.listRuns("acme", 10);
      expect(() => database.exec(sql)).toThrow(refusal);
      expect(await store.listRuns("acme", 10)).toEqual(before);
      await store.close();
    });
  }

  it("refuses to seal a run that is not listed as open, and uses up no sequence", async () => {
    const database = runtime.openSqlite(path);
    const store = await openStore(database);
    database.exec(`INSERT INTO runs VALUES ('${intentOf(1).run}', 'acme', 't', 'f', 1, '{}')`);
    await expect(store.seal(sealOf(intentOf(1)))).rejects.toThrow("it is not open");
    await store.recordIntent(intentOf(2));
    expect((await store.seal(sealOf(intentOf(2)))).sequence).toBe(0);
    await store.close();
  });

  it("sets up for durability and says so when it can not be had", async () => {
    const database = runtime.openSqlite(path);
    const store = await openStore(database);
    const pragma = (name: string) => database.prepare(`SELECT ${name} AS value FROM pragma_${name}`).all([]);
    expect(pragma("journal_mode")).toEqual([{ value: "wal" }]);
    expect(pragma("synchronous")).toEqual([{ value: 2 }]);
    expect(pragma("foreign_keys")).toEqual([{ value: 1 }]);
    await store.close();

    const stubborn = runtime.openSqlite(path);
    const prepare = stubborn.prepare.bind(stubborn);
    const refusing = { ...stubborn, prepare: (sql: string) => prepare(sql.replace("= WAL", "= DELETE")) };
    await expect(openStore(refusing)).rejects.toThrow("want journal_mode wal");
    stubborn.close();
  });

  it("refuses another program's database and a newer schema, and changes neither", async () => {
    const foreign = runtime.openSqlite(path);
    foreign.exec("CREATE TABLE theirs (x)");
    await expect(openStore(foreign)).rejects.toThrow("another program");
    expect(foreign.prepare("SELECT name FROM sqlite_schema").all([])).toEqual([{ name: "theirs" }]);
    foreign.close();

    const newer = runtime.openSqlite(join(folder.path, "newer.db"));
    const store = await openStore(newer);
    newer.exec("PRAGMA user_version = 999");
    await expect(openStore(newer)).rejects.toThrow("its schema is 999");
    await store.close();
  });

  it("migrates whole or not at all at every failing step", async () => {
    const faults = noFaults();
    for (let step = 1; ; step++) {
      arm(faults, step, "not-stored");
      const database = openFaultySqlite(path, faults);
      const opened = await openStore(database).then(
        (store) => store,
        () => undefined,
      );
      if (opened !== undefined) {
        expect(step).toBeGreaterThanOrEqual(3);
        await opened.close();
        return;
      }
      arm(faults, undefined);
      expect(database.prepare("SELECT count(*) AS n FROM sqlite_schema").all([])).toEqual([{ n: 0 }]);
      database.close();
    }
  });

  it("goes on with runs, leases and attempts that an older Writ began", async () => {
    const old = runtime.openSqlite(path);
    migrate(old, 9);
    const windows = [
      {
        ...({ class: "exploratory", per_seconds: 3600, starts_at_ms: 4e12, limit: { fuel: 1000 } } as const),
        take: { runs: 1, fuel: 300, egress_bytes: 0, wall_ms: 0 },
      },
    ] as const;
    for (const n of [1, 2]) {
      const { run, admittedAtMs } = intentOf(n);
      const held = JSON.stringify({ tenant: "acme", tool: "hash", windows, attempt: true });
      old.exec(`INSERT INTO runs VALUES ('${run}', 'acme', 'hash', 'sum', ${admittedAtMs}, '{}')`);
      old.exec(`INSERT INTO open_runs VALUES ('${run}', ${admittedAtMs})`);
      old.exec(`INSERT INTO leases VALUES ('${run}', ${n * 1000}, '${held}')`);
      old.exec(`INSERT INTO attempts VALUES ('acme', 'hash', 'sum', 'f${n}', '${run}', 1)`);
    }
    old.exec("INSERT INTO budget_windows VALUES ('acme','hash','exploratory',3600,4e12,4e12,2,600,0,0)");
    old.close();
    const store = await openStore(runtime.openSqlite(path));
    const held = () => store.accounts.heldOf({ tenant: "acme", tool: "hash" }, windows[0]);
    expect((await store.openRuns(Number.MAX_SAFE_INTEGER, 9)).map(({ run }) => run)).toEqual([
      intentOf(1).run,
      intentOf(2).run,
    ]);
    expect(await store.accounts.expire(1000)).toBe(1);
    expect(await held()).toMatchObject({ runs: 2, fuel: 300 });
    const cost = {
      ...({ tenant: "acme", tool: "hash", purpose: "demo", class: "exploratory", fuel: 10 } as const),
      ...{ egressBytes: 0, wallMs: 0, amount: 1, atMs: 5 },
    };
    const used = { runs: 1, fuel: 10, egress_bytes: 0, wall_ms: 0 };
    await store.seal(sealOf(intentOf(2)), { used, good: true, cost });
    expect(await held()).toMatchObject({ runs: 2, fuel: 10 });
    const attempt = (n: number) => ({
      ...({ operation: "read", mayRetry: true, fingerprint: `f${n}` } as const),
      budget: { ratio: 1, min_per_second: 1, ttl_seconds: 10 },
    });
    const admit = (n: number, of: number) => {
      const { run, tenant, tool, function: name } = intentOf(n);
      const claims = { run, tenant, tool, function: name, atMs: 2, windows: [], expiresAtMs: 9000 };
      return store.recordIntent(intentOf(n), { ...claims, attempt: attempt(of) });
    };
    // The second ended well, the first nobody saw end.
    expect(await admit(3, 1)).toMatchObject({ retryOf: intentOf(1).run });
    expect(await admit(4, 2)).toEqual({ kind: "ok", held: [] });
    await store.close();
  });

  it("keeps the ledger and the keys that an older Writ wrote, and enters nothing of theirs twice", async () => {
    const old = runtime.openSqlite(path);
    migrate(old, 12);
    const { run } = intentOf(1);
    const line = (entry: string, kind: string, of: string) =>
      `INSERT INTO ledger VALUES ('${entry}', '${kind}', 'a', 'b', 5, 'acme', 'hash', 'demo', 'exploratory', 't1',
        ${of}, NULL, 1, 0, 0, '2026-01-01', 1)`;
    old.exec(line(run, "cost", `'${run}'`));
    old.exec(line("bill_1", "bill", "NULL"));
    old.exec(
      `INSERT INTO idempotency_keys VALUES ('acme', 'hash', 'sum', 'k', 'b', '${run}', 1, 9000, 'id', x'0102')`,
    );
    old.close();
    const database = runtime.openSqlite(path);
    const store = await openStore(database);
    expect(await store.ledger.balances()).toEqual(
      new Map([
        ["a", 10n],
        ["b", -10n],
      ]),
    );
    expect(await store.accounts.findKey({ tenant: "acme", tool: "hash", function: "sum" }, "k", 1)).toEqual({
      ...{ run, body: "b", answer: { keyId: "id", content: Uint8Array.of(1, 2) } },
    });
    for (const [sql, refusal] of [
      [line(run, "cost", `'${run}'`), "ledger are append-only"],
      [line(run, "cost", `'${run}'`).replace("INSERT", "INSERT OR REPLACE"), "ledger are append-only"],
      // A cost goes by the name of its run, or the same run could be entered under another.
      [line("other", "cost", `'${run}'`), "CHECK"],
      [line("bill_2", "bill", "NULL"), "UNIQUE"],
      ["UPDATE ledger SET amount = 0", "ledger are append-only"],
      ["DELETE FROM ledger", "ledger are append-only"],
      [
        `INSERT INTO idempotency_keys VALUES ('acme', 'hash', 'sum', 'other', 'b', '${run}', 1, 9000, NULL, NULL)`,
        "UNIQUE",
      ],
    ] as const)
      expect(() => database.exec(sql)).toThrow(refusal);
    await store.close();
  });

  it("logs the seals of a store that had no log, as what they are", async () => {
    const old = runtime.openSqlite(path);
    migrate(old, 1);
    const count = 300;
    for (let n = 0; n < count; n++) {
      const { run } = intentOf(n);
      old.exec(`INSERT INTO runs VALUES ('${run}', 'acme', 't', 'f', 1, '{}')`);
      old.exec(`INSERT INTO seals VALUES (${n}, '${run}', 'completed', '${n}', '{}', 1)`);
    }
    old.close();
    const store = await openStore(runtime.openSqlite(path));
    const entries = Array.from(
      { length: count },
      (_, n) => `{"apiVersion":"0.0.1","kind":"unlogged","spec":{"digest":"${n}"}}`,
    );
    expect((await store.logEntries(0, 256))?.concat((await store.logEntries(1, 44)) ?? [])).toEqual(entries);
    const edge = new TreeEdge(0);
    for (const entry of entries) edge.append(leafHash(new TextEncoder().encode(entry)));
    expect(await store.logHead()).toEqual({ size: count, root: edge.root() });
    expect((await store.prove(7)).head.size).toBe(count);
    await store.recordIntent(intentOf(999));
    expect(await store.seal(sealOf(intentOf(999)))).toMatchObject({
      sequence: count,
      head: { size: count + 1 },
    });
    await store.close();
  });

  it("refuses to go on from entries that do not hash to the head", async () => {
    const database = runtime.openSqlite(path);
    const store = await openStore(database);
    for (const n of [1, 2, 3]) await store.recordRefusal(intentOf(n), sealOf(intentOf(n)));
    await store.close();
    const thief = runtime.openSqlite(path);
    thief.exec("DROP TRIGGER seals_refuse_update; UPDATE seals SET entry = 'other' WHERE sequence = 1");
    thief.close();
    const again = await openStore(runtime.openSqlite(path));
    await expect(again.logHead()).rejects.toThrow("do not hash to its head");
    await expect(again.recordRefusal(intentOf(4), sealOf(intentOf(4)))).rejects.toThrow("do not hash");
    expect(await again.listRuns("acme", 10)).toHaveLength(3);
    await again.close();
  });

  describe("recordIntent() of many", () => {
    /** A store whose turns of the event loop are the test's. */
    async function openByTurns() {
      const database = runtime.openSqlite(path);
      const turns: (() => void)[] = [];
      let commits = 0;
      const counting = {
        ...database,
        exec(sql: string) {
          if (sql === "COMMIT") commits += 1;
          database.exec(sql);
        },
      };
      const store = await openStore(counting, { nextTurn: (action) => void turns.push(action) });
      const before = commits;
      return { store, turn: () => turns.shift()?.(), commits: () => commits - before };
    }

    it("waits for nobody when it is alone", async () => {
      const { store, turn, commits } = await openByTurns();
      for (const n of [1, 2]) {
        const alone = store.recordIntent(intentOf(n));
        turn();
        expect(commits()).toBe(n);
        await alone;
      }
      await store.close();
    });

    it("shares a commit with those of the turns after it, until one brings none", async () => {
      const { store, turn, commits } = await openByTurns();
      const written = [1, 2].map((n) => store.recordIntent(intentOf(n)));
      turn();
      written.push(store.recordIntent(intentOf(3)));
      turn();
      expect(commits()).toBe(0);
      turn();
      expect(commits()).toBe(1);
      await Promise.all(written);
      await store.close();
    });

    it("waits for a few turns only, whoever comes", async () => {
      const { store, turn, commits } = await openByTurns();
      const written = [store.recordIntent(intentOf(0))];
      let turns = 0;
      for (; commits() === 0; turns += 1) {
        written.push(store.recordIntent(intentOf(turns + 1)));
        turn();
      }
      expect(turns).toBe(6);
      await Promise.all(written);
      await store.close();
    });
  });

  it("stops writing after a failed sync until it is opened anew", async () => {
    const SQLITE_IOERR_FSYNC = 1034;
    const faults = { ...noFaults(), errcode: SQLITE_IOERR_FSYNC };
    const store = await openStore(openFaultySqlite(path, faults));
    arm(faults, 4, "not-stored");
    await expect(store.recordIntent(intentOf(1))).rejects.toThrow("COMMIT");
    arm(faults, undefined);
    await expect(store.recordIntent(intentOf(2))).rejects.toThrow("the disk failed");
    await expect(store.check()).rejects.toThrow("the disk failed");
    expect(faults.writes).toBe(0);
    await store.close();
    const again = await openStore(runtime.openSqlite(path));
    await again.recordIntent(intentOf(2));
    expect(await again.listRuns("acme", 10)).toHaveLength(1);
    await again.close();
  });

  it("keeps serving after a full disk has room again", async () => {
    const database = runtime.openSqlite(path);
    const store = await openStore(database);
    // Room for some runs beyond whatever the schema takes.
    const [{ pages }] = database.prepare("SELECT page_count AS pages FROM pragma_page_count").all([]) as [
      { readonly pages: number },
    ];
    database.exec(`PRAGMA max_page_count = ${pages + 10}`);
    const accepted: string[] = [];
    let refusals = 0;
    for (let n = 0; refusals < 3; n++) {
      const intent = { ...intentOf(n), predicate: "x".repeat(5000) };
      await store.recordIntent(intent).then(
        () => accepted.push(intent.run),
        () => refusals++,
      );
    }
    expect(accepted.length).toBeGreaterThan(0);
    database.exec("PRAGMA max_page_count = 4000");
    await store.recordIntent(intentOf(900));
    const stored = (await store.openRuns(Number.MAX_SAFE_INTEGER, 1000)).map(({ run }) => run);
    expect(stored).toEqual([...accepted, intentOf(900).run]);
    await store.close();
  });
});
