/** The statements about versions of tools; see `queries.ts`. */
import { sql } from "kysely";
import type { GatewayRow, ToolAction, ToolVersion } from "../ports/index.ts";
import { db } from "./queries.ts";

const VERSION = ["tool", "number", "digest", "component", "document", "seen_at_ms"] as const;
const STATE = ["tool", "state", "revision"] as const;

const GENERATION = db.selectFrom("tool_generation").select("generation").compile();

/** How often anything was changed. */
export function selectGeneration() {
  return GENERATION;
}

/** Counts a change. */
export function raiseGeneration() {
  return db.updateTable("tool_generation").set({ generation: sql<number>`generation + 1` }).compile();
}

/** States of all tools, by name. */
export function selectStates() {
  return db.selectFrom("tool_states").select(STATE).orderBy("tool").compile();
}

/** State of one tool. */
export function selectState(tool: string) {
  return db.selectFrom("tool_states").select(STATE).where("tool", "=", tool).compile();
}

/** A tool's first state. */
export function insertState(tool: string, state: string) {
  return db.insertInto("tool_states").values({ tool, state, revision: 1 }).compile();
}

/** Changes a state: one row exactly when nobody changed it since that revision. */
export function updateState(tool: string, revision: number, state: string) {
  return db
    .updateTable("tool_states")
    .set({ state, revision: revision + 1 })
    .where("tool", "=", tool)
    .where("revision", "=", revision)
    .compile();
}

/** The version of a digest. */
export function selectVersionOf(tool: string, digest: string) {
  return db
    .selectFrom("tool_versions")
    .select(VERSION)
    .where("tool", "=", tool)
    .where("digest", "=", digest)
    .compile();
}

/** One version. */
export function selectVersion(tool: string, number: number) {
  return db
    .selectFrom("tool_versions")
    .select(VERSION)
    .where("tool", "=", tool)
    .where("number", "=", number)
    .compile();
}

/** Versions of a tool, newest first. */
export function selectVersions(tool: string, limit: number, before: number | undefined) {
  let query = db.selectFrom("tool_versions").select(VERSION).where("tool", "=", tool);
  if (before !== undefined) query = query.where("number", "<", before);
  return query.orderBy("number", "desc").limit(limit).compile();
}

/** Adds a version under the tool's next number, and gives that number. */
export function insertVersion({ tool, digest, component, document, seenAtMs }: Omit<ToolVersion, "number">) {
  const next = sql<number>`(select coalesce(max(number), 0) + 1 from tool_versions where tool = ${tool})`;
  return db
    .insertInto("tool_versions")
    .values({ tool, number: next, digest, component, document, seen_at_ms: seenAtMs })
    .returning("number")
    .compile();
}

/** Keeps a component; one of that digest is the same. */
export function insertComponent(digest: string, bytes: Uint8Array) {
  return db
    .insertInto("components")
    .values({ digest, bytes })
    .onConflict((conflict) => conflict.doNothing())
    .compile();
}

/** Bytes of a component. */
export function selectComponent(digest: string) {
  return db.selectFrom("components").select("bytes").where("digest", "=", digest).compile();
}

/** Remembers an action. */
export function insertAction({ id, tool, atMs, kind, by, note, before, after }: ToolAction) {
  return db
    .insertInto("tool_actions")
    .values({
      id,
      tool,
      at_ms: atMs,
      kind,
      by_whom: by,
      note,
      before_state: before === undefined ? null : JSON.stringify(before),
      after_state: JSON.stringify(after),
    })
    .compile();
}

/** Actions, newest first: ids are ordered by time. */
export function selectActions(tool: string | undefined, limit: number, before: string | undefined) {
  let query = actions();
  if (tool !== undefined) query = query.where("tool_actions.tool", "=", tool);
  if (before !== undefined) query = query.where("tool_actions.id", "<", before);
  return query.orderBy("tool_actions.id", "desc").limit(limit).compile();
}

/** Actions that are no entry of the log. One that is has the same name there. */
export function selectUnsignedActions(limit: number) {
  return actions()
    .leftJoin("runs", "runs.run", "tool_actions.id")
    .where("runs.run", "is", null)
    .orderBy("tool_actions.id")
    .limit(limit)
    .compile();
}

/** Notes what an action took; the first word stays. */
export function insertSettlement(action: string, settledMs: number) {
  return db
    .insertInto("tool_settlements")
    .values({ action, settled_ms: settledMs })
    .onConflict((conflict) => conflict.doNothing())
    .compile();
}

/** Writes that a gateway is there. */
export function putGateway({ gateway, generation, seenAtMs }: GatewayRow) {
  const changed = { generation, seen_at_ms: seenAtMs };
  return db
    .insertInto("gateways")
    .values({ gateway, ...changed })
    .onConflict((row) => row.column("gateway").doUpdateSet(changed))
    .compile();
}

/** Takes a gateway away. */
export function deleteGateway(gateway: string) {
  return db.deleteFrom("gateways").where("gateway", "=", gateway).compile();
}

/** Takes gateways away that were last seen before. */
export function deleteGatewaysBefore(seenBeforeMs: number) {
  return db.deleteFrom("gateways").where("seen_at_ms", "<", seenBeforeMs).compile();
}

/** Gateways that were seen since. */
export function selectGateways(seenSinceMs: number) {
  return db
    .selectFrom("gateways")
    .select(["gateway", "generation", "seen_at_ms"])
    .where("seen_at_ms", ">=", seenSinceMs)
    .orderBy("gateway")
    .compile();
}

function actions() {
  return db
    .selectFrom("tool_actions")
    .leftJoin("tool_settlements", "tool_settlements.action", "tool_actions.id")
    .select([
      "tool_actions.id",
      "tool_actions.tool",
      "tool_actions.at_ms",
      "tool_actions.kind",
      "tool_actions.by_whom",
      "tool_actions.note",
      "tool_actions.before_state",
      "tool_actions.after_state",
      "tool_settlements.settled_ms",
    ]);
}
