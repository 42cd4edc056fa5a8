/**
 * Configuration: flags, then `WRIT_*` of the environment, then `writ.config.json`, then defaults; first found wins.
 *
 * One table says each setting once: its flag, its variable, its form, its default and its sentence in the help. Every
 * value is checked by the same schema wherever it was found, and a fault names the place.
 */
import { z } from "zod";
import { parseStrictJson } from "../core/manifest/index.ts";
import { readOptionalFile } from "./input.ts";
import { UsageError } from "./usage-error.ts";
import type { CliWorld } from "./world.ts";

/** Everything that `serve` can be told. Paths are relative to the working directory. */
export interface ServeConfig {
  readonly host: string;
  /** 0 = any that is free. */
  readonly port: number;
  /** Database, keys and caches are here. */
  readonly dataFolder: string;
  /** Folder of built tools: `<folder>/<name>/tool.json`. */
  readonly toolsFolder: string;
  /** Folder of more policy files; undefined = only those beside the tools. */
  readonly policiesFolder: string | undefined;
  /** The operator's secret profiles; undefined = `profiles.yaml` in the data folder, when it is there. */
  readonly profilesFile: string | undefined;
  /** Executor processes kept alive. */
  readonly executors: number;
  /** Whether the sample API is served beside the gateway. */
  readonly demo: boolean;
  readonly maxBodyBytes: number;
  /** Host names that requests may be addressed to; empty = the http room's default, this machine only. */
  readonly allowedHosts: readonly string[];
  /** Origins whose pages may call. */
  readonly allowedOrigins: readonly string[];
  readonly logLevel: LogLevel;
}

/** `silent` = nothing; `error` = bugs and refusals of our own making; `info` = a line per request; `debug` = all. */
export type LogLevel = "silent" | "error" | "info" | "debug";

/** Name of a setting: its key in `writ.config.json` too. */
export type SettingName = keyof ServeConfig;

/** Where a value was found: the flag, the variable, the file, or `default`. */
export type Sources = Readonly<Record<SettingName, string>>;

/** Values of flags as the command line had them, by setting. */
export type Flags = { readonly [K in SettingName]?: string | boolean | undefined };

/** The configuration, and where each of it comes from. */
export interface LoadedConfig {
  readonly config: ServeConfig;
  readonly sources: Sources;
}

/** One setting. */
export interface Setting<T> {
  /** In commander's notation; without `<…>` it is a switch. */
  readonly flag: string;
  readonly variable: string;
  readonly help: string;
  /** Checks a value of any origin; text of flags and variables is given to `fromText` first. */
  readonly schema: z.ZodType<T>;
  readonly fromText: (text: string) => unknown;
  readonly initial: (root: string) => T;
}

/** Where the file is unless `--config` says. */
export const CONFIG_FILE = "writ.config.json";

const text = (value: string): unknown => value;
const integer = (value: string): unknown => (/^(0|[1-9][0-9]{0,15})$/.test(value) ? Number(value) : value);
const flag = (value: string): unknown =>
  ({ true: true, "1": true, false: false, "0": false })[value] ?? value;
const list = (value: string): unknown =>
  value.split(",").flatMap((item) => (item.trim() === "" ? [] : [item.trim()]));

const path = z.string({ error: "a path" }).min(1, { error: "a path" });
const count = (least: number, most: number) => {
  const wanted = { error: `an integer from ${least} to ${most}` };
  return z.int(wanted).min(least, wanted).max(most, wanted);
};
const words = (wanted: string, form: RegExp) =>
  z.array(z.string({ error: wanted }).regex(form, { error: wanted }), { error: `a list of: ${wanted}` });

