/**
 * Every setting, said once: its flag, its variable, its form, its default and its sentence in the help. A new setting
 * is one row here and one line in `config.ts`.
 */
import { z } from "zod";
import type { ServeConfig } from "./serve-config.ts";

export type { DataPlace, LogLevel, ServeConfig } from "./serve-config.ts";

/** Name of a setting: its key in `writ.config.json` too. */
export type SettingName = keyof ServeConfig;

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
  /** Never shown. */
  readonly isSecret?: true;
}

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
  databaseUrl: {
    flag: "--database-url <url>",
    variable: "WRIT_DATABASE_URL",
    help: "postgres://… shared by many gateways; default: SQLite in the data folder",
    schema: z
      .string()
      .regex(/^postgres(ql)?:\/\/[^\s]+$/, { error: "a URL such as postgres://writ@db.example/writ" })
      .optional(),
    fromText: text,
    initial: () => undefined,
    isSecret: true,
  },
  keysFolder: {
    flag: "--keys <folder>",
    variable: "WRIT_KEYS",
    help: "signing keys, the same for every gateway of a database; default: keys in the data folder",
    schema: path.optional(),
    fromText: text,
    initial: () => undefined,
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
  newVersions: {
    flag: "--new-versions <what>",
    variable: "WRIT_NEW_VERSIONS",
    help: "activate a tool's new version at once, or hold it until writ tools activate or canary",
    schema: z.enum(["activate", "hold"], { error: "activate or hold" }),
    fromText: text,
    initial: () => "activate",
  },
  profilesFile: {
    flag: "--profiles <file>",
    variable: "WRIT_PROFILES",
    help: "secret profiles; default: profiles.yaml in the data folder",
    schema: path.optional(),
    fromText: text,
    initial: () => undefined,
  },
  identityFile: {
    flag: "--identity <file>",
    variable: "WRIT_IDENTITY",
    help: "tenants, and issuers of tokens; default: identity.yaml in the data folder",
    schema: path.optional(),
    fromText: text,
    initial: () => undefined,
  },
  reload: {
    flag: "--reload <when>",
    variable: "WRIT_RELOAD",
    help: "read policies, profiles, tools and issuers again when they change (watch), or when asked: SIGHUP, POST /v1/operate/reload",
    schema: z.enum(["watch", "asked"], { error: "watch or asked" }),
    fromText: text,
    initial: () => "watch",
  },
  pricesFile: {
    flag: "--prices <file>",
    variable: "WRIT_PRICES",
    help: "what runs cost and tasks are billed; default: prices.yaml in the data folder",
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
  spares: {
    flag: "--spares <number>",
    variable: "WRIT_SPARES",
    help: "executors beyond those, ready for a tenant who has none",
    schema: count(0, 64),
    fromText: integer,
    initial: () => 1,
  },
  executorRuntime: {
    flag: "--executor-runtime <name>",
    variable: "WRIT_EXECUTOR_RUNTIME",
    help: "node or deno; default: what the gateway runs on",
    schema: z.enum(["node", "deno"], { error: "node or deno" }).optional(),
    fromText: text,
    initial: () => undefined,
  },
  isolation: {
    flag: "--isolation <level>",
    variable: "WRIT_ISOLATION",
    help: "strongest, process+permissions (nothing of the system's), or process+os (or do not start)",
    schema: z.enum(["strongest", "process+permissions", "process+os"], {
      error: "strongest, process+permissions or process+os",
    }),
    fromText: text,
    initial: () => "strongest",
  },
  logOrigin: {
    flag: "--log-origin <host>",
    variable: "WRIT_LOG_ORIGIN",
    help: "name of the transparency log; choose it once",
    schema: z
      .string()
      .regex(/^[0-9a-z]([0-9a-z-]*[0-9a-z])?(\.[0-9a-z]([0-9a-z-]*[0-9a-z])?)*$/, {
        error: "a host name without scheme or port",
      })
      .max(253, { error: "a host name without scheme or port" }),
    fromText: text,
    initial: () => "localhost",
  },
  signer: {
    flag: "--signer <address>",
    variable: "WRIT_SIGNER",
    help: "unix:<path> of a signing process (writ signer serve); default: keys in the data folder",
    schema: z
      .string({ error: "unix: and a path" })
      .regex(/^unix:.+$/, { error: "unix: and a path" })
      .optional(),
    fromText: text,
    initial: () => undefined,
  },
  witnessesFile: {
    flag: "--witnesses <file>",
    variable: "WRIT_WITNESSES",
    help: "witnesses of the log, and how many have to cosign",
    schema: path.optional(),
    fromText: text,
    initial: () => undefined,
  },
  sloFile: {
    flag: "--slo <file>",
    variable: "WRIT_SLO",
    help: "service levels, alerts and webhooks; default: slo.yaml in the data folder",
    schema: path.optional(),
    fromText: text,
    initial: () => undefined,
  },
  otlpEndpoint: {
    flag: "--otlp-endpoint <url>",
    variable: "WRIT_OTLP_ENDPOINT",
    help: "OpenTelemetry collector for traces, such as http://127.0.0.1:4318/v1/traces; default: none",
    schema: z
      .string({ error: "a URL such as http://127.0.0.1:4318/v1/traces" })
      .regex(/^https?:\/\/[^\s/?#@]+\/[^\s?#]*$/, {
        error: "a URL such as http://127.0.0.1:4318/v1/traces",
      })
      .optional(),
    fromText: text,
    initial: () => undefined,
  },
  otlpAllow: {
    flag: "--otlp-allow <blocks>",
    variable: "WRIT_OTLP_ALLOW",
    help: "address blocks that the collector may be in although they are not public, by comma",
    schema: words("a CIDR block such as 10.1.0.0/16", /^[0-9a-fA-F:.]+\/[0-9]{1,3}$/),
    fromText: list,
    initial: () => ["127.0.0.0/8", "::1/128"],
  },
  otlpProfile: {
    flag: "--otlp-profile <name>",
    variable: "WRIT_OTLP_PROFILE",
    help: "secret profile whose header goes to the collector, which has to be its audience; default: none",
    schema: z
      .string({ error: "a profile's name" })
      .regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/, { error: "a profile's name" })
      .optional(),
    fromText: text,
    initial: () => undefined,
  },
  publicUrl: {
    flag: "--public-url <url>",
    variable: "WRIT_PUBLIC_URL",
    help: "where others reach this gateway, for the links that it gives; default: where it listens",
    schema: z
      .string({ error: "a URL such as https://writ.example.com" })
      .regex(/^https?:\/\/[^\s/?#@]+(\/[^\s?#]*[^\s?#/])?$/, {
        error: "a URL such as https://writ.example.com",
      })
      .optional(),
    fromText: text,
    initial: () => undefined,
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
  mounts: {
    flag: "--mounts <list>",
    variable: "WRIT_MOUNTS",
    help: "folders that policies may mount read-only, as name=path",
    schema: words("name=path", /^[a-z][a-z0-9]*(-[a-z0-9]+)*=.+$/),
    fromText: list,
    initial: () => [],
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
  egressAllow: {
    flag: "--egress-allow <blocks>",
    variable: "WRIT_EGRESS_ALLOW",
    help: "address blocks that permitted hosts may have although they are not public, by comma",
    schema: words("a CIDR block such as 10.1.0.0/16", /^[0-9a-fA-F:.]+\/[0-9]{1,3}$/),
    fromText: list,
    initial: () => [],
  },
  egressBlock: {
    flag: "--egress-block <list>",
    variable: "WRIT_EGRESS_BLOCK",
    help: "address blocks and hosts (*.example.com: all below) that no tool may reach, by comma",
    schema: words("a CIDR block or a host such as *.example.com", /^(\*\.)?[0-9a-zA-Z:._-]+(\/[0-9]{1,3})?$/),
    fromText: list,
    initial: () => [],
  },
  egressProxy: {
    flag: "--egress-proxy <url>",
    variable: "WRIT_EGRESS_PROXY",
    help: "HTTP proxy for every outgoing request; HTTP_PROXY and its kin are not read",
    schema: z
      .string()
      .regex(/^http:\/\/[^\s]+$/, { error: "a URL such as http://proxy.example:3128" })
      .optional(),
    fromText: text,
    initial: () => undefined,
  },
};

/**
 * The names in {@link SETTINGS}, in its order. `as`, because Object.keys forgets the type of the keys of a literal
 * that has exactly these.
 */
export const SETTING_NAMES = Object.keys(SETTINGS) as readonly SettingName[];
