/** The operator's file about tenants and issuers: read whole, or not at all, with the place of every fault. */
import { describe, expect, it } from "vitest";
import { parseAccess } from "../../src/identity/index.ts";

const GOOD = `issuers:
  corp:
    issuer: https://login.example.com/realms/main
    audience: ["https://writ.example.com"]
    algorithms: [ES256]
    tenant: { value: acme }
    tier: { value: pro }
`;

const read = (text: string) => parseAccess(text, "identity.yaml", async () => undefined);

describe("parseAccess()", () => {
  it("reads issuers with their defaults", async () => {
    expect(await read(GOOD)).toEqual({
      tenants: undefined,
      issuers: [
        {
          name: "corp",
          issuer: "https://login.example.com/realms/main",
          audience: ["https://writ.example.com"],
          algorithms: ["ES256"],
          typ: "at+jwt",
          maxAgeSeconds: 86_400,
          clockToleranceSeconds: 5,
          jwksUri: undefined,
          allowAddresses: [],
          authorities: [],
          tenant: { value: "acme" },
          tier: { value: "pro" },
          principal: { claim: "sub" },
          scopes: { claim: "scope" },
        },
      ],
    });
    const { tenants, issuers } = await read("tenants: { acme: { tier: pro } }\n");
    expect([[...(tenants ?? [])], issuers]).toEqual([[["acme", { tier: "pro" }]], []]);
  });

  it.each<[string, string, RegExp]>([
    ["no YAML", "issuers: [", /identity\.yaml:1/],
    ["a list", "- 1", /identity\.yaml:1:1/],
    ["an unknown member", "keys: {}", /keys/],
    ["an issuer's unknown member", `${GOOD}    secret: x\n`, /identity\.yaml:3:\d+ \/issuers\/corp .*secret/],
    ["a member twice", `${GOOD}    typ: a\n    typ: b\n`, /typ/],
    ["an anchor", "tenants: &a { acme: { tier: pro } }", /identity\.yaml:1/],
    ["no algorithm", GOOD.replace("[ES256]", "[]"), /\/issuers\/corp\/algorithms/],
    ["a symmetric algorithm", GOOD.replace("ES256", "HS256"), /\/issuers\/corp\/algorithms\/0/],
    ["the algorithm none", GOOD.replace("ES256", "none"), /\/issuers\/corp\/algorithms\/0/],
    ["no audience", GOOD.replace('["https://writ.example.com"]', "[]"), /\/issuers\/corp\/audience/],
    [
      "plain HTTP",
      GOOD.replace("https://login", "http://login"),
      /\/issuers\/corp\/issuer wanted an https URL/,
    ],
    [
      "an issuer that is no URL",
      GOOD.replace("https://login.example.com/realms/main", "login"),
      /issuer wanted/,
    ],
    ["a user in the URL", GOOD.replace("https://login", "https://a:b@login"), /issuer wanted/],
    ["a clock that may be wrong by minutes", `${GOOD}    clock_tolerance_seconds: 300\n`, /clock_tolerance/],
    ["no tier at all", GOOD.replace("    tier: { value: pro }\n", ""), /wanted tier, or a list of tenants/],
    ["tiers in two places", `tenants: { acme: { tier: pro } }\n${GOOD}`, /leave it out/],
    [
      "a tenant that is not listed",
      `tenants: { b: { tier: pro } }\n${GOOD.replace("    tier: { value: pro }\n", "")}`,
      /acme is not in tenants/,
    ],
    ["a tenant's name in capitals", "tenants: { Acme: { tier: pro } }", /tenants/],
    ["an empty tenant's name", 'tenants: { "": { tier: pro } }', /tenants/],
    [
      "a mapped tenant that is no name",
      GOOD.replace("{ value: acme }", '{ claim: org, map: { a: "A B" } }'),
      /tenant\/map\/a wanted lower-case words/,
    ],
    ["a scope that nobody knows", `${GOOD}    scopes: { value: [root] }\n`, /scopes/],
    ["the name key, which keys have", GOOD.replace("corp:", "key:"), /issuers\/key is no name: .* not key/],
    [
      "one issuer twice",
      `${GOOD}${GOOD.slice(GOOD.indexOf("  corp")).replace("corp", "other")}`,
      /issuer of corp already/,
    ],
    [
      "a private authority that is not there",
      `${GOOD}    ca_file: ca.pem\n`,
      /ca_file .*wanted certificates in PEM/,
    ],
    ["an address that is no block", `${GOOD}    allow_addresses: [10.0.0.1]\n`, /allow_addresses/],
  ])("refuses %s", async (_, text, message) => {
    await expect(read(text)).rejects.toThrow(message);
  });
});
