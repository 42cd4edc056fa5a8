/**
 * Where journals are kept: apart from the record of runs, because they can be erased and it can not. Content is
 * ciphertext here; whoever reads the store reads nothing of it.
 *
 * Duties of an implementation: those of the store; and what was erased is overwritten in its files, not only forgotten.
 */

/** A tenant's key, wrapped by the operator's master key. */
export interface TenantKeyRow {
  readonly tenant: string;
  /** Random; tells this key from a later one of the same tenant. */
  readonly id: string;
  readonly wrapped: Uint8Array<ArrayBuffer>;
}

/** The journal of one run, at rest. */
export interface JournalRow {
  readonly run: string;
  readonly tenant: string;
  /** Under which of the tenant's keys. */
  readonly keyId: string;
  readonly keptAtMs: number;
  readonly expiresAtMs: number;
  /** Ciphertext. */
  readonly content: Uint8Array<ArrayBuffer>;
}

/** What is left of an erased journal. */
export interface Erasure {
  readonly run: string;
  readonly tenant: string;
  readonly atMs: number;
  readonly why: ErasureReason;
}

/** `run`, `tenant`: the operator asked for it. `retention`: its days were over. */
export type ErasureReason = "run" | "tenant" | "retention";

/** Which journals to erase. */
export type ErasureScope =
  | { readonly kind: "run"; readonly run: string }
  /** Their key too: what of them is in any copy of the database can not be read again with this one's keys. */
  | { readonly kind: "tenant"; readonly tenant: string }
  | { readonly kind: "retention"; readonly expiredBeforeMs: number };

/** Journals and the keys that they are encrypted with. */
export interface JournalStore {
  /** The tenant's present key. */
  findKey(tenant: string): Promise<TenantKeyRow | undefined>;
  /** @returns the key that is the tenant's afterwards: this one, unless it had one already */
  insertKey(key: TenantKeyRow): Promise<TenantKeyRow>;
  /** Keys by tenant's name, behind that of a tenant; `""` = from the first on. */
  scanKeys(after: string, limit: number): Promise<readonly TenantKeyRow[]>;
  /** Puts the same key, wrapped anew, in its place, if it still is as it was given. */
  rewrapKey(was: TenantKeyRow, wrapped: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Whether there is any key at all, of whatever tenant. */
  hasKeys(): Promise<boolean>;
  /**
   * Keeps a journal.
   *
   * @returns false, and keeps nothing, when its key is no longer the tenant's
   * @throws when there is one of that run, or no such run
   */
  put(journal: JournalRow): Promise<boolean>;
  find(run: string): Promise<JournalRow | undefined>;
  findErasure(run: string): Promise<Erasure | undefined>;
  /** Erases, and notes it for each run. @returns how many journals */
  erase(scope: ErasureScope, atMs: number): Promise<number>;
}
