/**
 * The function that metered code calls when its portion of fuel is spent. It is WebAssembly, because only that can choose:
 * a function that suspends throws where nothing can be suspended, whatever it would have answered, and a guest could
 * catch what it throws.
 */
import type { CoreFunction } from "./passage.ts";

/** What a hook asks of a run. Neither ever throws. */
export interface Refilling {
  /** Adds a portion where the guest may go on. @returns 1 when it has to wait for its turn first, else 0 */
  readonly portion: () => 0 | 1;
  /** Resolves when it is its turn. Called only after {@link portion} said 1. */
  readonly turn: () => Promise<void>;
}

/** A hook, of one run at a time. */
export interface RefillHook {
  /** What modules import as `refill` of `FUEL_IMPORT`. */
  readonly refill: CoreFunction;
  /** From now on it asks this run; default: nobody. */
  serve(run?: Refilling): void;
}

/** Hooks that no run has: making one costs more than the rest of a small run's instance. */
export interface RefillHooks {
  /** @returns a hook that asks nobody yet */
  take(): RefillHook;
  /** Takes a hook back from a run that is over, and of which nothing is suspended. */
  give(hook: RefillHook): void;
}

const MOST_KEPT = 16;

/**
 * (module (import "h" "portion" (func $portion (result i32))) (import "h" "turn" (func $turn))
 *   (func (export "refill") (if (call $portion) (then (call $turn)))))
 */
const HOOK_MODULE = new WebAssembly.Module(
  new Uint8Array([
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x02, 0x60, 0x00, 0x01, 0x7f, 0x60, 0x00,
    0x00, 0x02, 0x16, 0x02, 0x01, 0x68, 0x07, 0x70, 0x6f, 0x72, 0x74, 0x69, 0x6f, 0x6e, 0x00, 0x00, 0x01,
    0x68, 0x04, 0x74, 0x75, 0x72, 0x6e, 0x00, 0x01, 0x03, 0x02, 0x01, 0x01, 0x07, 0x0a, 0x01, 0x06, 0x72,
    0x65, 0x66, 0x69, 0x6c, 0x6c, 0x00, 0x02, 0x0a, 0x0b, 0x01, 0x09, 0x00, 0x10, 0x00, 0x04, 0x40, 0x10,
    0x01, 0x0b, 0x0b,
  ]),
);

/** Not in TypeScript's library yet. */
const Suspending: new (call: () => Promise<void>) => CoreFunction = Reflect.get(WebAssembly, "Suspending");

/** A guest of no run has no fuel. */
const NOBODY: Refilling = { portion: () => 0, turn: () => Promise.resolve() };

/** Makes the hooks of one executor. */
export function createRefillHooks(): RefillHooks {
  const kept: RefillHook[] = [];
  return {
    take: () => kept.pop() ?? makeHook(),
    give(hook) {
      hook.serve();
      if (kept.length < MOST_KEPT) kept.push(hook);
    },
  };
}

function makeHook(): RefillHook {
  let run = NOBODY;
  const h = { portion: () => run.portion(), turn: new Suspending(() => run.turn()) };
  const { refill } = new WebAssembly.Instance(HOOK_MODULE, { h }).exports;
  if (typeof refill !== "function") throw new TypeError("The hook's module exports no function");
  return {
    refill: refill as CoreFunction, // Of the module above.
    serve(served = NOBODY) {
      run = served;
    },
  };
}
