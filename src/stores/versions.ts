/** Versions of tools: states as JSON under a revision that every change is guarded by. */
import type { ToolState } from "../core/rollout/index.ts";
import type { ToolAction, ToolVersion, VersionStore } from "../ports/index.ts";
import { all, type Database, type Lock, run } from "./database.ts";
import type { ToolActionsTable, ToolVersionsTable } from "./schema.ts";
import * as queries from "./version-queries.ts";

/** A gateway that nobody has seen for this long is forgotten by the next one that says something. */
const FORGOTTEN_MS = 3_600_000;

/** Versions in a database, beside the runs. */
export function createVersions(database: Database): VersionStore {
  return {
    generation: async () => (await database.read(queries.selectGeneration()))[0]?.generation ?? 0,
    async states() {
      // The generation first: what changes in between is then taken over once more, and never missed.
      const [row] = await database.read(queries.selectGeneration());
      const rows = await database.read(queries.selectStates());
      return { generation: row?.generation ?? 0, rows: rows.map(toStateRow) };
    },
    async record(version, bytes, decide, action) {
      const find = queries.selectVersionOf(version.tool, version.digest);
      const [known] = await database.read(find);
      if (known !== undefined) return { version: toVersion(known), isNew: false };
      return await database.write(
        function* () {
          const [found] = yield* all(find);
          if (found !== undefined) return { version: toVersion(found), isNew: false };
          yield* run(queries.insertComponent(version.component, bytes));
          const number = (yield* all(queries.insertVersion(version)))[0]?.number ?? 0;
          const [row] = (yield* all(queries.selectState(version.tool))).map(toStateRow);
          const next = decide(number, row?.state);
          if (next !== undefined) {
            const text = JSON.stringify(next);
            yield* run(
              row === undefined
                ? queries.insertState(version.tool, text)
                : queries.updateState(version.tool, row.revision, text),
            );
          }
          const after = next ?? row?.state;
          if (after !== undefined) {
            const before = row === undefined ? {} : { before: row.state };
            const { tool, seenAtMs: atMs } = version;
            yield* run(queries.insertAction({ ...action, tool, atMs, kind: "record", ...before, after }));
          }
          yield* run(queries.raiseGeneration());
          return { version: { ...version, number }, isNew: true };
        },
        [stateOf(version.tool)],
      );
    },
    findVersion: async (tool, number) =>
      (await database.read(queries.selectVersion(tool, number))).map(toVersion)[0],
    listVersions: async (tool, limit, before) =>
      (await database.read(queries.selectVersions(tool, limit, before))).map(toVersion),
    async findComponent(digest) {
      const [row] = await database.read(queries.selectComponent(digest));
      // A copy: what the driver gives may be a view of its own memory.
      return row && Uint8Array.from(row.bytes);
    },
    change: (revision, action) =>
      database.write(
        function* () {
          const text = JSON.stringify(action.after);
          if ((yield* run(queries.updateState(action.tool, revision, text))) !== 1) return false;
          yield* run(queries.insertAction(action));
          yield* run(queries.raiseGeneration());
          return true;
        },
        [stateOf(action.tool)],
      ),
    listActions: async (tool, limit, before) =>
      (await database.read(queries.selectActions(tool, limit, before))).map(toAction),
    unsignedActions: async (limit) =>
      (await database.read(queries.selectUnsignedActions(limit))).map(toAction),
    settleAction: (id, settledMs) =>
      database.write(function* () {
        yield* run(queries.insertSettlement(id, settledMs));
      }),
    acknowledge: (row) =>
      database.write(function* () {
        yield* run(queries.putGateway(row));
        yield* run(queries.deleteGatewaysBefore(row.seenAtMs - FORGOTTEN_MS));
      }),
    forget: (gateway) =>
      database.write(function* () {
        yield* run(queries.deleteGateway(gateway));
      }),
    listGateways: async (seenSinceMs) =>
      (await database.read(queries.selectGateways(seenSinceMs))).map((row) => ({
        gateway: row.gateway,
        generation: row.generation,
        seenAtMs: row.seen_at_ms,
      })),
  };
}

/** Whoever changes a tool's state, or gives it a version, takes this lock. */
function stateOf(tool: string): Lock {
  return { name: JSON.stringify(["tool-state", tool]) };
}

function toStateRow(row: { readonly state: string; readonly revision: number }) {
  // Written by ourselves, from a ToolState.
  const state: ToolState = JSON.parse(row.state);
  return { state, revision: row.revision };
}

function toVersion(row: ToolVersionsTable): ToolVersion {
  const { tool, number, digest, component, document, seen_at_ms } = row;
  return { tool, number, digest, component, document, seenAtMs: seen_at_ms };
}

function toAction(row: ToolActionsTable & { readonly settled_ms: number | null }): ToolAction {
  const { id, tool, at_ms, kind, by_whom, note, before_state, after_state, settled_ms } = row;
  // Written by ourselves, from ToolStates.
  const before: ToolState | undefined = before_state === null ? undefined : JSON.parse(before_state);
  const after: ToolState = JSON.parse(after_state);
  return {
    ...{ id, tool, atMs: at_ms, kind, by: by_whom, note, after },
    ...(before === undefined ? {} : { before }),
    ...(settled_ms === null ? {} : { settledMs: settled_ms }),
  };
}
