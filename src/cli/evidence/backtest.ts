/** `writ policy backtest`: what other policies would have made of the runs of the past, before they are in force. */
import type { Command } from "commander";
import { isCut } from "../../core/journal/index.ts";
import type { RunPredicate } from "../../core/manifest/index.ts";
import { type CapabilityWord, decide, PolicyError, type PolicyRecord } from "../../core/policy/index.ts";
import { type Backtested, backtest, type PastRun, runAgain, TAKING } from "../../gateway/index.ts";
import { loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import { printJson } from "../output.ts";
import { listToolPolicies, readPolicies } from "../policy-files.ts";
import { readSpan } from "../time.ts";
import type { CliWorld, Records, Replayer } from "../world.ts";
import { type BacktestRow, printBacktest } from "./backtest-report.ts";
import { readJournalOf, signedPredicate } from "./journal-file.ts";
import { Components } from "./past-components.ts";

interface BacktestFlags {
  readonly policy: readonly string[];
  readonly since: string;
  readonly tool?: string;
  readonly execute: boolean;
  readonly failOnNewDenials?: boolean;
  readonly tools?: string;
  readonly data?: string;
  readonly json?: boolean;
}

/** What is held against the runs. */
interface Trial {
  readonly policies: readonly PolicyRecord[];
  readonly tiers: ReadonlyMap<string, string>;
  readonly needs: (predicate: RunPredicate) => Promise<readonly CapabilityWord[] | undefined>;
  readonly again: (predicate: RunPredicate) => Promise<Again | undefined>;
}

/** A run that can be made again. */
interface Again {
  readonly run: (policy: PolicyRecord["policy"]) => ReturnType<typeof runAgain>;
}

/** Runs between two lines of progress. */
const STEP = 500;

/** Adds the command to `writ policy`. */
export function addBacktest(policy: Command, { world, end }: CommandContext): void {
  policy
    .command("backtest")
    .description(
      "Decides the runs of the past again under other policies: who would be denied what, by which clause",
    )
    .requiredOption("--policy <path...>", "the policies to try: files, folders, or - for standard input")
    .option("--since <span>", "how far back, such as 12h or 7d", "7d")
    .option("--tool <name>", "of this tool alone")
    .option("--no-execute", "ask the manifests alone; do not run journals again")
    .option("--fail-on-new-denials", "exit code 1 when something would be denied that was given")
    .option("--tools <folder>", "built tools, with the policies in force (WRIT_TOOLS)")
    .option("--data <folder>", "the runs (WRIT_DATA)")
    .option("--json", "print JSON, every run by itself")
    .addHelpText(
      "after",
      "\nThe policies replace those in force for the same tool and any of the same tiers; the others stay.\n" +
        "A run with a full journal is run again under the new grants and budgets, without network. What it then asks\n" +
        "that the journal does not know is unknown from there.\n\n" +
        "Example:\n  writ policy backtest --policy new.yaml --since 7d --fail-on-new-denials",
    )
    .action(async (flags: BacktestFlags) => {
      const rows = await tryPolicies(world, flags);
      if (flags.json) printJson(world, { since: flags.since, runs: rows });
      else printBacktest(world, rows, flags.since);
      if (flags.failOnNewDenials === true && rows.some(({ verdict }) => TAKING.includes(verdict)))
        end(EXIT.bad);
    });
}

async function tryPolicies(world: CliWorld, flags: BacktestFlags): Promise<readonly BacktestRow[]> {
  const { config } = await loadConfig(world, { dataFolder: flags.data, toolsFolder: flags.tools });
  const sinceMs = world.runtime.clock.nowMs() - readSpan(flags.since, "Cannot backtest: --since");
  const policies = await readTrial(world, flags.policy, config.toolsFolder, config.policiesFolder);
  const tools = new Set(policies.tried.map(({ policy }) => policy.tool_id));
  const records = await world.openRecords(config);
  let replayer: Replayer | undefined;
  try {
    const components = new Components(world, config.toolsFolder);
    const trial: Trial = {
      policies: policies.inForce,
      tiers: await readTiers(records),
      needs: (predicate) => components.needs(predicate),
      async again(predicate) {
        if (!flags.execute || predicate.journal_hash === undefined || predicate.journal_hash === null)
          return undefined;
        const tool = await components.find(predicate);
        const journal = await readJournalOf(records, predicate);
        // One that is not the one that was signed proves nothing; one that was cut says nothing of its end.
        if (tool === undefined || journal === undefined || isCut(journal.end)) return undefined;
        replayer ??= await world.openReplayer(config);
        const { sandbox } = replayer;
        return { run: (policy) => runAgain(sandbox, tool, journal, policy) };
      },
    };
    const rows: BacktestRow[] = [];
    for await (const row of records.runs(sinceMs)) {
      const predicate = signedPredicate(row);
      if (predicate === undefined || !tools.has(predicate.tool)) continue;
      if (flags.tool !== undefined && flags.tool !== predicate.tool) continue;
      rows.push(await tryRun(trial, predicate));
      if (rows.length % STEP === 0) world.runtime.printError(`writ: ${rows.length} runs decided again`);
    }
    return rows;
  } finally {
    await replayer?.close();
    await records.close();
  }
}

async function tryRun(trial: Trial, predicate: RunPredicate): Promise<BacktestRow> {
  const tier = predicate.tier ?? trial.tiers.get(predicate.principal);
  const past: PastRun = { predicate, tier, needs: await trial.needs(predicate) };
  const decided = backtest(past, trial.policies);
  const { run, tenant, tool, purpose, started_at: at } = predicate;
  const known = {
    run,
    tenant,
    tool,
    function: predicate.function,
    purpose,
    task: predicate.task?.id ?? null,
    at,
    was: predicate.outcome.kind,
  };
  // Before anything runs, a journal has nothing to add.
  const settled = ["denied", "refused", "allowed"].includes(decided.verdict) || tier === undefined;
  const again = settled || predicate.decision.effect === "deny" ? undefined : await trial.again(predicate);
  const policy = again && policyOf(trial, predicate, tier ?? "", past.needs);
  if (again === undefined || policy === undefined)
    return { ...known, ...decided, would: null, by: "manifest" };
  return { ...known, ...refine(decided, predicate, await again.run(policy)), by: "journal" };
}

/** What running it again says, where that is more than the manifest could. */
function refine(
  decided: Backtested,
  { outcome: was }: RunPredicate,
  { outcome, denied, unknown }: Awaited<ReturnType<typeof runAgain>>,
): Backtested & { readonly would: string | null } {
  const would = outcome?.kind ?? null;
  if (denied !== undefined)
    return { verdict: "request-denied", clause: denied.clause, detail: denied.target, would };
  if (outcome === undefined)
    return { verdict: "unknown", detail: `it would ask what the journal does not have: ${unknown}`, would };
  if (outcome.kind === "exhausted" && JSON.stringify(outcome) !== JSON.stringify(was))
    return {
      verdict: "exhausted",
      clause: `budget.${outcome.budget}`,
      detail: "found by running it again",
      would,
    };
  return { ...decided, would };
}

function policyOf(
  { policies }: Trial,
  predicate: RunPredicate,
  tier: string,
  needs: readonly CapabilityWord[] | undefined,
): PolicyRecord["policy"] | undefined {
  const { tool, purpose, principal: id, tenant } = predicate;
  const decision = decide(
    {
      principal: { id, tenant, tier, scopes: ["invoke"] },
      tool,
      function: predicate.function,
      purpose,
      needs: needs ?? [],
    },
    policies,
  );
  return decision.kind === "allow" ? decision.record.policy : undefined;
}

/** The policies that are tried, and all that would then be in force. */
async function readTrial(
  world: CliWorld,
  paths: readonly string[],
  toolsFolder: string,
  policiesFolder: string | undefined,
): Promise<{ readonly tried: readonly PolicyRecord[]; readonly inForce: readonly PolicyRecord[] }> {
  const { records: tried, faults } = await readPolicies(world, paths);
  if (faults.length > 0) throw new PolicyError(faults[0]?.source ?? "", faults);
  const present = [
    ...(await listToolPolicies(world, toolsFolder)),
    ...(policiesFolder === undefined ? [] : [policiesFolder]),
  ];
  const { records: current } = present.length === 0 ? { records: [] } : await readPolicies(world, present);
  const replaces = (old: PolicyRecord) =>
    tried.some(
      ({ policy }) =>
        policy.tool_id === old.policy.tool_id &&
        policy.tenant_tier.some((tier) => old.policy.tenant_tier.includes(tier)),
    );
  return { tried, inForce: [...tried, ...current.filter((old) => !replaces(old))] };
}

/** Tiers by principal: for manifests that do not say it yet. */
async function readTiers(records: Records): Promise<ReadonlyMap<string, string>> {
  const keys = await records.listKeys();
  return new Map(keys.map(({ id, tier }) => [`key:${id.replace(/^key_/, "")}`, tier]));
}
