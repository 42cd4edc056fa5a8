/** `writ journal` and `writ erase`: what was kept of runs, in clear for its operator, and gone when it has to be. */
import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";
import { formatCount, printable, printJson } from "../output.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld } from "../world.ts";
import { findJournal } from "./journal-file.ts";

interface ExportFlags {
  readonly out?: string;
  readonly data?: string;
  readonly json?: boolean;
}

interface EraseFlags {
  readonly run?: string;
  readonly tenant?: string;
  readonly data?: string;
  readonly json?: boolean;
}

/** Adds `writ journal`. */
export function addJournal(program: Command, { world }: CommandContext): void {
  program
    .command("journal")
    .description("Shows what was kept of runs")
    .command("export")
    .description(
      "Decrypts what was kept of a run: JSON Lines, a file from which it can be replayed elsewhere",
    )
    .argument("<run>", "a run's id")
    .option("--out <file>", "write it to this file, readable by its owner alone (default: standard output)")
    .option("--data <folder>", "journals and their keys (WRIT_DATA)")
    .option("--json", "print JSON about the file; needs --out")
    .addHelpText(
      "after",
      "\nExample:\n  writ journal export run_01M82JAH1VAWNAYRNJK0ST2B2W --out run.journal",
    )
    .action((run: string, flags: ExportFlags) => exportJournal(world, run, flags));
}

async function exportJournal(world: CliWorld, run: string, { out, data, json }: ExportFlags): Promise<void> {
  if (json === true && out === undefined)
    throw new UsageError("Cannot print JSON about no file: name one with --out");
  const { config } = await loadConfig(world, { dataFolder: data });
  const { text, hash, signedHash, journal } = await findJournal(world, run, () => world.openRecords(config));
  if (out === undefined) return world.runtime.print(text.replace(/\n$/, ""));
  await world.runtime.files.write(out, text, { mode: 0o600 });
  const described = {
    run: journal.head.run,
    file: out,
    calls: journal.calls.length,
    hash,
    signed: hash === signedHash,
  };
  if (json) printJson(world, described);
  else world.runtime.print(printable(`${out}: ${formatCount(described.calls, "call")}, ${hash}`));
}

/** Adds `writ erase`. */
export function addErase(program: Command, { world }: CommandContext): void {
  program
    .command("erase")
    .description("Erases what was kept of runs in clear; manifests, log and audits stay and verify as before")
    .option("--run <id>", "of one run")
    .option("--tenant <name>", "of all runs of a tenant, and the key that they are encrypted with")
    .option("--data <folder>", "journals and their keys (WRIT_DATA)")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nA server may run meanwhile. Copies of the database that were made before keep what they have;\n" +
        "of a tenant's, nobody can read it without a copy of the tenant's key.\n\n" +
        "Example:\n  writ erase --tenant acme",
    )
    .action((flags: EraseFlags) => erase(world, flags));
}

async function erase(world: CliWorld, { run, tenant, data, json }: EraseFlags): Promise<void> {
  const scope =
    run !== undefined && tenant === undefined
      ? ({ kind: "run", run } as const)
      : tenant !== undefined && run === undefined
        ? ({ kind: "tenant", tenant } as const)
        : undefined;
  if (scope === undefined) throw new UsageError("Cannot erase: wanted one of --run and --tenant");
  const { config } = await loadConfig(world, { dataFolder: data });
  const records = await world.openRecords(config);
  try {
    // A mistyped id must not look like an erasure.
    if (scope.kind === "run" && (await records.findRun(scope.run)) === undefined)
      throw new UsageError(`Cannot erase ${scope.run}: the data folder has no such run`);
    const erased = await records.erase(scope);
    if (json) printJson(world, { ...scope, erased });
    else
      world.runtime.print(
        `${formatCount(erased, "journal")} erased; every manifest and the log stay as they are`,
      );
  } finally {
    await records.close();
  }
}
