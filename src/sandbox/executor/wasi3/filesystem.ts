/** `wasi:filesystem` of WASI 0.3, over the same trees as 0.2: a guest that uses both finds the same files in both. */
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";
import { Descriptor as Older } from "../wasi/descriptor.ts";
import { rootsOf } from "../wasi/filesystem.ts";
import { Descriptor } from "./descriptor.ts";

/** Binding of `wasi:filesystem/types`. */
export function createFilesystemTypes(): Binding {
  return { resources: { Descriptor }, functions: {} };
}

/** Binding of `wasi:filesystem/preopens`: one directory for each root that was granted, none otherwise. */
export function createPreopens(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      getDirectories: () =>
        rootsOf(context).map(
          ([tree, path]) => [new Descriptor(Older.ofRoot(tree), context.work), path] as const,
        ),
    },
  };
}
