/** A profile's secret in a request of the gateway's own: to its audience, in a header, and nowhere else. */
import { expect, it } from "vitest";
import { headerFor, Secret } from "../../src/broker/index.ts";
import { profileFor } from "./support.ts";

const URL = "http://api.test:4318/v1/traces";

it("headerFor() gives the header that the profile names", () => {
  expect(headerFor(profileFor(4318), URL)).toEqual(["x-api-key", "s3cr3t-value"]);
  const bearer = { header: "authorization", template: "Bearer {secret}" };
  expect(headerFor(profileFor(4318, bearer), URL)).toEqual(["authorization", "Bearer s3cr3t-value"]);
});

it.each([
  ["another port", profileFor(4319), URL],
  ["another scheme", profileFor(4318), URL.replace("http:", "https:")],
  ["another host", profileFor(4318), URL.replace("api.test", "api.test.evil.example")],
  ["a secret in the query", profileFor(4318, { header: "", query: "key" }), URL],
  ["a secret that signs", profileFor(4318, { header: "" }), URL],
  ["a certificate", profileFor(4318, { tls: { client: { certificate: "c", key: new Secret("k") } } }), URL],
])("headerFor() refuses %s, without a word of the secret", (_, profile, url) => {
  expect(() => headerFor(profile, url)).toThrow(/^Cannot use secret profile "weather-api" for http/);
  try {
    headerFor(profile, url);
  } catch (error) {
    expect(String(error)).not.toContain("s3cr3t");
  }
});
