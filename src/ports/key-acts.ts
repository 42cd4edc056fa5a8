/**
 * What is done about API keys where nothing can be signed, by a command line beside the gateway or before it: done and
 * remembered in one transaction, and signed into the log by the next gateway that looks. What a gateway does for a
 * caller it signs itself, before or with the doing.
 *
 * Duties of an implementation: those of the store.
 */
/** An API key at rest: the hash of it, never the key. */
export interface KeyRow {
  /** Public id, e.g. `key_7f3a91c2`. */
  readonly id: string;
  /** Hex sha256 of the whole key text. */
  readonly hash: string;
  readonly tenant: string;
  readonly tier: string;
  readonly scopes: readonly string[];
  readonly createdAtMs: number;
  /** Absent = does not expire. */
  readonly expiresAtMs?: number;
  readonly revokedAtMs?: number;
  /** What the operator calls it. */
  readonly label: string;
}

/** Something that was done about a key, as it is to be signed. Append-only. */
export interface KeyAct {
  /** `act_` and a ULID: in the order of their making. */
  readonly id: string;
  readonly kind: "issue-key" | "revoke-key";
  /** Who: `cli`, or `gateway` for a database's first key. */
  readonly by: string;
  readonly atMs: number;
  /** In sentences, at least one. */
  readonly changes: readonly string[];
  /** `sha256:<hex>` of the key before and after, without its hash. */
  readonly before: string;
  readonly after: string;
}

/** Keys that are issued and revoked with a remembrance. */
export interface KeyActStore {
  /** Keeps a key: from then on it is good. @throws when a key or an act of that id exists: then neither is kept */
  issue(key: KeyRow, act: KeyAct): Promise<void>;
  /** Revokes a key of any tenant. @returns false when there is no such key: then nothing is remembered */
  revoke(key: string, act: KeyAct): Promise<boolean>;
  /** Acts of which the log has no record yet, oldest first. */
  unsigned(limit: number): Promise<readonly KeyAct[]>;
}
