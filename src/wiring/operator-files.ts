/**
 * Everything that the operator's files say of what runs may do and who may ask: read whole, or not at all. The same
 * reading serves the start and every reload.
 */
import { loadPrices, pricesState } from "../accounts/index.ts";
import {
  loadMounts,
  loadProfiles,
  type Mount,
  parseProfiles,
  profilesState,
  resolveProfiles,
  type SecretProfile,
} from "../broker/index.ts";
import type { ServeConfig } from "../cli/index.ts";
import type { Prices } from "../core/budget/index.ts";
import type { ComponentDescription } from "../core/component/index.ts";
import { describeChanges, type JsonValue, type PolicyRecord } from "../core/policy/index.ts";
import { DEMO_PROFILE } from "../demo/index.ts";
import { type Access, accessState, loadAccess } from "../identity/index.ts";
import type { Runtime } from "../ports/index.ts";
import { loadRegistry, type Registry, registryChanges, registryState } from "../registry/index.ts";
import { hookCredentials, readSloSettings, type SloSettings, sloState } from "./slo.ts";

/** What the files say. */
export interface OperatorFiles {
  readonly registry: Registry;
  readonly profiles: ReadonlyMap<string, SecretProfile>;
  readonly access: Access;
  readonly prices: Prices;
  readonly slo: SloSettings;
}

/** Settings that say where the files are. */
export type FilePlaces = Pick<
  ServeConfig,
  | "dataFolder"
  | "toolsFolder"
  | "policiesFolder"
  | "profilesFile"
  | "identityFile"
  | "pricesFile"
  | "sloFile"
  | "demo"
>;

/** Where tenants and issuers are. */
export function identityFileOf({ dataFolder, identityFile }: FilePlaces): string {
  return identityFile ?? `${dataFolder}/identity.yaml`;
}

/** Where secret profiles are. */
export function profilesFileOf({ dataFolder, profilesFile }: FilePlaces): string {
  return profilesFile ?? `${dataFolder}/profiles.yaml`;
}

/** Where prices are. */
export function pricesFileOf({ dataFolder, pricesFile }: FilePlaces): string {
  return pricesFile ?? `${dataFolder}/prices.yaml`;
}

/** @throws whatever is wrong with any of them: its message has a line for each fault */
export async function loadOperatorFiles(
  runtime: Runtime,
  places: FilePlaces,
  offer: ComponentDescription,
): Promise<OperatorFiles> {
  await requireNamed(runtime, places);
  const { toolsFolder, policiesFolder } = places;
  const registry = await loadRegistry({
    files: runtime.files,
    toolsFolder,
    ...(policiesFolder === undefined ? {} : { policiesFolder }),
    offer,
  });
  const profiles = await loadAllProfiles(runtime, places);
  const slo = await readSloSettings(runtime, places.sloFile, places.dataFolder);
  // Found out now, and not when the first alert is to be told.
  for (const { profile, url } of slo.hooks)
    if (profile !== undefined) hookCredentials(profiles, profile, url);
  return {
    registry,
    profiles,
    access: await loadAccess(runtime.files, identityFileOf(places)),
    prices: await loadPrices(runtime.files, pricesFileOf(places)),
    slo,
  };
}

/**
 * What the operator named himself must be there, at the start and at every reload: neither a typo nor a file that went
 * away must come to mean "nothing", which of tenants is everybody and of prices is for free.
 */
async function requireNamed({ files }: Pick<Runtime, "files">, places: FilePlaces): Promise<void> {
  const named = {
    tools: places.toolsFolder,
    policies: places.policiesFolder,
    profiles: places.profilesFile,
    identity: places.identityFile,
    prices: places.pricesFile,
    slo: places.sloFile,
  };
  const missing: string[] = [];
  for (const [what, path] of Object.entries(named))
    if (path !== undefined && (await files.mode(path)) === undefined)
      missing.push(`Cannot read --${what} ${JSON.stringify(path)}: there is no such file or folder`);
  if (missing.length > 0) throw new Error(missing.join("\n"));
}

