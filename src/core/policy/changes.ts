/**
 * What differs between two documents, in words: one sentence for each place, whoever reads them. Of lists it says what
 * came and what went, since the order of most of them says nothing.
 */
import { canonicalJson } from "../digest.ts";
import type { JsonValue, Policy, PolicyRecord } from "./types.ts";

/** Longer values are cut: the digests say the rest. */
const MAX_LETTERS = 200;

/**
 * Compares two values.
 *
 * @param path where they stand, such as `budget`; empty = at the top
 * @returns none when they are the same
 */
export function describeChanges(before: JsonValue, after: JsonValue, path = ""): readonly string[] {
  if (canonicalJson(before) === canonicalJson(after)) return [];
  if (Array.isArray(before) && Array.isArray(after)) return listChanges(before, after, path);
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names.flatMap((name) =>
      memberChanges(before, after, name, path === "" ? name : `${path}.${name}`),
    );
  }
  return [`${path} is ${show(after)}, was ${show(before)}`];
}

/**
 * Compares the policies of one tool. Policies with the same tiers, or one in common, are the same policy changed.
 *
 * @returns sentences that begin with the tool and the tiers
 */
export function describePolicyChanges(
  before: readonly PolicyRecord[],
  after: readonly PolicyRecord[],
): readonly string[] {
  const gone = before.filter(({ policyId }) => !after.some((record) => record.policyId === policyId));
  const come = after.filter(({ policyId }) => !before.some((record) => record.policyId === policyId));
  const changes: string[] = [];
  for (const record of come) {
    const place = gone.findIndex(({ policy }) => sharesTier(policy, record.policy));
    const [old] = place < 0 ? [] : gone.splice(place, 1);
    const name = nameOf(record.policy);
    if (old === undefined) changes.push(`${name}: a policy where there was none, ${record.policyId}`);
    else {
      for (const change of describeChanges(jsonOf(old.policy), jsonOf(record.policy)))
        changes.push(`${name}: ${change}`);
    }
  }
  for (const { policy, policyId } of gone) changes.push(`${nameOf(policy)}: its policy is gone, ${policyId}`);
  return changes;
}

function memberChanges(
  before: Readonly<Record<string, JsonValue>>,
  after: Readonly<Record<string, JsonValue>>,
  name: string,
  path: string,
): readonly string[] {
  const [was, is] = [ownOf(before, name), ownOf(after, name)];
  if (was === undefined) return is === undefined ? [] : [`${path} is ${show(is)}, was absent`];
  return is === undefined ? [`${path} is absent, was ${show(was)}`] : describeChanges(was, is, path);
}

function listChanges(
  before: readonly JsonValue[],
  after: readonly JsonValue[],
  path: string,
): readonly string[] {
  const has = (list: readonly JsonValue[], one: JsonValue) =>
    list.some((other) => canonicalJson(other) === canonicalJson(one));
  const come = after.filter((one) => !has(before, one)).map((one) => `${path} gains ${show(one)}`);
  const gone = before.filter((one) => !has(after, one)).map((one) => `${path} loses ${show(one)}`);
  // The same members, more often or in another order: of network rules that is what evidence names them by.
  return come.length + gone.length === 0 ? [`${path} is in another order`] : [...come, ...gone];
}

function nameOf({ tool_id, tenant_tier }: Policy): string {
  return `${tool_id} [${tenant_tier.join(", ")}]`;
}

function sharesTier(one: Policy, other: Policy): boolean {
  return one.tenant_tier.some((tier) => other.tenant_tier.includes(tier));
}

function jsonOf(policy: Policy): JsonValue {
  // Parsed from JSON; only an interface's lack of an index signature stands between the types.
  return { ...policy } as unknown as JsonValue;
}

/** Own members only: a policy may say `constructor`. */
function ownOf(object: Readonly<Record<string, JsonValue>>, name: string): JsonValue | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function isObject(value: JsonValue): value is Readonly<Record<string, JsonValue>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value: JsonValue): string {
  const text = canonicalJson(value);
  return text.length > MAX_LETTERS ? `${text.slice(0, MAX_LETTERS)}…` : text;
}
