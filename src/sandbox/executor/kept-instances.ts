/**
 * Instances of a component that later runs of it are given again, made what they were when they had just been
 * instantiated. To instantiate a large engine takes as long as many a run of it: eight thousand entries of a table.
 *
 * INVARIANT: an instance that is given out differs in nothing from a new one that a guest, or a caller of it, can find.
 * - What its code can change is known from its code (see `steady.ts`): memories and globals, which are all set again.
 * - What it was is taken from a new instance, after it was instantiated and before it was called, and only when nothing
 *   outside was asked meanwhile: so it is the same for every new one, and holds nothing of any run.
 * - Handles, tasks and all else that the linker keeps of a run are the run's own, and made anew.
 * - Only of runs that came to their own end, with nothing left under way; never of one whose memory has grown.
 * The process, and so each instance, belongs to one tenant.
 */
import { type CoreState, nobodysDoor } from "./linker/index.ts";
import { contentOf, type MemoryContent, refill } from "./memory-image.ts";
import { spareLimit } from "./spare-limit.ts";

/** What they hold is copied once: larger ones are instantiated for each run. */
const MOST_BYTES = 128 * 1024 * 1024;

/** What a new instance holds. */
interface Beginning {
  /** By the place of each in the state. */
  readonly memories: readonly (MemoryContent & { readonly bytes: number })[];
  readonly globals: readonly (number | bigint)[];
  /** Units that instantiating took. */
  readonly units: number;
  /** How many are kept. */
  readonly most: number;
}

/** An instance, and what it takes to begin with it. */
export interface KeptInstance {
  readonly state: CoreState;
  /** Units that are left after a new one would have been instantiated: its price is the same. */
  readonly fuel: number;
}

/** The instances of one component. */
export interface KeptInstances {
  /** @returns undefined when there is none, or the fuel is not enough to instantiate it: then one is made */
  take(fuel: number): KeptInstance | undefined;
  /** Looks at an instance that was just made, before it is called. @param units that it took */
  begun(state: CoreState, units: number): void;
  /**
   * Takes an instance back from a run that is over, and of which nothing can enter it any more.
   *
   * @returns false when it is not kept
   */
  give(state: CoreState): boolean;
}

/** @param globals of each module, by its place in the plan: names of exports; `null` for one that is not steady */
export function createKeptInstances(globals: readonly (readonly string[] | null)[]): KeptInstances {
  const isSteady = globals.every((names) => names !== null);
  const spare: CoreState[] = [];
  let beginning: Beginning | undefined;
  let runs = 0;

  return {
    take(fuel) {
      if (beginning === undefined || fuel < beginning.units) return undefined;
      const state = spare.pop();
      return state && { state, fuel: fuel - beginning.units };
    },
    begun(state, units) {
      runs += 1;
      // Not of the first: a component that is called once is not to pay for what only the next would have of it.
      if (!isSteady || beginning !== undefined || runs < 2 || state.asked) return;
      const sizes = [...state.memories].map(({ buffer }) => buffer.byteLength);
      const bytes = sizes.reduce((sum, size) => sum + size, 0);
      if (bytes > MOST_BYTES) return;
      beginning = {
        memories: [...state.memories].map((it) => ({ ...contentOf(it), bytes: it.buffer.byteLength })),
        globals: globalsOf(state).map(({ value }) => value),
        units,
        most: spareLimit(bytes),
      };
    },
    give(state) {
      if (beginning === undefined || spare.length >= beginning.most) return false;
      const memories = [...state.memories].map((memory, index) => ({
        memory,
        was: beginning?.memories[index],
      }));
      if (memories.some(({ memory, was }) => memory.buffer.byteLength !== was?.bytes)) return false;
      for (const { memory, was } of memories) if (was !== undefined) refill(memory, was);
      for (const [index, global] of globalsOf(state).entries()) global.value = beginning.globals[index];
      // Nothing of the run is in reach from here.
      state.enter = nobodysDoor;
      state.counters.hook.serve();
      spare.push(state);
      return true;
    },
  };

  /** In the order of the plan: the same for each instance. */
  function globalsOf(state: CoreState): readonly WebAssembly.Global[] {
    return state.cores.flatMap(({ module, exports }) =>
      (globals[module] ?? []).map((name) => {
        const found = exports[name];
        if (found instanceof WebAssembly.Global) return found;
        throw new TypeError(`Cannot find the global ${name} of a module`);
      }),
    );
  }
}
