/** Who asks, and who we are: API keys to principals, and the gateway's own signing key. */
export {
  createIdentity,
  type Identity,
  type IdentityParts,
  type IssuedKey,
  type IssueKeyOptions,
} from "./identity.ts";
export { openNoteSigner } from "./note-signer.ts";
export { jwks, openSigner } from "./signer.ts";
export { signatureVerifier, verifyEs256, verifySignature } from "./verify-signature.ts";
