/** Where versions of tools, evidence and clock meet: the board of a gateway, and the operator's hand on it. */
import type { DataPlace, Tools } from "../cli/index.ts";
import type { ComponentDescription } from "../core/component/index.ts";
import { toHex } from "../core/digest.ts";
import { beginRounds } from "../core/rounds.ts";
import type { SloReport } from "../core/slo/index.ts";
import type { Evidence } from "../evidence/index.ts";
import { ActionKeeper, newActionId, type Versions } from "../gateway/index.ts";
import type { Runtime, Store } from "../ports/index.ts";
import { type Board, commandTool, createBoard, type RegistrySource, type Tool } from "../registry/index.ts";
import { databaseOf, openExisting } from "./place.ts";
import { readSloSettings, reportSlos } from "./slo.ts";

/** Pause between two looks at what operators did and nobody has signed. */
const ACTIONS_MS = 500;
/** A gateway that was not seen for this long is taken for dead; see the board's heartbeat. */
const GONE_MS = 15_000;
/** How long a command waits for the gateways. */
const WAIT_MS = 5_000;
const ASK_MS = 50;

/** What a gateway's board is made of. */
export interface VersionParts {
  readonly runtime: Pick<Runtime, "clock" | "entropy">;
  readonly registry: RegistrySource;
  readonly store: Store;
  readonly evidence: Evidence;
  readonly versions: Versions;
  readonly offer: ComponentDescription;
  readonly activateNew: boolean;
  readonly warm: (tool: Tool) => Promise<void>;
  readonly log: (line: object) => void;
}

/** The board of what is in force, and the record of what operators do. */
export function openVersions(parts: VersionParts): { readonly board: Board; stop(): Promise<void> } {
  const { store, log } = parts;
  const { clock, entropy } = parts.runtime;
  const board = createBoard({
    ...parts,
    clock,
    offered: parts.registry,
    versions: store.versions,
    gateway: `gw_${toHex(entropy.bytes(8))}`,
    newActionId: () => newActionId(clock, entropy),
  });
  const keeper = new ActionKeeper({ ...parts, clock });
  const stopKeeping = beginRounds({
    clock,
    everyMs: () => ACTIONS_MS,
    atOnce: true,
    work: () => keeper.round(),
    onError: (error) => log({ event: "actions-not-kept", error: String(error) }),
  });
  return {
    board,
    async stop() {
      await stopKeeping();
      await board.stop();
    },
  };
}

/**
 * How service levels stand, by the database and the operator's file.
 *
 * @throws {Error} when there is no data, or the file is not understood
 */
export async function openReport(
  runtime: Runtime,
  place: DataPlace,
  sloFile: string | undefined,
): Promise<SloReport> {
  const { file } = await readSloSettings(runtime, sloFile, place.dataFolder);
  const store = await openExisting(runtime, databaseOf(place), "service levels");
  try {
    return await reportSlos(runtime, store, file);
  } finally {
    await store.close();
  }
}

/** @throws {Error} when there is no data, so that a wrong folder does not look like one without tools */
export async function openTools(runtime: Runtime, place: DataPlace): Promise<Tools> {
  const { clock, entropy } = runtime;
  const store = await openExisting(runtime, databaseOf(place), "tools");
  const { versions } = store;
  return {
    states: () => versions.states(),
    listVersions: (tool, limit, before) => versions.listVersions(tool, limit, before),
    findVersion: (tool, number) => versions.findVersion(tool, number),
    listActions: (tool, limit, before) => versions.listActions(tool, limit, before),
    async command(tool, asked, note) {
      // The database's time: how long gateways take to obey is counted from it.
      const atMs = await store.nowMs();
      const id = newActionId({ ...clock, nowMs: () => atMs }, entropy);
      return await commandTool(versions, tool, asked, { id, atMs, by: "cli", note });
    },
    async inForce(generation) {
      const until = clock.monotonicMs() + WAIT_MS;
      for (;;) {
        const gateways = await versions.listGateways((await store.nowMs()) - GONE_MS);
        const behind = gateways.filter((row) => row.generation < generation).map(({ gateway }) => gateway);
        if (behind.length === 0 || clock.monotonicMs() > until)
          return { gateways: gateways.length - behind.length, behind };
        await new Promise<void>((resolve) => void clock.after(ASK_MS, resolve));
      }
    },
    close: () => store.close(),
  };
}
