/** What a gateway can be told, as it is once every setting is read. Types only; `settings.ts` says where each comes from. */

/** Everything that `serve` can be told. Paths are relative to the working directory. */
export interface ServeConfig {
  readonly host: string;
  /** 0 = any that is free. */
  readonly port: number;
  /** Database, keys and caches are here. */
  readonly dataFolder: string;
  /** `postgres://…` of a database that many gateways share; undefined = SQLite in the data folder. */
  readonly databaseUrl: string | undefined;
  /** Signing keys, and the key that journals' keys are wrapped with; undefined = `keys` in the data folder. */
  readonly keysFolder: string | undefined;
  /** Folder of built tools: `<folder>/<name>/tool.json`. */
  readonly toolsFolder: string;
  /** Folder of more policy files; undefined = only those beside the tools. */
  readonly policiesFolder: string | undefined;
  /** What becomes of a version of a tool that was never seen before: it is active at once, or waits for a command. */
  readonly newVersions: "activate" | "hold";
  /** The operator's secret profiles; undefined = `profiles.yaml` in the data folder, when it is there. */
  readonly profilesFile: string | undefined;
  /** Tenants and issuers of tokens; undefined = `identity.yaml` in the data folder, when it is there. */
  readonly identityFile: string | undefined;
  /** Whether the operator's files are read again when they change, or only when somebody asks. */
  readonly reload: "watch" | "asked";
  /** What runs cost and tasks are billed; undefined = `prices.yaml` in the data folder, when it is there. */
  readonly pricesFile: string | undefined;
  /** Executor processes kept alive. */
  readonly executors: number;
  /** Executors beyond those, kept ready for a tenant who has none. */
  readonly spares: number;
  /** Runtime of the executors; undefined = the gateway's own. */
  readonly executorRuntime: "node" | "deno" | undefined;
  /** What the operating system is to add: the strongest that holds, nothing, or nothing less than `process+os`. */
  readonly isolation: "strongest" | "process+permissions" | "process+os";
  /** Name of the transparency log, a bare host. With another name it is another log: chosen once, and kept. */
  readonly logOrigin: string;
  /** `unix:<path>` of a signing process's socket; undefined = the keys are files in the data folder. */
  readonly signer: string | undefined;
  /** File that names witnesses of the log, and how many have to cosign; undefined = nobody is asked. */
  readonly witnessesFile: string | undefined;
  /** File of service levels; undefined = `slo.yaml` in the data folder when it is there, else the defaults. */
  readonly sloFile: string | undefined;
  /** Where traces go, path included; undefined = nowhere. */
  readonly otlpEndpoint: string | undefined;
  /** CIDR blocks that the collector may be in although they are not public. */
  readonly otlpAllow: readonly string[];
  /** Secret profile whose header goes to the collector; undefined = none. */
  readonly otlpProfile: string | undefined;
  /** Where strangers reach this gateway, when that is not where it listens; without a trailing slash. */
  readonly publicUrl: string | undefined;
  /** Whether the sample API is served beside the gateway. */
  readonly demo: boolean;
  readonly maxBodyBytes: number;
  /** Host names that requests may be addressed to; empty = the http room's default, this machine only. */
  readonly allowedHosts: readonly string[];
  /** Folders that policies may mount, each as `name=path`. */
  readonly mounts: readonly string[];
  /** Origins whose pages may call. */
  readonly allowedOrigins: readonly string[];
  readonly logLevel: LogLevel;
  /** CIDR blocks that permitted hosts may resolve to although they are not public; empty = none. */
  readonly egressAllow: readonly string[];
  /** CIDR blocks and host patterns that no tool may reach, whatever its policy permits. */
  readonly egressBlock: readonly string[];
  /** Proxy for every outgoing request; undefined = none, whatever the environment says. */
  readonly egressProxy: string | undefined;
}

/** Where the data of one gateway is. */
export type DataPlace = Pick<ServeConfig, "dataFolder"> &
  Partial<Pick<ServeConfig, "databaseUrl" | "keysFolder">>;

/** `silent` = nothing; `error` = bugs and refusals of our own making; `info` = a line per request; `debug` = all. */
export type LogLevel = "silent" | "error" | "info" | "debug";
