/** `writ audit`: whether the evidence is all there, recomputed from files by whoever does not want to take our word. */
import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import { decodeText, readInput } from "../input.ts";
import { alignColumns, createPaint, printable, printJson } from "../output.ts";
import { sayProgress } from "../progress.ts";
import type { CliWorld } from "../world.ts";
import { type AuditReport, audit } from "./audit-files.ts";
import { openData, openExport, withObservers } from "./audit-source.ts";
import { manifestVerifier, readTrust } from "./trust.ts";

interface AuditFlags {
  readonly trust?: readonly string[];
  readonly logOrigin?: string;
  readonly signer?: string;
  readonly since?: readonly string[];
  readonly observer?: readonly string[];
  readonly settled?: boolean;
  readonly json?: boolean;
}

/** Gaps printed; JSON has all that were kept. */
const SHOWN = 50;

/** Adds the command. */
export function addAudit(program: Command, { world, end }: CommandContext): void {
  program
    .command("audit")
    .description(
      "Recomputes whether every admitted run has its evidence; exit code 1 when anything is missing",
    )
    .argument("<folder>", "what writ log export --manifests wrote, or a gateway's data folder")
    .option("--trust <file...>", "JWKS and trusted_root.json (default: keys/ of the data folder)")
    .option("--since <checkpoint...>", "checkpoints kept from earlier: the log must have begun like that")
    .option("--observer <folder...>", "observers' folders of the other gateways on the same database")
    .option("--settled", "nothing is under way any more: young runs without manifest are gaps too")
    .option("--log-origin <host>", "name of a data folder's log (WRIT_LOG_ORIGIN)")
    .option("--signer <address>", "unix:<path> of the signing process, if any (WRIT_SIGNER)")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Matched runs were admitted at the front door and have a complete manifest. The observer's files (observer/) are written
beside the database and the log; without them the ratio is null. A log and an observer that were both cut off at the end
look whole: keep checkpoints elsewhere, and give them with --since.

Examples:
  writ audit ./.writ
  writ audit ./gateway-1 --observer ./gateway-2/observer ./gateway-3/observer
  writ log export ./public --manifests && writ audit ./public --trust jwks.json trusted_root.json`,
    )
    .action(async (folder: string, flags: AuditFlags) => {
      const report = await run(world, folder, flags);
      const good = report.faults.length === 0 && report.gaps.length === 0;
      if (flags.json) printJson(world, { ok: good, ...report });
      else printReport(world, report, good);
      if (!good) end(EXIT.bad);
    });
}

async function run(world: CliWorld, folder: string, flags: AuditFlags): Promise<AuditReport> {
  const { runtime } = world;
  const { files, clock } = runtime;
  // The lock is in every gateway's folder; the record may be in a database that it shares.
  const modes = await Promise.all(
    ["writ.sqlite", "lock.sqlite"].map((name) => files.mode(`${folder}/${name}`)),
  );
  const isData = modes.some((mode) => mode !== undefined);
  const others = flags.observer ?? [];
  const { trust } = await readTrust(world, isData ? { ...flags, data: folder } : flags);
  const earlier = await Promise.all(
    (flags.since ?? []).map(async (name) => ({
      name,
      note: decodeText(await readInput(world, name, "checkpoint"), name),
    })),
  );
  const progress = sayProgress(world, "audited");
  const settled = flags.settled === true;
  const verify = manifestVerifier(world, trust);
  if (!isData)
    return await audit(
      withObservers(await openExport(runtime, folder), runtime, others),
      trust,
      earlier,
      settled,
      verify,
      progress,
    );
  const { config } = await loadConfig(world, {
    dataFolder: folder,
    logOrigin: flags.logOrigin,
    signer: flags.signer,
  });
  const log = await world.openLog(config, config.logOrigin, config.signer);
  try {
    const observed = (name: string) => files.read(`${folder}/observer/${name}`);
    const source = withObservers(openData(log, observed, clock.nowMs()), runtime, others);
    return await audit(source, trust, earlier, settled, verify, progress);
  } finally {
    await log.close();
  }
}

function printReport(
  world: CliWorld,
  { origin, size, faults, counts, gaps }: AuditReport,
  good: boolean,
): void {
  const { runtime } = world;
  const paint = createPaint(world);
  const say = (text: string) => runtime.print(`  ${paint.bad("✗")} ${printable(text)}`);
  for (const fault of faults.slice(0, SHOWN)) say(fault);
  for (const { class: kind, run: name, detail } of gaps.slice(0, SHOWN)) say(`${name}: ${kind}: ${detail}`);
  const hidden = Math.max(0, faults.length - SHOWN) + Math.max(0, gaps.length - SHOWN);
  if (hidden > 0) runtime.print(`  and ${hidden} more; --json has them`);
  const rows = [
    ["log", printable(`${origin}, ${size} entries`)],
    ["admitted", String(counts.admitted)],
    ["matched", String(counts.matched)],
    ["incomplete", String(counts.incomplete)],
    ["observed without receipt", String(counts.withoutReceipt)],
    ["receipt without observation", String(counts.withoutObservation)],
    ["excluded", String(counts.excluded)],
    ["indeterminate", String(counts.indeterminate)],
    ["completeness", counts.ratio === null ? "null: nothing was observed" : counts.ratio.toFixed(6)],
  ];
  for (const line of alignColumns(rows)) runtime.print(line);
  const found = faults.length + gaps.length;
  runtime.print(good ? paint.good("complete") : `${paint.bad("not complete")}  ${found} found`);
}
