/**
 * Composition: the one place where the rooms meet the runtime. Builds a gateway from a configuration, starts it,
 * stops it. Decides nothing that a room could decide.
 */

import { createBroker, createOutgoing, type Mount, type SecretProfile } from "./broker/index.ts";
import type { Prices } from "./core/budget/index.ts";
import { type ComponentDescription, decode } from "./core/component/index.ts";
import type { ProfileNode } from "./core/metering/host/index.ts";
import { createEvidence, openObserver } from "./evidence/index.ts";
import { createGateway, type GatewayParts } from "./gateway/index.ts";
import { type Access, createIdentity } from "./identity/index.ts";
import type { Runtime, Sandbox, SystemCage } from "./ports/index.ts";
import type { RegistrySource } from "./registry/index.ts";
import { createSandbox } from "./sandbox/index.ts";
import { createMetrics } from "./telemetry/index.ts";
import {
  Closers,
  countingSpawns,
  type House,
  isShared,
  openAccounts,
  openDatabase,
  openJournals,
  openSharedClock,
  openSigners,
  openVersions,
  openWatching,
  prepareTool,
  readWitnesses,
  type WatchSettings,
} from "./wiring/index.ts";

/** Version of Writ, as manifests and `writ --version` say it. */
export const VERSION = "0.1.0";

/** The sources' own folder, whatever the working directory is. */
export const PROJECT_FOLDER = decodeURIComponent(new URL("..", import.meta.url).pathname).replace(/\/$/, "");

/** Pause between two questions to the witnesses of the log. */
const WITNESS_MS = 1_000;
/** How long after its time to live an open run can only be a dead gateway's: more than gateways' clocks differ. */
const DEAD_AFTER_MS = 60_000;

/** Cages to try, by what the operator asked for. */
export const CAGES = {
  strongest: ["bubblewrap", "landlock", "setpriv", "none"],
  "process+permissions": ["none"],
  "process+os": ["bubblewrap", "landlock"],
} as const satisfies Record<string, readonly SystemCage[]>;

/** What a house is built from. */
export interface HouseOptions {
  readonly runtime: Runtime;
  /** Folder of what is this gateway's alone: caches, and what it has seen of the log. */
  readonly dataFolder: string;
  /** Folder of the keys; gateways of one database share it, or a signing process. */
  readonly keysFolder: string;
  /** SQLite file, `:memory:`, or `postgres://…` of a database that many gateways share. */
  readonly database: string;
  /** The operator's file about witnesses of the log; absent = nobody is asked. */
  readonly witnessesFile?: string | undefined;
  /** Folder of the independent observer's files. */
  readonly observerFolder: string;
  /** Name of the log that the database keeps: no two databases that share a key may share it. */
  readonly logOrigin: string;
  /** `unix:<path>` of a signing process; undefined = the keys are files in the data folder. */
  readonly signer: string | undefined;
  readonly registry: RegistrySource;
  /**
   * Whether the store says which versions of these tools are in force, and operators can change that; absent = what the
   * registry has is in force. `activateNew`: a version that was never seen before is activated.
   */
  readonly versioned?: { readonly offer: ComponentDescription; readonly activateNew: boolean };
  /** Tenants and issuers of tokens; absent = keys alone, of any tenant. */
  readonly access?: Access;
  /** What is counted, judged and told of runs; absent = nothing. */
  readonly watch?: WatchSettings;
  readonly profiles: ReadonlyMap<string, SecretProfile>;
  /** The operator's folders by name; default none. */
  readonly mounts?: ReadonlyMap<string, Mount>;
  /** CIDR blocks that every policy's hosts may resolve to although they are not public. */
  readonly allowAddresses: readonly string[];
  /** CIDR blocks and host patterns that nothing may reach; default none. */
  readonly blockAddresses?: readonly string[];
  /** URL of the outgoing proxy; default none. */
  readonly proxy?: string;
  /** Executor processes kept alive. */
  readonly executors: number;
  /** Beyond those, kept ready for a tenant who has none. */
  readonly spares: number;
  /** What runs cost now; default: nothing. */
  readonly prices?: () => Prices;
  /** Runtime of the executors; undefined = the gateway's own. */
  readonly executorRuntime: "node" | "deno" | undefined;
  /** What the operating system is to add to their permissions. */
  readonly isolation: keyof typeof CAGES;
  /** Where given, every run is profiled, and this is told of each: fuel by function, and all fuel of the run. */
  readonly onProfile?: (nodes: readonly ProfileNode[], fuelUsed: number) => void;
  /** Reads the operator's files again; absent = there are none to read. */
  readonly reload?: GatewayParts["reload"];
  /** Told what guests logged and printed. */
  readonly diagnose: GatewayParts["diagnose"];
  /** How long after its time to live an open run is taken for a dead gateway's; default a minute. */
  readonly deadAfterMs?: number;
  /** Told of trouble that no caller sees. */
  readonly log: (line: object) => void;
}

/** Description of the component that imports everything this host offers. */
export async function readOffer(runtime: Runtime): Promise<ComponentDescription> {
  const path = `${PROJECT_FOLDER}/wit/offer.wasm`;
  const bytes = await runtime.files.read(path);
  if (bytes === undefined) throw new Error(`Cannot read ${path}: build it with "npm run build:wit"`);
  return decode(bytes);
}

