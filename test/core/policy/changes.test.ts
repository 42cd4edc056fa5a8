/** What changed, in words: complete, short, and the same whatever order things stand in. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../../src/core/digest.ts";
import {
  describeChanges,
  describePolicyChanges,
  type JsonValue,
  readPolicy,
} from "../../../src/core/policy/index.ts";

const POLICY = `tool_id: weather
tenant_tier: [free, pro]
purpose: [support-chat]
functions: { "weather/forecast": { operation: read } }
network_allowlist: []
max_duration_ms: 5000
budget: { fuel: 2e8, memory_bytes: 64MiB, egress_bytes: 1MiB, requests: 5, output_bytes: 256KiB, log_bytes: 64KiB }
required_observability_fields: [trace_id]
isolation_minimum: process
fallback: { kind: error }
`;
const policyOf = (from = "", to = "") => readPolicy(POLICY.replace(from, to), "weather.yaml");

describe("describeChanges()", () => {
  it.each<[JsonValue, JsonValue, readonly string[]]>([
    [{ a: 1 }, { a: 2 }, ["a is 2, was 1"]],
    [{ a: { b: true } }, { a: {} }, ["a.b is absent, was true"]],
    [{}, { constructor: 1 }, ["constructor is 1, was absent"]],
    [{ a: [1, 2] }, { a: [2, 3] }, ["a gains 3", "a loses 1"]],
    [{ a: [1, 2] }, { a: [2, 1] }, ["a is in another order"]],
    [{ a: [1] }, { a: "x" }, ['a is "x", was [1]']],
    [{ a: null }, { a: 0 }, ["a is 0, was null"]],
    [{ b: 1, a: 1 }, { a: 1, b: 1 }, []],
  ])("of %j and %j says %j", (before, after, wanted) => {
    expect(describeChanges(before, after)).toEqual(wanted);
  });

  it("says something exactly when there is a difference, and never much", () => {
    const json = fc.jsonValue({ maxDepth: 3 }) as fc.Arbitrary<JsonValue>;
    fc.assert(
      fc.property(json, json, (before, after) => {
        const changes = describeChanges(before, after, "x");
        expect(changes.length > 0).toBe(canonicalJson(before) !== canonicalJson(after));
        for (const change of changes) expect(change.length).toBeLessThan(1_000);
      }),
    );
  });
});

describe("describePolicyChanges()", () => {
  it("tells a changed policy by its tiers", () => {
    expect(describePolicyChanges([policyOf()], [policyOf("5000", "6000")])).toEqual([
      "weather [free, pro]: max_duration_ms is 6000, was 5000",
    ]);
    expect(describePolicyChanges([policyOf()], [policyOf("[free, pro]", "[pro, gold]")])).toEqual([
      'weather [gold, pro]: tenant_tier gains "gold"',
      'weather [gold, pro]: tenant_tier loses "free"',
    ]);
  });

  it("tells policies that came and went", () => {
    const [one, other] = [policyOf(), policyOf("[free, pro]", "[gold]")];
    expect(describePolicyChanges([one], [other])).toEqual([
      `weather [gold]: a policy where there was none, ${other.policyId}`,
      `weather [free, pro]: its policy is gone, ${one.policyId}`,
    ]);
    expect(describePolicyChanges([one, other], [other, one])).toEqual([]);
  });
});
