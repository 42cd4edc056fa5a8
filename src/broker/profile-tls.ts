/**
 * Reads a profile's `tls`: PEM files beside the profiles file. All of it is looked at here, because no runtime does it
 * before the first connection, and some not even then. No message of this file quotes a key.
 */
import { CompactSign, compactVerify, importPKCS8, importX509 } from "jose";
import type { Files } from "../ports/index.ts";
import { fileBeside, isShared } from "./profile-places.ts";
import type { ProfileDocument } from "./profile-schema.ts";
import { type ProfileTls, Secret } from "./profiles.ts";

/** What a certificate's key may sign with. `importX509` refuses a key that is of another kind. */
const ALGORITHMS = ["ES256", "ES384", "ES512", "Ed25519", "RS256"] as const;

/**
 * @param tls as the profile says
 * @param where `source`: the profiles file, in whose folder relative names begin; `refuse`: makes the error
 * @throws what `refuse` made, when a file is absent, is not PEM, is a key that others can read, or is not the
 *   certificate's key
 */
export async function readTls(
  tls: NonNullable<ProfileDocument["tls"]>,
  { files, source, refuse }: { files: Files; source: string; refuse: (detail: string) => Error },
): Promise<ProfileTls> {
  async function read(member: "ca" | "certificate" | "key", name: string): Promise<string> {
    const path = fileBeside(source, name);
    const fault = (detail: string) => refuse(`${member}: file "${path}" ${detail}`);
    if (member === "key" && isShared(await files.mode(path)))
      throw fault("is open to group or others, wanted mode 600");
    const bytes = await files.read(path).catch(() => {
      throw fault("can not be read");
    });
    if (bytes === undefined) throw fault("does not exist");
    const text = new TextDecoder().decode(bytes);
    const label = member === "key" ? "PRIVATE KEY" : "CERTIFICATE";
    const found = blocksOf(text, label);
    if (found.length === 0 || (member === "key" && found.length > 1) || !found.every(isWhole)) {
      const wanted =
        member === "key" ? "a private key in PEM (PKCS #8, not encrypted)" : "certificates in PEM";
      throw fault(`does not hold what is wanted: ${wanted}`);
    }
    return text;
  }
  const extraAuthorities = tls.ca === undefined ? undefined : [await read("ca", tls.ca)];
  const trust = extraAuthorities === undefined ? {} : { extraAuthorities };
  if (tls.certificate === undefined || tls.key === undefined) return trust;
  const certificate = await read("certificate", tls.certificate);
  const key = await read("key", tls.key);
  if (!(await belong(certificate, key)))
    throw refuse("key: it is not the key of the certificate, or neither ECDSA, Ed25519 nor RSA");
  return { ...trust, client: { certificate, key: new Secret(key) } };
}

/** What stands between the lines of every block with this label, without white space. */
function blocksOf(text: string, label: string): readonly string[] {
  const block = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`, "g");
  return [...text.matchAll(block)].map(([, body = ""]) => body.replace(/\s/g, ""));
}

/** Whether it is one DER sequence from its first byte to its last: a file that was cut is none. */
function isWhole(base64: string): boolean {
  let der: string;
  try {
    der = atob(base64);
  } catch {
    return false;
  }
  const first = der.charCodeAt(1);
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  let length = first;
  if (lengthBytes > 0) {
    length = 0;
    for (const char of der.slice(2, 2 + lengthBytes)) length = length * 256 + char.charCodeAt(0);
  }
  return der.charCodeAt(0) === 0x30 && der.length === 2 + lengthBytes + length;
}

/** Whether the key signs what the first certificate of the file verifies. */
async function belong(certificate: string, key: string): Promise<boolean> {
  const [first = ""] = blocksOf(certificate, "CERTIFICATE");
  const leaf = `-----BEGIN CERTIFICATE-----\n${first}\n-----END CERTIFICATE-----`;
  const probe = new TextEncoder().encode("whose key is it");
  for (const alg of ALGORITHMS) {
    try {
      const publicKey = await importX509(leaf, alg);
      const signer = new CompactSign(probe).setProtectedHeader({ alg });
      await compactVerify(await signer.sign(await importPKCS8(key, alg)), publicKey);
      return true;
    } catch {
      // Keys of another kind, for which the next algorithm may fit; or of another certificate, for which none does.
    }
  }
  return false;
}
