/** Tokens against forgers: whatever is not exactly a token of a believed issuer for this gateway is refused, alike. */

import { createHmac } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { createOutgoing } from "../../src/broker/index.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { createIdentity, type Identity, type Issuer } from "../../src/identity/index.ts";
import type { Clock, Store } from "../../src/ports/index.ts";
import { openStore } from "../../src/stores/index.ts";
import {
  base64url,
  openIssuer,
  type SigningKey,
  sign,
  signingKey,
  type TestIssuer,
} from "../support/issuer.ts";
import { actOfTest } from "../support/key-act.ts";

const AUDIENCE = "https://writ.example.com";
const NOW_S = 1_750_000_000;

let server: TestIssuer;
let store: Store;
let identity: Identity;
let es: SigningKey;
let rs: SigningKey;
let stranger: SigningKey;
let nowMs: number;
let header: Record<string, unknown>;
let claims: Record<string, unknown>;

/** The issuer as the operator wrote it down. */
function issuerOf(changes: Partial<Issuer> = {}): Issuer {
  return {
    name: "corp",
    issuer: server.url,
    audience: [AUDIENCE],
    algorithms: ["ES256", "RS256"],
    typ: "at+jwt",
    maxAgeSeconds: 3600,
    clockToleranceSeconds: 5,
    allowAddresses: ["127.0.0.1/32"],
    authorities: [],
    tenant: { claim: "org", map: { "org-17": "acme", "org-18": "other" } },
    tier: { value: "pro" },
    principal: { claim: "sub" },
    scopes: { claim: "scope" },
    ...changes,
  };
}

beforeAll(async () => {
  [es, rs, stranger] = await Promise.all([
    signingKey("es-1"),
    signingKey("rs-1", "RS256"),
    signingKey("es-1"),
  ]);
  server = await openIssuer([es, rs]);
  store = await openStore(runtime.openSqlite(":memory:"));
});
afterAll(async () => {
  await store.close();
  await server.close();
});

beforeEach(() => {
  nowMs = NOW_S * 1000;
  const clock: Clock = { ...runtime.clock, nowMs: () => nowMs };
  identity = createIdentity({ store, clock, entropy: runtime.entropy, outgoing: createOutgoing(runtime) });
  identity.use({ issuers: [issuerOf()] });
  header = { alg: "ES256", kid: "es-1", typ: "at+jwt" };
  claims = {
    iss: server.url,
    aud: AUDIENCE,
    sub: "alice",
    org: "org-17",
    scope: "invoke evidence profile",
    iat: NOW_S - 10,
    exp: NOW_S + 600,
  };
});

const bearer = (token: string) => identity.authenticate(`Bearer ${token}`);

