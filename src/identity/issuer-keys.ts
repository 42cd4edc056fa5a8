/**
 * The public keys of one issuer: fetched through the one door out, kept, and fetched again.
 *
 * - A new key is found at once: a token signed by an unknown one has the set fetched, and waits for it.
 * - A storm of made-up key names costs the issuer one request in 30 s, and tokens signed by known keys nothing.
 * - An issuer that does not answer is done without for an hour; after that nobody says that its keys still stand.
 * - What it answers is bounded in bytes, keys and time.
 */
import { importJWK, type JWK } from "jose";
import { z } from "zod";
import { GatewayError } from "../core/errors.ts";
import { parseStrictJson } from "../core/manifest/index.ts";
import type { Clock, Outgoing } from "../ports/index.ts";
import type { Algorithm, Issuer } from "./access.ts";
import { isIssuerUrl } from "./access-file.ts";

/** Age at which keys are fetched again, while the old ones are still used. */
const REFRESH_MS = 300_000;
/** Age beyond which they are not used. */
const STALE_MS = 3_600_000;
/** Pause between two requests because of unknown key names. */
const UNKNOWN_MS = 30_000;
/** Longest pause after failures: they double from one second. */
const LONGEST_PAUSE_MS = 30_000;
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 262_144;
const MAX_KEYS = 100;

/** What fetching needs. */
export interface IssuerKeysParts {
  readonly outgoing: Pick<Outgoing, "get">;
  readonly clock: Clock;
  readonly log: (line: object) => void;
}

const discoveryShape = z.looseObject({ issuer: z.string(), jwks_uri: z.string().refine(isIssuerUrl) });
const setShape = z.looseObject({ keys: z.array(z.unknown()).max(MAX_KEYS) });
const keyShape = z.looseObject({
  kty: z.enum(["EC", "RSA", "OKP"]),
  kid: z.string().min(1).max(256),
  use: z.literal("sig").optional(),
  key_ops: z
    .array(z.string())
    .refine((ops) => ops.includes("verify"))
    .optional(),
  alg: z.string().optional(),
  crv: z.string().optional(),
  x: z.string().max(1024).optional(),
  y: z.string().max(1024).optional(),
  // 2048 to 8192 bits; an exponent of at most 32 bits: verifying has to stay cheap.
  n: z.string().min(340).max(1368).optional(),
  e: z.string().max(6).optional(),
  // A private key that was published is nobody's any more.
  d: z.undefined().optional(),
});

/** Which keys an algorithm takes. */
const KEY_OF: Readonly<Record<Algorithm, { readonly kty: string; readonly crv?: string }>> = {
  ES256: { kty: "EC", crv: "P-256" },
  ES384: { kty: "EC", crv: "P-384" },
  ES512: { kty: "EC", crv: "P-521" },
  RS256: { kty: "RSA" },
  RS384: { kty: "RSA" },
  RS512: { kty: "RSA" },
  PS256: { kty: "RSA" },
  PS384: { kty: "RSA" },
  PS512: { kty: "RSA" },
  EdDSA: { kty: "OKP", crv: "Ed25519" },
};

/** A key, ready to verify with. */
export type VerifyingKey = Awaited<ReturnType<typeof importJWK>>;

/** Keys by algorithm and name; null = two keys have both, so that nobody can say which is meant. */
type KeySet = ReadonlyMap<string, VerifyingKey | null>;

/** The keys of one issuer. */
export class IssuerKeys {
  readonly #issuer: Issuer;
  readonly #parts: IssuerKeysParts;
  #keys: KeySet | undefined;
  #fetchedAtMs = Number.NEGATIVE_INFINITY;
  #askedForUnknownAtMs = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #nextTryAtMs = Number.NEGATIVE_INFINITY;
  /** The request under way, if any: everybody who needs one waits for the same. It never rejects. */
  #underWay: Promise<void> | undefined;

  constructor(issuer: Issuer, parts: IssuerKeysParts) {
    this.#issuer = issuer;
    this.#parts = parts;
  }

