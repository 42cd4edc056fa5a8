/**
 * Folders that the operator lets tools read, each read whole when the gateway starts and named by the digest of what
 * was in it. Tools see that and nothing later, so there is no path to escape from and no race to win, and a manifest
 * says exactly what a run could read.
 */
import { canonicalJson, sha256Hex } from "../core/digest.ts";
import type { FolderEntry } from "../ports/index.ts";

/** What one folder may hold. */
export const MOUNT_LIMITS = { entries: 10_000, bytes: 64 * 1024 * 1024 } as const;

/** A folder as it was. */
export interface Mount {
  /** `sha256:<hex>` over the canonical JSON of its paths and their contents' digests. */
  readonly digest: string;
  readonly entries: ReadonlyMap<string, FolderEntry>;
}

/**
 * Takes over what was read of a folder.
 *
 * @throws {Error} for a name that could mean something else to somebody
 */
export function createMount(name: string, entries: readonly FolderEntry[]): Mount {
  for (const { path } of entries) {
    if (!isPlainPath(path))
      throw new Error(`Cannot mount "${name}": ${JSON.stringify(path)} is not a plain path`);
  }
  const digest = sha256Hex(
    canonicalJson(
      entries.map((entry) => [entry.path, entry.kind === "file" ? sha256Hex(entry.bytes) : entry.kind]),
    ),
  );
  return { digest: `sha256:${digest}`, entries: new Map(entries.map((entry) => [entry.path, entry])) };
}

/**
 * Reads every folder of the operator's configuration.
 *
 * @param folders names and the paths behind them
 * @throws {Error} when one cannot be read whole
 */
export async function loadMounts(
  folders: ReadonlyMap<string, string>,
  readFolder: (path: string, limits: typeof MOUNT_LIMITS) => Promise<readonly FolderEntry[]>,
): Promise<ReadonlyMap<string, Mount>> {
  const mounts = new Map<string, Mount>();
  for (const [name, path] of folders)
    mounts.set(name, createMount(name, await readFolder(path, MOUNT_LIMITS)));
  return mounts;
}

/** Whether a path is names joined by single slashes, none of which is `.` or `..`. Attacker-controlled from a guest. */
export function isPlainPath(path: string): boolean {
  if (path.length > 4096 || !path.isWellFormed()) return false;
  return path
    .split("/")
    .every(
      (name) => name !== "" && name !== "." && name !== ".." && !/[\0\\]/.test(name) && name.length <= 255,
    );
}
