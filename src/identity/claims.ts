/**
 * From the claims of a verified token to a principal, by the operator's own words. Whatever is unclear is refused: a
 * claim that is missing, of another type, or that the map does not know; two tenants; a tenant that nobody listed.
 */
import { z } from "zod";
import { isScope, type Principal, type Scope } from "../core/policy/index.ts";
import {
  type Access,
  type ClaimPath,
  type Issuer,
  NAME,
  type ScopeSource,
  type WordSource,
} from "./access.ts";

/** Why credentials are refused: for the operator's log. The caller is told nothing of it. */
export class CredentialRefused extends Error {
  override readonly name = "CredentialRefused";
}

/** Seconds since 1970 that exist: RFC 7519 allows fractions. 9999-12-31 is the last. */
const numericDate = z.number().min(0).max(253_402_300_799);

/** What a token has to say, whoever issued it. Verified before: signature, issuer, audience, type, times. */
const claimsShape = z.looseObject({
  sub: z
    .string()
    .min(1)
    .max(255)
    // It is signed into manifests and read by people: nothing in it that hides or moves text.
    .regex(/^[^\p{C}\p{Z}]([^\p{C}\p{Zl}\p{Zp}]*[^\p{C}\p{Z}])?$/u),
  exp: numericDate,
  iat: numericDate,
  nbf: numericDate.optional(),
  // Bound to a key or a certificate that its holder has to prove, which nobody here asks for.
  cnf: z.undefined().optional(),
});

/**
 * Makes the principal.
 *
 * @param claims of a token whose signature, issuer, audience and times hold
 * @param kid of the key that signed
 * @throws {CredentialRefused} saying what is unclear
 */
export function principalOf(claims: unknown, kid: string, issuer: Issuer, access: Access): Principal {
  const read = claimsShape.safeParse(claims);
  if (!read.success) {
    const [issue] = read.error.issues;
    throw new CredentialRefused(`claim ${issue?.path.map(String).join(".") ?? ""}: ${issue?.message ?? ""}`);
  }
  const tenant = nameOf("tenant", issuer.tenant, read.data);
  const claimed = issuer.tier === undefined ? undefined : nameOf("tier", issuer.tier, read.data);
  const subject = wordOf("principal", issuer.principal, read.data);
  return {
    id: `${issuer.name}:${subject}`,
    tenant,
    tier: tierOf(access, tenant, claimed),
    scopes: scopesOf(issuer.scopes, read.data),
    credential: { kind: "token", issuer: issuer.issuer, subject: read.data.sub, key: kid },
  };
}

/**
 * The tier of a tenant: the operator's list says, or whoever vouches for the credential.
 *
 * @param claimed what the credential says
 * @throws {CredentialRefused} when the tenant is not in the list, or nobody says a tier
 */
export function tierOf({ tenants }: Access, tenant: string, claimed: string | undefined): string {
  if (!NAME.test(tenant) || tenant.length > 64) throw new CredentialRefused("its tenant has no name");
  if (tenants === undefined) {
    if (claimed === undefined) throw new CredentialRefused(`tenant ${tenant}: nobody says its tier`);
    return claimed;
  }
  const listed = tenants.get(tenant);
  if (listed === undefined) throw new CredentialRefused(`tenant ${tenant} is not in the list of tenants`);
  return listed.tier;
}

function nameOf(what: string, source: WordSource, claims: Record<string, unknown>): string {
  const word = wordOf(what, source, claims);
  if (!NAME.test(word) || word.length > 64)
    throw new CredentialRefused(`${what} ${quote(word)}: wanted lower-case words joined by hyphens`);
  return word;
}

/** One word. Of a claim that is a list, the one that the map knows; two are unclear. */
function wordOf(what: string, source: WordSource, claims: Record<string, unknown>): string {
  if ("value" in source) return source.value;
  const { claim, map } = source;
  const value = claimAt(claims, claim);
  if (map === undefined) {
    if (typeof value !== "string" || !/^[^\p{C}\p{Zl}\p{Zp}]{1,255}$/u.test(value))
      throw new CredentialRefused(`${what}: claim ${nameOfClaim(claim)} is no word`);
    return value;
  }
  const words = typeof value === "string" ? [value] : stringsOf(value);
  const known = new Set(words.flatMap((word) => (Object.hasOwn(map, word) ? [map[word]] : [])));
  const [only, other] = known;
  if (only === undefined || other !== undefined)
    throw new CredentialRefused(
      `${what}: claim ${nameOfClaim(claim)} has ${known.size} known values, wanted one`,
    );
  return only;
}

function scopesOf(source: ScopeSource, claims: Record<string, unknown>): readonly Scope[] {
  if ("value" in source) return source.value;
  const value = claimAt(claims, source.claim);
  // RFC 6749 section 3.3: words by space; others send a list.
  const words = typeof value === "string" ? value.split(" ") : stringsOf(value);
  const { map } = source;
  const scopes =
    map === undefined
      ? words.filter(isScope)
      : words.flatMap((word) => (Object.hasOwn(map, word) ? (map[word] ?? []) : []));
  return [...new Set(scopes)];
}

/** A list of texts; anything else is none. */
function stringsOf(value: unknown): readonly string[] {
  const read = z.array(z.string()).max(1_000).safeParse(value);
  return read.success ? read.data : [];
}

/** Own members only: `constructor` is a name that a map may have and a token may not use. */
function claimAt(claims: Record<string, unknown>, path: ClaimPath): unknown {
  let at: unknown = claims;
  for (const step of typeof path === "string" ? [path] : path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return undefined;
    at = Reflect.get(at, step);
  }
  return at;
}

function nameOfClaim(path: ClaimPath): string {
  return typeof path === "string" ? path : path.join(".");
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
