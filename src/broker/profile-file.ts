/**
 * Reads the operator's secret profiles.
 *
 * ```yaml
 * weather-api:
 *   secret: { env: WEATHER_API_KEY }        # or { file: weather.key }, { value: … }, { command: [vault, read, …] }
 *   audience: ["https://api.example.com"]
 *   inject: { header: authorization, template: "Bearer {secret}" }   # or { query: key }, { basic: user }, { bearer: true }
 *   sign: Ed25519                           # or ES256, instead of inject: the secret is a private key in PEM
 *   tenants: [acme]                         # only for these
 *   allow_addresses: ["10.1.2.3/32"]        # only when the audience is not on the public network
 *   tls: { ca: ca.pem, certificate: us.pem, key: us-key.pem }   # https only
 * ```
 *
 * Names of files that are not absolute begin in the folder of this one.
 *
 * No message of this file quotes a value: a secret may stand where it does not belong.
 */
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
} from "yaml";
import { ProfileError, type ProfileFault } from "./profile-error.ts";
import { isShared } from "./profile-places.ts";
import { type ProfileDocument, profileShape } from "./profile-schema.ts";
import type { SecretProfile } from "./profiles.ts";
import { type Profiles, resolveProfiles, type SecretPowers } from "./resolve-profiles.ts";

const profileName = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/**
 * Parses a profiles file.
 *
 * @param text YAML 1.2 or JSON; aliases, tags, duplicate and unknown keys are refused
 * @param source the file's name, for messages
 * @throws {ProfileError} naming file, line and reason of every fault
 */
export function parseProfiles(text: string, source: string): Profiles {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const lineAt = (offset: number | undefined) => (offset === undefined ? 1 : lines.linePos(offset).line || 1);
  const broken = [...document.errors, ...document.warnings];
  if (broken.length > 0) {
    throw new ProfileError(
      source,
      broken.map((error) => ({ line: lineAt(error.pos[0]), detail: `not valid YAML (${error.code})` })),
    );
  }
  if (usesIndirection(document)) {
    throw new ProfileError(source, [
      { line: 1, detail: "wanted plain YAML without anchors, aliases and tags" },
    ]);
  }
  if (document.contents === null) return new Map();
  if (!isMap(document.contents))
    throw new ProfileError(source, [{ line: 1, detail: "wanted a map of profiles" }]);
  const faults: ProfileFault[] = [];
  const profiles = new Map<string, ProfileDocument>();
  for (const { key, value } of document.contents.items) {
    const name = isScalar(key) ? String(key.value) : "";
    const line = lineAt(isScalar(key) ? key.range?.[0] : undefined);
    if (!profileName.test(name)) {
      faults.push({ line, detail: "wanted a profile name such as weather-api" });
      continue;
    }
    const parsed = profileShape.safeParse(isNode(value) ? value.toJS(document) : null);
    if (parsed.success) profiles.set(name, parsed.data);
    else {
      for (const { path, message } of parsed.error.issues) {
        faults.push({
          line: lineAt(offsetOf(document.contents, [name, ...path])),
          detail: `${[name, ...path].join(".")}: ${message}`,
        });
      }
    }
  }
  if (faults.length > 0) throw new ProfileError(source, faults);
  return profiles;
}

/**
 * Reads, parses and resolves a profiles file. No file is no profiles.
 *
 * @throws {ProfileError} also when the file holds a secret itself and others can read it
 */
export async function loadProfiles(
  path: string,
  powers: SecretPowers,
): Promise<ReadonlyMap<string, SecretProfile>> {
  const { files } = powers;
  const bytes = await files.read(path);
  if (bytes === undefined) return new Map();
  const profiles = parseProfiles(new TextDecoder().decode(bytes), path);
  const holdsSecrets = [...profiles.values()].some(({ secret }) => "value" in secret);
  if (holdsSecrets && isShared(await files.mode(path))) {
    throw new ProfileError(path, [
      { line: 1, detail: "it holds a secret and is open to group or others, wanted mode 600" },
    ]);
  }
  return resolveProfiles(profiles, { ...powers, source: path });
}

/** An alias says a second thing at a distance, and a tag changes what a text means: neither belongs here. */
function usesIndirection(document: Document): boolean {
  let found = false;
  visit(document, {
    Node(_key, node) {
      if (isAlias(node) || node.tag !== undefined || node.anchor !== undefined) {
        found = true;
        return visit.BREAK;
      }
    },
  });
  return found;
}

/** Where the deepest part of a path that exists stands in the text. */
function offsetOf(root: unknown, path: readonly PropertyKey[]): number | undefined {
  let node = root;
  let offset: number | undefined;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === step);
      if (pair === undefined) break;
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      if (isNode(node)) offset = node.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}
