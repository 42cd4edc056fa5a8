/** Making tools ready to run before anybody calls them, and telling what was done for it. */
import type { Policy } from "../core/policy/index.ts";
import type { Preparation, PreparationStep, Sandbox } from "../ports/index.ts";
import type { Registry, Tool } from "../registry/index.ts";

/**
 * Transpiles and meters what is not in the cache, so that no caller waits for it within a run's time to live, and no
 * tool fails only when it is called.
 *
 * @param prepared told of each tool when it is done, with how many are, and what was done for each way in which its
 *   policies have it run
 */
export async function prepareTools(
  sandbox: Sandbox,
  registry: Registry,
  prepared: (tool: Tool, count: number, preparations: readonly Preparation[]) => void,
): Promise<void> {
  for (const [index, tool] of registry.tools.entries())
    prepared(tool, index + 1, await prepareTool(sandbox, registry, tool));
}

/**
 * Makes one tool ready to run, under every memory cap that its runs may have.
 *
 * @returns what was done for each of them
 */
export async function prepareTool(
  sandbox: Sandbox,
  registry: Registry,
  tool: Tool,
): Promise<readonly Preparation[]> {
  const preparations: Preparation[] = [];
  for (const { policy } of tool.policies) {
    const repeatable = policy.evidence?.journal === "full";
    for (const memoryBytes of memoryCaps(registry, policy)) {
      const relaxedSimd = policy.relaxed_simd === "allow";
      preparations.push(await sandbox.prepare(tool.component, memoryBytes, repeatable, relaxedSimd));
    }
  }
  return preparations;
}

/**
 * Memory caps that runs under a policy may have: its own, and those of callers, which narrow it. A callee of a callee
 * is narrowed by both, and the smallest of some caps is one of them.
 */
function memoryCaps(registry: Registry, { tool_id, budget }: Policy): ReadonlySet<number> {
  const policies = registry.tools.flatMap(({ policies: records }) => records.map(({ policy }) => policy));
  const calls = ({ tools }: Policy, tool: string) => tools?.some((rule) => rule.tool === tool) === true;
  let callers = policies.filter((policy) => calls(policy, tool_id));
  for (let size = 0; size < callers.length; ) {
    size = callers.length;
    callers = policies.filter(
      (policy) => calls(policy, tool_id) || callers.some((caller) => calls(policy, caller.tool_id)),
    );
  }
  const caps = callers.map((caller) => Math.min(caller.budget.memory_bytes, budget.memory_bytes));
  return new Set([budget.memory_bytes, ...caps]);
}

/**
 * How components were prepared, in a line for whoever waits for it. The same as data is the log's `tool-prepared`.
 *
 * @param preparations of one tool: one for each way in which its policies have it run
 * @returns `from the cache`, or each step with what it took
 */
export function describePreparations(preparations: readonly Preparation[]): string {
  const totals = new Map<PreparationStep["step"], number>();
  for (const { step, ms } of preparations.flatMap(({ steps }) => steps))
    totals.set(step, (totals.get(step) ?? 0) + ms);
  if (totals.size === 0) return "from the cache";
  const made = preparations.filter(({ steps }) => steps.length > 0).length;
  const times = [...totals].map(([step, ms]) => `${step} ${ms}`).join(", ");
  return `${times} ms${made > 1 ? ` for ${made} variants` : ""}`;
}
