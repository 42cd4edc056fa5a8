/**
 * Reading policies: text in, a policy in normal form with its id out. This is the only door; inside, a `Policy` is
 * believed without a second look.
 */
import { canonicalJson, sha256Hex } from "../digest.ts";
import { MAX_POLICY_FAULTS, readDocument } from "./document.ts";
import { describeIssues } from "./faults.ts";
import { PolicyError } from "./policy-error.ts";
import { policyDocument, RULE_KEYS } from "./schema.ts";
import { FALLBACK_KEYS, WINDOW_KEYS } from "./schema-accounts.ts";
import { EVIDENCE_KEYS } from "./schema-evidence.ts";
import type { JsonValue, Policy, PolicyRecord } from "./types.ts";

/** Keys of each mapping of the document, for "did you mean". Taken from the schema, so they can not drift. */
const KNOWN_KEYS: Readonly<Record<string, readonly string[]>> = {
  "": Object.keys(policyDocument.shape),
  "/budget": Object.keys(policyDocument.shape.budget.shape),
  "/network_allowlist/*": RULE_KEYS,
  "/filesystem": Object.keys(policyDocument.shape.filesystem.unwrap().shape),
  "/tools/*": Object.keys(policyDocument.shape.tools.unwrap().element.shape),
  "/keyvalue": Object.keys(policyDocument.shape.keyvalue.unwrap().shape),
  "/fallback": FALLBACK_KEYS,
  "/windows/*": WINDOW_KEYS,
  "/retry_budget": Object.keys(policyDocument.shape.retry_budget.unwrap().shape),
  "/loop_cap": Object.keys(policyDocument.shape.loop_cap.unwrap().shape),
  "/evidence": EVIDENCE_KEYS,
};

/** What is wanted where the schema has no phrase of its own: the value of a static fallback. */
const ANY_VALUE = "a JSON value";

/**
 * Reads one policy document, whole or not at all.
 *
 * Defaults: `network_allowlist` [], no `secret_profile`, `required_observability_fields` trace_id, policy_id,
 * artifact_hash, tenant, purpose; `isolation_minimum` process; `fallback` error; no `windows`,
 * `retry_budget` (in it `min_per_second` 0, `ttl_seconds` 10) and `loop_cap`; no `evidence`, and in it
 * `journal` none, `keep` [], `journal_bytes` 4MiB, `journal_over` stop, `retention_days` 30. Everything else must be
 * written.
 *
 * @param text YAML 1.2 or JSON, at most 256 KiB; hostile
 * @param source where it comes from, for faults and for the operator
 * @returns the policy in normal form, deeply frozen, with its id
 * @throws {PolicyError} for any text that is not a policy, with every fault and its place; nothing else is thrown
 * @example
 * ```ts
 * const text = '{"tool_id":"hash","tenant_tier":["free"],"purpose":["demo"],' +
 *   '"functions":{"hash/digest":{"operation":"read"}},"max_duration_ms":1000,"budget":{"fuel":2e8,' +
 *   '"memory_bytes":"1MiB","egress_bytes":0,"requests":0,"output_bytes":"1KiB","log_bytes":0}}';
 * readPolicy(text, "policies/hash.json").policy.budget.memory_bytes; // 1048576
 * ```
 */
export function readPolicy(text: string, source: string): PolicyRecord {
  const document = readDocument(text);
  if (document.kind === "faults") {
    throw new PolicyError(
      source,
      document.faults.map((fault) => ({ source, ...fault })),
    );
  }
  const parsed = policyDocument.safeParse(document.value, { error: () => ANY_VALUE });
  if (!parsed.success) {
    const told = new Map(
      describeIssues(parsed.error.issues, document, KNOWN_KEYS).map((fault) => [
        JSON.stringify(fault),
        fault,
      ]),
    );
    const faults = [...told.values()]
      .sort((a, b) => a.line - b.line || a.column - b.column)
      .slice(0, MAX_POLICY_FAULTS);
    throw new PolicyError(
      source,
      faults.map((fault) => ({ source, ...fault })),
    );
  }
  const { secret_profile, ...rest } = parsed.data;
  const policy: Policy = deepFreeze(secret_profile === undefined ? rest : { ...rest, secret_profile });
  return Object.freeze({ policyId: policyId(policy), policy, source });
}

/**
 * The identity of a policy: what it says, not how it was written. `64MiB` and 67108864, YAML and JSON, and any
 * order of keys or of names in a list have one id. The order of `network_allowlist` is part of the id, because
 * decisions and evidence name its rules by index.
 *
 * @param policy in the normal form that {@link readPolicy} gives
 * @returns `sha256:<hex>` over its RFC 8785 canonical JSON, which anyone can recompute
 */
export function policyId(policy: Policy): string {
  return `sha256:${sha256Hex(canonicalJson(jsonOf(policy)))}`;
}

/** A policy as JSON: the same members; only an interface's lack of an index signature stands between the types. */
function jsonOf(policy: Policy): JsonValue {
  const { fallback, evidence, windows, retry_budget, loop_cap, ...rest } = policy;
  const functions = Object.fromEntries(
    Object.entries(rest.functions).map(([name, { operation }]) => [name, { operation }]),
  );
  const network = rest.network_allowlist.map(({ request_headers, response_headers, ...rule }) => ({
    ...rule,
    ...(request_headers === undefined ? {} : { request_headers: { ...request_headers } }),
    ...(response_headers === undefined ? {} : { response_headers: { ...response_headers } }),
  }));
  return {
    ...rest,
    functions,
    network_allowlist: network,
    budget: { ...rest.budget },
    fallback: { ...fallback },
    ...(evidence === undefined ? {} : { evidence: { ...evidence } }),
    ...(windows === undefined ? {} : { windows: windows.map((rule) => ({ ...rule })) }),
    ...(retry_budget === undefined ? {} : { retry_budget: { ...retry_budget } }),
    ...(loop_cap === undefined ? {} : { loop_cap: { ...loop_cap } }),
  };
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const member of Object.values(value)) deepFreeze(member);
    Object.freeze(value);
  }
  return value;
}
