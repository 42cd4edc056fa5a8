/** Signatures made by the `node:crypto` that both runtimes have, or by WebCrypto on a thread of its own. */
import { Buffer } from "node:buffer";
import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import type { PrivateSigner, Signing } from "../ports/index.ts";

const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/**
 * @param curve how long a P-256 signature takes here: `fast`, some 30 µs, is made at once; `slow`, half a millisecond,
 *   is made where nobody waits for it
 */
export function createSigning(curve: "fast" | "slow"): Signing {
  return {
    async privateKey(pkcs8, algorithm) {
      if (algorithm === "ES256" && curve === "slow") return await onAnotherThread(pkcs8);
      const key = createPrivateKey({ key: Buffer.from(pkcs8), format: "der", type: "pkcs8" });
      const { asymmetricKeyType, asymmetricKeyDetails } = key;
      if (algorithm === "Ed25519") {
        if (asymmetricKeyType !== "ed25519") throw new TypeError("not an Ed25519 key");
        // Checkpoints are signed while their commit waits for the disk, and this thread with it.
        return curve === "fast"
          ? (bytes) => signElsewhere(bytes, key)
          : (bytes) => new Uint8Array(sign(null, bytes, key));
      }
      if (asymmetricKeyType !== "ec" || asymmetricKeyDetails?.namedCurve !== "prime256v1")
        throw new TypeError("not a P-256 key");
      return (bytes) => new Uint8Array(sign("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }));
    },
  };
}

function signElsewhere(bytes: Uint8Array, key: KeyObject): Promise<Uint8Array<ArrayBuffer>> {
  return new Promise((resolve, reject) => {
    sign(null, bytes, key, (error, signature) => {
      if (error === null) resolve(new Uint8Array(signature));
      else reject(error);
    });
  });
}

async function onAnotherThread(pkcs8: Uint8Array<ArrayBuffer>): Promise<PrivateSigner> {
  const key = await crypto.subtle.importKey("pkcs8", pkcs8, P256, false, ["sign"]);
  // The copy is a buffer that nobody else can change while it is signed.
  return async (bytes) => new Uint8Array(await crypto.subtle.sign(P256, key, new Uint8Array(bytes)));
}
