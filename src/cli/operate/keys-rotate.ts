/** `writ keys rotate`: new keys that sign, and a new one under which is kept what is kept of runs. */
import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import { alignColumns, printable, printJson } from "../output.ts";
import { instant, readSpan } from "../time.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld, SigningKeyState } from "../world.ts";

interface RotateFlags {
  readonly overlap?: string;
  readonly kind: string;
  readonly keys?: string;
  readonly data?: string;
  readonly logOrigin?: string;
  readonly json?: boolean;
}

const USUAL_OVERLAP = "1h";
/** Tenants between two words of progress. */
const STEP = 100;

/** Adds the command under `keys`. */
export function addKeysRotate(keys: Command, world: CliWorld): void {
  keys
    .command("rotate")
    .description("Makes new keys; old ones that signed sign for half of the overlap, and verify for ever")
    .option(
      "--overlap <span>",
      `time in which old and new are both believed; 0 = the old key is lost (default: ${USUAL_OVERLAP})`,
    )
    .option("--kind <name>", "manifest, checkpoint, both, or journals", "both")
    .option("--keys <folder>", "folder of the keys (default: keys/ of the data folder)")
    .option("--data <folder>", "the gateway's data folder")
    .option("--log-origin <host>", "name of the transparency log (WRIT_LOG_ORIGIN)")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
A running gateway or signing process follows within seconds. Give witnesses the new checkpoint key first.

The key of journals wraps each tenant's own. All of those are wrapped anew and the old key is forgotten: it has no
overlap. Gateways that have copies of the file need the new one before they can read journals again.

Examples:
  writ keys rotate --overlap 24h
  writ keys rotate --kind journals`,
    )
    .action((flags: RotateFlags) =>
      flags.kind === "journals" ? rotateJournals(world, flags) : rotateSigning(world, flags),
    );
}

async function rotateSigning(world: CliWorld, flags: RotateFlags): Promise<void> {
  const { overlap = USUAL_OVERLAP } = flags;
  const { config } = await loadConfig(world, { dataFolder: flags.data, logOrigin: flags.logOrigin });
  const states = await world.rotateKeys({
    keysFolder: flags.keys ?? config.keysFolder ?? `${config.dataFolder}/keys`,
    origin: config.logOrigin,
    kinds: readKinds(flags.kind),
    overlapMs: overlap === "0" ? 0 : readSpan(overlap, "Cannot rotate keys: --overlap"),
  });
  if (flags.json) printJson(world, { keys: states.map(describeSigning) });
  else printSigning(world, states);
}

async function rotateJournals(world: CliWorld, flags: RotateFlags): Promise<void> {
  const { runtime } = world;
  if (flags.overlap !== undefined) {
    throw new UsageError(
      "Cannot rotate keys: the key of journals has no --overlap; what it wraps is wrapped anew at once",
    );
  }
  const { config } = await loadConfig(world, { dataFolder: flags.data, keysFolder: flags.keys });
  let done = 0;
  const files = await world.rotateJournalKeys(config, () => {
    done += 1;
    if (done % STEP === 0) runtime.printError(`writ: wrapped the keys of ${done} tenants`);
  });
  if (flags.json) printJson(world, { journals: files });
  else if (files.length === 0)
    runtime.print("there is no key of journals yet; the first one that is kept makes it");
  else
    for (const { file, tenants } of files)
      runtime.print(`${printable(file)}: new; wraps the keys of ${tenants} tenants`);
}

function readKinds(kind: string): readonly ("manifest" | "checkpoint")[] {
  if (kind === "both") return ["manifest", "checkpoint"];
  if (kind === "manifest" || kind === "checkpoint") return [kind];
  throw new UsageError(
    `Cannot rotate keys: --kind is ${JSON.stringify(kind)}, wanted manifest, checkpoint, both or journals`,
  );
}

function describeSigning({ kind, keyId, validFromMs, signsFromMs, validUntilMs }: SigningKeyState): object {
  return {
    kind,
    keyId,
    validFrom: instant(validFromMs),
    signsFrom: instant(signsFromMs),
    validUntil: validUntilMs === undefined ? null : instant(validUntilMs),
  };
}

function printSigning({ runtime }: CliWorld, states: readonly SigningKeyState[]): void {
  const rows = states.map(({ kind, keyId, validFromMs, signsFromMs, validUntilMs }) => [
    kind,
    keyId,
    validFromMs === 0 ? "since ever" : instant(validFromMs),
    instant(signsFromMs),
    validUntilMs === undefined ? "no end" : instant(validUntilMs),
  ]);
  for (const line of alignColumns([
    ["key", "id", "believed from", "signs from", "believed until"],
    ...rows,
  ])) {
    runtime.print(line);
  }
}
