/** `writ slo`: how service levels stand, from the database, whether or not gateways run on it; and the file about them. */
import type { Command } from "commander";
import {
  DEFAULT_SLOS,
  type Objective,
  readSloFile,
  type SloReport,
  sloFileSchema,
} from "../../core/slo/index.ts";
import { loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";
import { EXIT } from "../exit.ts";
import { decodeText, readInput } from "../input.ts";
import { alignColumns, createPaint, formatCount, printable, printJson } from "../output.ts";
import type { CliWorld } from "../world.ts";

interface SloFlags {
  readonly data?: string;
  readonly slo?: string;
  readonly json?: boolean;
}

/** Adds the commands. */
export function addSlo(program: Command, { world, end }: CommandContext): void {
  const slo = program
    .command("slo")
    .description("How service levels stand; exit code 1 when one is not met or an alert fires")
    .option("--slo <file>", "service levels (WRIT_SLO; default: slo.yaml in the data folder)")
    .option("--data <folder>", "the gateway's data folder")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExample:\n  writ slo --json")
    .action(async (flags: SloFlags) => {
      const { config } = await loadConfig(world, { dataFolder: flags.data, sloFile: flags.slo });
      const report = await world.reportSlos(config, config.sloFile);
      if (flags.json) printJson(world, report);
      else printReport(world, report);
      const isBad =
        report.objectives.some(({ met }) => met === false) || report.alerts.some(({ firing }) => firing);
      if (isBad) end(EXIT.bad);
    });

  slo
    .command("check")
    .description("Reads a file of service levels and prints it with every default")
    .argument("[file]", "default: print the defaults alone")
    .option("--schema", "print the file's JSON Schema")
    .addHelpText("after", "\nExample:\n  writ slo check slo.yaml")
    .action(async (file: string | undefined, flags: { readonly schema?: boolean }) => {
      if (flags.schema) printJson(world, sloFileSchema());
      else if (file === undefined) printJson(world, DEFAULT_SLOS);
      else {
        const read = readSloFile(decodeText(await readInput(world, file, "service levels"), file));
        if (read.ok) printJson(world, read.file);
        else {
          for (const fault of read.faults) world.runtime.printError(`${file}:${printable(fault)}`);
          end(EXIT.bad);
        }
      }
    });
}

function printReport(world: CliWorld, { objectives, alerts }: SloReport): void {
  const paint = createPaint(world);
  const rows = objectives.map(({ name, tool = "", value, target, unit, budgetLeft, events }) => [
    name,
    printable(tool),
    figure(value, unit),
    figure(target, unit),
    budgetLeft === null ? "" : `${Math.round(budgetLeft * 100)} % of its budget left`,
    formatCount(events, "event"),
  ]);
  const [head, ...lines] = alignColumns([["objective", "tool", "measured", "promised", "", ""], ...rows]);
  world.runtime.print(`  ${head}`);
  for (const [index, line] of lines.entries())
    world.runtime.print(`${mark(objectives[index], paint)} ${line}`);
  const firing = alerts.filter((alert) => alert.firing);
  for (const { name, detail } of firing)
    world.runtime.print(`${paint.bad("alert")}  ${printable(name)}  ${printable(detail)}`);
  if (firing.length === 0) world.runtime.print(`no alert fires, of ${alerts.length}`);
}

function mark(objective: Objective | undefined, paint: ReturnType<typeof createPaint>): string {
  if (objective?.met == null) return " ";
  return objective.met ? paint.good("✓") : paint.bad("✗");
}

/** What nobody knows is said so, not shown as 0. */
function figure(value: number | null, unit: Objective["unit"]): string {
  if (value === null) return "nothing yet";
  return unit === "ms" ? `${Math.round(value * 10) / 10} ms` : `${Math.round(value * 1_000_000) / 10_000} %`;
}