/** Builds the rooms from the ground up; a failure closes what was opened. */
export async function openHouse(options: HouseOptions): Promise<House> {
  const { runtime, dataFolder, registry, log } = options;
  const { clock, entropy, files } = runtime;
  const { signer, noteSigner } = await openSigners(runtime, {
    keysFolder: options.keysFolder,
    origin: options.logOrigin,
    address: options.signer,
  });
  const store = await openDatabase(runtime, options.database, log);
  const closers = new Closers();
  closers.add(() => store.close());
  const metrics = createMetrics();
  try {
    const observing = await openObserver({
      clock,
      open: (name) => runtime.openAppend(`${options.observerFolder}/${name}`),
      onError: (error) => log({ event: "observer-not-synced", error: String(error) }),
    });
    closers.add(() => observing.close());
    const sandbox = await createSandbox({
      clock,
      entropy,
      files,
      spawn: countingSpawns(metrics, runtime.spawnExecutor, options.executorRuntime ?? runtime.name),
      cages: CAGES[options.isolation],
      cacheFolder: `${dataFolder}/cache`,
      executors: options.executors,
      spares: options.spares,
      queue: 1000,
    });
    closers.add(() => sandbox.close());
    const outgoing = createOutgoing({
      clock,
      resolver: runtime.resolver,
      ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
    });
    const identity = createIdentity({ store, clock, entropy, log, outgoing });
    if (options.access !== undefined) identity.use(options.access);
    // What gateways compare with one another's they compare by one clock; alone, a gateway has its own.
    const shared = isShared(options.database) ? await openSharedClock(clock, store, log) : undefined;
    if (shared !== undefined) closers.add(() => shared.stop());
    const inTime = { ...runtime, clock: shared?.clock ?? clock };
    const accounts = openAccounts(inTime, options.keysFolder, store, options.prices);
    closers.add(accounts.watch((error) => log({ event: "leases-failed", error: String(error) })));
    const evidence = createEvidence({
      ...{ store, signer, noteSigner, clock, time: inTime.clock, settle: accounts.settlementOf },
      sha256: runtime.verification.sha256,
      ...(await readWitnesses(runtime, options.witnessesFile, dataFolder)),
    });
    closers.add(evidence.watchWitnesses(WITNESS_MS));
    const broker = createBroker({
      clock,
      resolver: runtime.resolver,
      profiles: options.profiles,
      items: store.items,
      ...(options.mounts === undefined ? {} : { mounts: options.mounts }),
      egress: {
        allowAddresses: options.allowAddresses,
        block: options.blockAddresses ?? [],
        tlsHoldsBack: runtime.tlsHoldsBack,
        ...(options.proxy === undefined ? {} : { proxy: options.proxy }),
      },
    });
    const journals = openJournals(runtime, options.keysFolder, store);
    closers.add(journals.watch((error) => log({ event: "erase-failed", error: String(error) })));
    closers.add(
      evidence.watch({
        everyMs: 5_000,
        graceMs: options.deadAfterMs ?? DEAD_AFTER_MS,
        onError: (error) => log({ event: "reconcile-failed", error: String(error) }),
      }),
    );
    const versions = { host: `${runtime.name} ${runtime.version}`, writ: VERSION };
    const inForce =
      options.versioned &&
      openVersions({
        ...{ ...options.versioned, runtime: inTime, registry, store, evidence, versions, log },
        async warm(tool) {
          await prepareTool(sandbox, registry.current(), tool);
        },
      });
    if (inForce !== undefined) closers.add(() => inForce.stop());
    const watching =
      options.watch &&
      (await openWatching(options.watch, {
        ...{ runtime: inTime, store, metrics, outgoing, log, version: VERSION },
      }));
    if (watching !== undefined) closers.add(() => watching.stop());
    const gateway = createGateway({
      registry: inForce?.board ?? registry,
      identity,
      broker,
      sandbox: options.onProfile === undefined ? sandbox : profiled(sandbox, options.onProfile),
      evidence,
      journals,
      accounts,
      observer: observing.observer,
      store,
      signer,
      noteSigner,
      clock,
      time: inTime.clock,
      entropy,
      versions,
      ...watching,
      diagnose: options.diagnose,
      ...(options.reload === undefined ? {} : { reload: options.reload }),
    });
    // First of all: what was under way ends, is sealed and counted while everything that this takes is still there.
    closers.add(async () => {
      await sandbox.close();
      await gateway.settled();
    });
    return {
      ...(inForce === undefined ? {} : { board: inForce.board }),
      ...{ gateway, identity, sandbox, evidence, store, signer, noteSigner },
      close: () => closers.closeAll(),
    };
  } catch (error) {
    await closers.closeAll().catch((fault) => log({ event: "not-closed", error: String(fault) }));
    throw error;
  }
}

/** Being looked at takes time, and so may the run: this many times what its policy gives it. Its fuel is the same. */
const PROFILED_TIMES = 10;

/** A sandbox whose runs are all profiled. */
function profiled(sandbox: Sandbox, tell: NonNullable<HouseOptions["onProfile"]>): Sandbox {
  return {
    ...sandbox,
    async run(run) {
      const end = await sandbox.run({
        ...run,
        profiled: true,
        timeToLiveMs: run.timeToLiveMs * PROFILED_TIMES,
      });
      if (end.profile !== undefined) tell(end.profile, end.fuelUsed ?? 0);
      return end;
    },
  };
}