/** The table, in the order of the help. */
export const SETTINGS: { readonly [K in SettingName]: Setting<ServeConfig[K]> } = {
  host: {
    flag: "--host <address>",
    variable: "WRIT_HOST",
    help: "address to listen on",
    schema: z.string().regex(/^[0-9A-Za-z.:-]{1,253}$/, { error: "an address or a host name" }),
    fromText: text,
    initial: () => "127.0.0.1",
  },
  port: {
    flag: "--port <number>",
    variable: "WRIT_PORT",
    help: "port to listen on; 0 = any that is free",
    schema: count(0, 65535),
    fromText: integer,
    initial: () => 8787,
  },
  dataFolder: {
    flag: "--data <folder>",
    variable: "WRIT_DATA",
    help: "database, keys and caches",
    schema: path,
    fromText: text,
    initial: () => "./.writ",
  },
  toolsFolder: {
    flag: "--tools <folder>",
    variable: "WRIT_TOOLS",
    help: "built tools, a folder for each",
    schema: path,
    fromText: text,
    initial: (root) => `${root}/.writ/tools`,
  },
  policiesFolder: {
    flag: "--policies <folder>",
    variable: "WRIT_POLICIES",
    help: "more policies, beside those in the tools' folders",
    schema: path.optional(),
    fromText: text,
    initial: () => undefined,
  },
  profilesFile: {
    flag: "--profiles <file>",
    variable: "WRIT_PROFILES",
    help: "secret profiles; default: profiles.yaml in the data folder",
    schema: path.optional(),
    fromText: text,
    initial: () => undefined,
  },
  executors: {
    flag: "--executors <number>",
    variable: "WRIT_EXECUTORS",
    help: "executor processes kept alive",
    schema: count(1, 256),
    fromText: integer,
    initial: () => 2,
  },
  demo: {
    flag: "--demo",
    variable: "WRIT_DEMO",
    help: "serve the sample API beside the gateway",
    schema: z.boolean({ error: "true or false" }),
    fromText: flag,
    initial: () => false,
  },
  maxBodyBytes: {
    flag: "--max-body-bytes <number>",
    variable: "WRIT_MAX_BODY_BYTES",
    help: "largest request body",
    schema: count(1, 2 ** 30),
    fromText: integer,
    initial: () => 2 ** 20,
  },
  allowedHosts: {
    flag: "--allowed-hosts <names>",
    variable: "WRIT_ALLOWED_HOSTS",
    help: "host names that requests may be addressed to, by comma; default: this machine's",
    schema: words("a host name without a port", /^(\[[0-9a-f:.]+\]|[0-9a-z.-]{1,253})$/),
    fromText: list,
    initial: () => [],
  },
  allowedOrigins: {
    flag: "--allowed-origins <origins>",
    variable: "WRIT_ALLOWED_ORIGINS",
    help: "origins whose pages may call, by comma",
    schema: words("an origin such as https://console.example.com", /^https?:\/\/[^/\s?#@]+$/),
    fromText: list,
    initial: () => [],
  },
  logLevel: {
    flag: "--log-level <level>",
    variable: "WRIT_LOG_LEVEL",
    help: "silent, error, info or debug",
    schema: z.enum(["silent", "error", "info", "debug"], { error: "silent, error, info or debug" }),
    fromText: text,
    initial: () => "info",
  },
};

/** The names in {@link SETTINGS}, in its order. */
// Object.keys forgets the type of the keys; SETTINGS is a literal with exactly these.
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];

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
    faults.push(`${found.source} is ${JSON.stringify(found.value)}, wanted ${wanted}`);
    return setting.initial(world.root);
  }

  const config: ServeConfig = {
    host: find("host"),
    port: find("port"),
    dataFolder: find("dataFolder"),
    toolsFolder: find("toolsFolder"),
    policiesFolder: find("policiesFolder"),
    profilesFile: find("profilesFile"),
    executors: find("executors"),
    demo: find("demo"),
    maxBodyBytes: find("maxBodyBytes"),
    allowedHosts: find("allowedHosts"),
    allowedOrigins: find("allowedOrigins"),
    logLevel: find("logLevel"),
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
