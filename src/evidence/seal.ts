/** From a predicate to what is stored: statement, exact bytes, signature, bundle, digest. */
import { sha256Hex } from "../core/digest.ts";
import {
  type Bundle,
  createBundle,
  createStatement,
  encodeStatement,
  PAYLOAD_TYPE,
  pae,
  type RunPredicate,
} from "../core/manifest/index.ts";
import type { Seal, Signer } from "../ports/index.ts";

/** What a caller keeps of a run. */
export interface Receipt {
  /** Place in the gateway's sequence of seals, from 0, without gaps. */
  readonly sequence: number;
  /** Hex sha256 of the signed bytes (the DSSE PAE). */
  readonly digest: string;
  /** RFC 7638 thumbprint of the key that signed. */
  readonly keyId: string;
}

/** A run whose evidence is durable: now its output may be released. */
export interface Sealed {
  readonly bundle: Bundle;
  /** The bundle's JSON text, byte for byte as it is stored. */
  readonly text: string;
  readonly receipt: Receipt;
}

/**
 * Signs a predicate; stores nothing.
 *
 * @param sealedAtMs when it is sealed, by the gateway's clock
 * @returns `seal`: for the store; `release`: makes the caller's part once the store has given the sequence
 * @throws {TypeError} when the predicate has a malformed hash: a bug
 * @throws whatever the signer throws
 */
export async function signPredicate(
  predicate: RunPredicate,
  signer: Signer,
  sealedAtMs: number,
): Promise<{ readonly seal: Seal; readonly release: (sequence: number) => Sealed }> {
  const payload = encodeStatement(createStatement(predicate));
  const bytes = pae(PAYLOAD_TYPE, payload);
  // Under way while the digest is computed: signing is another thread's work.
  const signing = signer.sign(bytes);
  const digest = sha256Hex(bytes);
  const signatureDer = await signing;
  const { keyId } = signer;
  const bundle = createBundle({ payload, signatureDer, keyId });
  const text = JSON.stringify(bundle);
  return {
    seal: { run: predicate.run, outcome: predicate.outcome.kind, digest, bundle: text, sealedAtMs },
    release: (sequence) => ({ bundle, text, receipt: { sequence, digest, keyId } }),
  };
}
