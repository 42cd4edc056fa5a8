/** What differs between two registries: for the operator who changed a folder, and for the log that says that he did. */
import { describePolicyChanges, type JsonValue } from "../core/policy/index.ts";
import type { Registry, Tool } from "./registry.ts";

/** What makes two registries differ: components and policies by digest. */
export function registryState({ tools }: Pick<Registry, "tools">): JsonValue {
  return Object.fromEntries(
    tools.map(({ name, digest, policies }) => [
      name,
      { component: digest, policies: policies.map(({ policyId }) => policyId).sort() },
    ]),
  );
}

/** @returns a sentence for each change; none when both offer the same */
export function registryChanges(before: Registry, after: Registry): readonly string[] {
  const changed = after.tools.flatMap((tool) => {
    const old = before.find(tool.name);
    return old === undefined ? [`tool ${tool.name}: added, ${tool.digest}`] : toolChanges(old, tool);
  });
  const gone = before.tools
    .filter(({ name }) => after.find(name) === undefined)
    .map(({ name, digest }) => `tool ${name}: gone, was ${digest}`);
  return [...changed, ...gone];
}

function toolChanges(before: Tool, after: Tool): readonly string[] {
  const component =
    before.digest === after.digest
      ? []
      : [`tool ${after.name}: component is ${after.digest}, was ${before.digest}`];
  return [...component, ...describePolicyChanges(before.policies, after.policies)];
}
