/** Tools as callers and reviewers see them: what may be called, with what, and what it can reach. */
import { GatewayError } from "../core/errors.ts";
import {
  CAPABILITY_WORDS,
  type CapabilityWord,
  mayInvoke,
  type Policy,
  type Principal,
} from "../core/policy/index.ts";
import type { ComponentImport, Registry, Tool } from "../registry/index.ts";
import { isOpenTo } from "./callee.ts";
import type { FunctionDetail, ImportDetail, ToolDetail, ToolSummary } from "./types.ts";

/** Tools that a policy opens to the principal's tier, and that its credentials may invoke. */
export function listTools(registry: Registry, principal: Principal): readonly ToolSummary[] {
  return registry.tools
    .filter((tool) => isReachable(tool, principal))
    .map((tool) => {
      const { policy } = policyFor(tool, principal);
      return {
        name: tool.name,
        description: tool.description,
        digest: tool.digest,
        functions: tool.functions.map(({ key }) => key).filter((key) => Object.hasOwn(policy.functions, key)),
      };
    });
}

/** @throws {GatewayError} `unknown-tool`, also when the principal may not know that it exists */
export function describeTool(registry: Registry, principal: Principal, name: string): ToolDetail {
  const tool = registry.find(name);
  if (tool === undefined || !isReachable(tool, principal)) {
    throw new GatewayError(`Cannot describe tool "${name}": tier "${principal.tier}" has no such tool`, {
      code: "unknown-tool",
    });
  }
  const { policy, policyId } = policyFor(tool, principal);
  return {
    name: tool.name,
    description: tool.description,
    digest: tool.digest,
    functions: describeFunctions(tool, policy),
    imports: tool.imports.map(describeImport),
    policyId,
    purposes: policy.purpose,
  };
}

/** Whether a policy opens it to the tier, and the credential to the principal. */
function isReachable(tool: Tool, principal: Principal): boolean {
  return isOpenTo(tool, principal) && mayInvoke(principal.scopes, tool.name);
}

function policyFor(tool: Tool, principal: Principal) {
  const record = tool.policies.find(({ policy }) => policy.tenant_tier.includes(principal.tier));
  if (record === undefined)
    throw new TypeError(`Tool "${tool.name}" is not open to tier "${principal.tier}"`);
  return record;
}

function describeFunctions(tool: Tool, policy: Policy): readonly FunctionDetail[] {
  return tool.functions.map(({ key, description, inputSchema, outputSchema }) => ({
    name: key,
    description,
    operation: Object.hasOwn(policy.functions, key) ? (policy.functions[key]?.operation ?? null) : null,
    inputSchema,
    outputSchema,
  }));
}

function describeImport({ name, state, capability, reason }: ComponentImport): ImportDetail {
  const word = CAPABILITY_WORDS.find((candidate: CapabilityWord) => candidate === capability?.word);
  return {
    name,
    capability: state === "served" ? (word ?? null) : null,
    served: state === "served",
    ...(reason === undefined ? {} : { reason }),
  };
}
