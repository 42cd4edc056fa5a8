/** Service levels: what is promised, what was counted, and what follows. */
export {
  type Alert,
  burnRate,
  EVIDENCE_FALLING,
  evaluate,
  type Objective,
  type SloInput,
  type SloReport,
} from "./evaluate.ts";
export { boundOf, bucketOf, countWithin, effectiveMs, type Histogram, percentileOf } from "./histogram.ts";
export { type Candidate, candidateOf, judgeCandidate } from "./rollback.ts";
export { DEFAULT_SLOS, readSloFile, type SloFile, sloFileSchema } from "./schema.ts";
export { countOf, MEASURES, type MeasureName, type Sum } from "./sums.ts";
export { readWebhookSecret, signWebhook } from "./webhook.ts";
