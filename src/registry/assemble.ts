/** From a component that passed intake, the words about it and its policies, to a tool. */
import type { PolicyRecord } from "../core/policy/index.ts";
import type { Intake } from "./intake.ts";
import type { Tool } from "./registry.ts";
import type { ToolFile } from "./tool-file.ts";

/** @param policies of whatever tools: those that name this one are taken */
export function assembleTool(
  file: Pick<ToolFile, "name" | "description" | "digest" | "functions">,
  intake: Intake,
  component: Tool["component"],
  policies: readonly PolicyRecord[],
): Tool {
  return withPolicies(
    {
      name: file.name,
      description: file.description,
      digest: file.digest,
      functions: intake.functions
        .map((it) => ({ ...it, description: file.functions.get(it.key) ?? "" }))
        .toSorted((a, b) => (a.key < b.key ? -1 : 1)),
      imports: intake.imports,
      needs: intake.needs,
      component,
    },
    policies,
  );
}

/** Gives a tool the policies that name it. */
export function withPolicies(tool: Omit<Tool, "policies">, records: readonly PolicyRecord[]): Tool {
  const policies = records.filter(({ policy }) => policy.tool_id === tool.name);
  return Object.freeze({ ...tool, policies: Object.freeze(policies) });
}
