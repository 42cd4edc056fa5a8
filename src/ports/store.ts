/**
 * What must survive a crash. Implementations: `stores/sqlite/`, `stores/postgres/`; one contract suite in `test/contract/store`.
 *
 * Duties of an implementation: a promise resolves only after the change is durable (synced to disk), that of
 * `recordIntent` alone excepted; what is durable has everything with it that was written before; a change is whole or
 * absent; concurrent callers see a serial order; every failure throws, none is swallowed.
 */
import type { AccountStore, Claimed, RunClaims, RunSettlement } from "./accounts.ts";
import type { ItemStore } from "./items.ts";
import type { JournalStore } from "./journals.ts";
import type { KeyActStore, KeyRow } from "./key-acts.ts";
import type { LedgerStore } from "./ledger.ts";
import type { MeasureStore } from "./measures.ts";
import type { VersionStore } from "./versions.ts";

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

/** A finished run: what is stored, and appended to the log, in the transaction that seals it. */
export interface Seal {
  readonly run: string;
  readonly outcome: string;
  /** Hex sha256 of the bytes that were signed (the DSSE PAE). */
  readonly digest: string;
  /** The Sigstore bundle as it was signed, without its log entry; JSON text. */
  readonly bundle: string;
  /** What the log keeps of it, byte for byte: digests, never bodies. At most 65535 bytes. */
  readonly entry: string;
  readonly sealedAtMs: number;
}

/** The log at some moment: how many seals it has, and what they hash to by RFC 9162. */
export interface LogHead {
  readonly size: number;
  readonly root: Uint8Array<ArrayBuffer>;
}

/** Where a seal is in the log, and the proof of it. */
export interface Logged {
  /** Its sequence, which is its index in the log. */
  readonly sequence: number;
  /** What the log was after the commit that made the seal durable; seals that shared the commit share the object. */
  readonly head: LogHead;
  /** Inclusion proof of the seal in that head, lowest hash first. */
  readonly path: readonly Uint8Array<ArrayBuffer>[];
}

/** One run as the store knows it. */
export interface RunRow {
  readonly intent: Intent;
  /** Absent while the run is open. `sequence` starts at 0 and has no gaps. */
  readonly seal?: Seal & { readonly sequence: number };
}

