/** The gateway's own key: a file that is safe to use, or is not used. */
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { calculateJwkThumbprint, createLocalJWKSet } from "jose";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { encodeBase64, parseTrustedKeys, thumbprint } from "../../src/core/manifest/index.ts";
import { jwks, openSigner, signatureVerifier, verifyEs256 } from "../../src/identity/index.ts";
import { newestKey, newestSpki } from "../support/signing.ts";
import { temporaryFolder } from "../support/sqlite.ts";

const { files, clock, signing } = runtime;
const bytes = new TextEncoder().encode("what gets signed");

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let path: string;

beforeEach(async () => {
  folder = await temporaryFolder();
  path = join(folder.path, "keys", "manifest.pem");
});
afterEach(() => folder.remove());

/** A PKCS#8 PEM of another kind of key. */
async function pemOf(
  algorithm: EcKeyGenParams | RsaHashedKeyGenParams,
  label = "PRIVATE KEY",
): Promise<string> {
  const { privateKey } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const der = new Uint8Array(await crypto.subtle.exportKey("pkcs8", privateKey));
  return `-----BEGIN ${label}-----\n${encodeBase64(der)}\n-----END ${label}-----\n`;
}

const P256 = { name: "ECDSA", namedCurve: "P-256" };
const RSA = {
  name: "RSASSA-PKCS1-v1_5",
  modulusLength: 2048,
  publicExponent: Uint8Array.from([1, 0, 1]),
  hash: "SHA-256",
};

describe("openSigner() refuses", () => {
  for (const mode of [0o640, 0o644, 0o604, 0o660, 0o610, 0o601, 0o777]) {
    it(`a key of mode 0${mode.toString(8)}`, async () => {
      await openSigner({ files, clock, signing, path });
      await chmod(path, mode);
      await expect(openSigner({ files, clock, signing, path })).rejects.toThrow(
        `its mode is 0${mode.toString(8)}, want 0600`,
      );
    });
  }

  const CONTENTS: readonly (readonly [string, () => Promise<string>])[] = [
    ["nothing", async () => ""],
    ["text", async () => "hello"],
    ["a P-384 key", () => pemOf({ name: "ECDSA", namedCurve: "P-384" })],
    ["an RSA key", () => pemOf(RSA)],
    ["an encrypted key", () => pemOf(P256, "ENCRYPTED PRIVATE KEY")],
    ["a SEC1 key", () => pemOf(P256, "EC PRIVATE KEY")],
    ["two keys", async () => (await pemOf(P256)) + (await pemOf(P256))],
    ["a key with its base64 cut", async () => (await pemOf(P256)).replace(/.{4}\n-----END/, "\n-----END")],
  ];
  for (const [name, contents] of CONTENTS) {
    it(`${name}, and leaves the file as it is`, async () => {
      const text = await contents();
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text, { mode: 0o600 });
      await expect(openSigner({ files, clock, signing, path })).rejects.toMatchObject({
        code: "evidence-unavailable",
      });
      expect(await readFile(path, "utf8")).toBe(text);
    });
  }
});

describe("openSigner()", () => {
  it("creates a key that only its owner can read, and opens the same one again", async () => {
    const first = await openSigner({ files, clock, signing, path });
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const second = await openSigner({ files, clock, signing, path });
    expect(await second.keys()).toEqual(await first.keys());
    const { signature } = await second.sign(bytes);
    expect(await verifyEs256(await newestSpki(first), signature, bytes)).toBe(true);
  });

  it("gives all gateways that start at once the same key, which is the one in the file", async () => {
    const open = () => openSigner({ files, clock, signing, path });
    const started = await Promise.all(Array.from({ length: 8 }, open));
    const ids = await Promise.all([...started, await open()].map(newestKey));
    expect(new Set(ids.map(({ keyId }) => keyId)).size).toBe(1);
  });

  it("signs 200 messages in DER that verifies, whatever the lengths of r and s", async () => {
    const signer = await openSigner({ files, clock, signing, path });
    const lengths = new Set<number>();
    for (let n = 0; n < 200; n++) {
      const message = Uint8Array.from([n]);
      const { signature, key } = await signer.sign(message);
      lengths.add(signature.length);
      expect(await verifyEs256(key.spki, signature, message)).toBe(true);
      expect(await verifyEs256(key.spki, signature, Uint8Array.from([n + 1]))).toBe(false);
    }
    expect(lengths.size).toBeGreaterThan(1);
  });

  it("names its key by thumbprint, as jose and core do", async () => {
    const signer = await openSigner({ files, clock, signing, path });
    const { keyId, spki } = await newestKey(signer);
    const { keys } = await jwks(await signer.keys());
    expect(keys).toHaveLength(1);
    expect(await calculateJwkThumbprint(keys[0] ?? {})).toBe(keyId);
    expect(thumbprint(spki)).toBe(keyId);
  });
});

