/**
 * The command line. It reads flags and files, asks the rooms beneath, and prints; whatever it can do, a library caller
 * can do without it.
 */
import { Command, CommanderError } from "commander";
import { addAudit } from "./audit.ts";
import { addBuild } from "./build.ts";
import { addChargeback } from "./chargeback.ts";
import type { CommandContext } from "./context.ts";
import { EXIT } from "./exit.ts";
import { addExplain } from "./explain.ts";
import { describeFailure } from "./failure.ts";
import { addInspect } from "./inspect.ts";
import { addErase, addJournal } from "./journal.ts";
import { addKeys } from "./keys.ts";
import { addLog } from "./log.ts";
import { addManifest } from "./manifest.ts";
import { addMeter } from "./meter.ts";
import { addPolicy } from "./policy.ts";
import { addProfile } from "./profile.ts";
import { addReload } from "./reload.ts";
import { addReplay } from "./replay.ts";
import { addRun } from "./run.ts";
import { addServe } from "./serve.ts";
import { addSigner } from "./signer.ts";
import { addSlo } from "./slo.ts";
import { addTools } from "./tools.ts";
import { addVerify } from "./verify.ts";
import type { CliWorld } from "./world.ts";

export type { DataPlace, LogLevel, ServeConfig } from "./settings.ts";
export { UsageError } from "./usage-error.ts";
export type {
  Artifacts,
  CliWorld,
  GatewayAnswer,
  Keys,
  LocalGateway,
  LocalGatewayOptions,
  OpenLog,
  Records,
  Replayer,
  RunningServer,
  Terminal,
  Toolchain,
  Tools,
} from "./world.ts";

/**
 * Runs one command line to its end.
 *
 * @param args without the program's name
 * @returns the exit code: 0 good, 1 what was looked at is bad, 2 refused
 */
export async function runCli(args: readonly string[], world: CliWorld): Promise<number> {
  const { runtime } = world;
  let code: number = EXIT.good;
  const program = createProgram(world, (ended) => {
    code = ended;
  });
  try {
    await program.parseAsync([...args], { from: "user" });
    return code;
  } catch (error) {
    // Commander has printed its own message by now, or the help that was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.good : EXIT.refused;
    for (const line of describeFailure(error, runtime.env("WRIT_DEBUG") === "1")) runtime.printError(line);
    return EXIT.refused;
  }
}

function createProgram(world: CliWorld, end: (code: number) => void): Command {
  const { runtime, terminal } = world;
  const width = () => terminal.columns ?? 100;
  const program = new Command("writ")
    .description("Runs agents' tools as WebAssembly components under a policy, and signs what they did")
    .version(world.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .helpCommand("help [command]", "print the help of a command")
    .showHelpAfterError("Run the command with --help to see what it takes")
    .configureOutput({
      // Commander ends what it writes with a newline, and so does `print`.
      writeOut: (text) => runtime.print(text.replace(/\n$/, "")),
      writeErr: (text) => runtime.printError(text.replace(/\n$/, "")),
      outputError: (text, write) => write(text.replace(/^error: /, "writ: ")),
      getOutHelpWidth: width,
      getErrHelpWidth: width,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    // Commander would end the process; the composition root does that.
    .exitOverride();
  const context: CommandContext = { world, end };
  for (const add of [
    addServe,
    addBuild,
    addInspect,
    addMeter,
    addRun,
    addProfile,
    addPolicy,
    addVerify,
    addManifest,
    addLog,
    addAudit,
    addKeys,
    addTools,
    addReload,
    addChargeback,
    addSlo,
    addExplain,
    addReplay,
    addJournal,
    addErase,
    addSigner,
  ]) {
    add(program, context);
  }
  program.addHelpText(
    "after",
    "\nExit codes: 0 good, 1 what was looked at is bad, 2 refused. WRIT_DEBUG=1 prints stacks.",
  );
  return program;
}
