/**
 * A decision in words for the operator: which clause decided, of which policy, and the smallest change that would
 * turn a denial into an allowance. Never shown to callers: it names files and quotes rules.
 */
import type { Decision, DecisionRequest, PolicyRecord, Reason } from "./types.ts";

/**
 * Explains a decision.
 *
 * @param decision what `decide` answered
 * @param request what it was asked
 * @param policies the policies it chose from, to name the source of one that did not match; default none
 * @returns lines of text; the first names the effect, the deciding clause and the policy
 */
export function explain(
  decision: Decision,
  request: DecisionRequest,
  policies: readonly PolicyRecord[] = [],
): readonly string[] {
  const known = decision.record === undefined ? policies : [decision.record, ...policies];
  const deciding = decision.reasons.filter(({ effect }) => effect === "deny");
  const asked = `${request.tool} ${request.function} for tier ${request.principal.tier}, purpose ${request.purpose}`;
  const head = `${decision.kind} ${asked}`;
  const [first] = decision.kind === "allow" ? decision.reasons.slice(-1) : deciding;
  const by = decision.kind === "allow" ? "every clause" : `clause ${first?.clause ?? "policy"}`;
  return [
    `${head}: decided by ${by} of ${policyName(first, known)}`,
    ...decision.reasons.map((reason) => `  ${reason.effect} ${reason.clause}: ${reason.detail}`),
    ...grantLines(decision),
    ...deciding.map((reason) => `  to allow it: ${change(reason, request, policyName(reason, known))}`),
  ];
}

function policyName(reason: Reason | undefined, known: readonly PolicyRecord[]): string {
  if (reason?.clause === "scope") return "the credential";
  if (reason?.policyId === undefined) return "the policy set";
  const sources = known.filter(({ policyId }) => policyId === reason.policyId).map(({ source }) => source);
  const unique = [...new Set(sources)];
  return unique.length === 0 ? reason.policyId : `${unique.join(" and ")} (${reason.policyId})`;
}

function grantLines(decision: Decision): readonly string[] {
  if (decision.kind === "deny") return [];
  const words = decision.grants.map(({ kind }) => kind);
  const traced = decision.grants.flatMap((grant) =>
    grant.kind === "http-client"
      ? grant.rules.flatMap((rule, index) => (rule.trace_context === undefined ? [] : [index]))
      : [],
  );
  return [
    `  grants: ${words.length === 0 ? "none, and none is needed" : words.join(", ")}`,
    ...traced.map(
      (index) =>
        `  trace_context: requests by network_allowlist[${index}] carry the run's traceparent and tracestate`,
    ),
  ];
}

/** The smallest change for one denying reason; every clause that `decide` can deny by is here. */
function change(reason: Reason, request: DecisionRequest, policy: string): string {
  const tool = JSON.stringify(request.tool);
  const tier = JSON.stringify(request.principal.tier);
  switch (reason.clause) {
    case "scope":
      return 'use a credential with the scope "invoke"';
    case "tool_id":
      return `write a policy with tool_id ${tool} and ${tier} in its tenant_tier`;
    case "tenant_tier":
      return `add ${tier} to tenant_tier of ${policy}`;
    case "functions":
      return `add ${JSON.stringify(request.function)} to functions of ${policy}`;
    case "purpose":
      return `add ${JSON.stringify(request.purpose)} to purpose of ${policy}`;
    case "secret_profile":
      return `name a secret_profile in ${policy}`;
    case "secret_operations":
      return `name the operations in secret_operations of ${policy}`;
    case "config":
    case "keyvalue":
    case "tools":
      return `name a ${reason.clause} in ${policy}`;
    case "needs":
      return "use a component whose imports this version of Writ knows";
    default:
      return `leave one policy for tool ${tool} and tier ${tier}: change or remove ${policy}`;
  }
}
