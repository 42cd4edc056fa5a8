/**
 * What the commands may do, handed in by the composition root. No command reaches for a runtime, a database or a
 * socket by itself, so a test can run any of them in its own process and a reader can see here all that they touch.
 */
import type { Books } from "../accounts/index.ts";
import type { ComponentDescription } from "../core/component/index.ts";
import type { TileName } from "../core/merkle/index.ts";
import type { ProfileNode } from "../core/metering/host/index.ts";
import type { Principal, Scope } from "../core/policy/index.ts";
import type { ToolCommand } from "../core/rollout/index.ts";
import type { SloReport } from "../core/slo/index.ts";
import type { Gateway } from "../gateway/index.ts";
import type {
  Erasure,
  ErasureScope,
  KeyRow,
  RunRow,
  Runtime,
  Sandbox,
  VersionStore,
} from "../ports/index.ts";
import type { CommandedTool } from "../registry/index.ts";
import type { DataPlace, ServeConfig } from "./settings.ts";

/** The powers of the command line. Whatever opens something is asynchronous, so that nothing is loaded unused. */
export interface CliWorld {
  readonly runtime: Runtime;
  /** Writ's own version. */
  readonly version: string;
  /** The project's folder, absolute: `wit/`, `tools/` and the built `.writ/tools` are here. */
  readonly root: string;
  readonly terminal: Terminal;
  /** All of standard input. */
  readStdin(): Promise<Uint8Array<ArrayBuffer>>;
  /**
   * @param say receives one line for each thing that is begun or done
   * @returns a server that accepts requests already
   */
  startServer(config: ServeConfig, say: (line: string) => void): Promise<RunningServer>;
  /** A gateway for one component and one policy, with evidence in the data folder and no socket. */
  openLocalGateway(options: LocalGatewayOptions): Promise<LocalGateway>;
  /** Posts to a gateway that runs. @param key in the Authorization header, and nowhere else @throws when nobody answers */
  askGateway(url: string, key: string): Promise<GatewayAnswer>;
  /** How service levels stand. @param sloFile the operator's file; undefined = `slo.yaml` there, or the defaults */
  reportSlos(place: DataPlace, sloFile: string | undefined): Promise<SloReport>;
  /** Versions of a data folder's tools, whether or not a gateway runs on it. */
  openTools(place: DataPlace): Promise<Tools>;
  /** `identityFile`: where tenants are listed; undefined = `identity.yaml` in the data folder, when it is there. */
  openKeys(place: DataPlace, identityFile?: string): Promise<Keys>;
  /** The log of a data folder's server, whether or not it runs; `origin`: its name; `signer`: `unix:<path>`, if any. */
  openLog(place: DataPlace, origin: string, signer?: string): Promise<OpenLog>;
  /** Serves signatures on a socket, with the keys of a folder, so that a gateway can do without them. */
  openSignerService(
    options: { readonly keysFolder: string; readonly origin: string; readonly socketPath: string },
    log: (line: object) => void,
  ): Promise<{ close(): Promise<void> }>;
  /** Makes the keys that a folder lacks. @returns the files that were made, and the public ids of signing keys by kind */
  makeKeys(options: { readonly keysFolder: string; readonly origin: string }): Promise<{
    readonly made: readonly string[];
    readonly keyIds: Readonly<Record<"manifest" | "checkpoint", string>>;
  }>;
  /** Makes new signing keys, and gives the old ones an end. */
  rotateKeys(options: {
    readonly keysFolder: string;
    readonly origin: string;
    readonly kinds: readonly ("manifest" | "checkpoint")[];
    readonly overlapMs: number;
  }): Promise<readonly SigningKeyState[]>;
  /**
   * Gives what is kept of runs another master key.
   *
   * @param onTenant told of each tenant whose key was wrapped anew
   * @returns the files with a master key, and how many tenants' keys each wraps
   */
  rotateJournalKeys(
    place: DataPlace,
    onTenant: (tenant: string) => void,
  ): Promise<readonly { readonly file: string; readonly tenants: number }[]>;
  /** Runs of a data folder, its server's and those of `writ run`, with what was kept of them. */
  openRecords(place: DataPlace): Promise<Records>;
  /** The ledger of a data folder's server; `pricesFile`: undefined = `prices.yaml` in the data folder. */
  openBooks(place: DataPlace, pricesFile?: string): Promise<Books & { close(): Promise<void> }>;
  /** A sandbox to run journals again in, and nothing else: no network, no secrets, no evidence. */
  openReplayer(place: DataPlace): Promise<Replayer>;
  /** The description of the component that imports everything this host offers: `wit/offer.wasm`, decoded. */
  offer(): Promise<ComponentDescription>;
  /** Loads the packages that make components; they are big, and only `build` needs them. */
  openToolchain(): Promise<Toolchain>;
}

