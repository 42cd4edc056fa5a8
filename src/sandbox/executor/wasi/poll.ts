/** `wasi:io/poll`: readiness as one small value that every stream, timer and response can make. */

import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";

/** Something that may become ready. */
export interface Readiness {
  isReady(): boolean;
  /** Resolves when `isReady()` holds; never rejects. */
  whenReady(): Promise<void>;
}

/** Resource `pollable`. A forged handle lacks `#readiness`, so its first use throws. */
export class Pollable {
  readonly #readiness: Readiness;

  constructor(readiness: Readiness) {
    this.#readiness = readiness;
  }

  ready(): boolean {
    return this.#readiness.isReady();
  }

  /** @returns what is to be waited for; undefined = it is ready, and nobody is suspended */
  block(): Promise<void> | undefined {
    return this.#readiness.isReady() ? undefined : this.#readiness.whenReady();
  }

  /** Settles with this pollable's index; for `poll` only. */
  static async wait(pollable: Pollable, index: number): Promise<number> {
    await pollable.#readiness.whenReady();
    return index;
  }
}

/** A pollable that is ready from the beginning. */
export function readyPollable(): Pollable {
  return new Pollable({ isReady: () => true, whenReady: () => Promise.resolve() });
}

/** Turns a promise into readiness; how it settles does not matter. */
export function readinessOf(promise: Promise<unknown>): Readiness {
  let ready = false;
  const finish = () => {
    ready = true;
  };
  const settled = promise.then(finish, finish);
  return { isReady: () => ready, whenReady: () => settled };
}

/** Binding of `wasi:io/poll`. */
export function createPoll(_context: GuestContext): Binding {
  return {
    resources: { Pollable },
    functions: {
      poll(pollables: readonly Pollable[]): Uint32Array | Promise<Uint32Array> {
        // The specification traps on an empty list: nothing could ever wake the guest.
        if (pollables.length === 0) throw new TypeError("Cannot poll an empty list");
        const ready = readyOf(pollables);
        return ready.length > 0 ? ready : firstOf(pollables);
      },
    },
  };
}

function readyOf(pollables: readonly Pollable[]): Uint32Array {
  return Uint32Array.from(pollables.flatMap((pollable, index) => (pollable.ready() ? [index] : [])));
}

async function firstOf(pollables: readonly Pollable[]): Promise<Uint32Array> {
  const first = await Promise.race(pollables.map((pollable, index) => Pollable.wait(pollable, index)));
  const ready = readyOf(pollables);
  return ready.length > 0 ? ready : Uint32Array.of(first);
}
