/** Who asks, and who we are: keys and tokens to principals, and the gateway's own signing key. */
export { type Access, type Issuer, KEYS_ALONE } from "./access.ts";
export { loadAccess, parseAccess } from "./access-file.ts";
export { accessState } from "./access-state.ts";
export {
  createIdentity,
  type Identity,
  type IdentityParts,
  type IssuedKey,
  type IssueKeyOptions,
} from "./identity.ts";
export { KeyHolder } from "./key-holder.ts";
export { CHECKPOINT_KEY, openNoteSigner } from "./note-signer.ts";
export { jwks, MANIFEST_KEY, openSigner } from "./signer.ts";
export { serveSigner } from "./signer-service.ts";
export { connectSigner } from "./socket-signer.ts";
export { signatureVerifier, verifyEs256, verifySignature } from "./verify-signature.ts";
