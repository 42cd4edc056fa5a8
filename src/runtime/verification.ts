/** Signatures and hashes, checked by the `node:crypto` that both runtimes have. */
import { Buffer } from "node:buffer";
import { createPublicKey, hash, type KeyObject, verify } from "node:crypto";
import type { Verification } from "../ports/index.ts";

/** The system's cryptography. */
export const systemVerification: Verification = {
  sha256: (bytes) => hash("sha256", bytes, "buffer"),
  publicKey(spki, algorithm) {
    const key = importKey(spki, algorithm);
    if (key === undefined) return undefined;
    return (signature, bytes) => {
      try {
        return algorithm === "ES256"
          ? verify("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }, signature)
          : verify(null, bytes, key, signature);
      } catch {
        // A point off the curve: Node refuses it at import, Deno at verification.
        return false;
      }
    };
  },
};

function importKey(spki: Uint8Array, algorithm: "ES256" | "Ed25519"): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
    return key.asymmetricKeyType === (algorithm === "ES256" ? "ec" : "ed25519") ? key : undefined;
  } catch {
    return undefined;
  }
}
