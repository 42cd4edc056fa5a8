/** No evidence, no answer: intent before the run, seal before the release, and a reconciler for what lies between. */
export {
  createEvidence,
  type Evidence,
  type EvidenceParts,
  type KnownBeforeRun,
  type Receipt,
  type Reconciled,
  type Sealed,
} from "./evidence.ts";
