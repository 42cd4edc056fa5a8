/**
 * The migrations, as data: SQL in the words that SQLite and PostgreSQL share, and the rules that each says in its own.
 * What `TEXT`, `INTEGER`, `BLOB` and `STRICT` are in PostgreSQL is in `postgres/migrate.ts`.
 *
 * To change the schema, append a migration; see `schema.ts` for what it may do.
 */

/** A piece of a migration. */
export type Part =
  /** Statements that both understand, types apart. */
  | string
  /** Rows are added, and never changed or taken away. `same`: SQL that is true of rows that a new one must not replace. */
  | { readonly kind: "append-only"; readonly table: string; readonly same: string }
  /** What only one of them can be told in these words. */
  | { readonly kind: "sqlite" | "postgres"; readonly sql: string }
  /** Gateways of versions before this one can not work with the database from here on; the last resort. */
  | { readonly kind: "shut-out-older"; readonly oldest: number }
  /** Builds the log's tree over seals from before there was one. */
  | { readonly kind: "log-what-is-sealed" };

/** One version of the schema from the one before it. */
export type Migration = readonly Part[];

// The rules hold against our own bugs, not against whoever can write the database.
/** From an empty database to this version's schema. */
export const MIGRATIONS: readonly Migration[] = [
  [
    `
  CREATE TABLE runs (
    run TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL, tool TEXT NOT NULL, function TEXT NOT NULL,
    admitted_at_ms INTEGER NOT NULL, predicate TEXT NOT NULL
  ) STRICT;
  CREATE INDEX runs_by_tenant ON runs (tenant, run);
  CREATE TABLE seals (
    sequence INTEGER PRIMARY KEY NOT NULL CHECK (sequence >= 0), run TEXT NOT NULL UNIQUE REFERENCES runs (run),
    outcome TEXT NOT NULL, digest TEXT NOT NULL, bundle TEXT NOT NULL, sealed_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE open_runs (
    run TEXT PRIMARY KEY NOT NULL REFERENCES runs (run), admitted_at_ms INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX open_runs_by_age ON open_runs (admitted_at_ms, run);
  CREATE TABLE keys (
    id TEXT PRIMARY KEY NOT NULL, hash TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, tier TEXT NOT NULL,
    scopes TEXT NOT NULL, created_at_ms INTEGER NOT NULL, expires_at_ms INTEGER, revoked_at_ms INTEGER,
    label TEXT NOT NULL
  ) STRICT;
  CREATE TABLE probe (id INTEGER PRIMARY KEY NOT NULL CHECK (id = 0), beats INTEGER NOT NULL) STRICT;
  INSERT INTO probe (id, beats) VALUES (0, 0);
`,
    appendOnly("runs"),
    appendOnly("seals"),
    {
      kind: "sqlite",
      sql: `
  CREATE TRIGGER seals_have_no_gaps BEFORE INSERT ON seals
    WHEN NEW.sequence <> (SELECT coalesce(max(sequence), -1) + 1 FROM seals)
    BEGIN SELECT RAISE(ABORT, 'seals have no gaps'); END;
  CREATE TRIGGER open_runs_close_by_seal BEFORE DELETE ON open_runs
    WHEN NOT EXISTS (SELECT 1 FROM seals WHERE run = OLD.run)
    BEGIN SELECT RAISE(ABORT, 'open runs close by a seal'); END;
  `,
    },
    {
      kind: "postgres",
      // By statement, because seals come many at once; by commit, because a run leaves the open ones before its seal is
      // written.
      sql: `
  CREATE FUNCTION seals_have_no_gaps() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE first bigint; last bigint; many bigint;
    BEGIN
      SELECT min(sequence), max(sequence), count(*) INTO first, last, many FROM added;
      IF many > 0 AND (last - first + 1 <> many
        OR (first > 0 AND NOT EXISTS (SELECT 1 FROM seals WHERE sequence = first - 1))) THEN
        RAISE EXCEPTION 'seals have no gaps';
      END IF;
      RETURN NULL;
    END $$;
  CREATE TRIGGER seals_have_no_gaps AFTER INSERT ON seals REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION seals_have_no_gaps();
  CREATE FUNCTION open_runs_close_by_seal() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF NOT EXISTS (SELECT 1 FROM seals WHERE run = OLD.run) THEN
        RAISE EXCEPTION 'open runs close by a seal';
      END IF;
      RETURN NULL;
    END $$;
  CREATE CONSTRAINT TRIGGER open_runs_close_by_seal AFTER DELETE ON open_runs
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION open_runs_close_by_seal();
  `,
    },
  ],
  // Seals from before there was a log become entries that say so and name what was signed: no signature of theirs is
  // in the log, so no verifier takes them for logged manifests, but none can be taken away any more.
  [
    "ALTER TABLE seals ADD COLUMN entry TEXT NOT NULL DEFAULT '';",
    {
      kind: "sqlite",
      sql: `
  DROP TRIGGER seals_refuse_update;
  UPDATE seals SET entry = '{"apiVersion":"0.0.1","kind":"unlogged","spec":{"digest":"' || digest || '"}}';
  CREATE TRIGGER seals_refuse_update BEFORE UPDATE ON seals
    BEGIN SELECT RAISE(ABORT, 'seals are append-only'); END;
  `,
    },
    `
  CREATE TABLE tiles (
    level INTEGER NOT NULL CHECK (level >= 0), position INTEGER NOT NULL CHECK (position >= 0),
    hashes BLOB NOT NULL CHECK (length(hashes) = 8192), root BLOB NOT NULL CHECK (length(root) = 32),
    PRIMARY KEY (level, position)
  ) STRICT;
  CREATE TABLE heads (
    size INTEGER PRIMARY KEY NOT NULL CHECK (size > 0), root BLOB NOT NULL CHECK (length(root) = 32)
  ) STRICT;
`,
    { kind: "append-only", table: "tiles", same: "level = NEW.level AND position = NEW.position" },
    { kind: "append-only", table: "heads", same: "size >= NEW.size" },
    {
      kind: "postgres",
      sql: `
  CREATE FUNCTION heads_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF EXISTS (SELECT 1 FROM heads WHERE size >= NEW.size) THEN
        RAISE EXCEPTION 'heads are append-only';
      END IF;
      RETURN NEW;
    END $$;
  CREATE TRIGGER heads_only_grow BEFORE INSERT ON heads FOR EACH ROW EXECUTE FUNCTION heads_only_grow();
  `,
    },
  ],
  [{ kind: "log-what-is-sealed" }],
  [
    `
  CREATE TABLE items (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, kind TEXT NOT NULL, bucket TEXT NOT NULL, key TEXT NOT NULL,
    value BLOB NOT NULL, version INTEGER NOT NULL CHECK (version > 0), modified_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, tool, kind, bucket, key)
  ) STRICT;
  CREATE TABLE item_usage (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, kind TEXT NOT NULL, bytes INTEGER NOT NULL CHECK (bytes >= 0),
    items INTEGER NOT NULL CHECK (items >= 0), version INTEGER NOT NULL, PRIMARY KEY (tenant, tool, kind)
  ) STRICT;
  `,
  ],
  [
    `
  CREATE TABLE tenant_keys (tenant TEXT PRIMARY KEY NOT NULL, id TEXT NOT NULL, wrapped BLOB NOT NULL) STRICT;
  CREATE TABLE journals (
    run TEXT PRIMARY KEY NOT NULL REFERENCES runs (run), tenant TEXT NOT NULL, key_id TEXT NOT NULL,
    kept_at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL, content BLOB NOT NULL
  ) STRICT;
  CREATE INDEX journals_by_tenant ON journals (tenant, run);
  CREATE INDEX journals_by_expiry ON journals (expires_at_ms);
  CREATE TABLE erasures (
    run TEXT PRIMARY KEY NOT NULL, tenant TEXT NOT NULL, at_ms INTEGER NOT NULL, why TEXT NOT NULL
  ) STRICT;
`,
    { kind: "append-only", table: "erasures", same: "run = NEW.run" },
  ],
  // A component is what its digest says, whoever wrote it: it is checked when it is used, and needs no rule.
  [
    `
  CREATE TABLE components (digest TEXT PRIMARY KEY NOT NULL, bytes BLOB NOT NULL) STRICT;
  CREATE TABLE tool_versions (
    tool TEXT NOT NULL, number INTEGER NOT NULL CHECK (number > 0), digest TEXT NOT NULL,
    component TEXT NOT NULL REFERENCES components (digest), document TEXT NOT NULL, seen_at_ms INTEGER NOT NULL,
    PRIMARY KEY (tool, number), UNIQUE (tool, digest)
  ) STRICT;
  CREATE TABLE tool_states (tool TEXT PRIMARY KEY NOT NULL, state TEXT NOT NULL, revision INTEGER NOT NULL) STRICT;
  CREATE TABLE tool_generation (id INTEGER PRIMARY KEY NOT NULL CHECK (id = 0), generation INTEGER NOT NULL) STRICT;
  INSERT INTO tool_generation (id, generation) VALUES (0, 0);
  CREATE TABLE tool_actions (
    id TEXT PRIMARY KEY NOT NULL, tool TEXT NOT NULL, at_ms INTEGER NOT NULL, kind TEXT NOT NULL,
    by_whom TEXT NOT NULL, note TEXT NOT NULL, before_state TEXT, after_state TEXT NOT NULL
  ) STRICT;
  CREATE INDEX tool_actions_by_tool ON tool_actions (tool, id);
  CREATE TABLE tool_settlements (action TEXT PRIMARY KEY NOT NULL, settled_ms INTEGER NOT NULL) STRICT;
  CREATE TABLE gateways (
    gateway TEXT PRIMARY KEY NOT NULL, generation INTEGER NOT NULL, seen_at_ms INTEGER NOT NULL
  ) STRICT;
`,
    {
      kind: "append-only",
      table: "tool_versions",
      same: "tool = NEW.tool AND (number = NEW.number OR digest = NEW.digest)",
    },
    { kind: "append-only", table: "tool_actions", same: "id = NEW.id" },
  ],
  [
    "CREATE TABLE claims (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) STRICT;",
    { kind: "append-only", table: "claims", same: "name = NEW.name" },
  ],
  // What is held of a window can not go below zero: a lease that was given back twice would be a run beyond the limit.
  [
    `
  CREATE TABLE budget_windows (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, class TEXT NOT NULL, per_seconds INTEGER NOT NULL,
    starts_at_ms INTEGER NOT NULL, ends_at_ms INTEGER NOT NULL, runs INTEGER NOT NULL CHECK (runs >= 0),
    fuel INTEGER NOT NULL CHECK (fuel >= 0), egress_bytes INTEGER NOT NULL CHECK (egress_bytes >= 0),
    wall_ms INTEGER NOT NULL CHECK (wall_ms >= 0),
    PRIMARY KEY (tenant, tool, class, per_seconds, starts_at_ms)
  ) STRICT;
  CREATE INDEX budget_windows_by_end ON budget_windows (ends_at_ms);
  CREATE TABLE leases (
    run TEXT PRIMARY KEY NOT NULL REFERENCES runs (run), expires_at_ms INTEGER NOT NULL, held TEXT NOT NULL
  ) STRICT;
  CREATE INDEX leases_by_expiry ON leases (expires_at_ms);
  CREATE TABLE idempotency_keys (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, function TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
    run TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL, key_id TEXT, content BLOB,
    PRIMARY KEY (tenant, tool, function, key)
  ) STRICT;
  CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at_ms);
  CREATE TABLE attempts (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, function TEXT NOT NULL, fingerprint TEXT NOT NULL,
    run TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL, PRIMARY KEY (tenant, tool, function, fingerprint)
  ) STRICT;
  CREATE INDEX attempts_by_age ON attempts (at_ms);
  CREATE TABLE retry_budgets (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, operation TEXT NOT NULL, state TEXT NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, tool, operation)
  ) STRICT;
  CREATE TABLE task_loops (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, task TEXT NOT NULL, low INTEGER NOT NULL, last_at_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, PRIMARY KEY (tenant, tool, task)
  ) STRICT;
  CREATE INDEX task_loops_by_age ON task_loops (at_ms);
  CREATE TABLE last_good (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, function TEXT NOT NULL, input TEXT NOT NULL, run TEXT NOT NULL,
    key_id TEXT NOT NULL, content BLOB NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, tool, function, input)
  ) STRICT;
  CREATE INDEX last_good_by_age ON last_good (at_ms);
  CREATE INDEX last_good_by_run ON last_good (run);
  CREATE TABLE ledger (
    entry TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('cost', 'bill')), debit TEXT NOT NULL,
    credit TEXT NOT NULL CHECK (credit <> debit), amount INTEGER NOT NULL CHECK (amount >= 0), tenant TEXT NOT NULL,
    tool TEXT NOT NULL, purpose TEXT NOT NULL, class TEXT NOT NULL, task TEXT, run TEXT UNIQUE, digest TEXT,
    fuel INTEGER NOT NULL, egress_bytes INTEGER NOT NULL, wall_ms INTEGER NOT NULL, day TEXT NOT NULL,
    at_ms INTEGER NOT NULL, CHECK ((kind = 'cost') = (run IS NOT NULL))
  ) STRICT;
  CREATE INDEX ledger_by_day ON ledger (tenant, day, entry);
  CREATE INDEX ledger_by_task ON ledger (tenant, task) WHERE task IS NOT NULL;
  CREATE UNIQUE INDEX ledger_bills_once ON ledger (tenant, task, tool) WHERE kind = 'bill';
`,
    { kind: "append-only", table: "ledger", same: "entry = NEW.entry OR run = NEW.run" },
    `
  CREATE TABLE task_outcomes (
    tenant TEXT NOT NULL, task TEXT NOT NULL, outcome TEXT NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, task)
  ) STRICT;
`,
    { kind: "append-only", table: "task_outcomes", same: "tenant = NEW.tenant AND task = NEW.task" },
  ],
  [
    `
  CREATE TABLE measures (
    resolution_ms INTEGER NOT NULL, at_ms INTEGER NOT NULL, tool TEXT NOT NULL, version TEXT NOT NULL,
    measure TEXT NOT NULL, key TEXT NOT NULL, count INTEGER NOT NULL,
    PRIMARY KEY (resolution_ms, at_ms, tool, version, measure, key)
  ) STRICT;
  CREATE TABLE alerts (
    name TEXT PRIMARY KEY NOT NULL, firing INTEGER NOT NULL, since_ms INTEGER NOT NULL, change INTEGER NOT NULL,
    told INTEGER NOT NULL, attempts INTEGER NOT NULL, claimed_until_ms INTEGER NOT NULL, detail TEXT NOT NULL
  ) STRICT;
  `,
  ],
  // Rows that come and go with each run: what a run waits for at its commits is the number of pages that they touch. These
  // tables are as small as what is under way, so reading all of one costs less than keeping another index of it.
  [
    `
  DROP INDEX open_runs_by_age;
  DROP INDEX leases_by_expiry;
  DROP INDEX attempts_by_age;
  `,
    { kind: "postgres", sql: "ALTER TABLE attempts DROP CONSTRAINT attempts_run_key;" },
    {
      kind: "sqlite",
      sql: `
  CREATE TABLE open_runs_2 (
    run TEXT PRIMARY KEY NOT NULL REFERENCES runs (run), admitted_at_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO open_runs_2 (run, admitted_at_ms) SELECT run, admitted_at_ms FROM open_runs;
  DROP TRIGGER open_runs_close_by_seal;
  DROP TABLE open_runs;
  ALTER TABLE open_runs_2 RENAME TO open_runs;
  CREATE TRIGGER open_runs_close_by_seal BEFORE DELETE ON open_runs
    WHEN NOT EXISTS (SELECT 1 FROM seals WHERE run = OLD.run)
    BEGIN SELECT RAISE(ABORT, 'open runs close by a seal'); END;
  CREATE TABLE leases_2 (
    run TEXT PRIMARY KEY NOT NULL REFERENCES runs (run), expires_at_ms INTEGER NOT NULL, held TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO leases_2 (run, expires_at_ms, held) SELECT run, expires_at_ms, held FROM leases;
  DROP TABLE leases;
  ALTER TABLE leases_2 RENAME TO leases;
  CREATE TABLE attempts_2 (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, function TEXT NOT NULL, fingerprint TEXT NOT NULL,
    run TEXT NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (tenant, tool, function, fingerprint)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO attempts_2 (tenant, tool, function, fingerprint, run, at_ms)
    SELECT tenant, tool, function, fingerprint, run, at_ms FROM attempts;
  DROP TABLE attempts;
  ALTER TABLE attempts_2 RENAME TO attempts;
  `,
    },
  ],
  // Read and written by every run that claims: one tree each in SQLite, and so one way down instead of two.
  [
    {
      kind: "sqlite",
      sql: `
  CREATE TABLE budget_windows_2 (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, class TEXT NOT NULL, per_seconds INTEGER NOT NULL,
    starts_at_ms INTEGER NOT NULL, ends_at_ms INTEGER NOT NULL, runs INTEGER NOT NULL CHECK (runs >= 0),
    fuel INTEGER NOT NULL CHECK (fuel >= 0), egress_bytes INTEGER NOT NULL CHECK (egress_bytes >= 0),
    wall_ms INTEGER NOT NULL CHECK (wall_ms >= 0),
    PRIMARY KEY (tenant, tool, class, per_seconds, starts_at_ms)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO budget_windows_2 SELECT tenant, tool, class, per_seconds, starts_at_ms, ends_at_ms, runs, fuel,
    egress_bytes, wall_ms FROM budget_windows;
  DROP TABLE budget_windows;
  ALTER TABLE budget_windows_2 RENAME TO budget_windows;
  CREATE INDEX budget_windows_by_end ON budget_windows (ends_at_ms);
  CREATE TABLE retry_budgets_2 (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, operation TEXT NOT NULL, state TEXT NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, tool, operation)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO retry_budgets_2 SELECT tenant, tool, operation, state, at_ms FROM retry_budgets;
  DROP TABLE retry_budgets;
  ALTER TABLE retry_budgets_2 RENAME TO retry_budgets;
  CREATE TABLE task_loops_2 (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, task TEXT NOT NULL, low INTEGER NOT NULL, last_at_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, PRIMARY KEY (tenant, tool, task)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO task_loops_2 SELECT tenant, tool, task, low, last_at_ms, at_ms FROM task_loops;
  DROP TABLE task_loops;
  ALTER TABLE task_loops_2 RENAME TO task_loops;
  CREATE INDEX task_loops_by_age ON task_loops (at_ms);
  `,
    },
  ],
  [
    "CREATE TABLE key_acts (id TEXT PRIMARY KEY NOT NULL, act TEXT NOT NULL) STRICT;",
    { kind: "append-only", table: "key_acts", same: "id = NEW.id" },
  ],
  // What every run is entered in, and every key put under: one tree less each in SQLite, and in the ledger another, for a
  // cost goes by the name of its run and the first column keeps both apart.
  [
    {
      kind: "sqlite",
      sql: `
  CREATE TABLE ledger_2 (
    entry TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL CHECK (kind IN ('cost', 'bill')), debit TEXT NOT NULL,
    credit TEXT NOT NULL CHECK (credit <> debit), amount INTEGER NOT NULL CHECK (amount >= 0), tenant TEXT NOT NULL,
    tool TEXT NOT NULL, purpose TEXT NOT NULL, class TEXT NOT NULL, task TEXT, run TEXT CHECK (run = entry), digest TEXT,
    fuel INTEGER NOT NULL, egress_bytes INTEGER NOT NULL, wall_ms INTEGER NOT NULL, day TEXT NOT NULL,
    at_ms INTEGER NOT NULL, CHECK ((kind = 'cost') = (run IS NOT NULL))
  ) STRICT, WITHOUT ROWID;
  INSERT INTO ledger_2 SELECT entry, kind, debit, credit, amount, tenant, tool, purpose, class, task, run, digest, fuel,
    egress_bytes, wall_ms, day, at_ms FROM ledger;
  DROP TABLE ledger;
  ALTER TABLE ledger_2 RENAME TO ledger;
  CREATE INDEX ledger_by_day ON ledger (tenant, day, entry);
  CREATE INDEX ledger_by_task ON ledger (tenant, task) WHERE task IS NOT NULL;
  CREATE UNIQUE INDEX ledger_bills_once ON ledger (tenant, task, tool) WHERE kind = 'bill';
  CREATE TRIGGER ledger_refuse_update BEFORE UPDATE ON ledger
    BEGIN SELECT RAISE(ABORT, 'ledger are append-only'); END;
  CREATE TRIGGER ledger_refuse_delete BEFORE DELETE ON ledger
    BEGIN SELECT RAISE(ABORT, 'ledger are append-only'); END;
  CREATE TRIGGER ledger_refuse_replace BEFORE INSERT ON ledger
    WHEN EXISTS (SELECT 1 FROM ledger WHERE entry = NEW.entry)
    BEGIN SELECT RAISE(ABORT, 'ledger are append-only'); END;
  CREATE TABLE idempotency_keys_2 (
    tenant TEXT NOT NULL, tool TEXT NOT NULL, function TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL,
    run TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL, expires_at_ms INTEGER NOT NULL, key_id TEXT, content BLOB,
    PRIMARY KEY (tenant, tool, function, key)
  ) STRICT, WITHOUT ROWID;
  INSERT INTO idempotency_keys_2 SELECT tenant, tool, function, key, body, run, at_ms, expires_at_ms, key_id, content
    FROM idempotency_keys;
  DROP TABLE idempotency_keys;
  ALTER TABLE idempotency_keys_2 RENAME TO idempotency_keys;
  CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at_ms);
  `,
    },
  ],
];

/** Of a table whose rows are each about one run. */
function appendOnly(table: "runs" | "seals"): Part {
  const key = table === "runs" ? "run" : "sequence";
  return { kind: "append-only", table, same: `${key} = NEW.${key} OR run = NEW.run` };
}
