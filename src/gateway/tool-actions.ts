/**
 * What operators did to tools, and at a command line about keys, after they did it: each becomes a signed statement in the log, and of each that took a
 * version out of force it is found out when the last run of that version was admitted, over all gateways.
 *
 * The act and its remembrance are one transaction; its signature follows within a second. In this order, because the act
 * may come from a command line that has no key, and because a tool must stop also while nothing can be signed. A crash
 * in between leaves an act without a signature, which the next gateway signs.
 */
import type { ActionPredicate } from "../core/manifest/index.ts";
import { ACTION_KINDS, digestState } from "../core/manifest/index.ts";
import type { JsonValue } from "../core/policy/index.ts";
import type { ToolState } from "../core/rollout/index.ts";
import type { Clock, Store, ToolAction } from "../ports/index.ts";
import { policyIdsOf } from "../registry/index.ts";
import { firstRunOf } from "./ids.ts";
import type { Versions } from "./versions.ts";

/** After this long no gateway can admit a run on what was in force before: see the registry's board. */
const SETTLED_MS = 2_000;
/** What waited longer for its signature is dated by that, and says so: a key that was made since does not speak for then. */
const LATE_MS = 60_000;
/** Actions looked at in one round. */
const PAGE = 50;
/** Runs read at once. */
const RUNS = 500;

/** What the keeper is made of. */
export interface ActionParts {
  readonly store: Pick<Store, "versions" | "scanRuns" | "keyActs">;
  readonly evidence: { readonly act: (action: ActionPredicate) => Promise<unknown> };
  readonly clock: Clock;
  readonly versions: Versions;
  readonly log: (line: object) => void;
}

/** Keeps the record of actions. */
export class ActionKeeper {
  readonly #parts: ActionParts;
  /** The generation whose actions are all signed and settled. */
  #done = -1;

  constructor(parts: ActionParts) {
    this.#parts = parts;
  }

  /** One round; costs one small read when there is nothing to do. @throws whatever the store throws */
  async round(): Promise<void> {
    const { versions } = this.#parts.store;
    const generation = await versions.generation();
    if (generation === this.#done) return;
    const signed = (await this.#signAll()) && (await this.#signKeyActs());
    const settled = await this.#settleAll();
    if (signed && settled) this.#done = generation;
  }

  async #signAll(): Promise<boolean> {
    const { store, evidence, log } = this.#parts;
    const unsigned = await store.versions.unsignedActions(PAGE);
    for (const action of unsigned) {
      try {
        await evidence.act(this.#describe(action));
      } catch (error) {
        // Another gateway may have been first: then it is signed, and the next round does not see it.
        log({ event: "action-not-signed", action: action.id, error: String(error) });
        return false;
      }
    }
    return unsigned.length < PAGE;
  }

  /** Keys that a command line issued and revoked. */
  async #signKeyActs(): Promise<boolean> {
    const { store, evidence, versions, log } = this.#parts;
    const unsigned = await store.keyActs.unsigned(PAGE);
    for (const { id: action, by: actor, atMs, ...act } of unsigned) {
      try {
        await evidence.act({
          ...{ action, actor, ...act, runtime: versions },
          ...this.#dated(atMs, act.changes),
        });
      } catch (error) {
        log({ event: "action-not-signed", action, error: String(error) });
        return false;
      }
    }
    return unsigned.length < PAGE;
  }

  /** Dates a statement: by the act, as long as the key that signs now was good then beyond doubt. */
  #dated(atMs: number, changes: readonly string[]): Pick<ActionPredicate, "changes" | "finished_at"> {
    const nowMs = this.#parts.clock.nowMs();
    const done = new Date(atMs).toISOString();
    if (nowMs - atMs <= LATE_MS) return { changes, finished_at: done };
    const said = `done at ${done}, when no gateway ran that could sign it`;
    return { changes: [...changes, said], finished_at: new Date(nowMs).toISOString() };
  }

