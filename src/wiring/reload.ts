/**
 * Reading the operator's files again while the gateway runs: all of it is taken over in one step, or nothing is and what
 * was in force stays. What changed is told, and signed into the log before it takes effect: what can not be recorded is
 * not done. Runs under way keep what they began with.
 *
 * A crash between the signature and the step leaves a log that is right all the same: the next start reads the files.
 */
import { holdCurrency } from "../accounts/index.ts";
import { rotations, type SecretProfile } from "../broker/index.ts";
import type { ComponentDescription } from "../core/component/index.ts";
import { GatewayError } from "../core/errors.ts";
import { digestState } from "../core/manifest/index.ts";
import { beginRounds } from "../core/rounds.ts";
import { newActionId, type Prepared, type Reloaded, type Versions } from "../gateway/index.ts";
import type { Runtime } from "../ports/index.ts";
import { describeVersion, type RegistryHolder, type Tool } from "../registry/index.ts";
import type { House } from "./house.ts";
import {
  changesBetween,
  type FilePlaces,
  loadOperatorFiles,
  type OperatorFiles,
  stampFiles,
  stateOf,
} from "./operator-files.ts";
import { describePreparations, prepareTool } from "./prepare.ts";

/** Pause between two looks at the files, at least. */
const LOOK_MS = 2_000;
/** Looking takes no more than this share of the time: a folder of thousands of tools is looked at less often. */
const LOOK_SHARE = 20;
/** Faults told at most, and letters of each. */
const MAX_FAULTS = 50;
const MAX_LETTERS = 500;

/** What a reloader is made of. */
export interface ReloadParts {
  readonly runtime: Runtime;
  readonly places: FilePlaces;
  readonly offer: ComponentDescription;
  readonly house: Pick<House, "sandbox" | "evidence" | "identity" | "board" | "store">;
  readonly versions: Versions;
  /** What was read at the start. */
  readonly files: OperatorFiles;
  /** Of the files, from before they were read: a change in between is seen. */
  readonly stamp: string;
  readonly registry: RegistryHolder;
  /** What brokers look into; changed in place. */
  readonly profiles: Map<string, SecretProfile>;
  /** Told each change in words. */
  readonly say: (line: string) => void;
  readonly log: (line: object) => void;
}

/** Reads again, when it is asked to or when it sees a change. */
export class Reloader {
  readonly #parts: ReloadParts;
  #files: OperatorFiles;
  /** The reload under way: the next one begins when it has ended. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: ReloadParts) {
    this.#parts = parts;
    this.#files = parts.files;
  }

  /** What is in force. */
  get files(): OperatorFiles {
    return this.#files;
  }

  /**
   * Reads everything and takes it over.
   *
   * @param actor who asks: `signal`, `file`, or a principal's id
   * @returns what changed, in words; nothing when all is as it was
   * @throws {GatewayError} `reload-refused` with every fault; `evidence-unavailable`. What was in force stays
   */
  reload(actor: string): Promise<Reloaded> {
    const reloading = this.#last.then(() => this.#reload(actor));
    this.#last = reloading.catch(() => undefined);
    return reloading;
  }

  /** Waits for the reload under way, whoever asked for it. */
  async settled(): Promise<void> {
    await this.#last;
  }

