/**
 * The guard of one run: every import call passes it, and it alone can stop the guest.
 *
 * A guest may wrap an import call in `catch_all`, so a JavaScript exception from us stops nothing. Only a real
 * wasm trap does, and it must stay: once the guard has stopped a run, every later import call traps at once.
 */
import type { Outcome } from "../../core/manifest/index.ts";
import type { GuestEnd } from "../pipe/messages.ts";
import { AbiTrap } from "./linker/abi-trap.ts";

/**
 * An error that the interface itself declares: the guest receives `payload` as the `err` of a `result`.
 */
export class GuestError extends Error {
  override readonly name = "GuestError";
  readonly payload: unknown;

  constructor(payload: unknown) {
    super("An import returned its interface's own error");
    this.payload = payload;
  }
}

/** Why the executor ended a run, or that the broker or the gateway did and knows why itself. */
export type Stop =
  | GuestEnd
  | { readonly kind: "stopped-by-broker"; readonly outcome: Outcome }
  | { readonly kind: "stopped-by-gateway" };

// (module (func (export "trap") unreachable))
const TRAP_MODULE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 8, 1, 4, 116, 114, 97, 112, 0, 0, 10, 5, 1,
  3, 0, 0, 11,
]);
/** One for all runs: it has no state that one could leave to another. */
const raise = trapFunction();

/** The system gave this process no more memory: see `ceiling.ts`. */
export const OUT_OF_MEMORY: GuestEnd = Object.freeze({ kind: "exhausted", budget: "resident_bytes" });

/** Whether that is what an error says: engines throw it for bytes, and end the process for anything else. */
export function isOutOfMemory(error: unknown): boolean {
  return error instanceof RangeError && /allocat|out of memory/i.test(error.message);
}

/** The guard of one run. */
export interface RunGuard {
  /** The first reason to stop; later ones change nothing. */
  stopped(): Stop | undefined;
  /** An import failed in a way that no guest is known to be able to cause. */
  isUnexplained(): boolean;
  /** Whether the guest may go on: nothing has stopped the run, and it has not come to an end. */
  isOpen(): boolean;
  /** Notes why the run ends. The next import call, or the present one, traps. */
  stop(reason: Stop): void;
  /** Raises a real wasm trap, which no guest can catch. */
  trap(): never;
  /** The guest has come to an end, whatever that was: from now on nothing of its instance runs again. */
  close(): void;
  /** @throws AbiTrap once the run is over: asked before guest code is entered or its memory is written, from our side */
  requireOpen(): void;
  /**
   * Wraps a trampoline: a JavaScript function that the linker hands to a core module. Counts the call and turns
   * everything that is thrown out of it into a stop and a trap. The interface's own errors never get here, the
   * linker has lowered them into the guest's memory; what does is a forged handle, a value that no honest guest
   * sends, or a bug of ours.
   *
   * @param name of the import, for the reason of a stop
   */
  wrap(name: string, call: Trampoline): Trampoline;
  /** The same for a trampoline that may suspend the guest: where it answers at once, nothing is suspended. */
  wrapWaiting(name: string, call: Trampoline): Trampoline;
  /** The same for one that gives way to other code of the guest's, or waits until {@link whileIdle} does. */
  wrapSwitching(name: string, call: Trampoline): Trampoline;
  /** Waits for the world, with all code of the guest's suspended. */
  whileIdle(waited: Promise<void>): Promise<void>;
  /** A call goes to the broker: until it is answered the gateway knows by itself that the run waits. */
  asks(): void;
  /** It was answered. */
  answered(): void;
  /** Calls that the broker has not answered. */
  asked(): number;
}

/** A function as a core module calls it. */
export type Trampoline = (...args: unknown[]) => unknown;

/** A guest that is suspended. */
interface Suspension {
  readonly sinceMs: number;
  isTold: boolean;
}

/** A suspension that lasts longer than this is told to the gateway; telling costs more than a shorter one lasts. */
const LONG_SUSPENSION_MS = 3;

/**
 * @param hostCalls import calls that the run may make
 * @param pause told when the guest has been suspended for a while and no call of its is under way, and when it goes on
 *   after that
 */
