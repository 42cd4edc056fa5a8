/**
 * What gateways' folders had of a tool, in the order in which one of them was first to have it. Folders of many gateways
 * are written one after another, and an operator may have spoken in between: what a gateway's folder comes to is news
 * only where it leads on from here, and not where it catches up with what another gateway's had before.
 *
 * A gateway knows its place in that order: how many of it are behind it. It is not kept: one that starts is put where its
 * folder's version stood last, and what it starts with changes nothing.
 */
import { command } from "./command.ts";
import type { FolderHistory, ToolState } from "./types.ts";

/** How much of the order is kept: a gateway that is further behind than this is put at its beginning. */
const MOST_KEPT = 32;
const NONE: FolderHistory = { count: 0, versions: [] };

/** What a folder's version means. */
export interface Followed {
  /** The gateway's place from now on. */
  readonly place: number;
  /** What the state is to become; absent = nothing is news. */
  readonly next?: ToolState;
}

/** @returns the place of a gateway that starts with that version in its folder */
export function placeAtStart({ folders = NONE }: ToolState, version: number): number {
  const at = folders.versions.lastIndexOf(version);
  return at < 0 ? folders.count : firstOf(folders) + at + 1;
}

/**
 * A folder has come to another version.
 *
 * @param place of its gateway
 * @param newest highest version number that the tool has
 * @param activate whether the operator lets folders activate; while a canary is looked at they wait all the same
 * @returns `next` where it is news, whether or not it activates anything: those who come later have to know
 *
 * @example
 * ```ts
 * const first = { tool: "hash", active: 1, activatedAtMs: 0, earlier: [], floors: [] };
 * const { place, next } = followFolder(first, 2, 0, 2, true, 5);
 * next?.active; // 2
 * ```
 */
export function followFolder(
  state: ToolState,
  version: number,
  place: number,
  newest: number,
  activate: boolean,
  atMs: number,
): Followed {
  const { folders = NONE } = state;
  const behind = Math.max(0, place - firstOf(folders));
  const caughtUp = folders.versions.indexOf(version, behind);
  if (caughtUp >= 0) return { place: firstOf(folders) + caughtUp + 1 };
  const count = folders.count + 1;
  const known: ToolState = {
    ...state,
    folders: { count, versions: [...folders.versions, version].slice(-MOST_KEPT) },
  };
  if (!activate || state.canary !== undefined) return { place: count, next: known };
  const commanded = command(known, { kind: "activate", version }, newest, atMs);
  return { place: count, next: commanded.kind === "changed" ? commanded.next : known };
}

/** Whether the order ends with that version: nobody's folder is known to have come further. */
export function endsWith({ folders = NONE }: ToolState, version: number): boolean {
  return folders.versions.at(-1) === version;
}

/** How many are no longer kept. */
function firstOf({ count, versions }: FolderHistory): number {
  return count - versions.length;
}