  async #reload(actor: string): Promise<Reloaded> {
    const { runtime, house, versions, registry, profiles, say, log } = this.#parts;
    const before = this.#files;
    const { after, prepared } = await this.#read(before, log);
    // A secret that was rotated has the same words, and may have been taken over already: what is held is what counts.
    const changes = [...changesBetween(before, after), ...rotations(profiles, after.profiles)];
    if (changes.length === 0) {
      // The same words; what they are about (a webhook's secret, in its file) may be another.
      this.#files = { ...before, slo: after.slo };
      return { action: null, changes };
    }
    const { clock, entropy } = runtime;
    const action = newActionId(clock, entropy);
    await house.evidence.act({
      action,
      kind: "reload",
      actor,
      changes,
      before: digestState(stateOf(before)),
      after: digestState(stateOf(after)),
      runtime: versions,
      finished_at: new Date(clock.nowMs()).toISOString(),
    });
    // INVARIANT: nothing waits between these lines, so nobody sees the new of one and the old of another.
    this.#files = after;
    registry.replace(after.registry);
    house.identity.use(after.access);
    for (const name of profiles.keys()) if (!after.profiles.has(name)) profiles.delete(name);
    for (const [name, profile] of after.profiles) profiles.set(name, profile);
    for (const change of changes) say(`reloaded   ${change}`);
    log({ event: "reloaded", actor, action, changes });
    // In force here at once, and not only when the store is looked at the next time.
    await house.board?.look();
    void house.identity.warm();
    const held = this.#heldOf(before, after);
    for (const sentence of held) say(`held       ${sentence}`);
    return {
      ...{ action, changes },
      ...(prepared.length > 0 && { prepared }),
      ...(held.length > 0 && { held }),
    };
  }

  /** A folder may wait: for the operator, for a canary's end, or because he chose another version since. */
  #heldOf(before: OperatorFiles, after: OperatorFiles): readonly string[] {
    const active = this.#parts.house.board?.current();
    const digest = (tool: Tool) => describeVersion(tool, 0).digest;
    return after.registry.tools.flatMap((tool) => {
      const inForce = active?.find(tool.name);
      if (inForce === undefined || isSame(before.registry.find(tool.name), tool)) return [];
      return digest(inForce) === digest(tool)
        ? []
        : [`${tool.name}: another version is active; writ tools versions ${tool.name}`];
    });
  }

  /** Reads, and makes what is new ready to run: its first caller does not wait, and what can not run is refused now. */
  async #read(before: OperatorFiles, log: (line: object) => void) {
    const { runtime, places, offer, house, say } = this.#parts;
    const prepared: Prepared[] = [];
    try {
      const after = await loadOperatorFiles(runtime, places, offer);
      for (const tool of after.registry.tools) {
        if (isSame(before.registry.find(tool.name), tool)) continue;
        const preparations = await prepareTool(house.sandbox, after.registry, tool);
        const steps = preparations.flatMap((each) => each.steps);
        if (steps.length === 0) continue;
        prepared.push({ tool: tool.name, steps });
        say(`prepared   ${tool.name}  ${describePreparations(preparations)}`);
      }
      // Last: what is refused for something else names no currency.
      await holdCurrency(house.store, after.prices);
      return { after, prepared };
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      const faults = message
        .split("\n")
        .slice(0, MAX_FAULTS)
        .map((line) => line.trim().slice(0, MAX_LETTERS));
      log({ event: "not-reloaded", error: message });
      throw new GatewayError(`Cannot reload: ${faults[0]}`, { code: "reload-refused", faults }, { cause });
    }
  }

  /**
   * Looks at the files now and then, and reloads when one has changed and has stopped changing. A change that can not be
   * used is told once, and looked at again when it changes.
   *
   * @returns stops looking, and waits for the look and the reload under way
   */
  watch(): () => Promise<void> {
    const { runtime, places } = this.#parts;
    const { clock } = runtime;
    let seen: string | undefined;
    let taken = this.#parts.stamp;
    let pauseMs = LOOK_MS;
    const look = async (): Promise<void> => {
      const startedMs = clock.monotonicMs();
      // A file that can not be looked at now is looked at again.
      const stamp = await stampFiles(runtime, places).catch(() => seen);
      // Half of a change is not taken: it has to look the same twice.
      if (stamp !== undefined && stamp === seen && stamp !== taken) {
        taken = stamp;
        await this.reload("file").catch(() => undefined);
      }
      seen = stamp;
      pauseMs = Math.max(LOOK_MS, (clock.monotonicMs() - startedMs) * LOOK_SHARE);
    };
    const onError = (error: unknown) =>
      this.#parts.log({ event: "files-not-looked-at", error: String(error) });
    const stop = beginRounds({ clock, everyMs: () => pauseMs, atOnce: true, work: look, onError });
    return async () => {
      await stop();
      await this.settled();
    };
  }
}

function isSame(before: Tool | undefined, after: Tool): boolean {
  if (before?.digest !== after.digest || before.policies.length !== after.policies.length) return false;
  return before.policies.every(({ policyId }, index) => policyId === after.policies[index]?.policyId);
}
