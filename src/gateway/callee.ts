/** Which function of which tool a request means, and the refusals that say no to it before there is a run. */
import { GatewayError } from "../core/errors.ts";
import { type Decision, hasScope, type Principal } from "../core/policy/index.ts";
import { findFunction, type Registry, type Tool, type ToolFunction } from "../registry/index.ts";
import type { Admission } from "./predicate.ts";
import type { InvocationRequest } from "./types.ts";

/**
 * @param run the run's id, by which a canary takes its share
 * @throws {GatewayError} `unknown-tool`, `tool-suspended`
 */
export function findCallee(
  registry: Registry,
  principal: Principal,
  request: InvocationRequest,
  run: string,
): { readonly tool: Tool; readonly callee: ToolFunction } {
  const shown = registry.find(request.tool);
  // A tool that no policy opens to this tier is as unknown as one that is not there, whatever else is true of it.
  const isShown = shown !== undefined && isOpenTo(shown, principal);
  const tool = isShown ? registry.choose(request.tool, { tenant: principal.tenant, run }) : undefined;
  const callee =
    tool !== undefined && isOpenTo(tool, principal) ? findFunction(tool, request.function) : undefined;
  if (tool !== undefined && callee !== undefined) return { tool, callee };
  throw new GatewayError(
    `Cannot invoke "${request.tool}/${request.function}": tier "${principal.tier}" has no such function`,
    { code: "unknown-tool" },
  );
}

/** Whether any policy names the tool for the principal's tier. A callee is asked for by a tool: scopes do not matter. */
export function isOpenTo(tool: Tool, principal: Principal): boolean {
  return tool.policies.some(({ policy }) => policy.tenant_tier.includes(principal.tier));
}

/** @param run whose manifest carries the decision: under a flood, another denial's */
export function denied(
  admission: Admission,
  decision: Extract<Decision, { kind: "deny" }>,
  run: string,
): GatewayError {
  const denials = decision.reasons.filter(({ effect }) => effect === "deny");
  const why = denials.map(({ detail }) => detail).join("; ");
  if (denials.some(({ clause }) => clause === "scope")) {
    const { principal, tool } = admission;
    const scope = hasScope(principal.scopes, "invoke") ? `invoke:${tool.name}` : "invoke";
    const refusal = { code: "insufficient-scope", scope, decision: run } as const;
    return new GatewayError(`Cannot invoke "${tool.name}": ${why}`, refusal);
  }
  return new GatewayError(
    `Cannot invoke "${admission.callee.key}" of tool "${admission.tool.name}": ${why}`,
    {
      code: "denied",
      decision: run,
      missing: denials.map(({ clause }) => clause),
    },
  );
}
