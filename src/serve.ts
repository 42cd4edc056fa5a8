/**
 * `writ serve`: loads the tools, opens the house, listens, and on the way out finishes or seals what is running.
 * Says what it is doing, and how far it is.
 */
import { holdCurrency } from "./accounts/index.ts";
import { credentialsFor, keepFresh, profilesState, type SecretProfile } from "./broker/index.ts";
import type { RunningServer, ServeConfig } from "./cli/index.ts";
import { openHouse, readOffer, VERSION } from "./compose.ts";
import { canonicalJson, toHex } from "./core/digest.ts";
import { createDemo, DEMO_ADDRESS, DEMO_KEY, DEMO_URL } from "./demo/index.ts";
import { actOfIssue, describeKey, type Gateway, newActionId } from "./gateway/index.ts";
import { createApp, LOOPBACK_HOSTS } from "./http/index.ts";
import type { Identity } from "./identity/index.ts";
import type { HttpServer, Runtime, SqliteDatabase } from "./ports/index.ts";
import { describeVersion, holdRegistry, type Registry } from "./registry/index.ts";
import {
  databaseOf,
  describePreparations,
  guardLog,
  type House,
  isFirst,
  isShared,
  joinLog,
  keysOf,
  loadAllProfiles,
  loadOperatorFiles,
  makeDataFolder,
  nameDatabase,
  policiesWithoutMount,
  policiesWithoutProfile,
  prepareTools,
  profilesFileOf,
  Reloader,
  readMounts,
  stampFiles,
  type WatchSettings,
  writePublicKeys,
} from "./wiring/index.ts";

