/** No evidence, no answer: intent before the run, seal before the release, and a reconciler for what lies between. */

export { Audit, type AuditClass, type AuditCounts, type AuditGap, type KnownOfRun } from "./audit.ts";
export {
  createEvidence,
  type Evidence,
  type EvidenceParts,
  type KeptOutputs,
  type KnownBeforeRun,
  OPERATOR,
  type Receipt,
  type Reconciled,
  type Sealed,
} from "./evidence.ts";
export { OBSERVER_FILES, type ObserverParts, openObserver } from "./observer.ts";
export type { Witness, WitnessPolicy } from "./witnesses.ts";
