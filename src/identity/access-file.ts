/**
 * Reads the operator's file about tenants and issuers.
 *
 * ```yaml
 * tenants:                                   # absent = every tenant that a key or an issuer names
 *   acme: { tier: pro }
 * issuers:
 *   corp:
 *     issuer: https://login.example.com/
 *     audience: ["https://writ.example.com"]
 *     algorithms: [ES256]                    # asymmetric ones; there is no default
 *     typ: at+jwt                            # default
 *     max_age_seconds: 3600                  # default 86400
 *     clock_tolerance_seconds: 5             # default; at most 30
 *     jwks_uri: https://login.example.com/keys   # default: what discovery says
 *     allow_addresses: ["10.1.0.0/16"]       # only when it is not on the public network
 *     ca_file: corp-ca.pem                   # beside this file, or absolute
 *     tenant: { claim: org, map: { "org-17": acme } }   # or { value: acme }
 *     tier: { value: pro }                   # where no tenants are listed
 *     principal: { claim: sub }              # default
 *     scopes: { claim: scope, map: { "tools.run": [invoke] } }   # or { value: [invoke, evidence] }; default claim: scope
 * ```
 */
import { z } from "zod";
import { isScope, readDocument, type Scope } from "../core/policy/index.ts";
import type { Files } from "../ports/index.ts";
import { type Access, ALGORITHMS, type Issuer, KEYS_ALONE, NAME } from "./access.ts";

const name = z.string().max(64).regex(NAME, { error: "wanted lower-case words joined by hyphens" });
const isUsable = (text: string) => isIssuerUrl(text);
const url = z.string().refine(isUsable, { error: "wanted an https URL without user or fragment" });
const scope = z.custom<Scope>((value) => typeof value === "string" && isScope(value), {
  error: "wanted a scope: invoke, invoke:<tool>, evidence, operate, approve",
});
const claim = z.union([z.string().min(1).max(256), z.array(z.string().min(1)).min(1).max(8)]);
const word = z.union(
  [
    z.strictObject({ value: z.string().min(1).max(255) }),
    z.strictObject({ claim, map: z.record(z.string(), z.string().min(1)).optional() }),
  ],
  { error: "wanted { value: … } or { claim: …, map: { … } }" },
);
const mapped = z.union(
  [z.strictObject({ value: name }), z.strictObject({ claim, map: z.record(z.string(), name).optional() })],
  { error: "wanted { value: … } or { claim: …, map: { … } } with names of lower-case words" },
);

const issuerShape = z.strictObject({
  issuer: url,
  audience: z.array(z.string().min(1).max(512)).min(1),
  algorithms: z.array(z.enum(ALGORITHMS)).min(1),
  typ: z
    .string()
    .regex(/^[A-Za-z0-9.+/-]{1,64}$/)
    .default("at+jwt"),
  max_age_seconds: z.int().min(1).max(2_592_000).default(86_400),
  clock_tolerance_seconds: z.int().min(0).max(30).default(5),
  jwks_uri: url.optional(),
  allow_addresses: z.array(z.string().regex(/^[0-9a-fA-F:.]+\/[0-9]{1,3}$/)).default([]),
  ca_file: z.string().min(1).optional(),
  tenant: mapped,
  tier: mapped.optional(),
  principal: word.default({ claim: "sub" }),
  scopes: z
    .union(
      [
        z.strictObject({ value: z.array(scope).min(1) }),
        z.strictObject({ claim, map: z.record(z.string(), z.array(scope)).optional() }),
      ],
      { error: "wanted { value: [scope …] } or { claim: …, map: { word: [scope …] } }" },
    )
    .default({ claim: "scope" }),
});

