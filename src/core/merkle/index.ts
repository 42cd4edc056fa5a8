/** A transparency log's mathematics and its texts: Merkle trees, proofs, tiles, signed checkpoints. */
export {
  type Checkpoint,
  CheckpointReader,
  formatCheckpoint,
  type OpenedCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  type TreeHead,
  type TrustedLog,
} from "./checkpoint.ts";
export {
  cosignedAt,
  findCosigners,
  formatAddCheckpoint,
  parseWitnessKey,
  type WitnessDemand,
  type WitnessKey,
} from "./cosignature.ts";
export { type FullTile, TileNodes, TreeEdge } from "./edge.ts";
export { type Bytes, emptyRoot, HASH_BYTES, leafHash, nodeHash, type Sha256, sameBytes } from "./hash.ts";
export {
  ed25519Key,
  formatNote,
  isKeyName,
  isSignedBy,
  type Note,
  type NoteKey,
  type NoteSignature,
  noteKey,
  noteKeyDigest,
  parseNote,
  type VerifyEd25519,
} from "./note.ts";
export { formatProof, type LogProof, parseProof } from "./proof-text.ts";
export { proveConsistency, proveInclusion, type ReadNode, rootOf } from "./prove.ts";
export {
  decodeEntries,
  encodeEntries,
  parseTilePath,
  TILE_LEVELS,
  TILE_WIDTH,
  type TileName,
  tilePath,
} from "./tile-path.ts";
export {
  type ConsistencyClaim,
  type InclusionClaim,
  rootFromInclusion,
  verifyConsistency,
  verifyInclusion,
} from "./verify-proof.ts";
