/**
 * How far a run's code goes at once: portion by portion of its fuel, and between two of them the host may let others go
 * first. Only where it can: code that was called by ours, and has to come back at once, is not suspended.
 */
import { FUEL_IMPORT, REFUSED_GROWTH } from "../../../core/metering/host/index.ts";
import type { RunGuard } from "../guard.ts";
import { Fuel } from "./fuel.ts";
import type { CoreFunction } from "./passage.ts";
import type { RefillHook, RefillHooks } from "./refill-hook.ts";

/** What it is made from. */
export interface PaceParts {
  readonly guard: RunGuard;
  /** Units that the run may spend. */
  readonly units: number;
  /** Of its core instances; nobody else's for as long as the run lasts. */
  readonly counters: Counters;
  /** Asked between two portions: undefined while the run may go on, else what it waits for. Default: it always may. */
  readonly turn: (() => Promise<void> | undefined) | undefined;
}

/** What a guest may be refused more of. */
export type Growth = keyof typeof REFUSED_GROWTH;

/** What core instances count with. */
export interface Counters {
  /** See `Fuel`. */
  readonly units: WebAssembly.Global;
  /** Frames in use; below zero once there were more than there may be. */
  readonly depth: WebAssembly.Global;
  /** What could not grow that the guest would have grown: see `REFUSED_GROWTH`. */
  readonly refused: WebAssembly.Global;
  readonly hook: RefillHook;
}

/** Makes counters for new core instances. */
export function createCounters(hooks: RefillHooks): Counters {
  return {
    units: new WebAssembly.Global({ value: "i64", mutable: true }, 0n),
    depth: new WebAssembly.Global({ value: "i32", mutable: true }, 0),
    refused: new WebAssembly.Global({ value: "i32", mutable: true }, 0),
    hook: hooks.take(),
  };
}

/** The pace of one run. */
export class Pace {
  readonly fuel: Fuel;
  /** Frames in use; below zero once there were more than there may be. */
  readonly depth: WebAssembly.Global;
  readonly #refused: WebAssembly.Global;
  readonly #parts: PaceParts;
  /** Calls, one inside of another, that have to come back at once. */
  #plainCalls = 0;
  /** The guest's next turn, from when it is known that it has to wait for it until it has come. */
  #turn: Promise<void> | undefined;

  constructor(parts: PaceParts) {
    this.#parts = parts;
    const { units, depth, refused, hook } = parts.counters;
    this.fuel = new Fuel(parts.units, units);
    this.depth = depth;
    depth.value = 0;
    this.#refused = refused;
    refused.value = 0;
    hook.serve({ portion: () => this.#portion(), turn: () => this.#wait() });
  }

  /** What every core module imports as `FUEL_IMPORT.module`. */
  get imports(): Record<string, unknown> {
    return {
      [FUEL_IMPORT.left.name]: this.fuel.counter,
      [FUEL_IMPORT.depth.name]: this.depth,
      [FUEL_IMPORT.refill.name]: this.#parts.counters.hook.refill,
      [FUEL_IMPORT.refused.name]: this.#refused,
    };
  }

  /** What could not grow, the last time that the guest would have grown something and could not. */
  get refusedGrowth(): Growth | undefined {
    const { value } = this.#refused;
    if (value === REFUSED_GROWTH.memory) return "memory";
    return value === REFUSED_GROWTH.table ? "table" : undefined;
  }

  /** Whether the guest is suspended because it is another run's turn. */
  get isAside(): boolean {
    return this.#turn !== undefined;
  }

  /** A core function as we call it where we can not wait for it. */
  plain(core: CoreFunction): CoreFunction {
    return (...args) => this.plainly(() => core(...args));
  }

  /** Does what enters guest code that can not be suspended. */
  plainly<T>(call: () => T): T {
    this.#plainCalls += 1;
    const result = call();
    // Not where it throws: then nothing of this run is called again.
    this.#plainCalls -= 1;
    return result;
  }

  /**
   * The guest has used up a portion of its fuel. INVARIANT: this never throws, for a guest could catch it; one that is to
   * end finds no more fuel, and that is a trap.
   */
  #portion(): 0 | 1 {
    if (!this.#parts.guard.isOpen()) return 0;
    this.#turn = this.#plainCalls === 0 ? this.#parts.turn?.() : undefined;
    if (this.#turn !== undefined) return 1;
    this.fuel.refill();
    return 0;
  }

  async #wait(): Promise<void> {
    await this.#turn;
    this.#turn = undefined;
    // It may have come to its end meanwhile.
    if (this.#parts.guard.isOpen()) this.fuel.refill();
  }
}
