/**
 * Statements that only PostgreSQL has: a whole group in each, columns as arrays, so that the number of statements does
 * not grow with the group. Values are parameters here too.
 */
import type { Intent, PostgresQuery, Seal } from "../../ports/index.ts";
import { KEY_COLUMNS } from "../queries.ts";

const INTENT_COLUMNS = "run, tenant, tool, function, admitted_at_ms, predicate";
const INTENT_ARRAYS = "unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])";

/** Admits runs, and does not wait for the disk. @returns a query that gives the runs that were not there before */
export function insertIntents(intents: readonly Intent[]): PostgresQuery {
  return {
    name: "writ_intents",
    // What is set for a transaction holds for its commit; the server evaluates what is referred to.
    text: `WITH unsynced AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)), added AS (
        INSERT INTO runs (${INTENT_COLUMNS}) SELECT intents.* FROM ${INTENT_ARRAYS} AS intents, unsynced
        ON CONFLICT (run) DO NOTHING RETURNING run, admitted_at_ms)
      INSERT INTO open_runs (run, admitted_at_ms) SELECT run, admitted_at_ms FROM added RETURNING run`,
    values: columnsOf(intents),
  };
}

/** Writes runs among the open ones as they are. @returns a query that gives those that are among them */
export function rewriteOpenRuns(runs: readonly string[]): PostgresQuery {
  return {
    name: "writ_rewrite",
    text: "UPDATE open_runs SET admitted_at_ms = admitted_at_ms WHERE run = ANY($1::text[]) RETURNING run",
    values: [runs],
  };
}

/** Adds runs that were never open. @returns a query that gives those that were not there before */
export function insertRefused(intents: readonly Intent[]): PostgresQuery {
  return {
    name: "writ_refused",
    text: `INSERT INTO runs (${INTENT_COLUMNS}) SELECT * FROM ${INTENT_ARRAYS}
      ON CONFLICT (run) DO NOTHING RETURNING run`,
    values: columnsOf(intents),
  };
}

/** Keys by their hashes: every request asks for one. @returns a query that gives those that there are */
export function selectKeysOf(hashes: readonly string[]): PostgresQuery {
  return {
    name: "writ_keys",
    text: `SELECT ${KEY_COLUMNS.join(", ")} FROM keys WHERE hash = ANY($1::text[])`,
    values: [hashes],
  };
}

/** Takes runs from the open ones. @returns a query that gives those that were among them */
export function closeRuns(runs: readonly string[]): PostgresQuery {
  return {
    name: "writ_close",
    text: "DELETE FROM open_runs WHERE run = ANY($1::text[]) RETURNING run",
    values: [runs],
  };
}

/** Ends leases: whoever gets the rows is the one that gives back. @returns a query that gives those that there were */
export function endLeases(runs: readonly string[]): PostgresQuery {
  return {
    name: "writ_leases",
    text: "DELETE FROM leases WHERE run = ANY($1::text[]) RETURNING run, held",
    values: [runs],
  };
}

/** Adds seals under consecutive numbers. */
export function insertSeals(first: number, seals: readonly Seal[]): PostgresQuery {
  return {
    name: "writ_seals",
    text: `INSERT INTO seals (sequence, run, outcome, digest, bundle, entry, sealed_at_ms)
      SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[])`,
    values: [
      seals.map((_, index) => first + index),
      seals.map(({ run }) => run),
      seals.map(({ outcome }) => outcome),
      seals.map(({ digest }) => digest),
      seals.map(({ bundle }) => bundle),
      seals.map(({ entry }) => entry),
      seals.map(({ sealedAtMs }) => sealedAtMs),
    ],
  };
}

function columnsOf(intents: readonly Intent[]): readonly (readonly unknown[])[] {
  return [
    intents.map(({ run }) => run),
    intents.map(({ tenant }) => tenant),
    intents.map(({ tool }) => tool),
    intents.map((intent) => intent.function),
    intents.map(({ admittedAtMs }) => admittedAtMs),
    intents.map(({ predicate }) => predicate),
  ];
}
