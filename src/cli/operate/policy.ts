/** `writ policy`: check policies before they are in force, and ask which clause decides a case. */
import type { Command } from "commander";
import {
  CAPABILITIES,
  type CapabilityWord,
  capabilityPage,
  checkPolicySet,
  type DecisionRequest,
  decide,
  describeFault,
  explain,
  PolicyError,
  policySchema,
} from "../../core/policy/index.ts";
import { openComponent } from "../components/component-file.ts";
import { loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";
import { addBacktest } from "../evidence/backtest.ts";
import { EXIT } from "../exit.ts";
import { alignColumns, createPaint, formatCount, printable, printJson } from "../output.ts";
import { listToolPolicies, readPolicies } from "../policy-files.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld } from "../world.ts";

interface ExplainFlags {
  readonly tool: string;
  readonly function: string;
  readonly tier: string;
  readonly purpose: string;
  readonly policies?: readonly string[];
  readonly component?: string;
  readonly json?: boolean;
}

/** Adds the commands. */
export function addPolicy(program: Command, { world, end }: CommandContext): void {
  const policy = program.command("policy").description("Checks policies and explains decisions");

  policy
    .command("check")
    .description("Reads policies and lists every fault as file:line:column; exit code 1 when there is any")
    .argument("<path...>", "files, folders, or - for standard input")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  writ policy check tools/weather/policy.yaml ./policies")
    .action(async (paths: readonly string[], flags: { readonly json?: boolean }) => {
      if (!(await check(world, paths, flags.json === true))) end(EXIT.bad);
    });

  policy
    .command("explain")
    .description("Says what would be decided, by which clause, and what would change it; exit code 1 on deny")
    .requiredOption("--tool <name>", "tool")
    .requiredOption("--function <key>", "interface/function")
    .requiredOption("--tier <name>", "tier of the caller")
    .requiredOption("--purpose <name>", "purpose that the caller states")
    .option("--policies <path...>", "files or folders; default: those that serve would load")
    .option("--component <file>", "take needed capabilities from this binary; default: the built tool")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExample:\n  writ policy explain --tool weather --function weather/forecast --tier free --purpose support-chat",
    )
    .action(async (flags: ExplainFlags) => {
      if (!(await explainCase(world, flags))) end(EXIT.bad);
    });

  addBacktest(policy, { world, end });

  policy
    .command("capabilities")
    .description("Lists what policies can grant: which clause unlocks which imports, at what risk and cost")
    .option("--markdown", "print the page")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  writ policy capabilities")
    .action(async (flags: { readonly markdown?: boolean; readonly json?: boolean }) => {
      if (flags.json) return printJson(world, { capabilities: CAPABILITIES });
      if (flags.markdown) {
        const offered = (await world.offer()).imports.interfaces.map(({ name }) => name);
        return world.runtime.print(capabilityPage(CAPABILITIES, offered).trimEnd());
      }
      const rows = CAPABILITIES.map((row) => [row.word, row.risk, row.clause ?? "-", row.sentence]);
      for (const line of alignColumns([["capability", "risk", "clause", "what it does"], ...rows]))
        world.runtime.print(line);
    });

  policy
    .command("schema")
    .description("Prints the JSON Schema of policies, for editors")
    .option("--json", "print JSON (it always is)")
    .addHelpText("after", "\nExample:\n  writ policy schema > policy.schema.json")
    .action(() => printJson(world, policySchema()));
}

async function check(world: CliWorld, paths: readonly string[], json: boolean): Promise<boolean> {
  const { runtime } = world;
  const paint = createPaint(world);
  const { sources, records, faults } = await readPolicies(world, paths);
  const overlaps = checkPolicySet(records);
  const good = faults.length === 0 && overlaps.length === 0;
  if (json) {
    printJson(world, {
      ok: good,
      policies: records.map(({ policyId, policy, source }) => ({ source, policyId, toolId: policy.tool_id })),
      faults,
      overlaps: overlaps.map(({ toolId, tiers, detail }) => ({ toolId, tiers, detail })),
    });
    return good;
  }
  for (const fault of faults) runtime.print(printable(describeFault(fault)));
  for (const { detail } of overlaps) runtime.print(printable(detail));
  for (const { source, policyId } of records)
    runtime.print(`${paint.good("ok")} ${printable(source)} ${policyId}`);
  const found = [formatCount(faults.length, "fault"), formatCount(overlaps.length, "overlap")].join(", ");
  runtime.print(`${formatCount(sources.length, "file")}: ${good ? "no fault" : paint.bad(found)}`);
  return good;
}

/** @returns whether the decision is allow */
async function explainCase(world: CliWorld, flags: ExplainFlags): Promise<boolean> {
  const { config } = await loadConfig(world, {});
  const { toolsFolder, policiesFolder } = config;
  const paths = flags.policies ?? [
    ...(await listToolPolicies(world, toolsFolder)),
    ...(policiesFolder === undefined ? [] : [policiesFolder]),
  ];
  if (paths.length === 0) {
    throw new UsageError(
      `Cannot explain: no policy in ${JSON.stringify(toolsFolder)}, name some with --policies`,
    );
  }
  const { records, faults } = await readPolicies(world, paths);
  // A set with a fault is never in force, so nothing can be said about what it decides.
  if (faults.length > 0) throw new PolicyError(faults[0]?.source ?? "", faults);
  const needs = await findNeeds(world, flags, toolsFolder);
  const request: DecisionRequest = {
    principal: { id: "explain", tenant: "explain", tier: flags.tier, scopes: ["invoke"] },
    tool: flags.tool,
    function: flags.function,
    purpose: flags.purpose,
    needs: needs ?? [],
  };
  const decision = decide(request, records);
  if (flags.json) {
    printJson(world, {
      effect: decision.kind,
      policyId: decision.record?.policyId ?? null,
      source: decision.record?.source ?? null,
      reasons: decision.reasons,
      grants: decision.kind === "allow" ? decision.grants : [],
      needs,
    });
  } else {
    for (const line of explain(decision, request, records)) world.runtime.print(printable(line));
    if (needs === null) world.runtime.print("  needs: not known without a component, so none was asked for");
  }
  return decision.kind === "allow";
}

/** Needed capabilities from the binary; null when there is none to ask. */
async function findNeeds(
  world: CliWorld,
  { component, tool }: ExplainFlags,
  toolsFolder: string,
): Promise<readonly CapabilityWord[] | null> {
  if (component !== undefined) return (await openComponent(world, component)).intake.needs;
  // Also keeps a name with `../` in it from naming a file.
  if (!/^[a-z][a-z0-9-]{0,62}$/.test(tool)) return null;
  const built = `${toolsFolder}/${tool}/${tool}.wasm`;
  const isBuilt = (await world.runtime.files.mode(built)) !== undefined;
  return isBuilt ? (await openComponent(world, built)).intake.needs : null;
}
