/** What is said of secret profiles when they change: whom they are for and how they go along, never what they are. */
import { sha256Hex } from "../core/digest.ts";
import type { JsonValue } from "../core/policy/index.ts";
import type { SecretProfile } from "./profiles.ts";

/** A new secret under the same words changes nothing here: rotating one is no change of what is in force. */
export function profilesState(profiles: ReadonlyMap<string, SecretProfile>): JsonValue {
  return Object.fromEntries([...profiles].map(([name, profile]) => [name, stateOf(profile)]));
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
