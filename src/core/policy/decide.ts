/**
 * The decision: one pure function of a request and the policies. Deny is the answer to every doubt: to no policy,
 * to two, to a word it does not know. The order of the policies says nothing.
 */
import { CAPABILITY_WORDS } from "./capabilities.ts";
import { hasScope, mayInvoke } from "./scopes.ts";
import type {
  CapabilityWord,
  Decision,
  DecisionRequest,
  Grant,
  Policy,
  PolicyRecord,
  Reason,
} from "./types.ts";

/**
 * Decides a request. Total: hostile values are denied, never thrown.
 *
 * Clauses are judged in this order: `scope` (the credential's), `tool_id`, `tenant_tier`, then all of `functions`,
 * `purpose` and what the component's imports need (`network_allowlist`, `secret_profile`), so that one answer names
 * everything that is missing. Reasons are signed and reach the caller: they say nothing of a policy beyond its id.
 *
 * @param request who asks for what; `needs` from the component's binary
 * @param policies every policy in force, in any order
 * @returns allow with the grants for exactly the needed capabilities, or deny with at least one denying reason
 */
export function decide(request: DecisionRequest, policies: readonly PolicyRecord[]): Decision {
  const { scopes } = request.principal;
  const entered = request.entered ?? request.tool;
  if (!mayInvoke(scopes, entered)) {
    const wanted = hasScope(scopes, "invoke") ? `invoke:${entered}` : "invoke";
    const detail = `the credential does not have the scope ${q(wanted)}`;
    return denied([{ clause: "scope", effect: "deny", detail }]);
  }
  const had = scopes.includes("invoke") ? "invoke" : `invoke:${entered}`;
  const scope: Reason = {
    clause: "scope",
    effect: "allow",
    detail: `the credential has the scope ${q(had)}`,
  };

  const ofTool = policies.filter(({ policy }) => policy.tool_id === request.tool).sort(byIdentity);
  const matching = ofTool.filter(({ policy }) => policy.tenant_tier.includes(request.principal.tier));
  const [record, ...others] = matching;
  if (record === undefined) return denied([scope, ...noPolicy(request, ofTool)]);
  if (others.length > 0)
    return denied([scope, ...matching.map((match) => ambiguous(request, match, matching.length))]);

  const { policyId, policy } = record;
  const needs = CAPABILITY_WORDS.filter((word) => request.needs.includes(word));
  const reasons: readonly Reason[] = [
    scope,
    { clause: "tool_id", policyId, effect: "allow", detail: `tool ${q(request.tool)} has a policy` },
    {
      clause: "tenant_tier",
      policyId,
      effect: "allow",
      detail: `tier ${q(request.principal.tier)} is in tenant_tier`,
    },
    functionReason(request, record),
    purposeReason(request, record),
    ...needs.flatMap((word) => needReasons(word, record)),
    ...unknownNeeds(request, policyId),
  ];
  const operation = operationOf(policy, request.function);
  if (operation === undefined || reasons.some(({ effect }) => effect === "deny"))
    return denied(reasons, record);
  const grants = needs.map((word) => grantFor(word, policy)).filter((grant) => grant !== undefined);
  return Object.freeze({
    kind: "allow",
    record,
    operation,
    grants: Object.freeze(grants),
    reasons: Object.freeze(reasons),
  });
}

function noPolicy(request: DecisionRequest, ofTool: readonly PolicyRecord[]): readonly Reason[] {
  const [nearest] = ofTool;
  if (nearest === undefined) {
    return [{ clause: "tool_id", effect: "deny", detail: `no policy names tool ${q(request.tool)}` }];
  }
  const detail = `tier ${q(request.principal.tier)} is in tenant_tier of no policy of tool ${q(request.tool)}`;
  return [{ clause: "tenant_tier", policyId: nearest.policyId, effect: "deny", detail }];
}

/** Two permissions for one case are a mistake of the operator; choosing between them would be ours. */
function ambiguous(request: DecisionRequest, { policyId }: PolicyRecord, count: number): Reason {
  const detail = `one of ${count} policies for tool ${q(request.tool)} and tier ${q(request.principal.tier)}, wanted one`;
  return { clause: "policy", policyId, effect: "deny", detail };
}

function functionReason(request: DecisionRequest, { policyId, policy }: PolicyRecord): Reason {
  const operation = operationOf(policy, request.function);
  const subject = `function ${q(request.function)}`;
  return operation === undefined
    ? { clause: "functions", policyId, effect: "deny", detail: `${subject} is not in functions` }
    : {
        clause: "functions",
        policyId,
        effect: "allow",
        detail: `${subject} is in functions, operation ${operation}`,
      };
}

function purposeReason(request: DecisionRequest, { policyId, policy }: PolicyRecord): Reason {
  const subject = `purpose ${q(request.purpose)}`;
  return policy.purpose.includes(request.purpose)
    ? { clause: "purpose", policyId, effect: "allow", detail: `${subject} is in purpose` }
    : { clause: "purpose", policyId, effect: "deny", detail: `${subject} is not in purpose` };
}