  /**
   * Finds the key that must have signed.
   *
   * @param kid attacker-controlled
   * @returns undefined when the issuer has no such key
   * @throws {GatewayError} `identity-unavailable` when that can not be known now
   */
  async find(kid: string, alg: Algorithm): Promise<VerifyingKey | undefined> {
    const { clock } = this.#parts;
    const name = nameOf(alg, kid);
    if (this.#age() >= REFRESH_MS && clock.monotonicMs() >= this.#nextTryAtMs) void this.#renew();
    if (this.#isStale()) {
      await this.#underWay;
      if (this.#isStale()) throw this.#unavailable();
    }
    const known = this.#keys?.get(name);
    if (known !== undefined) return known ?? undefined;
    // Unknown: it may be new. Whoever fetches now fetches for all who wait.
    await this.#underWay;
    if (this.#keys?.has(name) !== true && clock.monotonicMs() - this.#askedForUnknownAtMs >= UNKNOWN_MS) {
      this.#askedForUnknownAtMs = clock.monotonicMs();
      await this.#renew();
    }
    const found = this.#keys?.get(name);
    if (found === undefined && this.#failures > 0) throw this.#unavailable();
    return found ?? undefined;
  }

  /** Fetches now, so that the first caller does not wait. @returns how many keys there are */
  async warm(): Promise<number> {
    await this.#renew();
    return this.#keys?.size ?? 0;
  }

  #age(): number {
    return this.#parts.clock.monotonicMs() - this.#fetchedAtMs;
  }

  #isStale(): boolean {
    return this.#keys === undefined || this.#age() >= STALE_MS;
  }

  #unavailable(): GatewayError {
    return new GatewayError(`Cannot authenticate: the keys of issuer ${this.#issuer.name} can not be had`, {
      code: "identity-unavailable",
      retryAfterSeconds: 5,
    });
  }

  #renew(): Promise<void> {
    this.#underWay ??= this.#attempt().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  async #attempt(): Promise<void> {
    const { clock, log } = this.#parts;
    try {
      const keys = await this.#read();
      this.#keys = keys;
      this.#fetchedAtMs = clock.monotonicMs();
      this.#failures = 0;
      this.#nextTryAtMs = Number.NEGATIVE_INFINITY;
    } catch (error) {
      // What is known stays in use until it is too old.
      const pauseMs = Math.min(LONGEST_PAUSE_MS, 1_000 * 2 ** this.#failures);
      this.#failures += 1;
      this.#nextTryAtMs = clock.monotonicMs() + pauseMs;
      log({ event: "issuer-keys-not-fetched", issuer: this.#issuer.name, error: String(error) });
    }
  }

  async #read(): Promise<KeySet> {
    const { issuer, jwksUri, algorithms } = this.#issuer;
    const uri = jwksUri ?? (await this.#discover(issuer));
    const set = setShape.parse(await this.#getJson(uri));
    const keys = new Map<string, VerifyingKey | null>();
    for (const one of set.keys) {
      const key = keyShape.safeParse(one);
      if (!key.success) continue;
      for (const alg of algorithms) {
        if (!fits(key.data, alg)) continue;
        const { kty, crv, x, y, n, e } = key.data;
        // The public members alone: nothing else of the document reaches the crypto.
        const imported = await importJWK(publicOf({ kty, crv, x, y, n, e }), alg).catch(() => undefined);
        if (imported === undefined) continue;
        const name = nameOf(alg, key.data.kid);
        keys.set(name, keys.has(name) ? null : imported);
      }
    }
    if (keys.size === 0) throw new Error(`Cannot use ${uri}: it has no key for ${algorithms.join(", ")}`);
    return keys;
  }

  /** OpenID Connect Discovery 1.0, sections 4 and 4.3: the document has to speak of this issuer. */
  async #discover(issuer: string): Promise<string> {
    const url = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
    const document = discoveryShape.parse(await this.#getJson(url));
    if (document.issuer !== issuer)
      throw new Error(`Cannot use ${url}: it is of ${JSON.stringify(document.issuer.slice(0, 200))}`);
    return document.jwks_uri;
  }

  async #getJson(url: string): Promise<unknown> {
    const { allowAddresses, authorities } = this.#issuer;
    const { status, text } = await this.#parts.outgoing.get(url, {
      timeoutMs: TIMEOUT_MS,
      maxBytes: MAX_BYTES,
      allowAddresses,
      credentials: { authorities },
    });
    if (status !== 200) throw new Error(`Cannot read ${url}: status ${status}, wanted 200`);
    const json = parseStrictJson(new TextEncoder().encode(text));
    if (!json.ok) throw new Error(`Cannot read ${url}: ${json.reason}`);
    return json.value;
  }
}

function fits({ kty, crv, alg: only }: z.infer<typeof keyShape>, alg: Algorithm): boolean {
  const wanted = KEY_OF[alg];
  return kty === wanted.kty && (wanted.crv === undefined || crv === wanted.crv) && (only ?? alg) === alg;
}

function publicOf(members: Readonly<Record<string, string | undefined>>): JWK {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

function nameOf(alg: Algorithm, kid: string): string {
  return `${alg} ${kid}`;
}