/** The operator's profiles, and the demo's where it is served. */
export async function loadAllProfiles(
  runtime: Runtime,
  places: FilePlaces,
): Promise<ReadonlyMap<string, SecretProfile>> {
  const profiles = await readProfiles(runtime, profilesFileOf(places));
  if (!places.demo) return profiles;
  const sample = await resolveProfiles(parseProfiles(DEMO_PROFILE, "the demo's profiles"), runtime);
  return new Map([...sample, ...profiles]);
}

/** What tells two states of the files apart without reading them. */
export async function stampFiles({ files }: Pick<Runtime, "files">, places: FilePlaces): Promise<string> {
  const { toolsFolder, policiesFolder } = places;
  const folders = (await files.list(toolsFolder))
    .filter(({ name, isFolder }) => isFolder && !name.includes("."))
    .map(({ name }) => `${toolsFolder}/${name}`);
  if (policiesFolder !== undefined) folders.push(policiesFolder);
  const { dataFolder, sloFile = `${dataFolder}/slo.yaml` } = places;
  const paths = [identityFileOf(places), profilesFileOf(places), pricesFileOf(places), sloFile];
  for (const folder of folders)
    for (const { name, isFolder } of await files.list(folder)) if (!isFolder) paths.push(`${folder}/${name}`);
  const stamps = await Promise.all(paths.map(async (path) => `${path} ${await files.stamp(path)}`));
  return stamps.join("\n");
}

/** What makes two readings differ; no secret. */
export function stateOf({ registry, profiles, access, prices, slo }: OperatorFiles): JsonValue {
  return {
    tools: registryState(registry),
    profiles: profilesState(profiles),
    access: accessState(access),
    prices: pricesState(prices),
    slo: sloState(slo),
  };
}

/** @returns a sentence for each change; none when both say the same */
export function changesBetween(before: OperatorFiles, after: OperatorFiles): readonly string[] {
  return [
    ...registryChanges(before.registry, after.registry),
    ...describeChanges(profilesState(before.profiles), profilesState(after.profiles), "profiles"),
    ...describeChanges(accessState(before.access), accessState(after.access), "identity"),
    ...describeChanges(pricesState(before.prices), pricesState(after.prices), "prices"),
    ...describeChanges(sloState(before.slo), sloState(after.slo), "slo"),
  ];
}

/** Profiles from the operator's file; none when there is no file. */
export async function readProfiles(
  runtime: Runtime,
  path: string,
): Promise<ReadonlyMap<string, SecretProfile>> {
  return loadProfiles(path, runtime);
}

/**
 * The operator's folders, read whole.
 *
 * @param named each as `name=path`
 * @throws when a name stands twice, or a folder cannot be read
 */
export async function readMounts(
  runtime: Runtime,
  named: readonly string[],
): Promise<ReadonlyMap<string, Mount>> {
  const folders = new Map(
    named.map((text) => [text.slice(0, text.indexOf("=")), text.slice(text.indexOf("=") + 1)]),
  );
  if (folders.size < named.length) throw new Error("Cannot start: --mounts names a folder twice");
  return loadMounts(folders, runtime.readFolder);
}

/** Policies that mount a folder which the operator does not name: their tools stay suspended. */
export function policiesWithoutMount(
  registry: Registry,
  mounts: ReadonlyMap<string, Mount>,
): readonly PolicyRecord[] {
  return registry.tools
    .flatMap((tool) => tool.policies)
    .filter(({ policy }) => policy.filesystem?.mounts.some(({ name }) => !mounts.has(name)));
}

/** Policies that name a secret profile the operator does not keep: their tools stay suspended. */
export function policiesWithoutProfile(
  registry: Registry,
  profiles: ReadonlyMap<string, SecretProfile>,
): readonly PolicyRecord[] {
  return registry.tools
    .flatMap((tool) => tool.policies)
    .filter(({ policy }) => policy.secret_profile !== undefined && !profiles.has(policy.secret_profile));
}
