/**
 * `writ explain`: why a run was allowed or denied what it asked for, and the smallest change that would allow what was
 * denied. It changes nothing, and it checks no signature: `writ verify` does that.
 */
import type { Command } from "commander";
import {
  decodeBase64,
  explainRun,
  explanationLines,
  parseStrictJson,
  type RunPredicate,
  RunPredicateSchema,
} from "../../core/manifest/index.ts";
import { loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";
import { readInput } from "../input.ts";
import { createPaint, printJson } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld } from "../world.ts";
import { RUN, signedPredicate } from "./journal-file.ts";

interface ExplainFlags {
  readonly data?: string;
  readonly json?: boolean;
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
      if (flags.json) printJson(world, explainRun(predicate));
      else print(world, predicate);
    });
}

async function findRun(world: CliWorld, run: string, flags: ExplainFlags): Promise<RunPredicate> {
  const { config } = await loadConfig(world, { dataFolder: flags.data });
  const records = await world.openRecords(config);
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

function print(world: CliWorld, predicate: RunPredicate): void {
  const paint = createPaint(world);
  for (const line of explanationLines(explainRun(predicate)))
    world.runtime.print(line.startsWith(" ") ? line : paint.bold(line));
}
