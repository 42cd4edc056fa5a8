/**
 * Tokens of OpenID Connect issuers. The gateway is a resource server and nothing more: it issues none, keeps none, and
 * passes none on. Issuer, audience, type, algorithm and age are the operator's words, never the token's.
 */
import { jwtVerify } from "jose";
import { canonicalJson } from "../core/digest.ts";
import type { Principal } from "../core/policy/index.ts";
import type { Access, Algorithm, Issuer } from "./access.ts";
import { CredentialRefused, principalOf } from "./claims.ts";
import { IssuerKeys, type IssuerKeysParts } from "./issuer-keys.ts";
import { readClaims, readTokenText, type TokenText } from "./token-text.ts";

/** An issuer, and its keys as they are known. */
interface Believed {
  readonly issuer: Issuer;
  readonly keys: IssuerKeys;
}

/** Tokens of the issuers that are believed. */
export class Tokens {
  readonly #parts: IssuerKeysParts;
  #access: Access = { issuers: [] };
  #believed: ReadonlyMap<string, Believed> = new Map();

  constructor(parts: IssuerKeysParts) {
    this.#parts = parts;
  }

  /** Believes these issuers from now on. Keys of those that are as before are kept. */
  use(access: Access): void {
    const kept = new Map([...this.#believed.values()].map((one) => [identityOf(one.issuer), one.keys]));
    this.#access = access;
    this.#believed = new Map(
      access.issuers.map((issuer) => {
        const keys = kept.get(identityOf(issuer)) ?? new IssuerKeys(issuer, this.#parts);
        return [issuer.issuer, { issuer, keys }];
      }),
    );
  }

  /** Fetches every issuer's keys. @returns how many each has; none = it does not answer */
  async warm(): Promise<readonly { readonly name: string; readonly keys: number }[]> {
    return await Promise.all(
      [...this.#believed.values()].map(async ({ issuer, keys }) => ({
        name: issuer.name,
        keys: await keys.warm(),
      })),
    );
  }

  /**
   * @param text as it stood behind `Bearer`, attacker-controlled
   * @throws {CredentialRefused} for whatever is wrong with it; it never quotes the token
   * @throws {GatewayError} `identity-unavailable`
   */
  async verify(text: string): Promise<Principal> {
    const token = readTokenText(text);
    if (token === undefined) throw new CredentialRefused("it is no token of the one form that is read");
    const access = this.#access;
    const believed = this.#believed.get(token.iss);
    if (believed === undefined) throw new CredentialRefused("its issuer is not believed");
    const { issuer, keys } = believed;
    const alg = issuer.algorithms.find((known) => known === token.alg);
    if (alg === undefined)
      throw new CredentialRefused(`issuer ${issuer.name} may not sign with its algorithm`);
    const key = await keys.find(token.kid, alg);
    if (key === undefined) throw new CredentialRefused(`issuer ${issuer.name} has no such key`);
    await this.#verify(token, key, alg, issuer);
    return principalOf(readClaims(token), token.kid, issuer, access);
  }

  async #verify(
    { text }: TokenText,
    key: NonNullable<Awaited<ReturnType<IssuerKeys["find"]>>>,
    alg: Algorithm,
    issuer: Issuer,
  ): Promise<void> {
    try {
      await jwtVerify(text, key, {
        algorithms: [alg],
        issuer: issuer.issuer,
        audience: [...issuer.audience],
        typ: issuer.typ,
        maxTokenAge: issuer.maxAgeSeconds,
        clockTolerance: issuer.clockToleranceSeconds,
        requiredClaims: ["exp", "iat", "sub"],
        currentDate: new Date(this.#parts.clock.nowMs()),
      });
    } catch (cause) {
      // Its messages name claims and never quote their values.
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new CredentialRefused(`issuer ${issuer.name}: ${why}`);
    }
  }
}

/** What makes an issuer's keys the same keys: where they are from, and what they are taken for. */
function identityOf({ issuer, jwksUri, algorithms, allowAddresses, authorities }: Issuer): string {
  return canonicalJson([issuer, jwksUri ?? null, [...algorithms], [...allowAddresses], [...authorities]]);
}
