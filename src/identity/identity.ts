/**
 * API keys: issued once, kept as hashes, turned into principals.
 *
 * A caller that is refused learns nothing but that: missing, malformed, unknown, expired and revoked keys get one and
 * the same error. Only a SHA-256 is kept, without salt or stretching, because there is nothing to guess in 256 random
 * bits; looking the hash up leaks timing about hashes, from which no key follows.
 */
import { sha256Hex } from "../core/digest.ts";
import { GatewayError } from "../core/errors.ts";
import { isScope, type Principal, SCOPE_NAMES, type Scope } from "../core/policy/index.ts";
import type { Clock, Entropy, KeyRow, Store } from "../ports/index.ts";
import { isKeyText, KEY_BYTES, writeKey } from "./key-text.ts";

/** What identity is made with. */
export interface IdentityParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
}

/** What a new key may do, and for whom. */
export interface IssueKeyOptions {
  readonly tenant: string;
  readonly tier: string;
  readonly scopes: readonly Scope[];
  /** What the operator calls it. */
  readonly label: string;
  /** From this moment on the key is refused. Absent = it does not expire. */
  readonly expiresAtMs?: number;
}

/** A key that was just issued. */
export interface IssuedKey {
  /** The key itself: shown once, kept nowhere. */
  readonly text: string;
  readonly row: KeyRow;
}

/** Keys and whom they speak for. */
export interface Identity {
  /**
   * @param authorization the Authorization header as sent, attacker-controlled
   * @returns the principal; its id is `key:` and the key's public id
   * @throws {GatewayError} `unauthenticated`, always alike; `evidence-unavailable` when the store can not be asked
   */
  authenticate(authorization: string | undefined): Promise<Principal>;
  /** Issues a key. Durable when it resolves. @throws whatever the store throws */
  issueKey(options: IssueKeyOptions): Promise<IssuedKey>;
  /** @returns false when there is no such key. A key is refused from the moment this resolves. */
  revokeKey(id: string): Promise<boolean>;
  /** All keys ever issued, oldest first. */
  listKeys(): Promise<readonly KeyRow[]>;
  /**
   * Issues the first key of a new store, with every scope.
   *
   * @param owner default tenant `default`, tier `free`
   * @returns undefined when the store has had a key, even if all are revoked by now
   */
  bootstrapKey(owner?: { readonly tenant?: string; readonly tier?: string }): Promise<IssuedKey | undefined>;
}

/** Longer headers are refused unread. */
const MAX_HEADER_LETTERS = 256;

/** Creates the identity of one gateway. */
export function createIdentity(parts: IdentityParts): Identity {
  const { store, clock, entropy } = parts;

  async function issueKey(options: IssueKeyOptions): Promise<IssuedKey> {
    const { text, id } = writeKey(entropy.bytes(KEY_BYTES));
    const row: KeyRow = { ...options, id, hash: sha256Hex(text), createdAtMs: clock.nowMs() };
    await store.insertKey(row);
    return { text, row };
  }

  return {
    async authenticate(authorization) {
      const text = readBearer(authorization);
      if (text === undefined || !isKeyText(text)) throw unauthenticated();
      // The hash is of the whole text, so the row it finds is that of the id in the text.
      const row = await findKey(store, sha256Hex(text));
      if (row === undefined || !isLive(row, clock.nowMs())) throw unauthenticated();
      const id = `key:${row.id.replace(/^key_/, "")}`;
      const credential = { kind: "api-key", id: row.id } as const;
      return { id, tenant: row.tenant, tier: row.tier, scopes: readScopes(row), credential };
    },
    issueKey,
    revokeKey: (id) => store.revokeKey(id, clock.nowMs()),
    listKeys: () => store.listKeys(),
    async bootstrapKey({ tenant = "default", tier = "free" } = {}) {
      if ((await store.listKeys()).length > 0) return undefined;
      return await issueKey({ tenant, tier, scopes: SCOPE_NAMES, label: "bootstrap" });
    },
  };
}

/** RFC 6750 section 2.1, one space and nothing else. */
function readBearer(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length > MAX_HEADER_LETTERS) return undefined;
  return /^bearer ([0-9A-Za-z_]+)$/i.exec(authorization)?.[1];
}

async function findKey(store: Store, hash: string): Promise<KeyRow | undefined> {
  try {
    return await store.findKey(hash);
  } catch (cause) {
    // Not the caller's fault: a 401 here would make clients throw good keys away.
    const refusal = { code: "evidence-unavailable", retryAfterSeconds: 5 } as const;
    throw new GatewayError("Cannot authenticate: the store failed", refusal, { cause });
  }
}

/** A revocation counts at once, whatever its time says: clocks jump. */
function isLive(row: KeyRow, nowMs: number): boolean {
  return row.revokedAtMs === undefined && (row.expiresAtMs === undefined || nowMs < row.expiresAtMs);
}

/** Words that this version does not know grant nothing. */
function readScopes(row: KeyRow): readonly Scope[] {
  return row.scopes.filter(isScope);
}

function unauthenticated(): GatewayError {
  return new GatewayError("Cannot authenticate: no live key in the Authorization header", {
    code: "unauthenticated",
  });
}
