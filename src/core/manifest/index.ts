/** The execution manifest: the statement, the exact bytes that get signed, and their offline verification. */

export { decodeBase64, decodeBase64Url, encodeBase64, encodeBase64Url } from "../base64.ts";
export { alignColumns, printable } from "../plain-text.ts";
export {
  ACTION_KINDS,
  ACTION_TYPE,
  type ActionKind,
  type ActionPredicate,
  ActionPredicateSchema,
  type ActionStatement,
  createActionStatement,
  digestState,
} from "./action.ts";
export { type CompletenessContext, findGaps } from "./complete.ts";
export { derToRaw, isHighS, isP256Spki, rawToDer, thumbprint } from "./ecdsa.ts";
export { type Denial, explainRun, explanationLines, type RunExplanation } from "./explain-run.ts";
export { type PredicateField, predicateFields } from "./fields.ts";
export { parseInstant } from "./instant.ts";
export {
  encodeKeyRing,
  type KeyRing,
  parseKeyRing,
  type RingKey,
  retireKeys,
  rotateRing,
  signingKeyAt,
} from "./key-ring.ts";
export {
  digestOfPayload,
  encodeLogEntry,
  isLogEntry,
  withLogEntry,
} from "./log-entry.ts";
export {
  digestOfLine,
  NO_LINE,
  type Observation,
  type ObservedFile,
  type ObservedLine,
  readObservation,
  readObservations,
  writeObservation,
} from "./observation.ts";
export { predicateOf } from "./own-bundle.ts";
export {
  type Check,
  type CheckName,
  type Comparison,
  type LogPlace,
  MAX_BUNDLE_BYTES,
  type VerificationReport,
  type VerifySignature,
} from "./report.ts";
export { OutcomeSchema, predicateSchema, RunPredicateSchema } from "./schema.ts";
export {
  BUNDLE_MEDIA_TYPE,
  type Bundle,
  createBundle,
  createStatement,
  encodeStatement,
  type LogEntry,
  missingFields,
  pae,
} from "./statement.ts";
export { parseStrictJson } from "./strict-json.ts";
export {
  encodeTrustedKeys,
  joinTrust,
  parseTrust,
  parseTrustedKeys,
  type Trust,
  type TrustedKey,
  type TrustedKeys,
} from "./trust.ts";
export { encodeTrustedRoot, type TrustedLog } from "./trusted-root.ts";
export type {
  BudgetUse,
  HostLimit,
  Outcome,
  OutcomeKind,
  RunChild,
  RunEvent,
  RunFallback,
  RunLease,
  RunPredicate,
  Statement,
} from "./types.ts";
export { HOST_LIMITS, PAYLOAD_TYPE, PREDICATE_TYPE } from "./types.ts";
export { type BundleVerifier, bundleVerifier, verifyBundle } from "./verify.ts";
export { parseWitnessDemand, parseWitnessFile, type WitnessFile } from "./witness-file.ts";
