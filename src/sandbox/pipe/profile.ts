/** A run's fuel by function on the pipe: four numbers for each call path, beside the report of its end. */
import { MAX_PROFILE_NODES, type ProfileNode } from "../../core/metering/host/index.ts";

const NUMBERS = 4;
const BYTES = NUMBERS * Float64Array.BYTES_PER_ELEMENT;

/** @returns no bytes for no paths */
export function encodeProfile(nodes: readonly ProfileNode[]): Uint8Array {
  const numbers = new Float64Array(nodes.length * NUMBERS);
  nodes.forEach((node, at) => {
    numbers.set([node.parent, node.function, node.calls, node.fuel], at * NUMBERS);
  });
  return new Uint8Array(numbers.buffer);
}

/**
 * Reads what an executor says, which may be lying: what it may do with it is draw a wrong picture of its own guest.
 *
 * @returns undefined where the bytes can not be a list of call paths
 */
export function decodeProfile(bytes: Uint8Array): readonly ProfileNode[] | undefined {
  if (bytes.length % BYTES !== 0 || bytes.length / BYTES > MAX_PROFILE_NODES) return undefined;
  // A copy, since what was read may stand anywhere in a larger buffer, and not where numbers may.
  const numbers = new Float64Array(new Uint8Array(bytes).buffer);
  const nodes = Array.from({ length: bytes.length / BYTES }, (_, at): ProfileNode => {
    const [parent = 0, callee = 0, calls = 0, fuel = 0] = numbers.subarray(at * NUMBERS, (at + 1) * NUMBERS);
    return { parent, function: callee, calls, fuel };
  });
  return nodes.every(isPath) ? nodes : undefined;
}

function isPath({ parent, function: callee, calls, fuel }: ProfileNode, at: number): boolean {
  const isWhole = [parent, callee, calls, fuel].every(Number.isSafeInteger);
  return isWhole && parent >= -1 && parent < at && callee >= 0 && calls >= 0;
}
