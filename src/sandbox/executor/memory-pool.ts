/**
 * Memories of a component's runs, filled with its image, used again by later runs of the same component. A new memory
 * costs the engine and the system more than most runs do: its pages are faulted in one by one.
 *
 * INVARIANT: a memory that is given out holds the image and zeroes, nothing else: every byte of it is written before it
 * is given out again. (To compare first and write only what differs takes longer.) One that has grown is not used again,
 * for it can not shrink, and its size would tell the next guest of the last one. The process, and so the pool, belongs to
 * one tenant.
 */
import type { ImageMemory } from "./image.ts";

/** What a module's memory is at its start. */
export interface MemoryImage extends ImageMemory {
  /** The bytes of all runs, one after another. */
  readonly image: Uint8Array;
}

/** The memories of one component. */
export interface MemoryPool {
  /** @returns a memory with its image; `undefined` for a module that makes its own */
  take(module: number): WebAssembly.Memory | undefined;
  /** Takes a memory back from a run that is over, and of which nothing can write into it any more. */
  give(module: number, memory: WebAssembly.Memory): void;
}

/** Memories kept per module. */
const MOST_KEPT = 4;
const PAGE_BYTES = 65_536;

/** @param images by the module's place in the plan */
export function createMemoryPool(images: readonly (MemoryImage | null)[]): MemoryPool {
  const kept = images.map((): WebAssembly.Memory[] => []);

  return {
    take(module) {
      const image = images[module];
      if (image === undefined || image === null) return undefined;
      return kept[module]?.pop() ?? fill(create(image), image);
    },
    give(module, memory) {
      const image = images[module];
      const spare = kept[module];
      if (image === undefined || image === null || spare === undefined || spare.length >= MOST_KEPT) return;
      if (memory.buffer.byteLength !== image.initialPages * PAGE_BYTES) return;
      spare.push(clear(memory, image));
    },
  };
}

function create({ initialPages, maximumPages }: ImageMemory): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: initialPages, maximum: maximumPages });
}

function fill(memory: WebAssembly.Memory, { runs, image }: MemoryImage): WebAssembly.Memory {
  const bytes = new Uint8Array(memory.buffer);
  let from = 0;
  for (const run of runs) {
    bytes.set(image.subarray(from, from + run.bytes), run.at);
    from += run.bytes;
  }
  return memory;
}

/** {@link fill}, and zeroes everywhere else. */
function clear(memory: WebAssembly.Memory, image: MemoryImage): WebAssembly.Memory {
  const bytes = new Uint8Array(memory.buffer);
  let end = 0;
  for (const run of image.runs) {
    bytes.fill(0, end, run.at);
    end = run.at + run.bytes;
  }
  bytes.fill(0, end);
  return fill(memory, image);
}
