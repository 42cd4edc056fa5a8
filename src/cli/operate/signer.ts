/** `writ signer`: a process that holds the signing keys, so that no gateway has to. */
import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";

interface ServeFlags {
  readonly socket: string;
  readonly keys?: string;
  readonly data?: string;
  readonly logOrigin?: string;
}

/** Adds the commands. */
export function addSigner(program: Command, { world }: CommandContext): void {
  const signer = program.command("signer").description("Holds the signing keys in a process of their own");
  signer
    .command("serve")
    .description("Signs what a gateway asks for over a socket, until SIGINT or SIGTERM")
    .requiredOption(
      "--socket <path>",
      "socket to listen on, in a folder that only the gateway's user can enter",
    )
    .option("--keys <folder>", "folder of the keys (default: keys/ of the data folder)")
    .option("--data <folder>", "data folder (WRIT_DATA)")
    .option("--log-origin <host>", "name of the transparency log (WRIT_LOG_ORIGIN)")
    .addHelpText(
      "after",
      `
It signs statements of runs and checkpoints of its own log, and nothing else.

Example:
  writ signer serve --keys /etc/writ/keys --socket /run/writ/signer.sock
  writ serve --signer unix:/run/writ/signer.sock`,
    )
    .action(async (flags: ServeFlags) => {
      const { runtime } = world;
      const { config } = await loadConfig(world, { dataFolder: flags.data, logOrigin: flags.logOrigin });
      const keysFolder = flags.keys ?? config.keysFolder ?? `${config.dataFolder}/keys`;
      const options = { keysFolder, origin: config.logOrigin, socketPath: flags.socket };
      const service = await world.openSignerService(options, (line) => runtime.print(JSON.stringify(line)));
      const stopped = Promise.withResolvers<void>();
      runtime.onStopSignal(() => service.close().then(stopped.resolve, stopped.reject));
      runtime.print(`Writ signs for ${config.logOrigin} with ${keysFolder} on unix:${flags.socket}`);
      await stopped.promise;
    });
}
