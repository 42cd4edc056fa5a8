/** `wasi:random` of WASI 0.3: as in 0.2, but that a guest is given fewer bytes where it asks for very many. */
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";

/** Bytes of one call at most. */
const LARGEST_DRAW = 64 * 1024;

/** Binding of `wasi:random/random`. */
export function createRandom(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      getRandomBytes: (most: bigint) => draw(context, most),
      getRandomU64: () => drawU64(context),
    },
  };
}

/** Binding of `wasi:random/insecure`. */
export function createInsecure(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      getInsecureRandomBytes: (most: bigint) => draw(context, most),
      getInsecureRandomU64: () => drawU64(context),
    },
  };
}

/** Binding of `wasi:random/insecure-seed`. */
export function createInsecureSeed(context: GuestContext): Binding {
  return {
    resources: {},
    functions: { getInsecureSeed: () => [drawU64(context), drawU64(context)] },
  };
}

function draw(context: GuestContext, most: bigint): Uint8Array {
  return context.random(most > BigInt(LARGEST_DRAW) ? LARGEST_DRAW : Number(most));
}

function drawU64(context: GuestContext): bigint {
  return new DataView(context.random(8).buffer).getBigUint64(0, true);
}