describe("jwks()", () => {
  it("publishes the public key and nothing of the private one, for jose and for writ verify", async () => {
    const signer = await openSigner({ files, clock, signing, path });
    const published = await newestKey(signer);
    const set = await jwks([published]);
    expect(Object.keys(set.keys[0] ?? {}).toSorted()).toEqual(["alg", "crv", "kid", "kty", "use", "x", "y"]);
    const key = await createLocalJWKSet({ keys: [...set.keys] })({ alg: "ES256", kid: published.keyId });
    expect(key.type).toBe("public");
    const spki = encodeBase64(published.spki);
    expect(parseTrustedKeys(new TextEncoder().encode(JSON.stringify(set)))).toEqual({
      ok: true,
      keys: [{ keyId: published.keyId, spki, validFromMs: 0 }],
    });
  });
});

for (const [name, verify] of Object.entries({
  "verifyEs256()": verifyEs256,
  "signatureVerifier()": signatureVerifier(runtime.verification),
})) {
  describe(name, () => {
    it("answers false for keys and signatures that are none", async () => {
      const signer = await openSigner({ files, clock, signing, path });
      const { signature, key } = await signer.sign(bytes);
      const offCurve = Uint8Array.from(key.spki);
      offCurve[90] = (offCurve[90] ?? 0) ^ 1;
      // Twice, because keys are remembered, those that are none too.
      for (let times = 0; times < 2; times++) {
        expect(await verify(offCurve, signature, bytes)).toBe(false);
        expect(await verify(new Uint8Array(), signature, bytes)).toBe(false);
        expect(await verify(key.spki, new Uint8Array(), bytes)).toBe(false);
        expect(await verify(key.spki, Uint8Array.from([...signature, 0]), bytes)).toBe(false);
        expect(await verify(key.spki, signature, new Uint8Array())).toBe(false);
        expect(await verify(key.spki, signature, bytes)).toBe(true);
      }
    });
  });
}

describe("signatureVerifier()", () => {
  it("verifies by the key's own kind, with more keys than it remembers, and refuses other kinds", async () => {
    const verify = signatureVerifier(runtime.verification);
    // The DOM's types know Ed25519 only as a string that gives one key or two.
    const pairs = (await Promise.all(
      Array.from({ length: 70 }, () => crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])),
    )) as CryptoKeyPair[];
    const signed = await Promise.all(
      pairs.map(async ({ privateKey, publicKey }) => ({
        spki: new Uint8Array(await crypto.subtle.exportKey("spki", publicKey)),
        signature: new Uint8Array(await crypto.subtle.sign("Ed25519", privateKey, bytes)),
      })),
    );
    for (const [index, { spki, signature }] of signed.entries()) {
      expect(await verify(spki, signature, bytes)).toBe(true);
      expect(
        await verify(
          spki,
          signature.map((byte) => byte ^ 1),
          bytes,
        ),
      ).toBe(false);
      expect(await verify(signed[(index + 1) % 70]?.spki ?? spki, signature, bytes)).toBe(false);
    }
    const rsa = { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1) };
    const other = await crypto.subtle.generateKey({ ...rsa, hash: "SHA-256" }, true, ["sign", "verify"]);
    const spki = new Uint8Array(await crypto.subtle.exportKey("spki", other.publicKey));
    const signature = new Uint8Array(await crypto.subtle.sign(rsa, other.privateKey, bytes));
    expect(await verify(spki, signature, bytes)).toBe(false);
  });
});
