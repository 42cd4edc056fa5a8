/**
 * Credentials to principals: API keys, issued once and kept as hashes, and tokens of the issuers that the operator
 * believes.
 *
 * A caller that is refused learns nothing but that: missing, malformed, unknown, expired and revoked credentials get one
 * and the same refusal; why is in the error's cause, for the operator's log. Of keys only a SHA-256 is kept, without salt or stretching, because there is nothing to guess in 256 random
 * bits; looking the hash up leaks timing about hashes, from which no key follows.
 */
import { sha256Hex } from "../core/digest.ts";
import { GatewayError } from "../core/errors.ts";
import { isScope, type Principal, SCOPE_NAMES, type Scope } from "../core/policy/index.ts";
import type { Clock, Entropy, KeyAct, KeyRow, Outgoing, Store } from "../ports/index.ts";
import { type Access, KEYS_ALONE } from "./access.ts";
import { CredentialRefused, tierOf } from "./claims.ts";
import { isKeyText, KEY_BYTES, writeKey } from "./key-text.ts";
import { MAX_TOKEN_LETTERS } from "./token-text.ts";
import { Tokens } from "./tokens.ts";

/** What identity is made with. */
export interface IdentityParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** How issuers' keys are fetched; absent = no issuer can be asked, and no token is good. */
  readonly outgoing?: Pick<Outgoing, "get">;
  /** Told when an issuer's keys can not be fetched. */
  readonly log?: (line: object) => void;
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

/** Says what is to be signed of a key that is being issued. */
export type ActOf = (row: KeyRow) => KeyAct;

/** Keys and whom they speak for. */
export interface Identity {
  /**
   * @param authorization the Authorization header as sent, attacker-controlled
   * @returns the principal; its id is `key:` and the key's public id, or the issuer's name, a colon and the subject
   * @throws {GatewayError} `unauthenticated`, always alike; `evidence-unavailable` when the store can not be asked,
   *   `identity-unavailable` when a token's issuer can not
   */
  authenticate(authorization: string | undefined): Promise<Principal>;
  /** Who may ask from now on: tenants and issuers. Default: keys alone, of any tenant. */
  use(access: Access): void;
  /** Fetches the keys of every issuer. @returns how many each has; none = it does not answer */
  warm(): Promise<readonly { readonly name: string; readonly keys: number }[]>;
  /**
   * Issues a key. Durable when it resolves, and with it what is to be signed of it.
   *
   * @throws whatever the store throws
   */
  issueKey(options: IssueKeyOptions, actOf: ActOf): Promise<IssuedKey>;
  /** Makes a key of this moment, that is not kept yet. */
  makeKey(
    options: IssueKeyOptions,
    nowMs: number,
  ): IssuedKey & {
    /** Keeps it: from then on it is good. Durable when it resolves. @throws whatever the store throws */
    keep(): Promise<void>;
  };
  /** What the list of tenants says of one; `open` = there is no list. */
  listedTier(
    tenant: string,
  ): { readonly kind: "open" | "unlisted" } | { readonly kind: "listed"; readonly tier: string };
  /**
   * @param tenant only of this one's; default: of any
   * @returns false when there is no such key. A key is refused from the moment this resolves.
   */
  revokeKey(id: string, tenant?: string): Promise<boolean>;
  /** All keys ever issued, oldest first. */
  listKeys(): Promise<readonly KeyRow[]>;
  /**
   * Issues the first key of a new store, with every scope.
   *
   * @param actOf what is to be signed of it
   * @param owner default tenant `default`, tier `free`
   * @returns undefined when the store has had a key, even if all are revoked by now, and when tenants are listed and the
   *   owner is not
   */
  bootstrapKey(
    actOf: ActOf,
    owner?: { readonly tenant?: string; readonly tier?: string },
  ): Promise<IssuedKey | undefined>;
}