/** What a caller and the operator are told. */
async function refusalOf(authorization: string | undefined) {
  const error: unknown = await identity.authenticate(authorization).then(
    (principal) => expect.fail(`accepted as ${JSON.stringify(principal)}: ${authorization?.slice(0, 400)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof GatewayError)) throw error;
  return { told: [error.refusal, error.message], why: String(error.cause) };
}

/** A token that differs from the good one in members of its claims; undefined = left out. */
const withClaims = (changes: object) => sign(es, header, { ...claims, ...changes });
const withHeader = (changes: object, key = es) => sign(key, { ...header, ...changes }, claims);

/** DER of a signature, as some libraries wrongly send it. */
function derOf(raw: Buffer): Buffer {
  const integer = (half: Buffer) => {
    const body = half[0] !== undefined && half[0] >= 128 ? Buffer.concat([Buffer.of(0), half]) : half;
    return Buffer.concat([Buffer.of(2, body.length), body]);
  };
  const both = Buffer.concat([integer(raw.subarray(0, 32)), integer(raw.subarray(32))]);
  return Buffer.concat([Buffer.of(0x30, both.length), both]);
}

async function parts() {
  const [head = "", body = "", signature = ""] = (await sign(es, header, claims)).split(".");
  return { head, body, signature, input: `${head}.${body}` };
}

/** Hostile tokens: what each is, and how it is made. */
const FORGERIES: readonly (readonly [what: string, forge: () => Promise<string> | string])[] = [
  // The algorithm is the operator's word.
  [
    "alg none without a signature",
    async () => `${base64url('{"alg":"none","typ":"at+jwt"}')}.${(await parts()).body}.`,
  ],
  [
    "alg none with a key's name",
    async () => `${base64url(JSON.stringify({ ...header, alg: "none" }))}.${(await parts()).body}.`,
  ],
  ["alg None with a signature", () => withHeader({ alg: "None" })],
  [
    "alg nOnE",
    async () => `${base64url(JSON.stringify({ ...header, alg: "nOnE" }))}.${(await parts()).body}.AA`,
  ],
  ["HS256 with the public key's PEM as the secret", () => hmac("spki-pem")],
  ["HS256 with the public key's DER as the secret", () => hmac("spki-der")],
  ["HS256 with the public JWK as the secret", () => hmac("jwk")],
  ["HS256 with an empty secret", () => hmac("empty")],
  ["ES384 by the same key", () => withHeader({ alg: "ES384" })],
  [
    "PS256 by a key for RS256",
    () => sign({ ...rs, alg: "RS256" }, { ...header, alg: "PS256", kid: "rs-1" }, claims),
  ],
  ["RS256 that names the EC key", () => withHeader({ alg: "RS256" }, rs)],
  ["ES256 that names the RSA key", () => withHeader({ kid: "rs-1" })],
  ["an algorithm that nobody knows", () => withHeader({ alg: "ES999" })],
  ["an algorithm that is no text", () => withHeader({ alg: ["ES256"] })],
  ["no algorithm", () => withHeader({ alg: undefined })],
  // The key is the issuer's.
  ["a stranger's key under the issuer's key name", () => sign(stranger, header, claims)],
  ["no key name", () => withHeader({ kid: undefined })],
  ["an empty key name", () => withHeader({ kid: "" })],
  ["an unknown key name", () => withHeader({ kid: "es-2" })],
  ["a key name that is a path", () => withHeader({ kid: "../../../../dev/null" })],
  ["a key name that is SQL", () => withHeader({ kid: "x' UNION SELECT 'key" })],
  ["a key name with a NUL", () => withHeader({ kid: "es-1\u0000" })],
  ["a key name with a space at its end", () => withHeader({ kid: "es-1 " })],
  ["a key name of a megabyte", () => withHeader({ kid: "k".repeat(1_000_000) })],
  ["a key name that is a number", () => withHeader({ kid: 1 })],
  ["a key name that is a prototype's", () => withHeader({ kid: "__proto__" })],
  ["its own key in jwk", () => sign(stranger, { ...header, jwk: stranger.jwk }, claims)],
  [
    "its own key in jwk, without a key name",
    () => sign(stranger, { alg: "ES256", typ: "at+jwt", jwk: stranger.jwk }, claims),
  ],
  ["a place for keys in jku", () => sign(stranger, { ...header, jku: "https://evil.example/keys" }, claims)],
  ["the issuer's own place in jku", () => withHeader({ jku: `${server.url}/keys` })],
  ["a certificate in x5c", () => withHeader({ x5c: ["MIIB"] })],
  ["a place for certificates in x5u", () => withHeader({ x5u: "https://evil.example/cert" })],
  // The rules are ours.
  ["crit with a word that is not known", () => withHeader({ crit: ["exp"], exp: 1 })],
  ["crit with b64 false", () => withHeader({ crit: ["b64"], b64: false })],
  ["b64 false alone", () => withHeader({ b64: false })],
  [
    "b64 false over the bare claims",
    async () => {
      const head = base64url(JSON.stringify({ ...header, crit: ["b64"], b64: false }));
      return `${head}.${JSON.stringify(claims)}.${(await parts()).signature}`;
    },
  ],
  ["zip", () => withHeader({ zip: "DEF" })],
  ["a token inside a token", async () => sign(es, { ...header, cty: "JWT" }, await sign(es, header, claims))],
  ["a parameter that nobody knows", () => withHeader({ trust: "me" })],
  [
    "an encrypted token's five parts",
    async () => {
      const { input, signature } = await parts();
      return `${input}.${signature}.AA.AA`;
    },
  ],
  ["two parts", async () => (await parts()).input],
  ["one part", async () => (await parts()).head],
  ["four parts", async () => `${await sign(es, header, claims)}.AA`],
  [
    "the JSON form of a token",
    async () => {
      const { head, body, signature } = await parts();
      return JSON.stringify({ protected: head, payload: body, signature });
    },
  ],
  // The type, issuer and audience are the operator's words.
  ["another type", () => withHeader({ typ: "JWT" })],
  ["an ID token's missing type", () => withHeader({ typ: undefined })],
  ["a logout token's type", () => withHeader({ typ: "logout+jwt" })],
  ["a type that is no text", () => withHeader({ typ: ["at+jwt"] })],
  ["another issuer", () => withClaims({ iss: "https://evil.example" })],
  ["the issuer with a slash at its end", () => withClaims({ iss: `${server.url}/` })],
  ["the issuer in capitals", () => withClaims({ iss: server.url.toUpperCase() })],
  ["a list of issuers", () => withClaims({ iss: [server.url] })],
  ["no issuer", () => withClaims({ iss: undefined })],
  ["an issuer that is a prototype's name", () => withClaims({ iss: "constructor" })],
  ["another audience", () => withClaims({ aud: "https://evil.example" })],
  ["the audience with a slash at its end", () => withClaims({ aud: `${AUDIENCE}/` })],
  ["a longer audience", () => withClaims({ aud: `${AUDIENCE}.evil.example` })],
  ["a list of other audiences", () => withClaims({ aud: ["a", "b"] })],
  ["an audience inside a list inside a list", () => withClaims({ aud: [[AUDIENCE]] })],
  ["an audience that is an object", () => withClaims({ aud: { 0: AUDIENCE } })],
  ["no audience", () => withClaims({ aud: undefined })],
  // Time.
  ["expired", () => withClaims({ exp: NOW_S - 6 })],
  ["expired in 1970", () => withClaims({ exp: 0 })],
  ["no expiry", () => withClaims({ exp: undefined })],
  ["an expiry that is text", () => withClaims({ exp: String(NOW_S + 600) })],
  ["an expiry that is null", () => withClaims({ exp: null })],
  ["an expiry in milliseconds", () => withClaims({ exp: (NOW_S + 600) * 1000 })],
  ["an infinite expiry", () => sign(es, header, JSON.stringify(claims).replace(/"exp":\d+/, '"exp":1e999'))],
  ["a negative expiry", () => withClaims({ exp: -1 })],
  ["not valid yet", () => withClaims({ nbf: NOW_S + 6 })],
  ["not valid before text", () => withClaims({ nbf: "0" })],
  ["issued in the future", () => withClaims({ iat: NOW_S + 6 })],
  ["issued too long ago", () => withClaims({ iat: NOW_S - 3606 })],
  ["never issued", () => withClaims({ iat: undefined })],
  ["issued at text", () => withClaims({ iat: String(NOW_S) })],
  // Whom it is about.
  ["no subject", () => withClaims({ sub: undefined })],
  ["an empty subject", () => withClaims({ sub: "" })],
  ["a subject with a NUL", () => withClaims({ sub: "alice\u0000bob" })],
  ["a subject with a line feed", () => withClaims({ sub: "alice\nkey:1" })],
  ["a subject that turns text around", () => withClaims({ sub: "alice\u202Egnp" })],
  [
    "a subject that is a lone surrogate",
    () => sign(es, header, JSON.stringify(claims).replace("alice", "\\ud800")),
  ],
  ["a subject that is an object", () => withClaims({ sub: { toString: "alice" } })],
  ["a subject of a thousand letters", () => withClaims({ sub: "a".repeat(1000) })],
  ["no tenant", () => withClaims({ org: undefined })],
  ["an unknown tenant", () => withClaims({ org: "org-99" })],
  ["a tenant that is a prototype's name", () => withClaims({ org: "constructor" })],
  ["two tenants", () => withClaims({ org: ["org-17", "org-18"] })],
  ["bound to a key that nobody showed", () => withClaims({ cnf: { jkt: "abc" } })],
  // One spelling.
  ["a claim said twice", () => sign(es, header, JSON.stringify(claims).replace("{", '{"org":"org-18",'))],
  [
    "an audience said twice",
    () => sign(es, header, JSON.stringify(claims).replace("{", '{"aud":"https://evil.example",')),
  ],
  [
    "a claim said twice, once escaped",
    () => sign(es, header, JSON.stringify(claims).replace("{", '{"\\u006frg":"org-18",')),
  ],
  ["a parameter said twice", () => sign(es, `{"alg":"none",${JSON.stringify(header).slice(1)}`, claims)],
  [
    "padding",
    async () => {
      const { head, body, signature } = await parts();
      return `${head}==.${body}.${signature}`;
    },
  ],
  [
    "the other base64 alphabet",
    async () =>
      `${(await parts()).input}.${(await parts()).signature.replaceAll("-", "+").replaceAll("_", "/")}+`,
  ],
  [
    "bits behind the signature's end",
    async () => {
      const { input, signature } = await parts();
      return `${input}.${looseEnd(signature)}`;
    },
  ],
  [
    "a byte behind the signature",
    async () => {
      const { input, signature } = await parts();
      return `${input}.${base64url(Buffer.concat([Buffer.from(signature, "base64url"), Buffer.of(0)]))}`;
    },
  ],
  ["white space inside", async () => (await sign(es, header, claims)).replace(".", " .")],
  ["claims that are a list", () => sign(es, header, "[]")],
  ["claims that are null", () => sign(es, header, "null")],
  ["claims that are no JSON", () => sign(es, header, "claims")],
  ["claims with a byte order mark", () => sign(es, header, `\ufeff${JSON.stringify(claims)}`)],
  ["a header that is a list", () => sign(es, "[]", claims)],
  [
    "a header deeper than any",
    () => sign(es, `{"alg":"ES256","kid":${"[".repeat(300)}${"]".repeat(300)}}`, claims),
  ],
  ["a megabyte of claims", () => withClaims({ pad: "x".repeat(1_000_000) })],
  ["nine kilobytes of claims", () => withClaims({ pad: "x".repeat(9_000) })],
  // The signature.
  ["no signature", async () => `${(await parts()).input}.`],
  ["a signature of zeros", async () => `${(await parts()).input}.${base64url(new Uint8Array(64))}`],
  ["r of zero", async () => halves((raw) => raw.fill(0, 0, 32))],
  ["s of zero", async () => halves((raw) => raw.fill(0, 32))],
  ["r and s beyond the order", async () => halves((raw) => raw.fill(255))],
  ["s beyond the order by itself", async () => halves((raw) => raw.fill(255, 32))],
  ["r and s exchanged", async () => halves((raw) => Buffer.concat([raw.subarray(32), raw.subarray(0, 32)]))],
  ["the signature in DER", async () => halves((raw) => derOf(raw))],
  ["half a signature", async () => halves((raw) => raw.subarray(0, 32))],
  [
    "another token's signature",
    async () => {
      const other = await withClaims({ sub: "bob" });
      return `${(await parts()).input}.${other.split(".")[2]}`;
    },
  ],
  [
    "changed claims",
    async () => {
      const { head, signature } = await parts();
      return `${head}.${base64url(JSON.stringify({ ...claims, sub: "root" }))}.${signature}`;
    },
  ],
  [
    "a changed header",
    async () => {
      const { body, signature } = await parts();
      return `${base64url(JSON.stringify({ ...header, x5t: "a" }))}.${body}.${signature}`;
    },
  ],
];

async function hmac(secret: "spki-pem" | "spki-der" | "jwk" | "empty"): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey("spki", es.publicKey));
  const secrets = {
    "spki-pem": `-----BEGIN PUBLIC KEY-----\n${der.toString("base64")}\n-----END PUBLIC KEY-----\n`,
    "spki-der": der,
    jwk: JSON.stringify(es.jwk),
    empty: "",
  };
  const input = `${base64url(JSON.stringify({ ...header, alg: "HS256" }))}.${base64url(JSON.stringify(claims))}`;
  return `${input}.${createHmac("sha256", secrets[secret]).update(input).digest("base64url")}`;
}

async function halves(change: (raw: Buffer) => Buffer): Promise<string> {
  const { input, signature } = await parts();
  return `${input}.${base64url(change(Buffer.from(signature, "base64url")))}`;
}

/** The same bytes, spelled with stray bits in the last letter. */
function looseEnd(text: string): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return text.slice(0, -1) + letters.charAt(letters.indexOf(text.slice(-1)) + 1);
}

describe("authenticate() refuses, always alike,", () => {
  it("has more than 60 forgeries to refuse", () => {
    expect(FORGERIES.length).toBeGreaterThanOrEqual(60);
  });

  it.each(FORGERIES)("%s", async (_, forge) => {
    const token = await forge();
    const { told, why } = await refusalOf(`Bearer ${token}`);
    expect(told).toEqual((await refusalOf(undefined)).told);
    // What the operator's log is told never holds the token, or what it says.
    for (const part of token.split(".").filter((one) => one.length > 20)) expect(why).not.toContain(part);
    expect(why.length).toBeLessThan(300);
    // The one that all of these were made from is good.
    expect((await bearer(await sign(es, header, claims))).id).toBe("corp:alice");
  });

  it.each([
    ["two tokens in a list", (token: string) => `Bearer ${token}, Bearer ${token}`],
    ["a token and a key", (token: string) => `Bearer ${token}, Bearer writ_00000000_x_x`],
    ["another scheme", (token: string) => `DPoP ${token}`],
    ["no scheme", (token: string) => token],
    ["two spaces", (token: string) => `Bearer  ${token}`],
    ["a NUL behind it", (token: string) => `Bearer ${token}\u0000`],
    ["a line feed behind it", (token: string) => `Bearer ${token}\n`],
    ["a parameter behind it", (token: string) => `Bearer ${token};q=1`],
    ["quotes", (token: string) => `Bearer "${token}"`],
  ])("a good token with %s", async (_, write) => {
    const { told } = await refusalOf(write(await sign(es, header, claims)));
    expect(told).toEqual((await refusalOf(undefined)).told);
  });

  it("a good token once its issuer is believed no more", async () => {
    const token = await sign(es, header, claims);
    await bearer(token);
    identity.use({ issuers: [] });
    await refusalOf(`Bearer ${token}`);
  });
});

describe("authenticate() of a token", () => {
  it("gives tenant, tier, principal and scopes as the operator maps them, and its credential by public names", async () => {
    expect(await bearer(await sign(es, header, claims))).toEqual({
      id: "corp:alice",
      tenant: "acme",
      tier: "pro",
      scopes: ["invoke", "evidence"],
      credential: { kind: "token", issuer: server.url, subject: "alice", key: "es-1" },
    });
  });

  it.each(["ES256", "RS256"] as const)("takes %s", async (alg) => {
    const key = alg === "ES256" ? es : rs;
    expect((await bearer(await withHeader({ alg, kid: key.kid }, key))).id).toBe("corp:alice");
  });

  it("takes the letters at the edges: of time, of types, of audiences", async () => {
    for (const good of [
      { exp: NOW_S - 4 },
      { nbf: NOW_S + 5 },
      { iat: NOW_S + 5 },
      { iat: NOW_S - 3605 },
      { exp: NOW_S + 0.5 },
      { aud: ["https://elsewhere.example", AUDIENCE] },
      { org: ["staff", "org-17", "org-17"] },
      { sub: "auth0|5f7c8ec7c33c6c004bbafe82" },
      { sub: "Zoë Müller" },
    ])
      await bearer(await withClaims(good));
    await bearer(await withHeader({ typ: "application/at+jwt" }));
    await bearer(await withHeader({ x5t: "abc" }));
  });

  it("gives scopes by the operator's map alone, when there is one", async () => {
    const scopes = {
      claim: ["realm", "roles"],
      map: { ops: ["operate", "evidence"], run: ["invoke:weather"] },
    } as const;
    identity.use({ issuers: [issuerOf({ scopes })] });
    const scopesOf = async (roles: unknown) => (await bearer(await withClaims({ realm: { roles } }))).scopes;
    expect(await scopesOf(["run", "approve", "invoke", "constructor"])).toEqual(["invoke:weather"]);
    expect(await scopesOf("ops run")).toEqual(["operate", "evidence", "invoke:weather"]);
    expect(await scopesOf({ ops: true })).toEqual([]);
    expect(await scopesOf(undefined)).toEqual([]);
  });

  it("takes the tier from the list of tenants, and refuses tenants that are not in it", async () => {
    const issuer = issuerOf({ tier: undefined });
    const token = await sign(es, header, claims);
    identity.use({ tenants: new Map([["acme", { tier: "gold" }]]), issuers: [issuer] });
    expect((await bearer(token)).tier).toBe("gold");
    identity.use({ tenants: new Map([["other", { tier: "gold" }]]), issuers: [issuer] });
    expect((await refusalOf(`Bearer ${token}`)).why).toContain("tenant acme is not in the list");
  });

  it("accepts the twin of an ECDSA signature, which says the same: issuers write either", async () => {
    const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
    const twin = await halves((raw) => {
      const s = order - BigInt(`0x${raw.subarray(32).toString("hex")}`);
      return Buffer.concat([raw.subarray(0, 32), Buffer.from(s.toString(16).padStart(64, "0"), "hex")]);
    });
    expect((await bearer(twin)).id).toBe("corp:alice");
  });

  it("tells keys by the list of tenants as well: unknown = refused, and the tier is the list's", async () => {
    const { text } = await identity.issueKey(
      { tenant: "acme", tier: "free", scopes: ["invoke"], label: "" },
      actOfTest,
    );
    identity.use({ tenants: new Map([["acme", { tier: "gold" }]]), issuers: [] });
    expect((await bearer(text)).tier).toBe("gold");
    identity.use({ tenants: new Map(), issuers: [] });
    expect((await refusalOf(`Bearer ${text}`)).told).toEqual((await refusalOf(undefined)).told);
  });
});
