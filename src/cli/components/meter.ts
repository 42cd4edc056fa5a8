/**
 * `writ meter`: what metering does to a core module, or to every core module of a component. For whoever wonders
 * what the counting costs, and for whoever wants the counted module to run it elsewhere.
 */
import type { Command } from "commander";
import { decode } from "../../core/component/index.ts";
import type { MeteredModule, MeterStats } from "../../core/metering/index.ts";
import { COST_TABLE_VERSION, instrument, METER_VERSION } from "../../core/metering/index.ts";
import type { CommandContext } from "../context.ts";
import { readInput } from "../input.ts";
import { alignColumns, createPaint, formatBytes, type Paint, printable, printJson } from "../output.ts";
import { UsageError } from "../usage-error.ts";

interface MeterFlags {
  readonly out?: string;
  readonly stats?: boolean;
  readonly json?: boolean;
  readonly maxMemory: string;
}

/** Adds the command. */
export function addMeter(program: Command, { world }: CommandContext): void {
  program
    .command("meter")
    .description("Meters a core module as the sandbox does, or shows what metering does to a component's")
    .argument("<wasm>", "a core module, or with --stats a component; - for standard input")
    .option("--out <file>", "write the metered core module there")
    .option("--stats", "print what was counted and what it costs in size; the default without --out")
    .option("--max-memory <MiB>", "cap on the memories that one module defines", "4096")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nThe metered module imports its counters: src/core/metering/SCHEME.md says how.\n\nExample:\n  writ meter in.wasm --out out.wasm --stats",
    )
    .action(async (path: string, flags: MeterFlags) => {
      const maxMemoryBytes = readMemory(flags.maxMemory);
      const bytes = await readInput(world, path, "module");
      const cores = coreModulesOf(bytes);
      if (flags.out !== undefined && cores.whole === false) {
        throw new UsageError(
          `Cannot write ${JSON.stringify(flags.out)}: ${JSON.stringify(path)} is a component, wanted a core module`,
          ["a component's metered modules need a linker between them; --stats shows their figures"],
        );
      }
      const metered = cores.modules.map((module, index) => meterOne(module, index, path, maxMemoryBytes));
      const [first] = metered;
      if (flags.out !== undefined && first !== undefined)
        await world.runtime.files.write(flags.out, first.wasm);
      if (flags.json) {
        const modules = metered.map(({ stats }) => stats);
        printJson(world, { path, meter: METER_VERSION, costs: COST_TABLE_VERSION, modules });
      } else if (flags.stats || flags.out === undefined) {
        for (const line of report(path, metered, createPaint(world))) world.runtime.print(line);
      }
    });
}

function readMemory(text: string): number {
  const mebibytes = Number(text);
  if (Number.isInteger(mebibytes) && mebibytes >= 0 && mebibytes <= 2 ** 24) return mebibytes * 2 ** 20;
  throw new UsageError(`Cannot meter with --max-memory ${JSON.stringify(text)}: wanted a number of MiB`);
}

/** The module itself, or those of a component in the order of the binary. What is neither is told by `decode`. */
function coreModulesOf(bytes: Uint8Array<ArrayBuffer>): {
  readonly whole: boolean;
  readonly modules: readonly Uint8Array<ArrayBuffer>[];
} {
  const isCore = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00].every((byte, at) => bytes[at] === byte);
  if (isCore) return { whole: true, modules: [bytes] };
  const { coreModules } = decode(bytes);
  return {
    whole: false,
    modules: coreModules.map(({ offset, byteLength }) => bytes.slice(offset, offset + byteLength)),
  };
}

function meterOne(
  module: Uint8Array<ArrayBuffer>,
  index: number,
  path: string,
  maxMemoryBytes: number,
): MeteredModule {
  // Metering asks for valid modules: some invalid ones would become valid by being rewritten.
  if (!WebAssembly.validate(module)) {
    throw new UsageError(`Cannot meter core module ${index} of ${JSON.stringify(path)}: it is not valid`);
  }
  return instrument(module, { maxMemoryBytes });
}

function report(path: string, metered: readonly MeteredModule[], paint: Paint): readonly string[] {
  const head = `${paint.bold(printable(path))}  ${METER_VERSION}, ${COST_TABLE_VERSION}`;
  return [
    head,
    ...metered.flatMap(({ stats }, index) => [
      "",
      ...(metered.length > 1 ? [`core module ${index}`] : []),
      ...alignColumns(figures(stats)),
    ]),
  ];
}

function figures(stats: MeterStats): readonly (readonly string[])[] {
  const { functions, bounded, regions, charges, checks, bytesBefore, bytesAfter } = stats;
  const growth = ((bytesAfter / bytesBefore - 1) * 100).toFixed(1);
  const most = Math.max(1, ...stats.chargeSizes);
  return [
    ["functions", `${functions}, of them ${bounded} accounted for by their callers`],
    [
      "charges",
      `${charges} kept, ${regions - charges} of ${regions} regions have theirs merged into another's`,
    ],
    ["checks", `${checks} kept, ${bounded} function entries need none`],
    ["size", `${formatBytes(bytesBefore)} became ${formatBytes(bytesAfter)} (${growth} %)`],
    ["before start", `${stats.instantiationFuel} units for code, segments and tables`],
    ...stats.chargeSizes.map((count, power) => [
      power === 0 ? "units charged" : "",
      `${spanOf(power).padStart(7)}  ${"#".repeat(Math.ceil((count / most) * 30))} ${count}`,
    ]),
  ];
}

/** `1`, `2-3`, `4-7` …: charges of one row of the histogram. */
function spanOf(power: number): string {
  const low = 2 ** power;
  return power === 0 ? "1" : `${low}-${low * 2 - 1}`;
}
