/** `writ keys init`: the keys of gateways that share a database, made before any of them starts, for a secret to hold. */
import type { Command } from "commander";
import { loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";
import { printJson } from "../output.ts";

interface InitFlags {
  readonly keys?: string;
  readonly data?: string;
  readonly logOrigin?: string;
  readonly json?: boolean;
}

/** Adds the command under `keys`. */
export function addKeysInit(keys: Command, { world }: CommandContext): void {
  keys
    .command("init")
    .description("Makes the keys that a folder does not have: manifests', the log's, and journals'")
    .option("--keys <folder>", "folder of the keys (WRIT_KEYS; default: keys/ of the data folder)")
    .option("--data <folder>", "the gateway's data folder")
    .option("--log-origin <host>", "name of the transparency log (WRIT_LOG_ORIGIN)")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
What is there stays. A gateway alone makes its keys by itself; those of many are given the same ones.

Example:
  writ keys init --keys ./keys --log-origin log.example.com`,
    )
    .action(async (flags: InitFlags) => {
      const { config } = await loadConfig(world, {
        dataFolder: flags.data,
        keysFolder: flags.keys,
        logOrigin: flags.logOrigin,
      });
      const keysFolder = config.keysFolder ?? `${config.dataFolder}/keys`;
      const { made, keyIds } = await world.makeKeys({ keysFolder, origin: config.logOrigin });
      if (flags.json) printJson(world, { folder: keysFolder, made, keys: keyIds });
      else {
        world.runtime.print(`${keysFolder}: ${made.length === 0 ? "all there" : `made ${made.join(", ")}`}`);
        for (const [kind, id] of Object.entries(keyIds)) world.runtime.print(`  ${kind}  ${id}`);
      }
    });
}