/** The durable store. All methods may throw; the caller decides what that means for the answer. */
export interface Store {
  /** What tools keep between runs. */
  readonly items: ItemStore;
  /** Journals of runs: encrypted, and erasable. */
  readonly journals: JournalStore;
  /** What was counted, and which alerts fire. */
  readonly measures: MeasureStore;
  /** Versions of tools, and which are in force. */
  readonly versions: VersionStore;
  /** Budgets, keys, retries, loops and the ledger. */
  readonly accounts: AccountStore;
  /** What runs cost and tasks are billed. */
  readonly ledger: LedgerStore;
  /** API keys that a command line issues and revokes. */
  readonly keyActs: KeyActStore;
  /**
   * Stores the intent, and with it what the run claims, in one transaction, that no end of this process takes back. It is
   * not synced for its own sake: a machine that loses its power may lose it, with all that was written behind it. So the
   * run may begin, and may have no effect before {@link Store.syncIntent}; its seal makes both durable.
   *
   * @param claims default: nothing
   * @param taken told, at most once and perhaps never, when all claims are taken and nothing but the commit is left, which
   *   may fail still; must not throw
   * @returns what was claimed; when that was refused, nothing is stored
   * @throws when a run of that id exists
   */
  recordIntent(intent: Intent, claims?: RunClaims, taken?: () => void): Promise<Claimed>;
  /**
   * Makes the intent of an open run durable, and what the run claimed with it.
   *
   * @throws when the run is not open: its intent was lost meanwhile, or somebody has closed it
   */
  syncIntent(run: string): Promise<void>;
  /**
   * Stores the seal, assigns the next sequence number, appends the entry to the log and settles what the run claimed,
   * in one transaction.
   *
   * @param settlement default: nobody knows what it used, and the ledger has nothing of it
   * @param expected told, at most once and perhaps never, of the head that the commit will make, should it not fail: the
   *   object that is returned then. Must not throw, and give it to nobody
   * @returns the sequence and the proof. A head that is returned is durable: no later one forgets what it covers
   * @throws when the run is unknown or already sealed: a run is sealed exactly once
   */
  seal(seal: Seal, settlement?: RunSettlement, expected?: (head: LogHead) => void): Promise<Logged>;
  /** Records what let nothing run, a refusal or an operator's action: intent and seal at once, in one transaction. */
  recordRefusal(intent: Intent, seal: Seal): Promise<Logged>;
  /** Runs admitted before `admittedBeforeMs` without a seal, oldest first; at most `limit`. */
  openRuns(admittedBeforeMs: number, limit: number): Promise<readonly Intent[]>;
  /** Only within the tenant: another tenant's run is as absent as one that never was. */
  findRun(tenant: string, run: string): Promise<RunRow | undefined>;
  /** Newest first; `before` is a run id to continue from. */
  listRuns(tenant: string, limit: number, before?: string): Promise<readonly RunRow[]>;
  /** Whosever it is: for the operator, never for a caller. */
  findRunOfAnyTenant(run: string): Promise<RunRow | undefined>;
  /**
   * Every tenant's, oldest first: for the operator, never for a caller.
   *
   * @param after a run id, or any text: only runs whose ids sort behind it
   */
  scanRuns(after: string, limit: number): Promise<readonly RunRow[]>;
  /**
   * Seals in the log's order, for whoever reads all of them.
   *
   * @returns from `sequence` on, at most `limit`; `known` says whether the run's intent is there, which it always is
   *   unless somebody deleted it
   */
  listSeals(
    sequence: number,
    limit: number,
  ): Promise<readonly { readonly seal: Seal & { readonly sequence: number }; readonly known: boolean }[]>;
  /** The log as it is now. */
  logHead(): Promise<LogHead>;
  /**
   * Proves a seal again, in the same head as when it was sealed.
   *
   * @param atLeast in the first head with that many entries instead; a size that {@link Store.logHead} told is one
   * @throws {RangeError} when there is no seal of that sequence, or no such head
   */
  prove(sequence: number, atLeast?: number): Promise<Logged>;
  /**
   * Proves that the log began as it was at a smaller size.
   *
   * @param size of a head that was seen; the log may have grown since
   * @returns consistency proof, RFC 9162 section 2.1.4
   * @throws {RangeError} when `oldSize` is no beginning of `size`
   */
  proveGrowth(oldSize: number, size: number): Promise<readonly Uint8Array<ArrayBuffer>[]>;
  /**
   * Hashes of the log's tree: a tile of RFC 9162 nodes, as C2SP tlog-tiles cuts it.
   *
   * @param level 0 = leaf hashes
   * @param width how many, 1 to 256
   * @returns them one after another; undefined when the log does not have them all yet
   */
  logTile(level: number, index: number, width: number): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Entries `[256 * index, 256 * index + width)` of the log; undefined when it does not have them all yet. */
  logEntries(index: number, width: number): Promise<readonly string[] | undefined>;
  insertKey(key: KeyRow): Promise<void>;
  findKey(hash: string): Promise<KeyRow | undefined>;
  listKeys(): Promise<readonly KeyRow[]>;
  /**
   * Oldest first.
   *
   * @param page `tenant`: of this one alone, and `after` names nothing beyond it. An `after` that is no key's: none follow
   */
  listKeyPage(page: {
    readonly tenant?: string;
    readonly after?: string;
    readonly limit: number;
  }): Promise<readonly KeyRow[]>;
  /** @param tenant only of this one's; default: of any. @returns false when there is no such key. */
  revokeKey(id: string, atMs: number, tenant?: string): Promise<boolean>;
  /**
   * Keeps the first value that anybody claims under a name.
   *
   * @returns the value that is kept: this one, unless another was there before
   */
  claim(name: string, value: string): Promise<string>;
  /** The database's own clock, ms: the one that all gateways of it share. */
  nowMs(): Promise<number>;
  /** Whether nothing is known by which writes would fail: of a disk that failed one would, and is not tried for a while. */
  isWritable(): boolean;
  /** Cheap proof that writes would be durable now; throws when not. For `/readyz`. */
  check(): Promise<void>;
  close(): Promise<void>;
}
