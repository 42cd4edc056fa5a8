/** Whom a verifier believes: documents that the operator names, or those of their own data folder. */
import {
  type BundleVerifier,
  bundleVerifier,
  joinTrust,
  parseTrust,
  parseWitnessDemand,
  type Trust,
} from "../../core/manifest/index.ts";
import type { WitnessDemand } from "../../core/merkle/index.ts";
import { signatureVerifier } from "../../identity/index.ts";
import { loadConfig } from "../config.ts";
import { readInput, readOptionalFile } from "../input.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld } from "../world.ts";

/** What a command that verifies is told of it. */
export interface TrustFlags {
  /** Files; all of them count. */
  readonly trust?: readonly string[];
  readonly data?: string | undefined;
  /** File that says how many of which witnesses have to have cosigned. */
  readonly witnesses?: string | undefined;
}

/** The flag of commands that can ask for witnesses. */
export const WITNESSES_FLAG = [
  "--witnesses <file>",
  "witnesses that have to have cosigned: { quorum, witnesses: [{ key }] }, or the gateway's own file",
] as const;

/** Whom to believe, and the files that say so. */
export interface ReadTrust {
  readonly trust: Trust;
  readonly source: string;
}

/** Read where there is no `trusted-keys.json`: what the gateway itself wrote, of its server and of `writ run`. */
const OWN = ["jwks.json", "trusted_root.json", "local-trusted_root.json"];

/** @throws {UsageError} when there is nobody to believe, or a document can not be read */
export async function readTrust(world: CliWorld, flags: TrustFlags): Promise<ReadTrust> {
  const named = flags.trust ?? [];
  for (const name of named) {
    if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(name)) continue;
    throw new UsageError(`Cannot trust ${JSON.stringify(name)}: verification is offline`, [
      "fetch the keys once, over a channel you trust, and name the file",
    ]);
  }
  if (named.length > 0) {
    const files = await Promise.all(
      named.map(async (name) => ({ name, bytes: await readInput(world, name, "trusted keys") })),
    );
    const trust = joinTrust(
      files.map(({ name, bytes }) => parse(bytes, name)),
      await readWitnesses(world, flags.witnesses),
    );
    return { trust, source: named.join(", ") };
  }
  return await readOwnTrust(world, flags);
}

async function readWitnesses(world: CliWorld, path: string | undefined): Promise<WitnessDemand | undefined> {
  if (path === undefined) return undefined;
  const read = parseWitnessDemand(await readInput(world, path, "witnesses"));
  if (read.ok) return read.demand;
  throw new UsageError(`Cannot use witnesses ${JSON.stringify(path)}: ${read.detail}`);
}

/** Verifies many manifests against one trust, with the runtime's own cryptography. */
export function manifestVerifier({ runtime }: CliWorld, trust: Trust): BundleVerifier {
  const { verification } = runtime;
  return bundleVerifier(trust, signatureVerifier(verification), (bytes) => verification.sha256(bytes));
}

async function readOwnTrust(world: CliWorld, flags: TrustFlags): Promise<ReadTrust> {
  const { config } = await loadConfig(world, { dataFolder: flags.data });
  const folder = config.keysFolder ?? `${config.dataFolder}/keys`;
  const parts: Trust[] = [];
  const sources: string[] = [];
  for (const name of ["trusted-keys.json", ...OWN]) {
    // The operator's own choice of keys stands in for the gateway's, not beside it.
    if (name === "jwks.json" && sources.length > 0) continue;
    const bytes = await readOptionalFile(world, `${folder}/${name}`);
    if (bytes === undefined) continue;
    parts.push(parse(bytes, `${folder}/${name}`));
    sources.push(name);
  }
  if (parts.some(({ keys }) => keys.length > 0)) {
    const trust = joinTrust(parts, await readWitnesses(world, flags.witnesses));
    return { trust, source: sources.map((name) => `${folder}/${name}`).join(", ") };
  }
  const places = ["trusted-keys.json", "jwks.json"].map((name) => `${folder}/${name}`);
  throw new UsageError(`Cannot verify: no trusted keys, neither ${places.join(" nor ")}`, [
    "name them with --trust; a gateway publishes its own at /.well-known/jwks.json and /trusted_root.json",
  ]);
}

function parse(bytes: Uint8Array, source: string): Trust {
  const read = parseTrust(bytes);
  if (read.ok) return read.trust;
  const faults = read.errors.map(({ pointer, detail }) => `${pointer === "" ? "/" : pointer} ${detail}`);
  throw new UsageError(`Cannot use trusted keys ${JSON.stringify(source)}: ${faults[0]}`, faults.slice(1));
}
