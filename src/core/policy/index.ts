/** The policy room: read policies, decide by them, explain decisions, match requests. Enter here only. */
export { attenuate, smaller } from "./attenuate.ts";
export {
  CAPABILITIES,
  CAPABILITY_WORDS,
  type Capability,
  capabilityOf,
  needsOf,
  type RefusedCapability,
  type RefusedWord,
  type RiskClass,
  type ServedCapability,
} from "./capabilities.ts";
export { capabilityPage } from "./capability-page.ts";
export { describeChanges, describePolicyChanges } from "./changes.ts";
export { decide } from "./decide.ts";
export { readDocument } from "./document.ts";
export { explain } from "./explain.ts";
export { type HeaderLists, headerCrosses, TRACE_FIELDS } from "./header-lists.ts";
export { hostMatches, hostPatternFault } from "./host-pattern.ts";
export { matchRequest, type OutgoingRequest, type RequestMatch } from "./match-request.ts";
export { matchSocket, type SocketMatch } from "./match-socket.ts";
export { policyId, readPolicy } from "./parse.ts";
export { describeFault, PolicyError, type PolicyFault } from "./policy-error.ts";
export { checkPolicySet, type PolicyOverlap } from "./policy-set.ts";
export type { PortRange, Ports } from "./port-range.ts";
export {
  type EchoPolicy,
  type FilesystemClause,
  type KeyvalueClause,
  type Root,
  rootsOf,
  SECRET_OPERATIONS,
  type SecretOperation,
  type SocketRule,
  type ToolRule,
} from "./reach.ts";
export { changeForDecision, changeForImport, type DeniedImport } from "./remedy.ts";
export { policySchema } from "./schema.ts";
export {
  hasScope,
  isScope,
  mayInvoke,
  SCOPE_NAMES,
  SCOPES,
  type Scope,
  type ScopeName,
} from "./scopes.ts";
export * from "./types.ts";
export { type CanonicalPath, canonicalPath } from "./url-path.ts";
