/**
 * `writ serve`: loads the tools, opens the house, listens, and on the way out finishes or seals what is running.
 * Says what it is doing, and how far it is.
 */
import { parseProfiles, resolveProfiles, type SecretProfile } from "./broker/index.ts";
import {
  openHouse,
  policiesWithoutProfile,
  readOffer,
  readProfiles,
  VERSION,
  writePublicKeys,
} from "./compose.ts";
import { createDemo, DEMO_ADDRESS } from "./demo/index.ts";
import { createApp } from "./http/index.ts";
import type { HttpServer, Runtime, SqliteDatabase } from "./ports/index.ts";
import { loadRegistry } from "./registry/index.ts";

/** What the operator may choose. */
export interface ServerOptions {
  readonly hostname: string;
  /** 0 = any free port. */
  readonly port: number;
  readonly dataFolder: string;
  readonly toolsFolder: string;
  /** More policies beside those of the tools' folders. */
  readonly policiesFolder?: string;
  readonly profilesFile: string;
  /** Executor processes kept alive. */
  readonly executors: number;
  /** Serves the sample weather API and gives the gateway its key. */
  readonly demo: boolean;
  readonly maxBodyBytes?: number;
  readonly allowedHosts?: readonly string[];
  readonly allowedOrigins?: readonly string[];
  /** One line of progress, for people. */
  readonly say: (line: string) => void;
  /** One structured line, for machines. */
  readonly log: (line: object) => void;
}

/** A gateway that listens. */
export interface Server {
  /** `http://127.0.0.1:8787` */
  readonly url: string;
  /** The first API key; only when this start issued it. Never shown again. */
  readonly bootstrapKey?: string;
  /** Finishes requests under way, ends what will not finish as `revoked`, seals everything. Idempotent. */
  stop(): Promise<void>;
}

/** How long requests under way may take to finish once the gateway is told to stop. */
const GRACE_MS = 10_000;
/** The demo's key protects made-up weather, so it may stand here; it shows how a profile keeps a real one. */
const DEMO_KEY = "demo-key-of-the-sample-weather-api";
const DEMO_PROFILE = `weather-api:
  secret: { value: ${DEMO_KEY} }
  audience: ["http://${DEMO_ADDRESS.hostname}:${DEMO_ADDRESS.port}"]
  inject: { header: x-api-key }
  allow_addresses: ["127.0.0.1/32"]
`;