/** Longer headers are refused unread. */
const MAX_HEADER_LETTERS = MAX_TOKEN_LETTERS + "Bearer ".length;

/** Creates the identity of one gateway. */
export function createIdentity(parts: IdentityParts): Identity {
  const { store, clock, entropy } = parts;

  function makeKey(options: IssueKeyOptions, nowMs: number): ReturnType<Identity["makeKey"]> {
    const { text, id } = writeKey(entropy.bytes(KEY_BYTES));
    const row: KeyRow = { ...options, id, hash: sha256Hex(text), createdAtMs: nowMs };
    return { text, row, keep: () => store.insertKey(row) };
  }

  async function issueKey(options: IssueKeyOptions, actOf: ActOf): Promise<IssuedKey> {
    const { text, row } = makeKey(options, clock.nowMs());
    await store.keyActs.issue(row, actOf(row));
    return { text, row };
  }

  const { outgoing = NOBODY, log = () => undefined } = parts;
  const tokens = new Tokens({ clock, outgoing, log });
  let access = KEYS_ALONE;

  async function principalOfKey(text: string): Promise<Principal> {
    // The hash is of the whole text, so the row it finds is that of the id in the text.
    const row = await findKey(store, sha256Hex(text));
    if (row === undefined || !isLive(row, clock.nowMs())) throw new CredentialRefused("no such key is live");
    return {
      id: `key:${row.id.replace(/^key_/, "")}`,
      tenant: row.tenant,
      tier: tierOf(access, row.tenant, row.tier),
      scopes: row.scopes.filter(isScope),
      credential: { kind: "api-key", id: row.id },
    };
  }

  return {
    async authenticate(authorization) {
      const text = readBearer(authorization);
      try {
        if (text === undefined) throw new CredentialRefused("there is no bearer credential");
        // The prefix is ours alone: no token begins with it, since its first dot comes later.
        if (isKeyText(text)) return await principalOfKey(text);
        return await tokens.verify(text);
      } catch (cause) {
        if (cause instanceof CredentialRefused) throw unauthenticated(cause);
        throw cause;
      }
    },
    use(next) {
      access = next;
      tokens.use(next);
    },
    warm: () => tokens.warm(),
    issueKey,
    makeKey,
    listedTier(tenant) {
      if (access.tenants === undefined) return { kind: "open" };
      const listed = access.tenants.get(tenant);
      return listed === undefined ? { kind: "unlisted" } : { kind: "listed", tier: listed.tier };
    },
    revokeKey: (id, tenant) => store.revokeKey(id, clock.nowMs(), tenant),
    listKeys: () => store.listKeys(),
    async bootstrapKey(actOf, { tenant = "default", tier = "free" } = {}) {
      // A key of a tenant that is not listed would be good for nothing.
      if (access.tenants !== undefined && !access.tenants.has(tenant)) return undefined;
      if ((await store.listKeys()).length > 0) return undefined;
      return await issueKey({ tenant, tier, scopes: SCOPE_NAMES, label: "bootstrap" }, actOf);
    },
  };
}

/** Without a way out there is no issuer that could be asked. */
const NOBODY: Pick<Outgoing, "get"> = {
  get: (url) => Promise.reject(new Error(`Cannot read ${url}: there is no way out`)),
};

/** RFC 6750 section 2.1, one space and nothing else: of the letters that it allows, those that keys and tokens have. */
function readBearer(authorization: string | undefined): string | undefined {
  if (authorization === undefined || authorization.length > MAX_HEADER_LETTERS) return undefined;
  return /^bearer ([0-9A-Za-z_.-]+)$/i.exec(authorization)?.[1];
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

/** @param cause why, for the operator's log: the caller is told nothing of it */
function unauthenticated(cause: CredentialRefused): GatewayError {
  const message = "Cannot authenticate: no live credential in the Authorization header";
  return new GatewayError(message, { code: "unauthenticated" }, { cause });
}