/** Reasons for the words that a clause unlocks; the others are granted whenever they are needed. */
function needReasons(word: CapabilityWord, { policyId, policy }: PolicyRecord): readonly Reason[] {
  if (word === "http-client") {
    const every =
      policy.network_allowlist.length === 0
        ? "no rule, so every request is denied"
        : "each request is checked";
    return [
      { clause: "network_allowlist", policyId, effect: "allow", detail: `http-client is granted: ${every}` },
    ];
  }
  if (word === "config" || word === "keyvalue" || word === "tools")
    return [clauseReason(word, policy[word] !== undefined, policyId)];
  if (word === "signing" || word === "reveal") return [operationReason(word, policy, policyId)];
  if (word !== "secrets") return [];
  return policy.secret_profile === undefined
    ? [
        {
          clause: "secret_profile",
          policyId,
          effect: "deny",
          detail: "secrets are needed and no secret_profile is named",
        },
      ]
    : [
        {
          clause: "secret_profile",
          policyId,
          effect: "allow",
          detail: "secrets are granted from secret_profile",
        },
      ];
}

/** `reveal` is never granted by anything that is said of signing, and the other way round. */
function operationReason(word: "signing" | "reveal", policy: Policy, policyId: string): Reason {
  const clause = policy.secret_profile === undefined ? "secret_profile" : "secret_operations";
  return operationsOf(word, policy).length > 0 && policy.secret_profile !== undefined
    ? { clause, policyId, effect: "allow", detail: `${word} is granted as named` }
    : {
        clause,
        policyId,
        effect: "deny",
        detail: `${word} is needed and the policy's ${clause} does not name it`,
      };
}

function operationsOf(word: "signing" | "reveal", { secret_operations = [] }: Policy) {
  return secret_operations.filter((operation) => (operation === "reveal") === (word === "reveal"));
}

/** A word whose import says that the tool needs it: without its clause the run is denied. */
function clauseReason(word: CapabilityWord & keyof Policy, named: boolean, policyId: string): Reason {
  return named
    ? { clause: word, policyId, effect: "allow", detail: `${word} is granted as named` }
    : { clause: word, policyId, effect: "deny", detail: `${word} is needed and the policy has no ${word}` };
}

/** The type rules this out; a need that is dropped silently would still be worse than a denial. */
function unknownNeeds(request: DecisionRequest, policyId: string): readonly Reason[] {
  const unknown = request.needs.filter((word) => !CAPABILITY_WORDS.includes(word));
  return unknown.map((word) => {
    return { clause: "needs", policyId, effect: "deny", detail: `capability ${q(word)} is not known` };
  });
}

/** Language runtimes import the interfaces whether a tool uses them or not: then there is nothing in them. */
const NO_FILES = Object.freeze({ scratch_bytes: 0, mounts: [], operations: 0 });

/** @returns undefined only where `needReasons` has denied already */
function grantFor(word: CapabilityWord, policy: Policy): Grant | undefined {
  const profile = policy.secret_profile;
  switch (word) {
    case "http-client": {
      const grant = { kind: word, rules: policy.network_allowlist } as const;
      return Object.freeze(profile === undefined ? grant : { ...grant, secretProfile: profile });
    }
    case "environment":
      return Object.freeze({
        kind: word,
        ...(policy.environment === undefined ? {} : { variables: policy.environment }),
        ...(policy.arguments === undefined ? {} : { arguments: policy.arguments }),
      });
    case "config":
      return policy.config === undefined ? undefined : Object.freeze({ kind: word, values: policy.config });
    case "filesystem":
      return Object.freeze({ kind: word, ...(policy.filesystem ?? NO_FILES) });
    case "sockets":
      return Object.freeze({ kind: word, rules: policy.sockets ?? [] });
    case "keyvalue":
      return policy.keyvalue === undefined ? undefined : Object.freeze({ kind: word, ...policy.keyvalue });
    case "tools":
      return policy.tools === undefined ? undefined : Object.freeze({ kind: word, tools: policy.tools });
    case "signing":
      return profile === undefined
        ? undefined
        : Object.freeze({ kind: word, profile, operations: operationsOf(word, policy) });
    case "reveal":
      return profile === undefined ? undefined : Object.freeze({ kind: word, profile });
    case "secrets":
      return profile === undefined ? undefined : Object.freeze({ kind: word, profile });
    default:
      return Object.freeze({ kind: word });
  }
}

/** Own members only: `constructor` is a name that a caller may send. */
function operationOf(policy: Policy, name: string): "read" | "write" | undefined {
  return Object.hasOwn(policy.functions, name) ? policy.functions[name]?.operation : undefined;
}

function denied(reasons: readonly Reason[], record?: PolicyRecord): Decision {
  const decision = { kind: "deny", reasons: Object.freeze(reasons) } as const;
  return Object.freeze(record === undefined ? decision : { ...decision, record });
}

function byIdentity(a: PolicyRecord, b: PolicyRecord): number {
  const [left, right] = [`${a.policyId} ${a.source}`, `${b.policyId} ${b.source}`];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Callers choose these texts; a reason stays one short line. */
function q(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text).toWellFormed();
}
