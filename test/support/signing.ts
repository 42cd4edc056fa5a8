/** Keys of signers, for tests that verify what they signed. */
import type { PublicKey } from "../../src/ports/index.ts";

/** @returns the newest key */
export async function newestKey(signer: { keys(): Promise<readonly PublicKey[]> }): Promise<PublicKey> {
  const [key] = await signer.keys();
  if (key === undefined) throw new TypeError("The signer has no key");
  return key;
}

/** @returns the newest key's SubjectPublicKeyInfo */
export async function newestSpki(signer: {
  keys(): Promise<readonly PublicKey[]>;
}): Promise<Uint8Array<ArrayBuffer>> {
  return (await newestKey(signer)).spki;
}
