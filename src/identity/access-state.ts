/** What the operator says of who may ask, as plain JSON: to compare, to digest and to sign. */
import { sha256Hex } from "../core/digest.ts";
import type { JsonValue } from "../core/policy/index.ts";
import type { Access } from "./access.ts";

/** Private authorities are there by digest; nothing here is secret. */
export function accessState({ tenants, issuers }: Access): JsonValue {
  const named = issuers.map(({ name, authorities, ...issuer }) => [
    name,
    { ...issuer, authorities: authorities.map((pem) => `sha256:${sha256Hex(pem)}`) },
  ]);
  const state = {
    ...(tenants === undefined ? {} : { tenants: Object.fromEntries(tenants) }),
    issuers: Object.fromEntries(named),
  };
  // Members that are undefined are absent in JSON.
  return JSON.parse(JSON.stringify(state));
}
