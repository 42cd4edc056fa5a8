/**
 * `writ serve`: loads the tools, opens the house, listens, and on the way out finishes or seals what is running.
 * Says what it is doing, and how far it is.
 */
import { holdCurrency } from "./accounts/index.ts";
import { credentialsFor, keepFresh, profilesState, type SecretProfile } from "./broker/index.ts";
import type { RunningServer, ServeConfig } from "./cli/index.ts";
import { openHouse, readOffer, VERSION } from "./compose.ts";
import { canonicalJson, toHex } from "./core/digest.ts";
import { DEMO_URL } from "./demo/index.ts";
import { actOfIssue, describeKey, newActionId } from "./gateway/index.ts";
import type { Identity } from "./identity/index.ts";
import type { Runtime, SqliteDatabase } from "./ports/index.ts";
import { holdRegistry, type Registry } from "./registry/index.ts";
import {
  baseUrl,
  Closers,
  databaseOf,
  describePreparations,
  guardLog,
  type House,
  isFirst,
  isShared,
  joinLog,
  keysOf,
  listen,
  loadAllProfiles,
  loadOperatorFiles,
  makeDataFolder,
  nameDatabase,
  openLogLines,
  prepareTools,
  Reloader,
  readMounts,
  requireFreePort,
  sayFiles,
  sayHouse,
  sayVersions,
  serveDemo,
  stampFiles,
  type WatchSettings,
  writePublicKeys,
} from "./wiring/index.ts";

/** How long requests under way may take to finish once the gateway is told to stop. */
const GRACE_MS = 10_000;
/** Random bytes by which one start of a gateway differs from every other. */
const GATEWAY_ID_BYTES = 16;

/**
 * @param say receives one line for each thing that is done
 * @throws when anything at all is wrong: a gateway that cannot keep every promise does not start
 */
export async function startServer(
  runtime: Runtime,
  config: ServeConfig,
  say: (line: string) => void,
): Promise<RunningServer> {
  const { dataFolder } = config;
  const log = openLogLines(runtime, config.logLevel);
  const closers = new Closers();
  try {
    await requireFreePort(runtime, config);
    const lock = await lockData(runtime, dataFolder);
    closers.add(async () => lock.close());

    const offer = await readOffer(runtime);
    const stamp = await stampFiles(runtime, config);
    const files = await loadOperatorFiles(runtime, config, offer);
    const { registry, access } = files;

    const profiles = new Map(files.profiles);
    let inForce = () => files;
    // Secrets are rotated under the same words. Other words are a change of what is in force, and wait for a reload.
    const load = async () => {
      const fresh = await loadAllProfiles(runtime, config);
      const known = inForce().profiles;
      return canonicalJson(profilesState(fresh)) === canonicalJson(profilesState(known)) ? fresh : profiles;
    };
    closers.add(keepFresh(runtime.clock, profiles, load, log));

    const mounts = await readMounts(runtime, config.mounts);
    sayFiles(config, registry, profiles, mounts, say);

    const holder = holdRegistry(registry);
    const reloader = Promise.withResolvers<Reloader>();
    const house = await openHouse({
      runtime,
      dataFolder,
      keysFolder: keysOf(config),
      database: databaseOf(config),
      witnessesFile: config.witnessesFile,
      observerFolder: `${dataFolder}/observer`,
      logOrigin: config.logOrigin,
      signer: config.signer,
      registry: holder,
      reload: async (actor) => await (await reloader.promise).reload(actor),
      watch: {
        slo: () => inForce().slo,
        profiles,
        ...(config.otlpEndpoint === undefined
          ? {}
          : { traces: tracesOf(config.otlpEndpoint, config, profiles) }),
      },
      versioned: { offer, activateNew: config.newVersions === "activate" },
      access,
      prices: () => inForce().prices,
      profiles,
      mounts,
      allowAddresses: config.egressAllow,
      blockAddresses: config.egressBlock,
      ...(config.egressProxy === undefined ? {} : { proxy: config.egressProxy }),
      executors: config.executors,
      spares: config.spares,
      executorRuntime: config.executorRuntime,
      isolation: config.isolation,
      // What guests say may be anything: only an operator who asks for it gets it.
      diagnose: (run, lines) => {
        if (config.logLevel === "debug") log({ event: "diagnostics", run, lines });
      },
      log,
    });
    closers.add(() => house.close());
    await holdCurrency(house.store, files.prices);
    await sayHouse(config, access, house, say);

    const shared = isShared(databaseOf(config));
    if (shared) await joinLog(house);
    closers.add(await guardLog(runtime, `${dataFolder}/last-checkpoint`, house));

    // Alone, and holding the lock: every open run belongs to a gateway that died. Of many, others may be at work on them,
    // and those that nobody is at work on any more are found by their age.
    const { sealed, failed } = shared
      ? { sealed: 0, failed: 0 }
      : await house.evidence.reconcile(Number.POSITIVE_INFINITY);
    say(`evidence   ${nameDatabase(databaseOf(config))}, key ${(await house.signer.keys())[0]?.keyId}`);
    say(`log        ${config.logOrigin}, ${(await house.store.logHead()).size} entries`);
    if (sealed + failed > 0)
      say(`           ${sealed} open runs of an earlier gateway sealed, ${failed} still open`);
    await publishKeys(runtime, config, house, say);

    await prepareTools(house.sandbox, registry, ({ name, digest }, count, preparations) => {
      const how = describePreparations(preparations);
      say(`prepared   ${count}/${registry.tools.length} ${name} ${digest.slice(0, 19)}…  ${how}`);
      for (const { steps, bytes } of preparations)
        if (steps.length > 0) log({ event: "tool-prepared", tool: name, digest, bytes, steps });
    });

    await house.board?.begin();
    await sayVersions(house, registry, say);

    if (config.demo) {
      const demo = await serveDemo(runtime);
      if (demo !== undefined) closers.add(() => demo.close());
      say(
        `demo       sample weather API on ${DEMO_URL}${demo === undefined ? ", which something serves already" : ""}`,
      );
    }

    const reloading = new Reloader({
      ...{ runtime, places: config, offer, house, files, stamp, registry: holder, profiles, say, log },
      versions: { host: `${runtime.name} ${runtime.version}`, writ: VERSION },
    });
    inForce = () => reloading.files;
    reloader.resolve(reloading);
    closers.add(config.reload === "watch" ? reloading.watch() : () => reloading.settled());

    const server = await listen(runtime, house.gateway, config, VERSION, log);
    closers.add(async () => {
      // No new requests; those under way finish, or are revoked and sealed once the grace is over.
      const finished = server.close();
      const cancel = runtime.clock.after(GRACE_MS, () => void house.sandbox.close());
      await finished;
      cancel();
    });
    const isToBootstrap =
      !shared || (await isFirst(house, "bootstrap-key", toHex(runtime.entropy.bytes(GATEWAY_ID_BYTES))));
    const bootstrap = isToBootstrap ? await firstKey(runtime, house) : undefined;
    const stopped = Promise.withResolvers<void>();
    let stopping = false;
    return {
      url: baseUrl(config.host, server.port),
      ...(bootstrap === undefined ? {} : { bootstrapKey: bootstrap.text }),
      ...(config.demo ? { demoUrl: DEMO_URL } : {}),
      ...(access.tenants === undefined ? {} : { tenants: [...access.tenants.keys()] }),
      tools: describeTools(registry),
      stopped: stopped.promise,
      async reload() {
        const { changes } = await reloading.reload("signal");
        if (changes.length === 0) say("reloaded   nothing has changed");
      },
      stop() {
        if (!stopping) closers.closeAll().then(stopped.resolve, stopped.reject);
        stopping = true;
        return stopped.promise;
      },
    };
  } catch (error) {
    await closers.closeAll().catch((fault) => log({ event: "not-closed", error: String(fault) }));
    throw error;
  }
}

