/**
 * Configuration: flags, then `WRIT_*` of the environment, then `writ.config.json`, then defaults; first found wins.
 *
 * A value is checked by the same schema wherever it was found, and a fault names the place.
 */
import { z } from "zod";
import { parseStrictJson } from "../core/manifest/index.ts";
import { readOptionalFile } from "./input.ts";
import { SETTING_NAMES, SETTINGS, type ServeConfig, type Setting, type SettingName } from "./settings.ts";
import { UsageError } from "./usage-error.ts";
import type { CliWorld } from "./world.ts";

/** Where a value was found: the flag, the variable, the file, or `default`. */
export type Sources = Readonly<Record<SettingName, string>>;

/** Values of flags as the command line had them, by setting. */
export type Flags = { readonly [K in SettingName]?: string | boolean | undefined };

/** The configuration, and where each of it comes from. */
export interface LoadedConfig {
  readonly config: ServeConfig;
  readonly sources: Sources;
}

/** Where the file is unless `--config` says. */
export const CONFIG_FILE = "writ.config.json";

/**
 * Finds every setting.
 *
 * @param flags what the command line said; absent = not said
 * @param configFile as `--config` said; then it has to exist
 * @throws {UsageError} listing every value that is not in its form, with its place
 */
export async function loadConfig(
  world: Pick<CliWorld, "runtime" | "root">,
  flags: Flags,
  configFile?: string,
): Promise<LoadedConfig> {
  const file = await readConfigFile(world, configFile);
  const faults: string[] = [...file.faults];
  const sources: Partial<Record<SettingName, string>> = {};

  function find<K extends SettingName>(name: K): ServeConfig[K] {
    const setting: Setting<ServeConfig[K]> = SETTINGS[name];
    const found = findValue(world, name, setting, flags[name], file);
    sources[name] = found?.source ?? "default";
    if (found === undefined) return setting.initial(world.root);
    const read = setting.schema.safeParse(found.value);
    if (read.success) return read.data;
    const wanted = read.error.issues[0]?.message ?? "another value";
    const said = setting.isSecret ? "not in its form" : JSON.stringify(found.value);
    faults.push(`${found.source} is ${said}, wanted ${wanted}`);
    return setting.initial(world.root);
  }

  const config: ServeConfig = {
    host: find("host"),
    port: find("port"),
    dataFolder: find("dataFolder"),
    databaseUrl: find("databaseUrl"),
    keysFolder: find("keysFolder"),
    toolsFolder: find("toolsFolder"),
    policiesFolder: find("policiesFolder"),
    newVersions: find("newVersions"),
    profilesFile: find("profilesFile"),
    identityFile: find("identityFile"),
    reload: find("reload"),
    pricesFile: find("pricesFile"),
    executors: find("executors"),
    spares: find("spares"),
    executorRuntime: find("executorRuntime"),
    isolation: find("isolation"),
    logOrigin: find("logOrigin"),
    signer: find("signer"),
    witnessesFile: find("witnessesFile"),
    sloFile: find("sloFile"),
    otlpEndpoint: find("otlpEndpoint"),
    otlpAllow: find("otlpAllow"),
    otlpProfile: find("otlpProfile"),
    publicUrl: find("publicUrl"),
    demo: find("demo"),
    maxBodyBytes: find("maxBodyBytes"),
    mounts: find("mounts"),
    allowedHosts: find("allowedHosts"),
    allowedOrigins: find("allowedOrigins"),
    logLevel: find("logLevel"),
    egressAllow: find("egressAllow"),
    egressBlock: find("egressBlock"),
    egressProxy: find("egressProxy"),
  };
  if (faults.length > 0) throw new UsageError(`Cannot use the configuration: ${faults[0]}`, faults.slice(1));
  // INVARIANT: `find` was called for every name above, or `config` would not type-check.
  return { config, sources: sources as Sources };
}

interface ConfigFile {
  readonly name: string;
  readonly values: ReadonlyMap<string, unknown>;
  readonly faults: readonly string[];
}

function findValue<T>(
  world: Pick<CliWorld, "runtime">,
  name: SettingName,
  setting: Setting<T>,
  said: string | boolean | undefined,
  file: ConfigFile,
): { readonly value: unknown; readonly source: string } | undefined {
  if (said !== undefined) {
    const source = `flag ${setting.flag.split(" ", 1)[0]}`;
    return { value: typeof said === "string" ? setting.fromText(said) : said, source };
  }
  const variable = world.runtime.env(setting.variable);
  // An empty variable is how a shell or a compose file says "not set".
  if (variable !== undefined && variable !== "") {
    return { value: setting.fromText(variable), source: setting.variable };
  }
  return file.values.has(name)
    ? { value: file.values.get(name), source: `${file.name} /${name}` }
    : undefined;
}

async function readConfigFile(world: Pick<CliWorld, "runtime">, wanted?: string): Promise<ConfigFile> {
  const name = wanted ?? CONFIG_FILE;
  const bytes = await readOptionalFile(world, name);
  if (bytes === undefined) {
    if (wanted === undefined) return { name, values: new Map(), faults: [] };
    throw new UsageError(`Cannot read configuration ${JSON.stringify(name)}: there is no such file`);
  }
  const json = parseStrictJson(bytes);
  if (!json.ok) throw new UsageError(`Cannot read configuration ${JSON.stringify(name)}: ${json.reason}`);
  const members = z.record(z.string(), z.unknown()).safeParse(json.value);
  if (!members.success) {
    throw new UsageError(`Cannot read configuration ${JSON.stringify(name)}: it is not a JSON object`);
  }
  // A misspelt key would silently leave its default in force.
  const faults = Object.keys(members.data)
    .filter((key) => !Object.hasOwn(SETTINGS, key))
    .map((key) => `${name} /${key} is no setting; there are ${SETTING_NAMES.join(", ")}`);
  return { name, values: new Map(Object.entries(members.data)), faults };
}