/** What a gateway said. */
export interface GatewayAnswer {
  readonly status: number;
  readonly text: string;
}

/** Where the lines go. */
export interface Terminal {
  /** Whether standard output is a terminal: then there may be colours. */
  readonly isTty: boolean;
  /** Columns of it; undefined when unknown. */
  readonly columns: number | undefined;
}

/** A gateway that listens. */
export interface RunningServer {
  /** Where it listens, without a trailing slash. */
  readonly url: string;
  /** The first key of a new data folder: shown once, kept nowhere. */
  readonly bootstrapKey?: string;
  /** Where the demo's sample API listens, when it does. */
  readonly demoUrl?: string;
  /** Names of the tenants, where the operator lists them. */
  readonly tenants?: readonly string[];
  readonly tools: readonly {
    readonly name: string;
    /** Keys, `interface/function`. */
    readonly functions: readonly string[];
    /** Purposes that some policy of the tool allows. */
    readonly purposes: readonly string[];
  }[];
  /** Reads the operator's files again. @throws when they can not be taken over: what was in force stays */
  reload(): Promise<void>;
  /** Resolves when it has stopped, for whatever reason; rejects when it failed. */
  readonly stopped: Promise<void>;
  /** Finishes or seals what is running, then closes. Idempotent. */
  stop(): Promise<void>;
}

/** One component, one policy. */
export interface LocalGatewayOptions {
  readonly component: Uint8Array<ArrayBuffer>;
  /** Name of the tool that the component becomes; the policy's `tool_id`. */
  readonly tool: string;
  /** Tier of the principal; one that the policy names. */
  readonly tier: string;
  /** YAML or JSON of the one policy in force. */
  readonly policyText: string;
  /** Where the policy was read from, for messages. */
  readonly policySource: string;
  /** Evidence, keys and caches are here. */
  readonly dataFolder: string;
  /** The operator's secret profiles; undefined = `profiles.yaml` in the data folder, when it is there. */
  readonly profilesFile: string | undefined;
  /** CIDR blocks that may be reached although they are not public. */
  readonly allowAddresses: readonly string[];
  /** Folders that the policy may mount, each as `name=path`. */
  readonly mounts: readonly string[];
  /** Where given, runs are profiled and each is told here. */
  readonly onProfile?: (profile: RunProfile) => void;
}

/** Where a run's fuel went. */
export interface RunProfile {
  /** Call paths, each behind its caller's. */
  readonly nodes: readonly ProfileNode[];
  readonly fuelUsed: number;
}

/** A gateway without a socket, and who speaks to it. */
export interface LocalGateway {
  readonly gateway: Gateway;
  /** Has the scopes `invoke` and `evidence`. */
  readonly principal: Principal;
  close(): Promise<void>;
}

