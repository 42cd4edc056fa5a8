/** Something in a folder that was read whole. `path` is relative to it, names joined by `/`. */
export type FolderEntry =
  | { readonly path: string; readonly kind: "folder"; readonly modifiedAtMs: number }
  | {
      readonly path: string;
      readonly kind: "file";
      readonly bytes: Uint8Array<ArrayBuffer>;
      readonly modifiedAtMs: number;
    };

/** Files of the operator: policies, tools, profiles, keys, caches. Guests never come near this port. */
export interface Files {
  /** @returns the bytes, or `undefined` when there is no such file. Other failures throw. */
  read(path: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /**
   * Writes whole or not at all: to a temporary name, synced, then renamed. Missing folders are made.
   *
   * @param mode permission bits, default 0o644; secrets and keys use 0o600
   */
  write(path: string, bytes: Uint8Array | string, options?: { readonly mode?: number }): Promise<void>;
  /**
   * Writes a file that is not there yet, whole or not at all. Of several that do so at once, here or in other processes,
   * one does.
   *
   * @param mode permission bits
   * @returns whether it was this one; false when there was a file already, which stays as it is
   */
  create(path: string, bytes: Uint8Array | string, options: { readonly mode: number }): Promise<boolean>;
  /** Deletes a file; does nothing when there is none. */
  remove(path: string): Promise<void>;
  /** @returns the names in a folder, sorted; empty when there is no such folder. */
  list(path: string): Promise<readonly { readonly name: string; readonly isFolder: boolean }[]>;
  /**
   * What tells two states of a file apart without reading it: size, place on the disk, and when it was written.
   *
   * @returns undefined when there is none
   */
  stamp(path: string): Promise<string | undefined>;
  /** @returns permission bits of a file (e.g. 0o600), or `undefined` when there is none. */
  mode(path: string): Promise<number | undefined>;
}
