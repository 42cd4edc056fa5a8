/** Who asks, and who we are: API keys to principals, and the gateway's own signing key. */
export {
  createIdentity,
  type Identity,
  type IdentityParts,
  type IssuedKey,
  type IssueKeyOptions,
} from "./identity.ts";
export { jwks, openSigner } from "./signer.ts";
export { verifyEs256 } from "./verify-es256.ts";