/** The keys of a data folder. */
export interface Keys {
  /** Every tenant there is, with its tier; undefined = any that a key names. */
  readonly tenants: ReadonlyMap<string, { readonly tier: string }> | undefined;
  /** @returns the key's text, shown once, and what is kept of it */
  issue(options: {
    readonly tenant: string;
    readonly tier: string;
    readonly scopes: readonly Scope[];
    readonly label: string;
    readonly expiresAtMs?: number;
  }): Promise<{ readonly text: string; readonly row: KeyRow }>;
  /** Oldest first. */
  list(): Promise<readonly KeyRow[]>;
  /** @returns false when there is no such key */
  revoke(id: string): Promise<boolean>;
  close(): Promise<void>;
}

/** Which versions of tools are in force, and what was done about it. */
export interface Tools extends Pick<VersionStore, "states" | "listVersions" | "findVersion" | "listActions"> {
  /** @param note for people */
  command(tool: string, asked: ToolCommand, note: string): Promise<CommandedTool>;
  /**
   * Waits until every gateway that is there has a generation in force.
   *
   * @returns how many gateways have it, and which do not
   */
  inForce(generation: number): Promise<{ readonly gateways: number; readonly behind: readonly string[] }>;
  close(): Promise<void>;
}

/** The runs of a data folder, for its operator. */
export interface Records {
  findRun(run: string): Promise<RunRow | undefined>;
  /**
   * Runs of every tenant, oldest first.
   *
   * @param sinceMs wall clock of the oldest that is wanted
   */
  runs(sinceMs: number): AsyncIterable<RunRow>;
  /** What was kept of a run, in clear; undefined when there is nothing. */
  readJournal(run: string): Promise<string | undefined>;
  findErasure(run: string): Promise<Erasure | undefined>;
  /** @returns how many journals were erased */
  erase(scope: ErasureScope): Promise<number>;
  listKeys(): Promise<readonly KeyRow[]>;
  close(): Promise<void>;
}

/** Runs journals again. */
export interface Replayer {
  /** What it runs on. */
  readonly runtime: string;
  readonly sandbox: Sandbox;
  close(): Promise<void>;
}

/** A signing key, and its times. */
export interface SigningKeyState {
  readonly kind: "manifest" | "checkpoint";
  readonly keyId: string;
  readonly validFromMs: number;
  readonly signsFromMs: number;
  /** Absent = no end. */
  readonly validUntilMs?: number;
}

/** The log of a data folder. */
export interface OpenLog {
  /** The newest checkpoint, signed. */
  checkpoint(): Promise<string>;
  /** One file of the log; undefined when it does not have all of it. */
  tile(name: TileName): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Manifests with their proofs, in the log's order; `known`: whether the database knows the run. */
  manifests(
    from: number,
    limit: number,
  ): Promise<readonly { readonly sequence: number; readonly text: string; readonly known: boolean }[]>;
  /** What manifests name by digest, of every version of every tool that was in force: all that is kept of it. */
  artifacts(): Promise<Artifacts>;
  /** Bytes of one of its components. */
  component(digest: string): Promise<Uint8Array<ArrayBuffer> | undefined>;
  /** Whether a run's journal is kept, or its erasure is noted. */
  hasJournal(run: string): Promise<boolean>;
  /** JSON text that names the log and its key. */
  trustedRoot(): Promise<string>;
  /** The keys that sign manifests. */
  jwks(): Promise<object>;
  close(): Promise<void>;
}

/** Components and policies that are kept. */
export interface Artifacts {
  /** Digests, `sha256:<hex>`. */
  readonly components: ReadonlySet<string>;
  /** Canonical JSON by policy id. */
  readonly policies: ReadonlyMap<string, string>;
}

/** What `build` needs of the toolchain room; signatures are the room's own. */
export interface Toolchain {
  readonly buildTool: typeof import("../toolchain/index.ts").buildTool;
  readonly buildTools: typeof import("../toolchain/index.ts").buildTools;
  readonly writeOffer: typeof import("../toolchain/index.ts").writeOffer;
}
