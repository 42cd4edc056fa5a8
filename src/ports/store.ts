/**
 * What must survive a crash. Implementations: `stores/sqlite.ts`; one contract suite in `test/contract/store`.
 *
 * Duties of an implementation: a promise resolves only after the change is durable (synced to disk); a change
 * is whole or absent; concurrent callers see a serial order; every failure throws, none is swallowed.
 */

/** The intention to run, written before anything runs. */
export interface Intent {
  /** Run id: `run_` and 26 characters of Crockford base32, time-ordered. */
  readonly run: string;
  readonly tenant: string;
  readonly tool: string;
  readonly function: string;
  readonly admittedAtMs: number;
  /**
   * JSON of all predicate members known before the run, so that the reconciler can sign an honest statement
   * about a run whose gateway died.
   */
  readonly predicate: string;
}

/** A finished run: what is stored in the transaction that seals it. */
export interface Seal {
  readonly run: string;
  readonly outcome: string;
  /** Hex sha256 of the bytes that were signed (the DSSE PAE). */
  readonly digest: string;
  /** The Sigstore bundle, JSON text. */
  readonly bundle: string;
  readonly sealedAtMs: number;
}

/** One run as the store knows it. */
export interface RunRow {
  readonly intent: Intent;
  /** Absent while the run is open. `sequence` starts at 0 and has no gaps. */
  readonly seal?: Seal & { readonly sequence: number };
}

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

/** The durable store. All methods may throw; the caller decides what that means for the answer. */
export interface Store {
  /** Durable when it resolves. @throws when a run of that id exists. */
  recordIntent(intent: Intent): Promise<void>;
  /**
   * Stores the seal and assigns the next sequence number, in one transaction.
   *
   * @returns the sequence
   * @throws when the run is unknown or already sealed: a run is sealed exactly once
   */
  seal(seal: Seal): Promise<number>;
  /** Records a decision that let nothing run: intent and seal at once, in one transaction. */
  recordRefusal(intent: Intent, seal: Seal): Promise<number>;
  /** Runs admitted before `admittedBeforeMs` without a seal, oldest first; at most `limit`. */
  openRuns(admittedBeforeMs: number, limit: number): Promise<readonly Intent[]>;
  /** Only within the tenant: another tenant's run is as absent as one that never was. */
  findRun(tenant: string, run: string): Promise<RunRow | undefined>;
  /** Newest first; `before` is a run id to continue from. */
  listRuns(tenant: string, limit: number, before?: string): Promise<readonly RunRow[]>;
  insertKey(key: KeyRow): Promise<void>;
  findKey(hash: string): Promise<KeyRow | undefined>;
  listKeys(): Promise<readonly KeyRow[]>;
  /** @returns false when there is no such key. */
  revokeKey(id: string, atMs: number): Promise<boolean>;
  /** Cheap proof that writes would be durable now; throws when not. For `/readyz`. */
  check(): Promise<void>;
  close(): Promise<void>;
}
