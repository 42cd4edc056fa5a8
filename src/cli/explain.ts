/**
 * `writ explain`: why a run was allowed or denied what it asked for, and the smallest change that would allow what was
 * denied. It changes nothing, and it checks no signature: `writ verify` does that.
 */
import type { Command } from "commander";
import {
  decodeBase64,
  parseStrictJson,
  type RunEvent,
  type RunPredicate,
  RunPredicateSchema,
} from "../core/manifest/index.ts";
import { changeForDecision, changeForImport } from "../core/policy/index.ts";
import { loadConfig } from "./config.ts";
import type { CommandContext } from "./context.ts";
import { readInput } from "./input.ts";
import { RUN, signedPredicate } from "./journal-file.ts";
import { alignColumns, createPaint, printable, printJson } from "./output.ts";
import { UsageError } from "./usage-error.ts";
import type { CliWorld } from "./world.ts";

interface ExplainFlags {
  readonly data?: string;
  readonly json?: boolean;
}

/** One denied import call, or several that one change would allow. */
interface Denial {
  readonly import: string;
  readonly target?: string;
  /** The clause that is missing. */
  readonly missing: string;
  readonly times: number;
  readonly change?: string;
}

/** Adds the command. */
export function addExplain(program: Command, { world }: CommandContext): void {
  program
    .command("explain")
    .description(
      "Explains a run: its decision, what it was denied, and the smallest change that would allow it",
    )
    .argument("<run>", "a run's id, or a file with its manifest or answer; - for standard input")
    .option("--data <folder>", "the data folder that has the run (WRIT_DATA)")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nA change is a proposal: nothing is changed by this command, and no signature is checked (writ verify does).\n\n" +
        "Examples:\n  writ explain run_01M82JAHC71F58318YPERJQ9QC\n  writ explain denied.json",
    )
    .action(async (name: string, flags: ExplainFlags) => {
      const predicate = RUN.test(name) ? await findRun(world, name, flags) : await readFile(world, name);
      if (flags.json) printJson(world, describe(predicate));
      else print(world, predicate);
    });
}

async function findRun(world: CliWorld, run: string, flags: ExplainFlags): Promise<RunPredicate> {
  const { config } = await loadConfig(world, { dataFolder: flags.data });
  const records = await world.openRecords(config.dataFolder);
  try {
    const row = await records.findRun(run);
    if (row === undefined) throw new UsageError(`Cannot find run ${run}: the data folder has no such run`);
    const predicate = signedPredicate(row);
    if (predicate !== undefined) return predicate;
    throw new UsageError(`Cannot explain run ${run}: it is open, or its manifest is of another version`);
  } finally {
    await records.close();
  }
}

async function readFile(world: CliWorld, name: string): Promise<RunPredicate> {
  const bytes = await readInput(world, name, "manifest");
  const refuse = () => new UsageError(`Cannot read ${JSON.stringify(name)}: wanted a manifest or an answer`);
  const payload = decodeBase64(
    String(member(member(findBundle(parse(bytes, refuse)), "dsseEnvelope"), "payload")),
  );
  if (payload === undefined) throw refuse();
  const predicate = RunPredicateSchema.safeParse(member(parse(payload, refuse), "predicate"));
  if (!predicate.success) throw refuse();
  return predicate.data;
}

function parse(bytes: Uint8Array, refuse: () => Error): unknown {
  const parsed = parseStrictJson(bytes);
  if (!parsed.ok) throw refuse();
  return parsed.value;
}

/** An answer holds the bundle; a manifest is one. */
function findBundle(document: unknown): unknown {
  return member(document, "manifest") ?? document;
}

function member(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null && Object.hasOwn(value, name)
    ? Reflect.get(value, name)
    : undefined;
}

function denialsOf(predicate: RunPredicate): readonly Denial[] {
  const decided: Denial[] = predicate.decision.reasons
    .filter(({ effect }) => effect === "deny")
    .map((reason) =>
      denial("the run itself", reason.detail, reason.clause, changeForDecision(reason, predicate)),
    );
  const called = predicate.events
    .filter(({ effect }) => effect === "denied")
    // Recomputed: the event of a repeated denial does not repeat its change.
    .map((event: RunEvent) => denial(event.import, event.target, missingOf(event), changeForImport(event)));
  const merged = new Map<string, Denial>();
  for (const one of [...decided, ...called]) {
    const key = JSON.stringify([one.import, one.target, one.missing]);
    merged.set(key, { ...one, times: (merged.get(key)?.times ?? 0) + 1 });
  }
  return [...merged.values()];
}

/** A rule permitted the request; what its host resolves to is the operator's to open. */
function missingOf({ clause = "", result }: RunEvent): string {
  return result === "destination-IP-prohibited" && clause.startsWith("egressAllow")
    ? `${clause}; or allow_addresses of the profile`
    : clause;
}

function denial(
  name: string,
  target: string | undefined,
  missing: string,
  change: string | undefined,
): Denial {
  return {
    import: name,
    ...(target === undefined ? {} : { target }),
    missing,
    times: 1,
    ...(change === undefined ? {} : { change }),
  };
}

function describe(predicate: RunPredicate) {
  const { run, tool, purpose, tenant, decision, outcome, policy_id, parent, children } = predicate;
  return {
    run,
    tool,
    function: predicate.function,
    tenant,
    purpose,
    policy_id,
    outcome,
    decision,
    ...(parent === undefined ? {} : { parent }),
    ...(children === undefined ? {} : { children }),
    denials: denialsOf(predicate),
  };
}

function print(world: CliWorld, predicate: RunPredicate): void {
  const { runtime } = world;
  const paint = createPaint(world);
  const {
    run,
    tool,
    tenant,
    purpose,
    decision,
    outcome,
    policy_id: policy,
    parent,
    children = [],
  } = predicate;
  const say = (line: string) => runtime.print(line);
  say(paint.bold(`${run} ${outcome.kind}`));
  const facts = [
    ["function", `${tool} ${predicate.function}`],
    ["asked by", `${tenant}, for ${purpose}`],
    ["policy", policy ?? "none"],
    ...(parent === undefined ? [] : [["called by", `${parent.run}, under policy ${parent.policy_id}`]]),
    ...children.map(({ run: child }) => ["called", child]),
  ];
  for (const line of alignColumns(facts.map((row) => row.map(printable)))) say(line);
  say(paint.bold(`decision ${decision.effect}`));
  const reasons = decision.reasons.map(({ effect, clause, detail }) => [effect, clause, detail]);
  for (const line of alignColumns(reasons.map((row) => row.map(printable)))) say(line);
  const denials = denialsOf(predicate);
  say(paint.bold(`denials  ${denials.length}`));
  for (const { import: name, target = "", missing, times, change } of denials) {
    say(`  ${printable(name)}  ${printable(target)}${times > 1 ? `  ${times} times` : ""}`);
    say(`    missing   ${printable(missing)}`);
    say(
      `    to allow  ${printable(change ?? "no policy and no setting can: the request itself is refused")}`,
    );
  }
}
