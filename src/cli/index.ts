/**
 * The command line. It reads flags and files, asks the rooms beneath, and prints; whatever it can do, a library caller
 * can do without it.
 *
 * `components/`: what a tool's author does. `evidence/`: what whoever looks back does. `operate/`: what an operator does.
 * Beside them is what all commands share; `world.ts` is everything that they may touch.
 */
import { Command, CommanderError } from "commander";
import { addBuild } from "./components/build.ts";
import { addInspect } from "./components/inspect.ts";
import { addMeter } from "./components/meter.ts";
import { addProfile } from "./components/profile.ts";
import { addRun } from "./components/run.ts";
import type { CommandContext } from "./context.ts";
import { addAudit } from "./evidence/audit.ts";
import { addExplain } from "./evidence/explain.ts";
import { addErase, addJournal } from "./evidence/journal.ts";
import { addLog } from "./evidence/log.ts";
import { addManifest } from "./evidence/manifest.ts";
import { addReplay } from "./evidence/replay.ts";
import { addVerify } from "./evidence/verify.ts";
import { EXIT } from "./exit.ts";
import { describeFailure } from "./failure.ts";
import { addChargeback } from "./operate/chargeback.ts";
import { addKeys } from "./operate/keys.ts";
import { addPolicy } from "./operate/policy.ts";
import { addReload } from "./operate/reload.ts";
import { addServe } from "./operate/serve.ts";
import { addSigner } from "./operate/signer.ts";
import { addSlo } from "./operate/slo.ts";
import { addTools } from "./operate/tools.ts";
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