/** Where traces go, and by which credentials: a profile that does not fit is found out now, not when the first span leaves. */
function tracesOf(
  endpoint: string,
  { otlpAllow: allowAddresses, otlpProfile: name }: ServeConfig,
  profiles: ReadonlyMap<string, SecretProfile>,
): NonNullable<WatchSettings["traces"]> {
  if (name === undefined) return { endpoint, allowAddresses };
  const credentials = () => {
    const profile = profiles.get(name);
    if (profile !== undefined) return credentialsFor(profile, endpoint);
    throw new Error(`Cannot send traces: there is no secret profile "${name}" for --otlp-profile`);
  };
  credentials();
  return { endpoint, allowAddresses, credentials };
}

/**
 * One gateway per data folder: a second one would take the first one's running runs for dead. The lock is SQLite's
 * own, held by the operating system, so that it ends with the process however that ends.
 */
async function lockData(runtime: Runtime, dataFolder: string): Promise<SqliteDatabase> {
  await makeDataFolder(runtime, dataFolder);
  const lock = runtime.openSqlite(`${dataFolder}/lock.sqlite`);
  try {
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (cause) {
    lock.close();
    throw new Error(`Cannot use data folder "${dataFolder}": another gateway uses it`, { cause });
  }
}

/** Whose record in the log follows in a moment, like that of a key that a command line issues. */
function firstKey({ clock, entropy }: Runtime, { identity }: House): ReturnType<Identity["bootstrapKey"]> {
  return identity.bootstrapKey((row) => ({
    ...{ id: newActionId(clock, entropy), by: "gateway", atMs: row.createdAtMs },
    ...actOfIssue(describeKey(row)),
  }));
}

/** For `writ verify` without a gateway; a folder that only holds a secret can not be written, and need not be. */
async function publishKeys(
  runtime: Runtime,
  config: ServeConfig,
  house: House,
  say: (line: string) => void,
): Promise<void> {
  try {
    await writePublicKeys(runtime, keysOf(config), house);
  } catch (error) {
    if (config.keysFolder === undefined) throw error;
    say(`           public keys not written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function describeTools(registry: Registry): RunningServer["tools"] {
  return registry.tools.map(({ name, functions, policies }) => ({
    name,
    // Others may be exported, but no policy lets anyone call them.
    functions: functions
      .map(({ key }) => key)
      .filter((key) => policies.some(({ policy }) => Object.hasOwn(policy.functions, key))),
    purposes: [...new Set(policies.flatMap(({ policy }) => policy.purpose))],
  }));
}
