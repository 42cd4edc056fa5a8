/** What is said of secret profiles when they change: whom they are for and how they go along, never what they are. */
import { sha256Hex } from "../core/digest.ts";
import type { JsonValue } from "../core/policy/index.ts";
import type { ProfileTls, SecretProfile } from "./profiles.ts";

/** A new secret under the same words changes nothing here; {@link rotations} tells of it. */
export function profilesState(profiles: ReadonlyMap<string, SecretProfile>): JsonValue {
  return Object.fromEntries([...profiles].map(([name, profile]) => [name, stateOf(profile)]));
}

/** @returns a sentence for each profile that was there and has another secret or client certificate; neither is in it */
export function rotations(
  before: ReadonlyMap<string, SecretProfile>,
  after: ReadonlyMap<string, SecretProfile>,
): readonly string[] {
  return [...after].flatMap(([name, { secret, keyDigest, tls }]) => {
    const was = before.get(name);
    if (was === undefined) return [];
    return [
      ...(secret.isSame(was.secret) && keyDigest === was.keyDigest
        ? []
        : [`profiles.${name}: has another secret`]),
      ...(isSameClient(was.tls?.client, tls?.client)
        ? []
        : [`profiles.${name}: has another client certificate`]),
    ];
  });
}

function isSameClient(before: ProfileTls["client"], after: ProfileTls["client"]): boolean {
  if (before === undefined || after === undefined) return before === after;
  return before.certificate === after.certificate && before.key.isSame(after.key);
}

function stateOf(profile: SecretProfile): JsonValue {
  const { audience, tenants, header, template, query, basicUser, open, tls, key } = profile;
  return {
    audience: audience.map(({ text }) => text),
    header,
    template,
    allow_addresses: open.map(({ base, prefix }) => `${base.toString()}/${prefix}`),
    ...(tenants === undefined ? {} : { tenants }),
    ...(query === undefined ? {} : { query }),
    ...(basicUser === undefined ? {} : { basic: basicUser }),
    ...(key === undefined ? {} : { sign: key.algorithm.name }),
    ...(tls === undefined
      ? {}
      : { tls: (tls.extraAuthorities ?? []).map((pem) => `sha256:${sha256Hex(pem)}`) }),
  };
}
