/**
 * `wasi:random`: one stream of random bytes per run, grown from a seed that the gateway drew. The insecure
 * interfaces draw on the same stream: nothing is gained by giving a guest worse numbers.
 */
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";

/** More than any honest use; a guest that wants more asks again and pays for the call again. */
const LARGEST_DRAW = 1n << 20n;

/** Binding of `wasi:random/random`. */
export function createRandom(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      getRandomBytes: (length: bigint) => draw(context, length),
      getRandomU64: () => drawU64(context),
    },
  };
}

/** Binding of `wasi:random/insecure`. */
export function createInsecure(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      getInsecureRandomBytes: (length: bigint) => draw(context, length),
      getInsecureRandomU64: () => drawU64(context),
    },
  };
}

/** Binding of `wasi:random/insecure-seed`. */
export function createInsecureSeed(context: GuestContext): Binding {
  return {
    resources: {},
    functions: { insecureSeed: () => [drawU64(context), drawU64(context)] },
  };
}

function draw(context: GuestContext, length: bigint): Uint8Array {
  if (length > LARGEST_DRAW)
    throw new RangeError(`Cannot draw ${length} random bytes at once: the limit is ${LARGEST_DRAW}`);
  return context.random(Number(length));
}

function drawU64(context: GuestContext): bigint {
  return new DataView(context.random(8).buffer).getBigUint64(0, true);
}
