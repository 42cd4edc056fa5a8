import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  CAPABILITY_WORDS,
  checkPolicySet,
  type DecisionRequest,
  decide,
  explain,
  type PolicyRecord,
  readPolicy,
} from "../../../src/core/policy/index.ts";
import vectors from "../../vectors/policy/decide.json" with { type: "json" };

function policy(members: object, source = "policies/weather.yaml"): PolicyRecord {
  return readPolicy(JSON.stringify({ ...vectors.base, ...members }), source);
}

/** Vectors name words that the type rules out, on purpose: a decision must survive them. */
function request(members: object): DecisionRequest {
  return { ...vectors.request, ...members } as DecisionRequest;
}

describe("decide()", () => {
  it.each(vectors.cases)("$name", (vector) => {
    const policies = vector.policies.map((members, index) => policy(members, `policies/${index}.yaml`));
    const decision = decide(request(vector.request), policies);
    expect(decision.kind).toBe(vector.effect);
    const clauses = (effect: string) =>
      decision.reasons.filter((r) => r.effect === effect).map((r) => r.clause);
    expect(clauses("deny")).toEqual(vector.denies ?? []);
    if (vector.allows !== undefined) expect(clauses("allow")).toEqual(vector.allows);
    expect(decision.record?.source).toBe(
      vector.record === undefined ? undefined : `policies/${vector.record}.yaml`,
    );
    if (decision.kind === "allow") {
      expect(decision.grants).toEqual(vector.grants);
      expect(decision.operation).toBe(vector.operation);
    }
  });

  it("names both policies when two claim the case", () => {
    const [one, two] = [policy({}), policy({ max_duration_ms: 1 })];
    const ids = decide(request({}), [one, two]).reasons.flatMap(({ policyId }) => policyId ?? []);
    expect(ids).toEqual([one.policyId, two.policyId].sort());
  });

  it("says nothing in its reasons of rules, profiles or files", () => {
    const record = policy(
      { secret_profile: "hidden-profile", purpose: ["hidden-purpose"] },
      "hidden-file.yaml",
    );
    for (const purpose of ["hidden-purpose", "other"]) {
      const { reasons } = decide(request({ purpose, needs: ["secrets", "http-client"], function: "x/y" }), [
        record,
      ]);
      expect(JSON.stringify(reasons).replaceAll('purpose \\"hidden-purpose\\"', "")).not.toMatch(/hidden/);
    }
  });

  const someText = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom("__proto__", "constructor", "toString"),
  );
  const someName = (known: readonly string[]) =>
    fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known) }, someText);
  const someRequest = fc
    .record({
      tier: someName(["free", "pro", "gold"]),
      scopes: fc.subarray(["invoke", "evidence", "operate", "invoke:weather", "invoke:other"]),
      tool: someName(["weather", "text"]),
      function: someName(["weather/forecast", "weather/report-outage"]),
      purpose: someName(["support-chat"]),
      needs: fc.array(fc.constantFrom<string>(...CAPABILITY_WORDS, "udp"), { maxLength: 12 }),
    })
    .map(({ tier, scopes, ...rest }) =>
      request({ ...rest, principal: { id: "k", tenant: "t", tier, scopes } }),
    );
  const pool = [
    policy({ tenant_tier: ["free"] }, "a"),
    policy({ tenant_tier: ["pro"], secret_profile: "p" }, "b"),
    policy(
      { tenant_tier: ["free", "gold"], config: { region: "eu" }, keyvalue: { buckets: ["a"], bytes: 1 } },
      "c",
    ),
    policy({ tool_id: "text" }, "d"),
    policy({ tenant_tier: ["free"] }, "e"),
  ];

  it("ignores the order of policies and of needs", () => {
    fc.assert(
      fc.property(someRequest, fc.shuffledSubarray(pool), (asked, policies) => {
        const reversed = { ...asked, needs: [...asked.needs].reverse() };
        const [one, other] = [decide(asked, policies), decide(reversed, [...policies].reverse())];
        expect({ ...other, reasons: [] }).toEqual({ ...one, reasons: [] });
        const sorted = (reasons: typeof one.reasons) =>
          reasons.map((reason) => JSON.stringify(reason)).sort();
        expect(sorted(other.reasons)).toEqual(sorted(one.reasons));
      }),
    );
  });

  it("is total, gives a reason for every denial, and allows only by exactly one policy that says so", () => {
    fc.assert(
      fc.property(someRequest, fc.subarray(pool), (asked, policies) => {
        const decision = decide(asked, policies);
        const denies = decision.reasons.filter(({ effect }) => effect === "deny");
        expect(denies.length > 0).toBe(decision.kind === "deny");
        const may = policies.filter(
          ({ policy: p }) => p.tool_id === asked.tool && p.tenant_tier.includes(asked.principal.tier),
        );
        const [only] = may;
        const allowed =
          asked.principal.scopes.some((scope) => scope === "invoke" || scope === `invoke:${asked.tool}`) &&
          may.length === 1 &&
          Object.keys(only?.policy.functions ?? {}).includes(asked.function) &&
          asked.purpose === "support-chat" &&
          asked.needs.every((word) => CAPABILITY_WORDS.includes(word)) &&
          (!asked.needs.includes("secrets") || only?.policy.secret_profile === "p") &&
          (!asked.needs.includes("config") || only?.policy.config !== undefined) &&
          !asked.needs.includes("signing") &&
          !asked.needs.includes("reveal") &&
          (!asked.needs.includes("keyvalue") || only?.policy.keyvalue !== undefined) &&
          (!asked.needs.includes("tools") || only?.policy.tools !== undefined);
        expect(decision.kind).toBe(allowed ? "allow" : "deny");
        if (decision.kind === "allow") {
          expect(new Set(decision.grants.map(({ kind }) => kind))).toEqual(new Set(asked.needs));
        }
        expect(explain(decision, asked, policies).length).toBeGreaterThan(1);
      }),
    );
  });
});

