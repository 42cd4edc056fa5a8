/**
 * The board: what is in force by the store's word, on this gateway. Offers the tools of the gateway's own folder as
 * versions, looks several times a second at what operators changed, wherever they did, and takes it over in one step.
 *
 * INVARIANT: no run begins on what was in force longer than {@link STALE_MS} ago: `fresh` asks first, and refuses when
 * the store does not answer. A suspension is heard before anything else of a change, however long the rest takes.
 */
import type { ComponentDescription } from "../core/component/index.ts";
import { GatewayError } from "../core/errors.ts";
import { rollbackTarget, type ToolState } from "../core/rollout/index.ts";
import { beginRounds } from "../core/rounds.ts";
import type { ToolVersion } from "../ports/index.ts";
import { createRegistryInForce, type ToolInForce } from "./in-force.ts";
import { type OfferParts, Offers } from "./offers.ts";
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
export interface BoardParts extends OfferParts {
  /** Tools of this gateway's own folder; exchanged when that is read again. */
  readonly offered: RegistrySource;
  /** Description of the component that imports everything this host offers. */
  readonly offer: ComponentDescription;
  /** Makes a version ready to run, so that its first caller does not wait. */
  readonly warm: (tool: Tool) => Promise<void>;
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
  readonly #offers: Offers;
  #generation = -1;
  /** Versions that were restored, by tool and number; those that nothing names are let go. */
  #restored = new Map<string, Tool>();
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #saidAtMs = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;
  #stopLooking = async (): Promise<void> => undefined;

  constructor(parts: BoardParts) {
    this.#parts = parts;
    this.#offers = new Offers(parts);
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
    const { clock, log } = this.#parts;
    this.#stopLooking = beginRounds({
      clock,
      everyMs: () => POLL_MS,
      work: () => this.look(),
      onError: (error) => log({ event: "versions-not-read", error: String(error) }),
    });
  }

  /** Whoever comes while one looks waits for that one: it is as new as his own would be, but for a moment. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async stop(): Promise<void> {
    await this.#stopLooking();
    await this.#looking?.catch(() => undefined);
    await this.#parts.versions.forget(this.#parts.gateway).catch(() => undefined);
  }

  async #look(): Promise<void> {
    const { versions, clock, offered } = this.#parts;
    const asked = clock.monotonicMs();
    const offers = offered.current();
    const isOffered = offers === this.#offers.offered;
    if (!isOffered) await this.#offers.offer(offers);
    if ((await versions.generation()) !== this.#generation || !isOffered) await this.#takeOver(offers);
    this.#heardAtMs = asked;
    await this.#sayHello();
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

function numbersOf(state: ToolState): ReadonlySet<number> {
  const { active, canary } = state;
  return new Set([active, canary?.version, rollbackTarget(state)].filter((number) => number !== undefined));
}
