/**
 * Memories of a component's runs, filled with its image, used again by later runs of the same component. A new memory
 * costs the engine and the system more than most runs do: its pages are faulted in one by one.
 *
 * INVARIANT: a memory that is given out holds the image and zeroes, nothing else: every byte of it is written before it
 * is given out again. One that has grown is not used again,
 * for it can not shrink, and its size would tell the next guest of the last one. The process, and so the pool, belongs to
 * one tenant.
 */
import type { ImageMemory } from "./image.ts";
import { fill, type MemoryContent, refill } from "./memory-image.ts";
import { spareLimit } from "./spare-limit.ts";

/** What a module's memory is at its start. */
export type MemoryImage = ImageMemory & MemoryContent;

/** The memories of one component. */
export interface MemoryPool {
  /** @returns a memory with its image; `undefined` for a module that makes its own */
  take(module: number): WebAssembly.Memory | undefined;
  /** Takes a memory back from a run that is over, and of which nothing can write into it any more. */
  give(module: number, memory: WebAssembly.Memory): void;
}

const PAGE_BYTES = 65_536;

/** @param images by the module's place in the plan */
export function createMemoryPool(images: readonly (MemoryImage | null)[]): MemoryPool {
  const kept = images.map((): WebAssembly.Memory[] => []);

  return {
    take(module) {
      const image = images[module];
      if (image === undefined || image === null) return undefined;
      const known = kept[module]?.pop();
      if (known !== undefined) return known;
      const made = create(image);
      fill(made, image);
      return made;
    },
    give(module, memory) {
      const image = images[module];
      const spare = kept[module];
      if (image === undefined || image === null || spare === undefined) return;
      const bytes = image.initialPages * PAGE_BYTES;
      if (memory.buffer.byteLength !== bytes || spare.length >= spareLimit(bytes)) return;
      refill(memory, image);
      spare.push(memory);
    },
  };
}

function create({ initialPages, maximumPages }: ImageMemory): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: initialPages, maximum: maximumPages });
}
