import { calculateJwkThumbprint, exportJWK, importSPKI } from "jose";
import { describe, expect, it } from "vitest";
import { encodeTrustedKeys, parseTrustedKeys } from "../../../src/core/manifest/index.ts";
import { testKey } from "./fixtures.ts";

const bytes = (value: unknown) =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const { trusted } = await testKey();
const other = (await testKey()).trusted;
const pem = `-----BEGIN PUBLIC KEY-----\n${trusted.spki}\n-----END PUBLIC KEY-----`;
const jwk = await exportJWK(await importSPKI(pem, "ES256", { extractable: true }));

describe("parseTrustedKeys()", () => {
  it("reads back what encodeTrustedKeys() writes", () => {
    const keys = [trusted, { ...other, validFromMs: 5, validUntilMs: 9 }];
    expect(parseTrustedKeys(bytes(encodeTrustedKeys(keys)))).toEqual({ ok: true, keys });
  });

  it("reads a JWKS, names its keys by thumbprint as jose does, and passes over other kinds", async () => {
    const rsa = { kty: "RSA", n: "AQAB", e: "AQAB" };
    const p384 = { kty: "EC", crv: "P-384", x: "AA", y: "AA" };
    const result = parseTrustedKeys(
      bytes({ keys: [rsa, { ...jwk, kid: "a lie", alg: "ES256", use: "sig" }, p384] }),
    );
    expect(result).toEqual({ ok: true, keys: [trusted] });
    expect(trusted.keyId).toBe(await calculateJwkThumbprint(jwk));
  });

  const REFUSED: readonly (readonly [string, unknown, string])[] = [
    ["no JSON", "-----BEGIN PUBLIC KEY-----", ""],
    ["duplicate keys", `{"trustedKeys":[],"trustedKeys":[]}`, ""],
    ["no keys", { trustedKeys: [] }, "/trustedKeys"],
    ["a JWKS without P-256 keys", { keys: [{ kty: "OKP" }] }, "/keys"],
    [
      "a thumbprint of another key",
      { trustedKeys: [{ ...trusted, keyId: other.keyId }] },
      "/trustedKeys/0/keyId",
    ],
    ["a key that is no key", { trustedKeys: [{ ...trusted, spki: "AAAA" }] }, "/trustedKeys/0/spki"],
    ["an unknown member", { trustedKeys: [{ ...trusted, revoked: true }] }, "/trustedKeys/0"],
    [
      "validity that is no number",
      { trustedKeys: [{ ...trusted, validFromMs: "0" }] },
      "/trustedKeys/0/validFromMs",
    ],
    ["a private key", { keys: [{ ...jwk, d: jwk.x }] }, "/keys/0/d"],
    ["short coordinates", { keys: [{ ...jwk, x: "AAAA" }] }, "/keys/0"],
    ["padded coordinates", { keys: [{ ...jwk, x: `${jwk.x}=` }] }, "/keys/0"],
  ];
  for (const [name, document, pointer] of REFUSED) {
    it(`refuses ${name}`, () => {
      const result = parseTrustedKeys(bytes(document));
      expect(result.ok).toBe(false);
      expect(result.ok ? [] : result.errors.map((fault) => fault.pointer)).toContain(pointer);
    });
  }
});