const accessShape = z
  .strictObject({
    tenants: z.record(name, z.strictObject({ tier: name })).optional(),
    issuers: z
      .record(
        name.refine((text) => text !== "key"),
        issuerShape,
      )
      .optional(),
  })
  .superRefine(({ tenants, issuers = {} }, context) => {
    const fault = (path: string[], message: string) => context.addIssue({ code: "custom", path, message });
    const known = new Map<string, string>();
    for (const [key, { issuer, tier, tenant }] of Object.entries(issuers)) {
      const twin = known.get(issuer);
      if (twin !== undefined) fault(["issuers", key, "issuer"], `it is the issuer of ${twin} already`);
      known.set(issuer, key);
      if (tenants === undefined && tier === undefined)
        fault(["issuers", key], "wanted tier, or a list of tenants with their tiers");
      if (tenants !== undefined && tier !== undefined)
        fault(["issuers", key, "tier"], "the tiers are those of the listed tenants: leave it out");
      const named = "value" in tenant ? [tenant.value] : Object.values(tenant.map ?? {});
      const strange = named.find((one) => tenants !== undefined && !Object.hasOwn(tenants, one));
      if (strange !== undefined) fault(["issuers", key, "tenant"], `${strange} is not in tenants`);
    }
  });

/**
 * Parses the file.
 *
 * @param text YAML 1.2 or JSON; unknown and duplicate keys, anchors and tags are refused
 * @param source the file's name, for messages
 * @param readAuthority reads a `ca_file`
 * @throws {Error} with a line for every fault, naming its place
 */
export async function parseAccess(
  text: string,
  source: string,
  readAuthority: (path: string) => Promise<string | undefined>,
): Promise<Access> {
  const document = readDocument(text);
  if (document.kind === "faults") {
    throw refuse(document.faults.map(({ line, column, detail }) => `${source}:${line}:${column} ${detail}`));
  }
  const read = accessShape.safeParse(document.value);
  if (!read.success) {
    throw refuse(
      read.error.issues.map(({ path, message, code, ...rest }) => {
        const keys = code === "unrecognized_keys" && "keys" in rest ? `: ${String(rest.keys)}` : "";
        const what =
          code === "invalid_key" ? "is no name: wanted lower-case words joined by hyphens, not key" : message;
        const { line, column } = document.placeOf(path, "value");
        return `${source}:${line}:${column} /${path.map(String).join("/")} ${what}${keys}`;
      }),
    );
  }
  const { tenants, issuers = {} } = read.data;
  const parsed: Issuer[] = [];
  for (const [key, one] of Object.entries(issuers)) {
    const authority = one.ca_file === undefined ? undefined : await readAuthority(one.ca_file);
    if (one.ca_file !== undefined && !/-----BEGIN CERTIFICATE-----/.test(authority ?? ""))
      throw refuse([
        `${source}: /issuers/${key}/ca_file is ${JSON.stringify(one.ca_file)}, wanted certificates in PEM`,
      ]);
    parsed.push({
      name: key,
      issuer: one.issuer,
      audience: one.audience,
      algorithms: one.algorithms,
      typ: one.typ,
      maxAgeSeconds: one.max_age_seconds,
      clockToleranceSeconds: one.clock_tolerance_seconds,
      jwksUri: one.jwks_uri,
      allowAddresses: one.allow_addresses,
      authorities: authority === undefined ? [] : [authority],
      tenant: one.tenant,
      tier: one.tier,
      principal: one.principal,
      scopes: one.scopes,
    });
  }
  return { tenants: tenants && new Map(Object.entries(tenants)), issuers: parsed };
}

/**
 * Reads the file.
 *
 * @returns keys alone when there is no such file
 * @throws {Error} as {@link parseAccess} does
 */
export async function loadAccess(files: Files, path: string): Promise<Access> {
  const bytes = await files.read(path);
  if (bytes === undefined) return KEYS_ALONE;
  const folder = path.slice(0, path.lastIndexOf("/") + 1);
  return await parseAccess(new TextDecoder().decode(bytes), path, async (name) => {
    const pem = await files.read(name.startsWith("/") ? name : `${folder}${name}`);
    return pem && new TextDecoder().decode(pem);
  });
}

function refuse(faults: readonly string[]): Error {
  return new Error(["Cannot read who may ask:", ...faults].join("\n"));
}

/** Plain http reaches this machine alone: whoever is between could put his own keys in the answer. */
export function isIssuerUrl(text: string): boolean {
  if (!URL.canParse(text) || text.length > 2048) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  const isLocal = ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
  return (
    (protocol === "https:" || (protocol === "http:" && isLocal)) && `${username}${password}${hash}` === ""
  );
}
