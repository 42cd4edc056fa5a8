/** `writ serve`: the gateway, until it is told to stop. */
import type { Command } from "commander";
import { CONFIG_FILE, type Flags, type LoadedConfig, loadConfig } from "../config.ts";
import type { CommandContext } from "../context.ts";
import { describeFailure } from "../failure.ts";
import { alignColumns, createPaint, formatCount, printJson } from "../output.ts";
import { SETTING_NAMES, SETTINGS, type ServeConfig, type SettingName } from "../settings.ts";
import type { CliWorld, RunningServer } from "../world.ts";
import { sampleCalls } from "./sample-calls.ts";

interface ServeFlags extends Flags {
  readonly config?: string;
  readonly printConfig?: boolean;
  readonly json?: boolean;
}

/** Adds the command. */
export function addServe(program: Command, { world }: CommandContext): void {
  const command = program
    .command("serve")
    .description("Starts the gateway and serves tools over HTTP until SIGINT or SIGTERM")
    .option("--config <file>", `configuration file (default: ${CONFIG_FILE}, when it is there)`)
    .option("--print-config", "print every setting and where its value comes from, and do not start")
    .option("--json", "print one line of JSON when it listens; progress goes to standard error");
  for (const name of SETTING_NAMES) {
    const { flag, variable, help } = SETTINGS[name];
    command.option(flag, `${help} (${variable})`);
  }
  command
    .addHelpText("after", "\nExample:\n  writ serve --port 8787 --demo")
    .action(async (given: object) => {
      const flags = byName(given);
      const loaded = await loadConfig(world, flags, flags.config);
      if (flags.printConfig) printConfig(world, loaded, flags.json === true);
      else await serve(world, loaded, flags.json === true);
    });
}

/** Commander names a flag's value after the flag (`data`), the table after the setting (`dataFolder`). */
function byName(given: object): ServeFlags {
  const values = new Map(Object.entries(given));
  const settings = SETTING_NAMES.map((name) => [name, values.get(flagKey(SETTINGS[name].flag))] as const);
  return {
    ...Object.fromEntries(settings),
    ...pick(values, "config"),
    printConfig: values.has("printConfig"),
    json: values.has("json"),
  };
}

function pick(values: ReadonlyMap<string, unknown>, name: "config"): { readonly config?: string } {
  const value = values.get(name);
  return typeof value === "string" ? { [name]: value } : {};
}

/** `--max-body-bytes <number>` is `maxBodyBytes`. */
function flagKey(flag: string): string {
  const [name = ""] = flag.slice(2).split(" ", 1);
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

function printConfig(world: CliWorld, { config, sources }: LoadedConfig, json: boolean): void {
  if (json) {
    const entries = SETTING_NAMES.map((name) => [
      name,
      { value: shown(config, name), source: sources[name] },
    ]);
    printJson(world, Object.fromEntries(entries));
    return;
  }
  const rows = SETTING_NAMES.map((name) => [name, JSON.stringify(shown(config, name)), sources[name]]);
  for (const line of alignColumns([["setting", "value", "from"], ...rows])) world.runtime.print(line);
}

/** A URL with a password in it is for the one place that uses it. */
function shown(config: ServeConfig, name: SettingName): unknown {
  const value = config[name] ?? null;
  return value !== null && SETTINGS[name].isSecret ? "(not shown)" : value;
}

async function serve(world: CliWorld, { config }: LoadedConfig, json: boolean): Promise<void> {
  const { runtime } = world;
  const server = await world.startServer(config, json ? runtime.printError : runtime.print);
  runtime.onStopSignal(() => {
    runtime.printError("writ: stopping, runs under way are being finished");
    // A failure to stop shows in `stopped`, which is awaited below.
    server.stop().catch(() => undefined);
  });
  // A terminal that is closed says so with the same signal: then the gateway goes with it.
  if (!world.terminal.isTty) {
    runtime.onReloadSignal(() => {
      server.reload().catch((error: unknown) => {
        for (const line of describeFailure(error, false)) runtime.printError(line);
      });
    });
  }
  if (json) runtime.print(JSON.stringify(describeServer(server)));
  else printServer(world, server, config);
  await server.stopped;
}

/** What `keys issue` has to be told to issue a key that this gateway takes. */
function keyFlags({ root }: CliWorld, { tenants }: RunningServer, { dataFolder }: ServeConfig): string {
  const [first] = tenants ?? [];
  return [
    "--label me",
    // Without it the key is of the tenant `default`, who is none where tenants are listed without him.
    ...(first === undefined || tenants?.includes("default") ? [] : [`--tenant ${first}`]),
    ...(dataFolder === SETTINGS.dataFolder.initial(root) ? [] : [`--data ${dataFolder}`]),
  ].join(" ");
}

function describeServer({ url, bootstrapKey, demoUrl, tools }: RunningServer): object {
  return { url, bootstrapKey: bootstrapKey ?? null, demoUrl: demoUrl ?? null, tools };
}

function printServer(world: CliWorld, server: RunningServer, config: ServeConfig): void {
  const { runtime } = world;
  const paint = createPaint(world);
  const { url, bootstrapKey, demoUrl, tools } = server;
  const functions = tools.reduce((sum, tool) => sum + tool.functions.length, 0);
  runtime.print("");
  runtime.print(`${paint.bold(`Writ listens on ${url}`)}`);
  runtime.print(`  ${formatCount(tools.length, "tool")}, ${formatCount(functions, "function")}`);
  for (const line of alignColumns(tools.map(({ name, functions: keys }) => [name, keys.join(", ")]))) {
    runtime.print(`  ${line}`);
  }
  if (demoUrl !== undefined) runtime.print(`  the demo's weather service is on ${demoUrl}`);
  if (bootstrapKey === undefined) {
    runtime.print(`  issue a key with: npx writ keys issue ${keyFlags(world, server, config)}`);
  } else {
    runtime.print(`\nYour first API key, shown this once:\n\n  export WRIT_KEY=${bootstrapKey}`);
  }
  for (const { title, command } of sampleCalls(server)) {
    runtime.print(`\n${title}:\n\n${command}`);
  }
  runtime.print(`\nVerify a manifest: npx writ verify answer.json\nStop with Ctrl+C`);
}
