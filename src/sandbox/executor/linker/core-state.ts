/**
 * The core instances of a component, and what they were given: all that can outlive the run they were made for. What leads
 * from them to a run is one function and one hook, so that they can be lent to another.
 */
import { type Counters, createCounters } from "./pace.ts";
import type { CoreFunction } from "./passage.ts";
import type { RefillHooks } from "./refill-hook.ts";

/** The core instances of a component. Imports of theirs lead to the run that has them, whichever that is. */
export interface CoreState {
  /** Their fuel and call depth. */
  readonly counters: Counters;
  /** In the order of the plan. */
  readonly cores: { readonly module: number; readonly exports: WebAssembly.Exports }[];
  readonly memories: Set<WebAssembly.Memory>;
  /** What core modules were given as trampolines. */
  readonly doors: (CoreFunction | undefined)[];
  /** Whether anything was called through a door. */
  asked: boolean;
  /** The trampoline behind a door, of the run that has the instances now. */
  enter: (index: number) => CoreFunction;
}

/** Those of a component that has not been instantiated yet. */
export function createCoreState(hooks: RefillHooks): CoreState {
  return {
    counters: createCounters(hooks),
    cores: [],
    memories: new Set(),
    doors: [],
    asked: false,
    enter: nobodysDoor,
  };
}

/** Behind every door of core instances that no run has. */
export function nobodysDoor(): never {
  throw new TypeError("Cannot call a trampoline: no run has these instances");
}
