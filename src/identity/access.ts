/** What the operator says of who may ask: tenants, and issuers of tokens with what their claims mean. No behaviour. */
import type { Scope } from "../core/policy/index.ts";

/** Signature algorithms that can be believed: asymmetric ones, so that nobody who can verify can sign. */
export const ALGORITHMS = [
  "ES256",
  "ES384",
  "ES512",
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "EdDSA",
] as const;

/** One of {@link ALGORITHMS}. */
export type Algorithm = (typeof ALGORITHMS)[number];

/** A member of the claims: its name, or the names that lead to it. */
export type ClaimPath = string | readonly string[];

/** Where one word comes from: said here, or a claim of the token, as it is or translated. */
export type WordSource =
  | { readonly value: string }
  | { readonly claim: ClaimPath; readonly map?: Readonly<Record<string, string>> | undefined };

/** Where scopes come from. A claim's words that are no scopes, and that no map names, grant nothing. */
export type ScopeSource =
  | { readonly value: readonly Scope[] }
  | {
      readonly claim: ClaimPath;
      readonly map?: Readonly<Record<string, readonly Scope[]>> | undefined;
    };

/** An OpenID Connect issuer whose access tokens are believed. */
export interface Issuer {
  /** The operator's word for it; begins the ids of its principals. */
  readonly name: string;
  /** `iss`, to the letter. */
  readonly issuer: string;
  /** Any one of these has to be in `aud`. */
  readonly audience: readonly string[];
  readonly algorithms: readonly Algorithm[];
  /** `typ` of the header, such as `at+jwt`. */
  readonly typ: string;
  /** Longest time since `iat`. */
  readonly maxAgeSeconds: number;
  readonly clockToleranceSeconds: number;
  /** Where its keys are; absent = its discovery document says. */
  readonly jwksUri?: string | undefined;
  /** CIDR blocks that its hosts may be in although they are not public. */
  readonly allowAddresses: readonly string[];
  /** PEM of a private authority for its hosts' certificates, beside the public ones. */
  readonly authorities: readonly string[];
  readonly tenant: WordSource;
  /** Absent where the operator lists tenants: their tier is there. */
  readonly tier?: WordSource | undefined;
  readonly principal: WordSource;
  readonly scopes: ScopeSource;
}

/** Who may ask. */
export interface Access {
  /** Every tenant there is, with its tier; absent = every tenant that a key or an issuer names. */
  readonly tenants?: ReadonlyMap<string, { readonly tier: string }> | undefined;
  readonly issuers: readonly Issuer[];
}

/** What holds when the operator says nothing: keys alone, of whatever tenants they were issued for. */
export const KEYS_ALONE: Access = { issuers: [] };

/** Form of tenants' and tiers' names: no credential is of another. */
export const NAME: RegExp = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