  #describe(action: ToolAction): ActionPredicate {
    const { id, by, before, after, atMs } = action;
    return {
      action: id,
      // Written by ourselves, from the union's own names.
      kind: ACTION_KINDS.find((kind) => kind === action.kind) ?? "activate",
      actor: by,
      ...this.#dated(atMs, describeChange(action)),
      before: digestOf(before),
      after: digestOf(after),
      runtime: this.#parts.versions,
    };
  }

  async #settleAll(): Promise<boolean> {
    const { store, clock } = this.#parts;
    let settled = true;
    const newestFirst = await store.versions.listActions(undefined, PAGE);
    for (const [index, action] of newestFirst.entries()) {
      const taken = takenOutOfForce(action);
      if (taken.length === 0 || action.settledMs !== undefined) continue;
      if (clock.nowMs() - action.atMs < SETTLED_MS) {
        settled = false;
        continue;
      }
      const back = newestFirst.slice(0, index).findLast((later) => bringsBack(later, action.tool, taken));
      const untilMs = Math.min(action.atMs + SETTLED_MS, back?.atMs ?? Number.POSITIVE_INFINITY);
      await store.versions.settleAction(action.id, await this.#lastAdmitted(action, taken, untilMs));
    }
    return settled;
  }

  /**
   * @param untilMs by then a run of those versions is no sign of a gateway that lagged
   * @returns ms from the action to the last run of those versions that was admitted; 0 = none was
   */
  async #lastAdmitted(action: ToolAction, taken: readonly number[], untilMs: number): Promise<number> {
    const { store } = this.#parts;
    const made = new Set<string>();
    for (const number of taken) {
      const version = await store.versions.findVersion(action.tool, number);
      for (const policyId of version === undefined ? [] : policyIdsOf(version))
        made.add(`${version?.component} ${policyId}`);
    }
    let lastMs = action.atMs;
    // A run is named a moment before it is admitted.
    for (let after = firstRunOf(action.atMs - SETTLED_MS); ; ) {
      const rows = await store.scanRuns(after, RUNS);
      for (const { intent } of rows) {
        if (intent.tool !== action.tool || intent.admittedAtMs <= lastMs) continue;
        if (intent.admittedAtMs <= untilMs && made.has(madeOf(intent.predicate)))
          lastMs = intent.admittedAtMs;
      }
      const last = rows.at(-1)?.intent;
      if (last === undefined || rows.length < RUNS || last.admittedAtMs > action.atMs + 2 * SETTLED_MS) break;
      after = last.run;
    }
    return lastMs - action.atMs;
  }
}

/** Component and policy that a run's intent names. */
function madeOf(predicate: string): string {
  // Written by ourselves, from what is known before a run.
  const { artifact_hash, policy_id, outcome } = JSON.parse(predicate);
  return outcome === undefined ? `${artifact_hash} ${policy_id}` : "";
}

/** Versions that runs were given before and are not given after. */
function takenOutOfForce({ before, after }: ToolAction): readonly number[] {
  const still = served(after);
  return served(before).filter((version) => !still.includes(version));
}

/** Whether a later action puts one of those versions in force again: runs of it are right from then on. */
function bringsBack(later: ToolAction, tool: string, taken: readonly number[]): boolean {
  return later.tool === tool && served(later.after).some((version) => taken.includes(version));
}

function served(state: ToolState | undefined): readonly number[] {
  if (state === undefined || state.suspended !== undefined) return [];
  return [state.active, ...(state.canary === undefined ? [] : [state.canary.version])];
}

function digestOf(state: ToolState | undefined): string {
  // Plain data; what is absent is absent in JSON too.
  const json: JsonValue = JSON.parse(JSON.stringify(state ?? null));
  return digestState(json);
}

/** What changed, in sentences. */
export function describeChange({ tool, kind, before, after, note }: ToolAction): readonly string[] {
  const changes: string[] = [];
  const say = (text: string) => void changes.push(`${tool}: ${text}`);
  if (before === undefined) say(`version ${after.active} is active, the first that was seen`);
  else {
    if (before.active !== after.active) say(`version ${after.active} is active, was ${before.active}`);
    const [was, is] = [canaryText(before), canaryText(after)];
    if (was !== is) say(`${is}, was ${was}`);
    if (before.suspended?.reason !== after.suspended?.reason)
      say(after.suspended === undefined ? "runs again" : `suspended, ${after.suspended.reason}`);
    const [wasFloors, isFloors] = [floorText(before), floorText(after)];
    if (wasFloors !== isFloors) say(`${isFloors}, was ${wasFloors}`);
  }
  if (changes.length === 0) say(`${kind}: what is in force stays`);
  return note === "" ? changes : [...changes, `note: ${note}`];
}

function canaryText({ canary }: ToolState): string {
  if (canary === undefined) return "no canary";
  const tenants = canary.tenants.length === 0 ? "" : ` and tenants ${canary.tenants.join(", ")}`;
  return `canary of version ${canary.version} for ${canary.basisPoints / 100} % of runs${tenants}`;
}

function floorText({ floors }: ToolState): string {
  if (floors.length === 0) return "no floor";
  return `floors ${floors.map(({ tenant, version }) => `${tenant} ${version}`).join(", ")}`;
}
