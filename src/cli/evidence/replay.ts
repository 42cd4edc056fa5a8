/** `writ replay`: runs a journaled run again and says whether it did the same, to the unit of fuel. */
import type { Command } from "commander";
import { type ReplayReport, replay } from "../../gateway/index.ts";
import { loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import { alignColumns, createPaint, printable, printJson } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld } from "../world.ts";
import { type FoundJournal, findJournal } from "./journal-file.ts";
import { findReplayedTool } from "./replay-tool.ts";

interface ReplayFlags {
  readonly component?: string;
  readonly tools?: string;
  readonly data?: string;
  readonly json?: boolean;
}

/** Longest piece of a value that a line shows; `--json` has all of it. */
const SHOWN = 300;

/** Adds the command. */
export function addReplay(program: Command, { world, end }: CommandContext): void {
  program
    .command("replay")
    .description(
      "Runs a run again from component, input and journal alone; exit code 1 when it does anything else than it did",
    )
    .argument("<run>", "a run's id, or a file that writ journal export wrote")
    .option("--component <file>", "the component that ran (default: the built tool)")
    .option("--tools <folder>", "built tools (WRIT_TOOLS)")
    .option("--data <folder>", "journals, their keys, and the cache (WRIT_DATA)")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nIt has no network and no secrets. A run that was killed is followed up to where it was cut.\n" +
        "WRIT_RUNTIME=deno runs it on Deno, wherever it was recorded.\n\n" +
        "Example:\n  writ replay run_01M82JAH1VAWNAYRNJK0ST2B2W",
    )
    .action(async (name: string, flags: ReplayFlags) => {
      const good = await replayOne(world, name, flags);
      if (!good) end(EXIT.bad);
    });
}

/** @returns whether the run did what it had done */
async function replayOne(world: CliWorld, name: string, flags: ReplayFlags): Promise<boolean> {
  const { config } = await loadConfig(world, { dataFolder: flags.data, toolsFolder: flags.tools });
  const found = await findJournal(world, name, () => world.openRecords(config));
  if (found.signedHash === null)
    throw new UsageError(
      `Cannot replay ${name}: its manifest names no journal, because its gateway died before it could`,
    );
  if (found.signedHash !== undefined && found.signedHash !== found.hash) {
    throw new UsageError(`Cannot replay ${name}: the journal is not the one that its manifest names`, [
      `it is   ${found.hash}`,
      `signed  ${found.signedHash}`,
    ]);
  }
  const tool = await findReplayedTool(world, found.journal.head, config.toolsFolder, flags.component);
  const replayer = await world.openReplayer(config);
  try {
    const report = await replay(replayer.sandbox, tool, found.journal);
    if (flags.json) printJson(world, describe(found, report, replayer.runtime));
    else print(world, found, report, replayer.runtime);
    return report.verdict !== "diverged";
  } catch (error) {
    if (error instanceof RangeError) throw new UsageError(error.message);
    throw error;
  } finally {
    await replayer.close();
  }
}

function describe({ journal, hash, signedHash, predicate }: FoundJournal, report: ReplayReport, on: string) {
  const { run, tool, function: func, artifactHash } = journal.head;
  return {
    run,
    tool,
    function: func,
    artifactHash,
    journalHash: hash,
    journalSigned: signedHash !== undefined,
    recordedOn: predicate?.runtime.executor ?? null,
    replayedOn: on,
    ...report,
  };
}

function print(world: CliWorld, found: FoundJournal, report: ReplayReport, on: string): void {
  const { runtime } = world;
  const paint = createPaint(world);
  const { head } = found.journal;
  const { calls, outcome, outputHash, fuel, memoryPeakBytes, divergence } = report;
  const signed =
    found.signedHash === undefined ? "from a file, held against no manifest" : "as its manifest says";
  runtime.print(printable(`${head.run}  ${head.tool} ${head.function}, ${outcome.expected.kind}`));
  const rows = [
    ["component", head.artifactHash],
    ["journal", `${found.hash}, ${signed}`],
    [
      "calls",
      calls.journaled === 0
        ? "none, of its host"
        : `${calls.same} of ${calls.journaled} the same: names, arguments, bytes, fuel`,
    ],
    ...(report.verdict === "identical"
      ? [
          ["outcome", outcome.seen.kind],
          ["output", outputHash.seen ?? "none"],
          ["fuel", String(fuel.seen)],
          ["memory", `${memoryPeakBytes.seen} bytes`],
        ]
      : []),
  ];
  for (const line of alignColumns(rows)) runtime.print(printable(line));
  if (report.cut !== undefined) runtime.print(printable(`  cut at   ${report.cut}`));
  if (divergence !== undefined) {
    const { at, what, expected, seen } = divergence;
    runtime.print(`  ${paint.bad("✗")} ${at === "end" ? "at the end" : `at call ${at}`}: ${printable(what)}`);
    runtime.print(`      expected  ${shorten(expected)}`);
    runtime.print(`      seen      ${shorten(seen)}`);
  }
  const from = found.predicate?.runtime.executor;
  const where = `on ${on}${from === undefined || from === null ? "" : `, recorded on ${from}`}`;
  const words = { identical: "identical", cut: "identical up to the cut", diverged: "diverged" };
  const colour = report.verdict === "diverged" ? paint.bad : paint.good;
  runtime.print(`${colour(words[report.verdict])}  ${printable(where)}`);
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value);
  return printable(text.length > SHOWN ? `${text.slice(0, SHOWN)}… (${text.length} characters)` : text);
}