/** How long requests under way may take to finish once the gateway is told to stop. */
const GRACE_MS = 10_000;
/** Random bytes by which one start of a gateway differs from every other. */
const GATEWAY_ID_BYTES = 16;
/** How long lines of the log may wait for others. */
const LOG_GATHERS_MS = 20;
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
  const log = createLog(runtime, config.logLevel);
  const closers: (() => Promise<void>)[] = [];
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    await requireFreePort(runtime, config);
    const lock = await lockData(runtime, dataFolder);
    closers.push(async () => lock.close());

    const offer = await readOffer(runtime);
    const stamp = await stampFiles(runtime, config);
    const files = await loadOperatorFiles(runtime, config, offer);
    const { registry, access } = files;
    say(`tools      ${registry.tools.map(({ name }) => name).join(", ") || "none"}  (${config.toolsFolder})`);

    const profiles = new Map(files.profiles);
    let inForce = () => files;
    // Secrets are rotated under the same words. Other words are a change of what is in force, and wait for a reload.
    const load = async () => {
      const fresh = await loadAllProfiles(runtime, config);
      const known = inForce().profiles;
      return canonicalJson(profilesState(fresh)) === canonicalJson(profilesState(known)) ? fresh : profiles;
    };
    closers.push(keepFresh(runtime.clock, profiles, load, log));
    for (const { policy } of policiesWithoutProfile(registry, profiles)) {
      say(
        `suspended  ${policy.tool_id}: secret profile "${policy.secret_profile}" is not in ${profilesFileOf(config)}`,
      );
    }

    const mounts = await readMounts(runtime, config.mounts);
    for (const [name, { digest, entries }] of mounts)
      say(`mount      ${name}  ${entries.size} entries, ${digest.slice(0, 19)}…`);
    for (const { policy } of policiesWithoutMount(registry, mounts))
      say(`suspended  ${policy.tool_id}: its policy mounts a folder that --mounts does not name`);

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
    closers.push(() => house.close());
    await holdCurrency(house.store, files.prices);
    if (access.tenants !== undefined) say(`tenants    ${[...access.tenants.keys()].join(", ") || "none"}`);
    for (const { name, keys } of await house.identity.warm())
      say(`issuer     ${name}, ${keys === 0 ? "which does not answer: its tokens wait" : `${keys} keys`}`);
    const { isolation } = house.sandbox;
    const by = isolation.system === "none" ? "" : ` by ${isolation.system}`;
    say(`sandbox    ${config.executors} executors of ${isolation.executor}, ${isolation.level}${by}`);
    for (const { system, why } of isolation.refused) say(`           without ${system}: ${why}`);

    const shared = isShared(databaseOf(config));
    if (shared) await joinLog(house);
    closers.push(stopper(await guardLog(runtime, `${dataFolder}/last-checkpoint`, house)));

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
      if (demo !== undefined) closers.push(() => demo.close());
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
    if (config.reload === "watch") closers.push(reloading.watch());

    const server = await listen(runtime, house.gateway, config, log);
    const isToBootstrap =
      !shared || (await isFirst(house, "bootstrap-key", toHex(runtime.entropy.bytes(GATEWAY_ID_BYTES))));
    const bootstrap = isToBootstrap ? await firstKey(runtime, house) : undefined;
    const stopped = Promise.withResolvers<void>();
    const stop = async () => {
      // No new requests; those under way finish, or are revoked and sealed once the grace is over.
      const finished = server.close();
      const cancel = runtime.clock.after(GRACE_MS, () => void house.sandbox.close());
      await finished;
      cancel();
      await closeAll();
    };
    let stopping = false;
    return {
      url: baseUrl(config.host, server.port),
      ...(bootstrap === undefined ? {} : { bootstrapKey: bootstrap.text }),
      ...(config.demo ? { demoUrl: DEMO_URL } : {}),
      tools: describeTools(registry),
      stopped: stopped.promise,
      async reload() {
        const { changes } = await reloading.reload("signal");
        if (changes.length === 0) say("reloaded   nothing has changed");
      },
      stop() {
        if (!stopping) stop().then(stopped.resolve, stopped.reject);
        stopping = true;
        return stopped.promise;
      },
    };
  } catch (error) {
    await closeAll();
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

/** What of the folder is not in force, and why: an operator who changed a file must not wonder. */
async function sayVersions(
  { store }: Pick<House, "store">,
  registry: Registry,
  say: (line: string) => void,
): Promise<void> {
  for (const { state } of (await store.versions.states()).rows) {
    const tool = registry.find(state.tool);
    if (tool === undefined) continue;
    if (state.suspended !== undefined)
      say(`suspended  ${state.tool}: ${state.suspended.reason}; writ tools resume ${state.tool}`);
    const active = await store.versions.findVersion(state.tool, state.active);
    if (active === undefined || active.digest === describeVersion(tool, 0).digest) continue;
    say(
      `held       ${state.tool}: version ${state.active} is active, which is not what the folder has; writ tools versions ${state.tool}`,
    );
  }
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

function stopper(stop: () => void): () => Promise<void> {
  return async () => stop();
}

/** @returns undefined when the port is taken, most likely by the demo of another gateway: that one will do */
async function serveDemo(runtime: Runtime): Promise<HttpServer | undefined> {
  try {
    return await runtime.serve(createDemo({ key: DEMO_KEY }), DEMO_ADDRESS);
  } catch (error) {
    if (isAddressInUse(error)) return undefined;
    throw error;
  }
}

/** Found out before the long work of preparing, not after it. */
async function requireFreePort(runtime: Runtime, { host, port }: ServeConfig): Promise<void> {
  try {
    const trial = await runtime.serve(() => new Response(null, { status: 503 }), { hostname: host, port });
    await trial.close();
  } catch (cause) {
    if (!isAddressInUse(cause)) throw cause;
    throw new Error(`Cannot listen on ${host}:${port}: the port is in use; choose another with --port`, {
      cause,
    });
  }
}

function isAddressInUse(error: unknown): boolean {
  return (
    error instanceof Error &&
    /EADDRINUSE|AddrInUse|address already in use/i.test(`${error.name} ${error.message}`)
  );
}

async function listen(
  runtime: Runtime,
  gateway: Gateway,
  config: ServeConfig,
  log: (line: object) => void,
): Promise<HttpServer> {
  const { host, port, publicUrl } = config;
  // The port may be any that is free, and links name it: so nothing is answered before it is known.
  let app: ReturnType<typeof createApp> | undefined;
  const handle = (request: Request) => app?.fetch(request) ?? new Response(null, { status: 503 });
  const server = await runtime.serve(handle, { hostname: host, port });
  app = createApp(gateway, {
    version: VERSION,
    baseUrl: publicUrl ?? baseUrl(host, server.port),
    clock: runtime.clock,
    entropy: runtime.entropy,
    log,
    allowedHosts: allowedHostsOf(config),
    allowedOrigins: config.allowedOrigins,
    maxBodyBytes: config.maxBodyBytes,
  });
  return server;
}

/** What the operator says, or this machine's names; and the name in the public URL, which others are told to use. */
function allowedHostsOf({ allowedHosts, publicUrl }: ServeConfig): readonly string[] {
  const named = allowedHosts.length === 0 ? LOOPBACK_HOSTS : allowedHosts;
  return publicUrl === undefined ? named : [...named, new URL(publicUrl).hostname];
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

function baseUrl(host: string, port: number): string {
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/**
 * One line of JSON for each event. Lines about trouble carry an `error`.
 *
 * Those of a moment leave together, after the answers they are about: a pipe is written to at once, and whoever reads it
 * is woken. A line that comes alone does not wait. A killed gateway may lose the lines of its last moment, none of which
 * is evidence.
 */
function createLog(runtime: Runtime, level: ServeConfig["logLevel"]): (line: object) => void {
  if (level === "silent") return () => undefined;
  const waiting: string[] = [];
  let gathers = false;
  const flush = (): void => {
    gathers = waiting.length > 0;
    if (!gathers) return;
    runtime.print(waiting.splice(0).join("\n"));
    // Not forgotten when the process ends: it waits for this.
    setTimeout(flush, LOG_GATHERS_MS);
  };
  return (line) => {
    if (level === "error" && !("error" in line)) return;
    waiting.push(JSON.stringify(line));
    if (gathers) return;
    gathers = true;
    setImmediate(flush);
  };
}
