/**
 * Fetches the secrets that profiles name, and makes them ready for use. No message of this file quotes a secret.
 */
import { sha256Hex } from "../core/digest.ts";
import type { Files } from "../ports/index.ts";
import { PROFILES_FILE, ProfileError } from "./profile-error.ts";
import { fileBeside, isShared } from "./profile-places.ts";
import type { ProfileDocument } from "./profile-schema.ts";
import { readTls } from "./profile-tls.ts";
import { Secret, type SecretProfile } from "./profiles.ts";

/** Profiles as written: where the secrets are, not what they are. */
export type Profiles = ReadonlyMap<string, ProfileDocument>;

/** Where secrets can come from. */
export interface SecretPowers {
  env(name: string): string | undefined;
  readonly files: Files;
  /** Runs a program and gives its standard output; absent = no profile may name one. */
  runCommand?(command: readonly string[]): Promise<Uint8Array>;
}

/**
 * Fetches every profile's secret.
 *
 * @param profiles from `parseProfiles`
 * @param powers `source`: the file's name, for messages, and for what lies beside it
 * @throws {ProfileError} when a secret is absent, is empty, can not be used as the profile says, or lies in a file that
 *   others can read; and when a file of its `tls` can not be used
 */
export async function resolveProfiles(
  profiles: Profiles,
  { source = PROFILES_FILE, ...powers }: SecretPowers & { readonly source?: string },
): Promise<ReadonlyMap<string, SecretProfile>> {
  const resolved = new Map<string, SecretProfile>();
  for (const [name, document] of profiles) {
    const refuse = (detail: string) =>
      new ProfileError(source, [{ line: 1, detail: `${name}.secret: ${detail}` }]);
    const text = await fetchText(document.secret, { ...powers, source }, refuse);
    const { audience, tenants, allow_addresses: open } = document;
    const tls =
      document.tls === undefined
        ? undefined
        : await readTls(document.tls, {
            files: powers.files,
            source,
            refuse: (detail) => new ProfileError(source, [{ line: 1, detail: `${name}.tls.${detail}` }]),
          });
    const common = {
      name,
      audience,
      open,
      ...(tenants === undefined ? {} : { tenants }),
      ...(tls === undefined ? {} : { tls }),
    };
    if (document.sign !== undefined) {
      const key = await importKey(text, document.sign);
      if (key === undefined) throw refuse(`wanted a private key for ${document.sign} in PEM (PKCS #8)`);
      // The text of a key is looked for on no way out: it is in no broker's hands after this line.
      resolved.set(name, {
        ...common,
        secret: new Secret(""),
        header: "",
        template: "",
        key,
        keyDigest: sha256Hex(text),
      });
      continue;
    }
    if (!/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(text))
      throw refuse("wanted visible ASCII on one line");
    resolved.set(name, { ...common, secret: new Secret(text), ...wayOf(document.inject) });
  }
  return resolved;
}

/** How the secret goes along, in the broker's terms. */
function wayOf(
  inject: ProfileDocument["inject"],
): Pick<SecretProfile, "header" | "template" | "query" | "basicUser"> {
  if (inject === undefined) return { header: "", template: "" };
  if ("query" in inject) return { header: "", template: "", query: inject.query };
  if ("bearer" in inject) return { header: "authorization", template: "Bearer {secret}" };
  if ("basic" in inject)
    return { header: "authorization", template: "Basic {secret}", basicUser: inject.basic };
  return inject;
}

async function fetchText(
  secret: ProfileDocument["secret"],
  { env, files, runCommand, source }: SecretPowers & { readonly source: string },
  refuse: (detail: string) => ProfileError,
): Promise<string> {
  if ("value" in secret) return secret.value;
  if ("env" in secret) {
    const text = env(secret.env);
    if (text === undefined) throw refuse(`variable "${secret.env}" is not set`);
    return text;
  }
  if ("command" in secret) {
    if (runCommand === undefined) throw refuse("a command is not run here");
    try {
      return withoutLineEnd(await runCommand(secret.command));
    } catch {
      // What a program says when it fails may hold what it knows.
      throw refuse(`command "${secret.command[0]}" failed`);
    }
  }
  const path = fileBeside(source, secret.file);
  if (isShared(await files.mode(path)))
    throw refuse(`file "${path}" is open to group or others, wanted mode 600`);
  const bytes = await files.read(path);
  if (bytes === undefined) throw refuse(`there is no file "${path}"`);
  return withoutLineEnd(bytes);
}

/** Editors and programs end a text with a line feed that no secret has. */
function withoutLineEnd(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replace(/\r?\n$/, "");
}

async function importKey(pem: string, algorithm: "Ed25519" | "ES256"): Promise<CryptoKey | undefined> {
  const body = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/.exec(pem)?.[1];
  if (body === undefined) return undefined;
  try {
    const der = Uint8Array.from(atob(body.replace(/\s/g, "")), (char) => char.charCodeAt(0));
    const how = algorithm === "Ed25519" ? { name: "Ed25519" } : { name: "ECDSA", namedCurve: "P-256" };
    return await crypto.subtle.importKey("pkcs8", der, how, false, ["sign"]);
  } catch {
    return undefined;
  }
}
