/** A profile in a request of the gateway's own: to its audience, by header and certificate, and nowhere else. */
import { expect, it } from "vitest";
import { credentialsFor, Secret } from "../../src/broker/index.ts";
import { profileFor } from "./support.ts";

const URL = "http://api.test:4318/v1/traces";

const client = { certificate: "c", key: new Secret("k") };
const secure = profileFor(4318).audience.map((origin) => ({ ...origin, scheme: "https" as const }));

it("credentialsFor() gives the header that the profile names", () => {
  expect(credentialsFor(profileFor(4318), URL)).toEqual({ headers: [["x-api-key", "s3cr3t-value"]] });
  const bearer = { header: "authorization", template: "Bearer {secret}" };
  expect(credentialsFor(profileFor(4318, bearer), URL)).toEqual({
    headers: [["authorization", "Bearer s3cr3t-value"]],
  });
});

it("credentialsFor() gives certificate and authorities over TLS alone, with a header or without one", () => {
  const tls = { extraAuthorities: ["ca"], client };
  const overTls = URL.replace("http:", "https:");
  const wanted = { authorities: ["ca"], client: { certificate: "c", key: "k" } };
  expect(credentialsFor(profileFor(4318, { audience: secure, header: "", tls }), overTls)).toEqual(wanted);
  expect(credentialsFor(profileFor(4318, { audience: secure, tls }), overTls)).toEqual({
    headers: [["x-api-key", "s3cr3t-value"]],
    ...wanted,
  });
  expect(credentialsFor(profileFor(4318, { tls }), URL)).toEqual({
    headers: [["x-api-key", "s3cr3t-value"]],
  });
});

it.each([
  ["another port", profileFor(4319), URL],
  ["another scheme", profileFor(4318), URL.replace("http:", "https:")],
  ["another host", profileFor(4318), URL.replace("api.test", "api.test.evil.example")],
  ["a secret in the query", profileFor(4318, { header: "", query: "key" }), URL],
  ["a secret that signs", profileFor(4318, { header: "" }), URL],
  ["a secret in the query beside a certificate", profileFor(4318, { query: "key", tls: { client } }), URL],
])("credentialsFor() refuses %s, without a word of the secret", (_, profile, url) => {
  expect(() => credentialsFor(profile, url)).toThrow(/^Cannot use secret profile "weather-api" for http/);
  try {
    credentialsFor(profile, url);
  } catch (error) {
    expect(String(error)).not.toContain("s3cr3t");
  }
});
