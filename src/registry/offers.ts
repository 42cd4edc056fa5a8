/**
 * Offers what a gateway's own folder has, and follows it where it leads: a version that nobody had before is recorded,
 * and one that the folder went back to is put in force again. What another gateway's folder had first is no news here,
 * however late this one comes to it: whatever an operator said in between stands.
 */
import { endsWith, firstState, followFolder, placeAtStart, type ToolState } from "../core/rollout/index.ts";
import type { Clock, ToolStateRow, ToolVersion, VersionStore } from "../ports/index.ts";
import type { Registry, Tool } from "./registry.ts";
import { describeVersion } from "./version.ts";

/**
 * A gateway whose folder has said for so long what the newest did is not behind it: it missed a change that was gone
 * before it looked. Copies of a folder may be written minutes apart, a cluster's config maps among them.
 */
const SETTLED_MS = 300_000;
/** Gateways that follow at once see each other's change; more than this many at once look again in a moment. */
const ATTEMPTS = 5;

/** What offers are made of. */
export interface OfferParts {
  readonly versions: VersionStore;
  /** Shared by all gateways of a database. */
  readonly clock: Clock;
  /** This gateway's name among the others; another one at each start. */
  readonly gateway: string;
  /** Whether folders activate what they have, or it waits for the operator. */
  readonly activateNew: boolean;
  /** @returns a new action's id */
  readonly newActionId: () => string;
  readonly log: (line: object) => void;
}

/** Where this gateway's folder stands, for one tool. */
interface Standing {
  readonly version: number;
  /** See `core/rollout/folder.ts`. */
  readonly place: number;
  readonly sinceMs: number;
}

/** The offers of one gateway. */
export class Offers {
  readonly #parts: OfferParts;
  #offered: Registry | undefined;
  #standings: ReadonlyMap<string, Standing> = new Map();

  constructor(parts: OfferParts) {
    this.#parts = parts;
  }

  /** What was offered last. */
  get offered(): Registry | undefined {
    return this.#offered;
  }

  /**
   * Offers all of them. What fails in the middle is done again with the next call: what was written by then is no news.
   *
   * @throws whatever the store throws
   */
  async offer(registry: Registry): Promise<void> {
    const standings = new Map<string, Standing>();
    for (const tool of registry.tools) standings.set(tool.name, await this.#offerTool(tool));
    this.#offered = registry;
    this.#standings = standings;
  }

  async #offerTool(tool: Tool): Promise<Standing> {
    const { versions, clock, activateNew, newActionId, gateway, log } = this.#parts;
    const sinceMs = clock.monotonicMs();
    const { policyIds: _, ...version } = describeVersion(tool, clock.nowMs());
    const standing = this.#standings.get(tool.name);
    let place = 0;
    const decide = (number: number, state: ToolState | undefined) => {
      const next = withNew(state, tool.name, number, version.seenAtMs, activateNew);
      place = next.folders?.count ?? 0;
      return next;
    };
    const action = { id: newActionId(), by: `gateway:${gateway}`, note: "seen for the first time" };
    const { version: kept, isNew } = await versions.record(version, tool.component.bytes, decide, action);
    if (isNew) {
      log({ event: "version-recorded", tool: tool.name, version: kept.number });
      return { version: kept.number, place, sinceMs };
    }
    if (standing === undefined) {
      const row = await this.#find(tool.name);
      return { version: kept.number, place: row ? placeAtStart(row.state, kept.number) : 0, sinceMs };
    }
    if (standing.version === kept.number) return standing;
    return { version: kept.number, place: await this.#follow(standing, kept), sinceMs };
  }

  /** @returns the place of this gateway from now on */
  async #follow(standing: Standing, { tool, number }: ToolVersion): Promise<number> {
    const { versions, clock, activateNew, newActionId, gateway, log } = this.#parts;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const row = await this.#find(tool);
      if (row === undefined) break;
      const { state: before, revision } = row;
      const isSettled = clock.monotonicMs() - standing.sinceMs >= SETTLED_MS;
      const isNewest = isSettled && endsWith(before, standing.version);
      const from = isNewest ? (before.folders?.count ?? 0) : standing.place;
      const [newest] = await versions.listVersions(tool, 1);
      const atMs = clock.nowMs();
      const { place, next } = followFolder(before, number, from, newest?.number ?? 0, activateNew, atMs);
      if (next === undefined) {
        // Also where an operator chose another one since: who changed the folder must not wonder.
        if (before.active !== number)
          log({ event: "version-held", tool, version: number, active: before.active });
        return place;
      }
      const kind = next.active === before.active ? "record" : "activate";
      const note = "its folder went back to it";
      const action = { id: newActionId(), tool, atMs, kind, by: `gateway:${gateway}`, note };
      if (await versions.change(revision, { ...action, before, after: next })) return place;
    }
    throw new Error(`Cannot offer version ${number} of "${tool}": others change it at the same time`);
  }

  async #find(tool: string): Promise<ToolStateRow | undefined> {
    return (await this.#parts.versions.states()).rows.find(({ state }) => state.tool === tool);
  }
}

/** While a canary is looked at, or the operator wants it so, a new version waits. */
function withNew(
  state: ToolState | undefined,
  tool: string,
  number: number,
  atMs: number,
  activateNew: boolean,
): ToolState {
  if (state === undefined) return firstState(tool, number, atMs);
  // A version that nobody had is news wherever this gateway stood.
  const place = state.folders?.count ?? 0;
  return followFolder(state, number, place, number, activateNew, atMs).next ?? state;
}
