/** Whether a manifest says all that a manifest has to say. A good signature over half of the story is half of the story. */
import type { ObservabilityField } from "../policy/types.ts";
import { missingFields } from "./statement.ts";
import type { RunPredicate } from "./types.ts";

/** What may be known beside the manifest. */
export interface CompletenessContext {
  /** The policy's `required_observability_fields`. */
  readonly required?: readonly ObservabilityField[];
}

/** Ends that the guest came to by itself, so that nothing of it was cut off. */
const OWN_ENDS: readonly string[] = ["completed", "failed"];
/** Whose bytes left the machine or came from outside. Those of a log, a file or a key stayed, and have budgets of their own. */
const EGRESS: readonly string[] = ["wasi:http/", "wasi:sockets/"];

/**
 * Looks for what is missing or does not add up.
 *
 * @returns each gap in words; none = complete. A run that ended as `indeterminate` is never complete: nobody saw its end
 */
export function findGaps(
  predicate: RunPredicate,
  { required = [] }: CompletenessContext = {},
): readonly string[] {
  const { decision, events, budget, outcome, isolation, runtime, policy_id } = predicate;
  const gaps = missingFields(predicate, required).map((field) => `required field ${field} is missing`);
  const gap = (text: string) => void gaps.push(text);
  if (decision.reasons.length === 0) gap("the decision has no reasons");
  for (const [index, { seq }] of events.entries())
    if (seq !== index) gap(`event ${index} is numbered ${seq}`);
  if (decision.effect === "deny") {
    if (outcome.kind !== "denied") gap(`the decision is deny, the outcome ${outcome.kind}`);
    if (events.length > 0) gap("the decision is deny, and there are events");
    const { aggregate } = predicate;
    if (aggregate !== undefined && aggregate.members.length !== aggregate.count)
      gap(`it stands for ${aggregate.count} denials and names ${aggregate.members.length}`);
    return gaps;
  }
  if (outcome.kind === "indeterminate") gap("nobody saw its end");
  if (policy_id === null) gap("it was allowed by no policy");
  if (isolation === null || runtime.executor === null) gap("it does not say what it ran on");
  if (budget === null) {
    gap("it has no budget");
    return gaps;
  }
  for (const [name, { granted, used }] of Object.entries(budget)) {
    // Time is told, not enforced to the millisecond.
    if (used !== null && used > granted && name !== "wall_ms") gap(`${name}: ${used} used of ${granted}`);
  }
  if (OWN_ENDS.includes(outcome.kind)) {
    for (const [name, { used }] of Object.entries(budget)) if (used === null) gap(`${name}: not known`);
    for (const { seq, result } of events) if (result === "unfinished") gap(`event ${seq} has no end`);
  }
  const moved = events
    .filter(({ import: name }) => EGRESS.some((prefix) => name.startsWith(prefix)))
    .reduce((sum, { bytes_in = 0, bytes_out = 0 }) => sum + bytes_in + bytes_out, 0);
  const { used } = budget.egress_bytes;
  if (used !== null && used !== moved) gap(`egress_bytes: ${used} used, the events say ${moved}`);
  return gaps;
}
