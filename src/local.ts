/** What the command line opens without a server: a gateway for one component, and the keys of a data folder. */

import type { Artifacts, DataPlace, Keys, LocalGateway, LocalGatewayOptions, OpenLog } from "./cli/index.ts";
import { openHouse, readOffer } from "./compose.ts";
import { readPolicy } from "./core/policy/index.ts";
import { createEvidence } from "./evidence/index.ts";
import {
  actOfIssue,
  actOfRevocation,
  describeKey,
  newActionId,
  readTile,
  writeTrustedRoot,
} from "./gateway/index.ts";
import { createIdentity, jwks, loadAccess } from "./identity/index.ts";
import type { Runtime, Store } from "./ports/index.ts";
import { holdRegistry, policyTextsOf, registryOfOne } from "./registry/index.ts";
import {
  COSIGNED,
  databaseOf,
  describePreparations,
  keysOf,
  makeDataFolder,
  openDatabase,
  openExisting,
  openSigners,
  prepareTools,
  readMounts,
  readProfiles,
  writePublicKeys,
} from "./wiring/index.ts";

/** Name of the log of runs without a server. Reserved by RFC 6761, so it is nobody's on the network. */
const LOCAL_LOG = "local.localhost";

/**
 * A gateway without a socket. Its runs are recorded like any other, in a database of its own: the gateway of the
 * same data folder must not take them for its own dead runs.
 */
export async function openLocalGateway(
  runtime: Runtime,
  options: LocalGatewayOptions,
): Promise<LocalGateway> {
  const { dataFolder, profilesFile = `${dataFolder}/profiles.yaml` } = options;
  await makeDataFolder(runtime, dataFolder);
  const registry = await registryOfOne({
    name: options.tool,
    component: options.component,
    policies: [readPolicy(options.policyText, options.policySource)],
    offer: await readOffer(runtime),
  });
  const house = await openHouse({
    runtime,
    dataFolder,
    keysFolder: `${dataFolder}/keys`,
    database: `${dataFolder}/local.sqlite`,
    observerFolder: `${dataFolder}/local-observer`,
    // A database of its own, so a log of its own: under one name the two would be one log with two histories.
    logOrigin: LOCAL_LOG,
    signer: undefined,
    registry: holdRegistry(registry),
    profiles: await readProfiles(runtime, profilesFile),
    ...(options.onProfile && { onProfile: (nodes, fuelUsed) => options.onProfile?.({ nodes, fuelUsed }) }),
    allowAddresses: options.allowAddresses,
    mounts: await readMounts(runtime, options.mounts),
    executors: 1,
    spares: 0,
    executorRuntime: undefined,
    isolation: "strongest",
    // Beside the answer, so that standard output stays the output alone.
    diagnose: (_run, lines) => {
      for (const { stream, text } of lines) runtime.printError(`${stream}: ${text.trimEnd()}`);
    },
    log: (line) => runtime.printError(JSON.stringify(line)),
  });
  try {
    // The first run of a large component waits for this, for seconds; of one that was prepared before, for nothing.
    await prepareTools(house.sandbox, registry, ({ name }, _count, preparations) => {
      if (preparations.some(({ steps }) => steps.length > 0))
        runtime.printError(`writ: prepared ${name}: ${describePreparations(preparations)}`);
    });
    await writePublicKeys(runtime, `${dataFolder}/keys`, house, "local-");
  } catch (error) {
    await house.close();
    throw error;
  }
  return {
    gateway: house.gateway,
    principal: { id: "local", tenant: "local", tier: options.tier, scopes: ["invoke", "evidence"] },
    close: () => house.close(),
  };
}

/** The keys of a data folder, whether or not a gateway runs on it. */
export async function openKeys(
  runtime: Runtime,
  place: DataPlace,
  identityFile = `${place.dataFolder}/identity.yaml`,
): Promise<Keys> {
  await makeDataFolder(runtime, place.dataFolder);
  const { tenants } = await loadAccess(runtime.files, identityFile);
  const store = await openDatabase(runtime, databaseOf(place));
  const { clock, entropy } = runtime;
  const identity = createIdentity({ store, clock, entropy });
  const made = () => ({ id: newActionId(clock, entropy), by: "cli", atMs: clock.nowMs() });
  return {
    tenants,
    issue: (options) => identity.issueKey(options, (row) => ({ ...made(), ...actOfIssue(describeKey(row)) })),
    list: () => identity.listKeys(),
    revoke: (id) => store.keyActs.revoke(id, { ...made(), ...actOfRevocation(id) }),
    close: () => store.close(),
  };
}

/**
 * The log of a data folder's server. Reading it while the server appends is safe: what is committed does not change.
 *
 * @param address of a signing process, when the keys are not in the data folder
 * @throws {Error} when there is no data, so that a wrong folder does not look like an empty log
 */
export async function openLog(
  runtime: Runtime,
  place: DataPlace,
  origin: string,
  address?: string,
): Promise<OpenLog> {
  const { files, clock } = runtime;
  const store = await openExisting(runtime, databaseOf(place), "log");
  const { signer, noteSigner } = await openSigners(runtime, { keysFolder: keysOf(place), origin, address });
  const evidence = createEvidence({ store, signer, noteSigner, clock });
  return {
    async checkpoint() {
      const note = await evidence.checkpoint();
      // The same checkpoint with its cosignatures, when the newest one has them.
      const cosigned = await files.read(`${place.dataFolder}/${COSIGNED}`);
      const text = cosigned && new TextDecoder().decode(cosigned);
      return text?.startsWith(note.slice(0, note.indexOf("\n\n") + 2)) ? text : note;
    },
    tile: (name) => readTile(store, name),
    async manifests(from, limit) {
      const cosigned = await files.read(`${place.dataFolder}/${COSIGNED}`);
      const note = cosigned && new TextDecoder().decode(cosigned);
      const seals = await store.listSeals(from, limit);
      return await Promise.all(
        seals.map(async ({ seal, known }) => ({
          sequence: seal.sequence,
          // Proven by the checkpoint that witnesses cosigned, when it covers them.
          text: await evidence.manifest(seal, note),
          known,
        })),
      );
    },
    artifacts: () => readArtifacts(store),
    component: (digest) => store.versions.findComponent(digest),
    hasJournal: async (run) =>
      (await store.journals.find(run)) !== undefined || (await store.journals.findErasure(run)) !== undefined,
    trustedRoot: () => writeTrustedRoot(noteSigner),
    jwks: async () => jwks(await signer.keys()),
    close: () => store.close(),
  };
}

/** Versions read at once. */
const PAGE = 100;

async function readArtifacts({ versions }: Store): Promise<Artifacts> {
  const [components, policies] = [new Set<string>(), new Map<string, string>()];
  for (const { state } of (await versions.states()).rows) {
    let before: number | undefined;
    for (;;) {
      const page = await versions.listVersions(state.tool, PAGE, before);
      for (const version of page) {
        components.add(version.component);
        for (const { policyId, text } of policyTextsOf(version)) policies.set(policyId, text);
      }
      if (page.length < PAGE) break;
      before = page.at(-1)?.number;
    }
  }
  return { components, policies };
}