describe("decide() of a credential for one tool", () => {
  const principal = { ...vectors.request.principal, scopes: ["invoke:weather"] as const };

  it("allows that tool, and what it calls, and nothing else", () => {
    const text = policy({ tool_id: "text" }, "text");
    const kindOf = (members: object) => decide(request({ principal, ...members }), [policy({}), text]).kind;
    expect(kindOf({})).toBe("allow");
    expect(kindOf({ tool: "text" })).toBe("deny");
    expect(kindOf({ tool: "text", entered: "weather" })).toBe("allow");
    expect(kindOf({ entered: "text" })).toBe("deny");
  });

  it("names the scope that is missing", () => {
    const { reasons } = decide(request({ principal, tool: "text" }), []);
    expect(reasons).toEqual([
      { clause: "scope", effect: "deny", detail: 'the credential does not have the scope "invoke:text"' },
    ]);
  });
});

describe("explain()", () => {
  const weather = policy({});
  const cases = [
    [{ function: "weather/x" }, [weather], 'add "weather/x" to functions of policies/weather.yaml'],
    [{ purpose: "sales" }, [weather], 'add "sales" to purpose of policies/weather.yaml'],
    [{ needs: ["secrets"] }, [weather], "name a secret_profile in policies/weather.yaml"],
    [
      { principal: { ...vectors.request.principal, tier: "gold" } },
      [weather],
      'add "gold" to tenant_tier of policies/',
    ],
    [
      { principal: { ...vectors.request.principal, scopes: [] } },
      [weather],
      'a credential with the scope "invoke"',
    ],
    [{ tool: "text" }, [weather], 'write a policy with tool_id "text" and "free" in its tenant_tier'],
    [{}, [weather, policy({}, "other.yaml")], "leave one policy for tool"],
  ] as const;

  it.each(cases)("names the smallest change for %j", (members, policies, change) => {
    const asked = request(members);
    const lines = explain(decide(asked, policies), asked, policies);
    expect(lines[0]).toMatch(/^deny weather|^deny text/);
    expect(lines.some((line) => line.startsWith("  to allow it: ") && line.includes(change))).toBe(true);
  });

  it("names the policy and the grants of an allowance, and no change", () => {
    const asked = request({ needs: ["log"] });
    const text = explain(decide(asked, [weather]), asked).join("\n");
    expect(text).toContain(`every clause of policies/weather.yaml (${weather.policyId})`);
    expect(text).toContain("grants: log");
    expect(text).not.toContain("to allow it");
    expect(text).not.toContain("trace_context");
  });

  it("names the rules whose requests carry the run's trace", () => {
    const rule = { host: "a.test", scheme: "https", port: 443, methods: ["GET"], paths: ["/*"] };
    const traced = policy({ network_allowlist: [rule, { ...rule, trace_context: "propagate" }] });
    const asked = request({ needs: ["http-client"] });
    const lines = explain(decide(asked, [traced]), asked);
    expect(lines.filter((line) => line.includes("trace_context"))).toEqual([
      "  trace_context: requests by network_allowlist[1] carry the run's traceparent and tracestate",
    ]);
  });
});

describe("checkPolicySet()", () => {
  it("names both sources of an overlap and the shared tiers, and nothing for a sound set", () => {
    const sound = [
      policy({ tenant_tier: ["free"] }, "a"),
      policy({ tenant_tier: ["pro"] }, "b"),
      policy({ tool_id: "x" }, "c"),
    ];
    expect(checkPolicySet(sound)).toEqual([]);
    const [overlap, ...others] = checkPolicySet([...sound, policy({ tenant_tier: ["gold", "pro"] }, "d")]);
    expect(others).toEqual([]);
    expect(overlap).toMatchObject({
      toolId: "weather",
      tiers: ["pro"],
      first: { source: "b" },
      second: { source: "d" },
    });
    expect(overlap?.detail).toBe(
      "Cannot put d in force: b is already the policy for tool weather and tier pro, wanted one",
    );
  });
});
