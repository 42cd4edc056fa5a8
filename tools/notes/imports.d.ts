/** What the host gives to world `tool`, as far as `notes.ts` uses it. The WIT is the contract; these are its types. */

declare module "wasi:keyvalue/store@0.2.0-draft2" {
  export interface Bucket {
    get(key: string): Uint8Array | null;
    set(key: string, value: Uint8Array): void;
    delete(key: string): void;
    /** A `cursor` other than null says that there are more keys. */
    listKeys(cursor: string | null): { readonly keys: readonly string[]; readonly cursor: string | null };
  }
  export function open(name: string): Bucket;
}

declare module "wasi:keyvalue/atomics@0.2.0-draft2" {
  import type { Bucket } from "wasi:keyvalue/store@0.2.0-draft2";
  export function increment(bucket: Bucket, key: string, by: number): number;
}

declare module "wasi:filesystem/preopens@0.2.12" {
  /** A file or a directory. */
  interface Descriptor {
    openAt(
      pathFlags: object,
      path: string,
      openFlags: { create?: boolean; truncate?: boolean },
      flags: { read?: boolean; write?: boolean },
    ): Descriptor;
    read(length: number, offset: number): [bytes: Uint8Array, end: boolean];
    write(bytes: Uint8Array, offset: number): number;
    sync(): void;
  }
  export function getDirectories(): [Descriptor, path: string][];
}
