/** `writ log`: the transparency log as files for everybody, and their verification without us. */
import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import { decodeText, readInput } from "../input.ts";
import { createPaint, formatCount, printable, printJson } from "../output.ts";
import { sayProgress } from "../progress.ts";
import type { CliWorld } from "../world.ts";
import { exportLog, verifyLog } from "./log-files.ts";
import { readTrust, WITNESSES_FLAG } from "./trust.ts";

interface ExportFlags {
  readonly data?: string;
  readonly logOrigin?: string;
  readonly signer?: string;
  readonly manifests?: boolean;
  readonly json?: boolean;
}

interface VerifyFlags {
  readonly trust?: readonly string[];
  readonly data?: string;
  readonly witnesses?: string;
  readonly since?: readonly string[];
  readonly json?: boolean;
}

/** Adds the commands. */
export function addLog(program: Command, { world, end }: CommandContext): void {
  const log = program.command("log").description("Exports and verifies the transparency log");
  log
    .command("export")
    .description("Writes the log as files that any web server can serve (C2SP tlog-tiles)")
    .argument("<folder>", "where to; full tiles that are there are left alone")
    .option("--data <folder>", "the gateway's data folder (WRIT_DATA)")
    .option("--log-origin <host>", "the log's name (WRIT_LOG_ORIGIN)")
    .option("--signer <address>", "unix:<path> of the signing process, if any (WRIT_SIGNER)")
    .option("--manifests", "with every manifest and the observer's files, for writ audit; not for the public")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  writ log export ./public")
    .action(async (folder: string, flags: ExportFlags) => {
      const { config } = await loadConfig(world, {
        dataFolder: flags.data,
        logOrigin: flags.logOrigin,
        signer: flags.signer,
      });
      const opened = await world.openLog(config, config.logOrigin, config.signer);
      try {
        const progress = sayProgress(world, "exported");
        const { size, written } = await exportLog(opened, world.runtime.files, folder, {
          progress,
          ...(flags.manifests
            ? { evidence: { dataFolder: config.dataFolder, nowMs: world.runtime.clock.nowMs() } }
            : {}),
        });
        if (flags.json) printJson(world, { origin: config.logOrigin, size, written });
        else
          world.runtime.print(
            `${config.logOrigin}: ${size} entries, ${formatCount(written, "file")} written`,
          );
      } finally {
        await opened.close();
      }
    });

  log
    .command("verify")
    .description("Verifies an exported log, entry by entry; exit code 1 when anything is missing or changed")
    .argument("<folder>", "what writ log export wrote, or a copy of a log's files")
    .option("--trust <file...>", "trusted_root.json of the log (default: keys/ of the data folder)")
    .option(...WITNESSES_FLAG)
    .option("--data <folder>", "the data folder whose log is trusted (WRIT_DATA)")
    .option("--since <checkpoint...>", "checkpoints kept from earlier: the log must have begun like that")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExample:\n  writ log verify ./public --trust trusted_root.json --since checkpoint.old",
    )
    .action(async (folder: string, flags: VerifyFlags) => {
      const { trust, source } = await readTrust(world, flags);
      const earlier = await Promise.all(
        (flags.since ?? []).map(async (name) => ({
          name,
          note: decodeText(await readInput(world, name, "checkpoint"), name),
        })),
      );
      const progress = sayProgress(world, "verified");
      const read = (path: string) => world.runtime.files.read(`${folder}/${path}`);
      const report = await verifyLog(read, trust, earlier, progress);
      const ok = report.faults.length === 0;
      if (flags.json) printJson(world, { ok, trust: source, ...report });
      else printReport(world, report, earlier.length);
      if (!ok) end(EXIT.bad);
    });
}

function printReport(
  world: CliWorld,
  { origin, size, faults, cosigners }: Awaited<ReturnType<typeof verifyLog>>,
  earlier: number,
): void {
  const paint = createPaint(world);
  for (const fault of faults) world.runtime.print(`  ${paint.bad("✗")} ${printable(fault)}`);
  if (faults.length > 0)
    world.runtime.print(`${paint.bad("not verified")}  ${formatCount(faults.length, "fault")}`);
  else {
    const since = earlier === 0 ? "" : `, consistent with ${formatCount(earlier, "earlier checkpoint")}`;
    const cosigned = cosigners === undefined ? "" : `, cosigned by ${printable(cosigners.join(", "))}`;
    world.runtime.print(
      `${paint.good("verified")}  log ${printable(origin)}, ${size} entries${since}${cosigned}`,
    );
  }
}
