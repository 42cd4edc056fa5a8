/** The statements about the ledger; see `account-queries.ts`. */
import { type CompiledQuery, sql } from "kysely";
import type { RunCost } from "../ports/index.ts";
import { db } from "./queries.ts";

/** Books what a run cost, once: a second entry of one run is refused by the table. */
export function insertCost(run: string, digest: string, cost: RunCost): CompiledQuery {
  const { tenant, tool, purpose, task, fuel, egressBytes, wallMs, amount, atMs } = cost;
  return sql`
    insert into ledger (entry, kind, debit, credit, amount, tenant, tool, purpose, class, task, run, digest,
      fuel, egress_bytes, wall_ms, day, at_ms)
    values (${run}, ${"cost"}, ${"cost-of-runs"}, ${"resources"}, ${amount}, ${tenant}, ${tool}, ${purpose}, ${cost.class},
      ${task ?? null}, ${run}, ${digest}, ${fuel}, ${egressBytes}, ${wallMs}, ${dayOf(atMs)}, ${atMs})`.compile(
    db,
  );
}

/** UTC. */
export function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}