/** @throws when anything at all is wrong: a gateway that cannot keep every promise does not start */
export async function startServer(runtime: Runtime, options: ServerOptions): Promise<Server> {
  const { say, dataFolder } = options;
  const closers: (() => Promise<void>)[] = [];
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    const lock = await lockData(runtime, dataFolder);
    closers.push(async () => lock.close());

    const registry = await loadRegistry({
      files: runtime.files,
      toolsFolder: options.toolsFolder,
      ...(options.policiesFolder === undefined ? {} : { policiesFolder: options.policiesFolder }),
      offer: await readOffer(runtime),
    });
    say(
      `tools      ${registry.tools.map(({ name }) => name).join(", ") || "none"}  (${options.toolsFolder})`,
    );

    const profiles = await loadProfiles(runtime, options);
    for (const { policy } of policiesWithoutProfile(registry, profiles)) {
      say(
        `suspended  ${policy.tool_id}: secret profile "${policy.secret_profile}" is not in ${options.profilesFile}`,
      );
    }

    const house = await openHouse({
      runtime,
      dataFolder,
      database: `${dataFolder}/writ.sqlite`,
      registry,
      profiles,
      allowAddresses: [],
      executors: options.executors,
      log: options.log,
    });
    closers.push(() => house.close());
    const { isolation } = house.sandbox;
    say(`sandbox    ${options.executors} executors, ${isolation.level} (${isolation.verified.join(", ")})`);

    // We hold the lock, so every open run belongs to a gateway that died.
    const { sealed, failed } = await house.evidence.reconcile(Number.POSITIVE_INFINITY);
    say(`evidence   ${dataFolder}/writ.sqlite, key ${house.signer.keyId}`);
    if (sealed + failed > 0)
      say(`           ${sealed} runs of an earlier gateway sealed as indeterminate, ${failed} still open`);
    await writePublicKeys(runtime, dataFolder, house.signer);

    await prepareTools(house.sandbox, registry, say);

    if (options.demo) {
      const demo = await runtime.serve(createDemo({ key: DEMO_KEY }), DEMO_ADDRESS);
      closers.push(() => demo.close());
      say(`demo       sample weather API on http://${DEMO_ADDRESS.hostname}:${DEMO_ADDRESS.port}`);
    }

    const server = await listen(runtime, house.gateway, options);
    const url = `http://${options.hostname.includes(":") ? `[${options.hostname}]` : options.hostname}:${server.port}`;
    const bootstrap = await house.identity.bootstrapKey();
    let stopping: Promise<void> | undefined;
    const stop = async () => {
      // No new requests; those under way finish, or are revoked once the grace is over.
      const finished = server.close();
      const cancel = runtime.clock.after(GRACE_MS, () => void house.sandbox.close());
      await finished;
      cancel();
      await closeAll();
    };
    return {
      url,
      ...(bootstrap === undefined ? {} : { bootstrapKey: bootstrap.text }),
      stop() {
        stopping ??= stop();
        return stopping;
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

/**
 * One gateway per data folder: a second one would take the first one's running runs for dead. The lock is SQLite's
 * own, held by the operating system, so that it ends with the process however that ends.
 */
async function lockData(runtime: Runtime, dataFolder: string): Promise<SqliteDatabase> {
  await runtime.files.write(
    `${dataFolder}/README`,
    "Data of a Writ gateway: keys, the record of runs, caches.\n",
  );
  const lock = runtime.openSqlite(`${dataFolder}/lock.sqlite`);
  try {
    lock.exec("BEGIN EXCLUSIVE");
    return lock;
  } catch (cause) {
    lock.close();
    throw new Error(`Cannot use data folder "${dataFolder}": another gateway uses it`, { cause });
  }
}

async function loadProfiles(
  runtime: Runtime,
  options: ServerOptions,
): Promise<ReadonlyMap<string, SecretProfile>> {
  const profiles = await readProfiles(runtime, options.profilesFile);
  if (!options.demo) return profiles;
  const demo = await resolveProfiles(parseProfiles(DEMO_PROFILE, "the demo's profiles"), runtime);
  return new Map([...demo, ...profiles]);
}

/** Transpiles and meters what is not in the cache, so that no caller waits for it, and no tool fails only when called. */
async function prepareTools(
  sandbox: Awaited<ReturnType<typeof openHouse>>["sandbox"],
  registry: Awaited<ReturnType<typeof loadRegistry>>,
  say: (line: string) => void,
): Promise<void> {
  for (const [index, tool] of registry.tools.entries()) {
    const memories = new Set(tool.policies.map(({ policy }) => policy.budget.memory_bytes));
    for (const memoryBytes of memories) await sandbox.prepare(tool.component, memoryBytes);
    say(`prepared   ${index + 1}/${registry.tools.length} ${tool.name} ${tool.digest.slice(0, 19)}…`);
  }
}

function listen(
  runtime: Runtime,
  gateway: Awaited<ReturnType<typeof openHouse>>["gateway"],
  options: ServerOptions,
): Promise<HttpServer> {
  const { hostname, port } = options;
  const app = createApp(gateway, {
    version: VERSION,
    baseUrl: `http://${hostname}:${port}`,
    clock: runtime.clock,
    entropy: runtime.entropy,
    log: options.log,
    ...(options.allowedHosts === undefined ? {} : { allowedHosts: options.allowedHosts }),
    ...(options.allowedOrigins === undefined ? {} : { allowedOrigins: options.allowedOrigins }),
    ...(options.maxBodyBytes === undefined ? {} : { maxBodyBytes: options.maxBodyBytes }),
  });
  return runtime.serve((request) => app.fetch(request), { hostname, port });
}
