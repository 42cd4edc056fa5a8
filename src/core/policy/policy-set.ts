/** Faults that no single policy has: two policies that claim the same case. */
import type { PolicyRecord } from "./types.ts";

/** Two policies that name the same tool and share tiers: every request there would be denied as ambiguous. */
export interface PolicyOverlap {
  readonly toolId: string;
  /** The shared tiers, sorted. */
  readonly tiers: readonly string[];
  readonly first: PolicyRecord;
  readonly second: PolicyRecord;
  /** A sentence for the operator, naming both sources. */
  readonly detail: string;
}

/**
 * Finds overlaps, when policies are loaded. A gateway must not start with any.
 *
 * @param records every policy that is to be in force
 * @returns each overlapping pair once, in the order of the records; empty when the set is sound
 */
export function checkPolicySet(records: readonly PolicyRecord[]): readonly PolicyOverlap[] {
  return records.flatMap((second, index) =>
    records.slice(0, index).flatMap((first) => {
      if (first.policy.tool_id !== second.policy.tool_id) return [];
      const tiers = first.policy.tenant_tier.filter((tier) => second.policy.tenant_tier.includes(tier));
      return tiers.length === 0 ? [] : [describeOverlap(first, second, tiers)];
    }),
  );
}

function describeOverlap(first: PolicyRecord, second: PolicyRecord, tiers: readonly string[]): PolicyOverlap {
  const toolId = first.policy.tool_id;
  const named = `tool ${toolId} and ${tiers.length === 1 ? "tier" : "tiers"} ${tiers.join(", ")}`;
  const detail = `Cannot put ${second.source} in force: ${first.source} is already the policy for ${named}, wanted one`;
  return { toolId, tiers, first, second, detail };
}