export function createGuard(
  hostCalls: number,
  pause: (isWaiting: boolean) => void = () => undefined,
): RunGuard {
  let stopped: Stop | undefined;
  /** A trap has gone through an import: the instance is over, and its end says why, unless `stopped` does. */
  let over = false;
  let unexplained = false;
  let left = hostCalls;

  function stop(reason: Stop): void {
    stopped ??= reason;
  }

  function trap(): never {
    over = true;
    raise();
    throw new TypeError("The trap function returned");
  }

  const isOpen = () => !over && stopped === undefined;

  function requireOpen(): void {
    if (!isOpen()) throw new AbiTrap("instance-is-over");
  }

  function enter(): void {
    if (!isOpen()) trap();
    left -= 1;
    if (left < 0) {
      stop({ kind: "exhausted", budget: "host_calls" });
      trap();
    }
  }

  function fail(name: string, error: unknown): never {
    // A RuntimeError is the guest's own trap, in a `realloc` that the import called: fuel, memory, unreachable.
    // The text of any other error may hold what the guest wrote: the reason is ours alone.
    if (!(error instanceof WebAssembly.RuntimeError)) {
      const what = error instanceof AbiTrap ? error.reason : "bad-import-call";
      unexplained ||= !(error instanceof AbiTrap);
      if (isOutOfMemory(error)) stop(OUT_OF_MEMORY);
      else stop({ kind: "trapped", reason: `${what} ${name}`.slice(0, 200) });
    }
    return trap();
  }

  /** The call itself may have spent the last of a budget: then nothing of its result may reach the guest. */
  function pass(result: unknown): unknown {
    return isOpen() ? result : trap();
  }

  function wrapSuspending(
    name: string,
    call: Trampoline,
    wait: <T>(waited: Promise<T>) => Promise<T>,
  ): Trampoline {
    return (...args) => {
      enter();
      let result: unknown;
      try {
        result = call(...args);
      } catch (error) {
        return fail(name, error);
      }
      return result instanceof Promise ? suspended(name, wait(result)) : pass(result);
    };
  }

  async function suspended(name: string, waited: Promise<unknown>): Promise<unknown> {
    let result: unknown;
    try {
      result = await waited;
    } catch (error) {
      return fail(name, error);
    }
    return pass(result);
  }

  const suspensions = new Set<Suspension>();
  /** Calls that the broker has not answered. */
  let asked = 0;
  /** One for all of them, and left to run: most are over long before, and to set a timer for each costs as much as they do. */
  let isWatched = false;

  /** Tells the gateway that nothing runs, when it has lasted for a while. */
  async function told<T>(waited: Promise<T>): Promise<T> {
    const suspension: Suspension = { sinceMs: performance.now(), isTold: false };
    suspensions.add(suspension);
    watchFor(LONG_SUSPENSION_MS);
    try {
      return await waited;
    } finally {
      suspensions.delete(suspension);
      if (suspension.isTold) pause(false);
    }
  }

  function watchFor(ms: number): void {
    if (isWatched) return;
    isWatched = true;
    setTimeout(tellLong, ms);
  }

  function tellLong(): void {
    isWatched = false;
    // The gateway has them: to be told as well would cost each of them two frames. The last answer begins this anew.
    if (asked > 0) return;
    const nowMs = performance.now();
    let nextMs = Number.POSITIVE_INFINITY;
    for (const suspension of suspensions) {
      if (suspension.isTold) continue;
      const leftMs = suspension.sinceMs + LONG_SUSPENSION_MS - nowMs;
      if (leftMs > 0) {
        nextMs = Math.min(nextMs, leftMs);
        continue;
      }
      suspension.isTold = true;
      pause(true);
    }
    if (nextMs < Number.POSITIVE_INFINITY) watchFor(Math.ceil(nextMs));
  }

  function wrap(name: string, call: Trampoline): Trampoline {
    return (...args) => {
      enter();
      let result: unknown;
      try {
        result = call(...args);
      } catch (error) {
        return fail(name, error);
      }
      // The guest is not suspended here: it would be given a promise for a number.
      if (result instanceof Promise) return fail(name, new TypeError("An import waited that must not"));
      return pass(result);
    };
  }

  return {
    stopped: () => stopped,
    isUnexplained: () => unexplained,
    isOpen,
    stop,
    trap,
    close() {
      over = true;
    },
    requireOpen,
    wrap,
    wrapWaiting: (name, call) => wrapSuspending(name, call, told),
    wrapSwitching: (name, call) => wrapSuspending(name, call, (waited) => waited),
    whileIdle: told,
    asks() {
      asked += 1;
    },
    answered() {
      asked -= 1;
      if (asked === 0 && suspensions.size > 0) watchFor(LONG_SUSPENSION_MS);
    },
    asked: () => asked,
  };
}

function trapFunction(): () => void {
  const { trap } = new WebAssembly.Instance(new WebAssembly.Module(TRAP_MODULE)).exports;
  if (typeof trap !== "function") throw new TypeError("The trap module exports no function");
  return () => trap();
}
