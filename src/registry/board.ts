/**
 * The board: what is in force by the store's word, on this gateway. Offers the tools of the gateway's own folder as
 * versions, looks several times a second at what operators changed, wherever they did, and takes it over in one step.
 *
 * INVARIANT: no run begins on what was in force longer than {@link STALE_MS} ago: `fresh` asks first, and refuses when
 * the store does not answer. A suspension is heard before anything else of a change, however long the rest takes.
 */
import type { ComponentDescription } from "../core/component/index.ts";
import { GatewayError } from "../core/errors.ts";
import { command, firstState, type ToolState } from "../core/rollout/index.ts";
import type { Clock, ToolVersion, VersionStore } from "../ports/index.ts";
import { commandTool } from "./command-tool.ts";
import { createRegistryInForce, type ToolInForce } from "./in-force.ts";
import type { Registry, RegistrySource, Tool } from "./registry.ts";
import { Suspensions } from "./suspensions.ts";
import { describeVersion, restoreTool } from "./version.ts";

/** Pause between two looks. */
const POLL_MS = 150;
/** A gateway that has not heard from the store for this long lets nothing begin. */
export const STALE_MS = 700;
/** How often a gateway says that it is there. */
const HEARTBEAT_MS = 5_000;

/** What a board is made of. */
export interface BoardParts {
  /** Tools of this gateway's own folder; exchanged when that is read again. */
  readonly offered: RegistrySource;
  readonly versions: VersionStore;
  readonly clock: Clock;
  /** Description of the component that imports everything this host offers. */
  readonly offer: ComponentDescription;
  /** This gateway's name among the others; another one at each start. */
  readonly gateway: string;
  /** Whether a version that was never seen before is activated, or waits for the operator. */
  readonly activateNew: boolean;
  /** Makes a version ready to run, so that its first caller does not wait. */
  readonly warm: (tool: Tool) => Promise<void>;
  /** @returns a new action's id */
  readonly newActionId: () => string;
  readonly log: (line: object) => void;
}

/** What is in force here. */
export interface Board extends RegistrySource {
  fresh(): Promise<void>;
  /** Offers the tools, takes over what is in force, and goes on looking. @throws whatever the store throws */
  begin(): Promise<void>;
  /** Looks at once. @throws whatever the store throws */
  look(): Promise<void>;
  /** Stops looking, and says that this gateway is gone. */
  stop(): Promise<void>;
}

/** @returns a board that has nothing in force until `begin` */
export function createBoard(parts: BoardParts): Board {
  return new StoreBoard(parts);
}

class StoreBoard implements Board {
  readonly #parts: BoardParts;
  readonly #suspensions = new Suspensions();
  #current: Registry;
  #offered: Registry | undefined;
  /** When it was read, by the database's clock. */
  #offeredAtMs = 0;
  #generation = -1;
  /** Versions that were restored, by tool and number; those that nothing names are let go. */
  #restored = new Map<string, Tool>();
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #saidAtMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  #cancel = (): void => undefined;
  #stopped = false;

  constructor(parts: BoardParts) {
    this.#parts = parts;
    this.#current = createRegistryInForce([], this.#suspensions);
  }

  current(): Registry {
    return this.#current;
  }

