/**
 * `wasi:filesystem`: descriptors over the run's file trees. A scratch lives and ends here; mounts and volumes come
 * from the broker when they are first looked into, and what is written to a volume goes there when it is synced, when
 * its descriptor is dropped, and at the end of the run.
 */
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";
import { GuestError } from "../guard.ts";
import { Descriptor, DirectoryEntryStream } from "./descriptor.ts";
import { FileTree, Held, type RootBacking } from "./file-tree.ts";
import { IoError } from "./streams.ts";

/** Binding of `wasi:filesystem/types`. */
export function createFilesystemTypes(): Binding {
  return {
    resources: { Descriptor, DirectoryEntryStream },
    functions: {
      filesystemErrorCode(error: IoError): unknown {
        const payload = IoError.payloadOf(error);
        return typeof payload === "string" ? payload : undefined;
      },
    },
  };
}

/** Binding of `wasi:filesystem/preopens`: one directory for each root that was granted, none otherwise. */
export function createPreopens(context: GuestContext): Binding {
  return {
    resources: {},
    functions: {
      getDirectories: () => rootsOf(context).map(([tree, path]) => [Descriptor.ofRoot(tree), path] as const),
    },
  };
}

/** Roots by run, so that every version of the interface finds the same files. */
const OPENED = new WeakMap<GuestContext, readonly (readonly [FileTree, string])[]>();

/** The roots that were granted to a run, opened when they are first asked for. */
export function rootsOf(context: GuestContext): readonly (readonly [FileTree, string])[] {
  const known = OPENED.get(context);
  if (known !== undefined) return known;
  const opened = openRoots(context);
  OPENED.set(context, opened);
  return opened;
}

function openRoots(context: GuestContext): readonly (readonly [FileTree, string])[] {
  const held = new Held();
  return context.settings.roots.map(({ path, kind, bytes }, index) => {
    const over = once(() => context.send("filesystem/over-quota", { root: index }));
    const backing =
      kind === "scratch" ? scratch(bytes, over) : brokerBacking(context, index, kind, bytes, over);
    const tree = new FileTree(backing, held, () => context.wallMs());
    if (kind === "volume") {
      context.atEnd(() => tree.keepAll());
    }
    return [tree, path] as const;
  });
}

/** Memory, and nothing else. `/tmp` is there because programs look for it. */
function scratch(quotaBytes: number, overQuota: () => void): RootBacking {
  return {
    writable: true,
    movesDirectories: true,
    quotaBytes,
    // Empty ones cost memory too.
    nodeBytes: 256,
    list: () => Promise.resolve([["tmp/", 0, 0]]),
    read: () => Promise.reject(new GuestError("no-entry")),
    write: () => Promise.resolve(),
    overQuota,
    later: () => undefined,
  };
}

function brokerBacking(
  context: GuestContext,
  root: number,
  kind: "mount" | "volume",
  quotaBytes: number,
  overQuota: () => void,
): RootBacking {
  return {
    writable: kind === "volume",
    movesDirectories: false,
    // The broker has the last word: it counts what is kept, and this what would be.
    quotaBytes: kind === "volume" ? quotaBytes : Number.POSITIVE_INFINITY,
    nodeBytes: 0,
    async list() {
      const { value } = await context.call("filesystem/list", { root });
      return value as readonly (readonly [string, number, number])[]; // From the broker, which is ours.
    },
    async read(path) {
      return (await context.call("filesystem/read", { root, path })).body;
    },
    async write(changes) {
      const sizes = changes.map(([path, bytes]) => [path, bytes === null ? null : bytes.length]);
      const total = changes.reduce((sum, [, bytes]) => sum + (bytes?.length ?? 0), 0);
      const body = new Uint8Array(total);
      let offset = 0;
      for (const [, bytes] of changes) {
        if (bytes === null) continue;
        body.set(bytes, offset);
        offset += bytes.length;
      }
      await context.call("filesystem/write", { root, changes: sizes }, body);
    },
    overQuota,
    later: (task) => context.later(task),
  };
}

/** The evidence names it once, however often a guest tries. */
function once(action: () => void): () => void {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
}