  async fresh(): Promise<void> {
    if (this.#parts.clock.monotonicMs() - this.#heardAtMs < STALE_MS) return;
    try {
      await this.look();
    } catch (cause) {
      const refusal = { code: "evidence-unavailable", retryAfterSeconds: 5 } as const;
      throw new GatewayError("Cannot invoke: the store does not say what is in force", refusal, { cause });
    }
  }

  async begin(): Promise<void> {
    await this.look();
    const round = async (): Promise<void> => {
      await this.look().catch((error) =>
        this.#parts.log({ event: "versions-not-read", error: String(error) }),
      );
      if (!this.#stopped) this.#cancel = this.#parts.clock.after(POLL_MS, () => void round());
    };
    this.#cancel = this.#parts.clock.after(POLL_MS, () => void round());
  }

  /** Whoever comes while one looks waits for that one: it is as new as his own would be, but for a moment. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel();
    await this.#looking?.catch(() => undefined);
    await this.#parts.versions.forget(this.#parts.gateway).catch(() => undefined);
  }

  async #look(): Promise<void> {
    const { versions, clock, offered } = this.#parts;
    const asked = clock.monotonicMs();
    const offers = offered.current();
    const isOffered = offers === this.#offered;
    if (!isOffered) await this.#offerAll(offers);
    if ((await versions.generation()) !== this.#generation || !isOffered) await this.#takeOver(offers);
    this.#heardAtMs = asked;
    await this.#sayHello();
  }

  /**
   * A version that is new is the operator's doing: he changed the folder. One that is known changes nothing, unless this
   * gateway has seen the folder go back to it: then that is his doing too. What another gateway has recorded since this
   * one last read the folder is no going back but the same news once more, and he may have rolled it back by now.
   */
  async #offerAll(offers: Registry): Promise<void> {
    const { versions, clock, activateNew, newActionId, log } = this.#parts;
    for (const tool of offers.tools) {
      const { policyIds: _, ...version } = describeVersion(tool, clock.nowMs());
      const before = this.#offered?.find(tool.name);
      const wasAnother = before !== undefined && describeVersion(before, 0).digest !== version.digest;
      const { version: kept, isNew } = await versions.record(
        version,
        tool.component.bytes,
        (number, state) => withNew(state, tool.name, number, version.seenAtMs, activateNew),
        { id: newActionId(), by: `gateway:${this.#parts.gateway}`, note: "seen for the first time" },
      );
      if (isNew) log({ event: "version-recorded", tool: tool.name, version: kept.number });
      else if (wasAnother && activateNew && kept.seenAtMs <= this.#offeredAtMs)
        await this.#goBackTo(tool.name, kept.number);
    }
    this.#offered = offers;
    this.#offeredAtMs = clock.nowMs();
  }

  /** While a canary is looked at, the folder waits, as it does with a new version. */
  async #goBackTo(tool: string, version: number): Promise<void> {
    const { versions, clock, newActionId, gateway } = this.#parts;
    const row = (await versions.states()).rows.find(({ state }) => state.tool === tool);
    if (row === undefined || row.state.canary !== undefined) return;
    const context = {
      id: newActionId(),
      atMs: clock.nowMs(),
      by: `gateway:${gateway}`,
      note: "its folder went back to it",
    };
    await commandTool(versions, tool, { kind: "activate", version }, context, row.state);
  }

  async #takeOver(offers: Registry): Promise<void> {
    const { generation, rows } = await this.#parts.versions.states();
    const states = rows.map(({ state }) => state).filter(({ tool }) => offers.find(tool) !== undefined);
    this.#suspensions.set(
      new Map(states.flatMap(({ tool, suspended }) => (suspended ? [[tool, suspended.reason]] : []))),
    );
    const restored = new Map<string, Tool>();
    const tools: ToolInForce[] = [];
    for (const state of states) {
      const offered = offers.find(state.tool);
      if (offered === undefined) continue;
      const versions = new Map<number, Tool>();
      // The earlier one is kept ready too: rolling back must not wait for it.
      for (const number of numbersOf(state)) {
        const tool = await this.#restore(state.tool, number, offered);
        if (tool === undefined) continue;
        versions.set(number, tool);
        restored.set(`${state.tool} ${number}`, tool);
      }
      tools.push({ state, versions, offered });
    }
    this.#current = createRegistryInForce(tools, this.#suspensions);
    this.#restored = restored;
    this.#generation = generation;
    this.#saidAtMs = Number.NEGATIVE_INFINITY;
  }

  async #restore(name: string, number: number, offered: Tool): Promise<Tool | undefined> {
    const known = this.#restored.get(`${name} ${number}`);
    if (known !== undefined) return known;
    const { versions, offer, warm, log } = this.#parts;
    const version = await versions.findVersion(name, number);
    try {
      const tool = await this.#toolOf(version, offered, offer);
      warm(tool).catch((error) =>
        log({ event: "version-not-prepared", tool: name, version: number, error: String(error) }),
      );
      return tool;
    } catch (error) {
      log({ event: "version-not-restored", tool: name, version: number, error: String(error) });
      return undefined;
    }
  }

  async #toolOf(version: ToolVersion | undefined, offered: Tool, offer: ComponentDescription): Promise<Tool> {
    if (version === undefined) throw new Error("There is no such version");
    if (describeVersion(offered, 0).digest === version.digest) return offered;
    const bytes = await this.#parts.versions.findComponent(version.component);
    if (bytes === undefined) throw new Error(`There is no component ${version.component}`);
    return await restoreTool(version, bytes, offer);
  }

  /** Others count on what is said here: only what is in force is said to be. */
  async #sayHello(): Promise<void> {
    const { versions, clock, gateway } = this.#parts;
    if (clock.monotonicMs() - this.#saidAtMs < HEARTBEAT_MS) return;
    await versions.acknowledge({ gateway, generation: this.#generation, seenAtMs: clock.nowMs() });
    this.#saidAtMs = clock.monotonicMs();
  }
}

function numbersOf({ active, canary, earlier }: ToolState): ReadonlySet<number> {
  return new Set([active, canary?.version, earlier.at(-1)].filter((number) => number !== undefined));
}

/** While a canary is looked at, or the operator wants it so, a new version waits. */
function withNew(
  state: ToolState | undefined,
  tool: string,
  number: number,
  atMs: number,
  activateNew: boolean,
): ToolState | undefined {
  if (state === undefined) return firstState(tool, number, atMs);
  if (!activateNew || state.canary !== undefined) return undefined;
  const commanded = command(state, { kind: "activate", version: number }, number, atMs);
  return commanded.kind === "changed" ? commanded.next : undefined;
}
