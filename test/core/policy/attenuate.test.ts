/** Narrowing never widens, and narrows no more than it must: by random pairs of policies and random questions. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { headerCrosses } from "../../../src/core/policy/header-lists.ts";
import {
  attenuate,
  decide,
  matchRequest,
  type NetworkRule,
  type OutgoingRequest,
  type Policy,
  type PolicyRecord,
  type Ports,
  readPolicy,
} from "../../../src/core/policy/index.ts";
import { policyDocument } from "../../../src/core/policy/schema.ts";

const HOSTS = ["api.example.com", "*.example.com", "*.api.example.com", "other.test", "127.0.0.1"];
const METHODS = ["GET", "POST", "DELETE"] as const;
const PATHS = ["/*", "/v1/*", "/v1/a", "/v1/a/*", "/x"];
const NAMES = ["f/one", "f/two", "g/three"];
const PURPOSES = ["support", "travel", "billing"];
const HEADERS = ["accept", "cookie", "traceparent"];

const some = <T>(values: readonly T[]) => fc.subarray([...values], { minLength: 1 });
const lists = fc.option(
  fc.oneof(
    fc.subarray(HEADERS).map((allow) => ({ allow })),
    some(HEADERS).map((strip) => ({ strip })),
  ),
  { nil: undefined },
);
const rule = fc
  .record({
    host: fc.constantFrom(...HOSTS),
    scheme: fc.constantFrom("http" as const, "https" as const),
    port: fc.constantFrom<Ports[]>(443, 80, "1-1000", "400-500", "1-65535"),
    methods: some(METHODS),
    paths: some(PATHS),
    request_headers: lists,
    response_headers: lists,
  })
  .map(
    ({ request_headers, response_headers, ...rest }): NetworkRule => ({
      ...rest,
      ...(request_headers === undefined ? {} : { request_headers }),
      ...(response_headers === undefined ? {} : { response_headers }),
    }),
  );
const budget = fc.record({
  fuel: fc.integer({ min: 1, max: 100 }),
  memory_bytes: fc.integer({ min: 65536, max: 70000 }),
  egress_bytes: fc.nat(100),
  requests: fc.nat(100),
  output_bytes: fc.nat(100),
  log_bytes: fc.nat(100),
});
const toolRule = (tool: string) =>
  fc.record({ tool: fc.constant(tool), functions: some(NAMES), calls: fc.integer({ min: 1, max: 9 }) });

function policyOf(tool: string): fc.Arbitrary<PolicyRecord> {
  return fc
    .record({
      tenant_tier: some(["free", "pro"]),
      purpose: some(PURPOSES),
      functions: some(NAMES).map((names) =>
        Object.fromEntries(names.map((name) => [name, { operation: "read" as const }])),
      ),
      network_allowlist: fc.array(rule, { maxLength: 4 }),
      secret_profile: fc.option(fc.constantFrom("weather-api", "other-api"), { nil: undefined }),
      tools: fc.option(
        fc.tuple(toolRule("callee"), toolRule("third")).chain((all) => fc.subarray(all)),
        { nil: undefined },
      ),
      max_duration_ms: fc.integer({ min: 1, max: 1000 }),
      budget,
      isolation_minimum: fc.constantFrom("process" as const, "process+permissions" as const),
    })
    .map(({ secret_profile, tools, ...document }): PolicyRecord => {
      // As `readPolicy` gives it; reading two of them for each pair would be most of the work.
      const policy: Policy = {
        ...document,
        tool_id: tool,
        ...(secret_profile === undefined ? {} : { secret_profile }),
        ...(tools === undefined ? {} : { tools }),
        required_observability_fields: ["policy_id"],
        fallback: { kind: "error" },
      };
      return { policy, policyId: `sha256:${tool}`, source: tool };
    });
}

const question = fc.record({
  host: fc.constantFrom(
    "api.example.com",
    "a.example.com",
    "b.api.example.com",
    "example.com",
    "other.test",
    "127.0.0.1",
  ),
  scheme: fc.constantFrom("http", "https"),
  port: fc.constantFrom(443, 80, 450, 999, 8443),
  method: fc.constantFrom(...METHODS),
  path: fc.constantFrom("/", "/v1/a", "/v1/a/b", "/v1/b", "/x", "/v1"),
});

describe("attenuate()", () => {
  it("leaves the operations with a secret that both name, and the stricter answer to an echo", () => {
    const [callee, caller] =
      fc.sample(fc.tuple(policyOf("callee"), policyOf("caller")), { numRuns: 1, seed: 1 })[0] ?? [];
    if (callee === undefined || caller === undefined) throw new TypeError("wanted two policies");
    const of = (own: Partial<Policy>, other: Partial<Policy>) =>
      attenuate({ ...callee, policy: { ...callee.policy, ...own } }, { ...caller.policy, ...other }).policy;
    const both = of(
      { secret_operations: ["reveal", "sign"] },
      { secret_operations: ["hmac-sha256", "sign"] },
    );
    expect(both.secret_operations).toEqual(["sign"]);
    expect("secret_operations" in of({ secret_operations: ["reveal"] }, {})).toBe(false);
    expect(of({ on_secret_echo: "revoke" }, { on_secret_echo: "redact" }).on_secret_echo).toBe("revoke");
    expect(of({}, { on_secret_echo: "revoke" }).on_secret_echo).toBe("revoke");
    expect("on_secret_echo" in of({}, {})).toBe(false);
  });

  it("permits exactly the requests that both policies permit, with the header fields that both let across", () => {
    let permitted = 0;
    const questions = fc.array(question, { minLength: 10, maxLength: 10 });
    fc.assert(
      fc.property(policyOf("callee"), policyOf("caller"), questions, (callee, caller, all) => {
        const narrowed = attenuate(callee, caller.policy).policy;
        for (const asked of all) if (holds(narrowed, callee.policy, caller.policy, asked)) permitted += 1;
      }),
      { numRuns: 10_000 },
    );
    expect(permitted).toBeGreaterThan(300);
  });

  it("never widens anything else", () => {
    let allowed = 0;
    const request = fc.record({
      tier: fc.constantFrom("free", "pro"),
      purpose: fc.constantFrom(...PURPOSES),
      name: fc.constantFrom(...NAMES),
      needs: fc.subarray(["http-client", "secrets", "tools", "clocks"] as const),
    });
    fc.assert(
      fc.property(
        policyOf("callee"),
        policyOf("caller"),
        request,
        (callee, caller, { tier, purpose, name, needs }) => {
          const record = attenuate(callee, caller.policy);
          const principal = { id: "key:1", tenant: "acme", tier, scopes: ["invoke" as const] };
          const asked = { principal, tool: "callee", function: name, purpose, needs };
          const decision = decide(asked, [record]);
          const named =
            caller.policy.tools?.find(({ tool }) => tool === "callee")?.functions.includes(name) ?? false;
          const callerMay =
            named && caller.policy.purpose.includes(purpose) && caller.policy.tenant_tier.includes(tier);
          const own = decide(asked, [callee]);
          const sharesProfile = callee.policy.secret_profile === caller.policy.secret_profile;
          const sharesTools = caller.policy.tools !== undefined;
          const expected =
            own.kind === "allow" &&
            callerMay &&
            (!needs.includes("secrets") || sharesProfile) &&
            (!needs.includes("tools") || sharesTools);
          expect(decision.kind === "allow").toBe(expected);
          expectNoWider(record.policy, callee.policy, caller.policy);
          expect(record.policyId).toBe(callee.policyId);
          if (decision.kind === "allow") allowed += 1;
        },
      ),
      { numRuns: 10_000 },
    );
    expect(allowed).toBeGreaterThan(100);
  });

  it("knows every clause that a policy can have: narrowed by itself, a policy stays what it is", () => {
    const document = {
      ...{
        tool_id: "callee",
        tenant_tier: ["free"],
        purpose: ["support"],
        functions: { "f/one": { operation: "read" } },
      },
      network_allowlist: [{ host: "a.test", scheme: "https", port: 443, methods: ["GET"], paths: ["/"] }],
      ...{
        environment: { A: "b" },
        arguments: ["x"],
        config: { k: "v" },
        keyvalue: { buckets: ["b"], bytes: 1 },
      },
      filesystem: { scratch_bytes: 1, mounts: [{ name: "m", path: "/m" }] },
      sockets: [{ host: "*.a.test", port: "5000-6000" }],
      tools: [{ tool: "callee", functions: ["f/one"] }],
      ...{ secret_profile: "p", secret_operations: ["reveal"], on_secret_echo: "revoke" },
      ...{ max_duration_ms: 1, isolation_minimum: "process", fallback: { kind: "error" } },
      budget: { fuel: 1, memory_bytes: 65536, egress_bytes: 0, requests: 0, output_bytes: 0, log_bytes: 0 },
      ...{ required_observability_fields: ["policy_id"], evidence: { keep: ["input"] } },
      windows: [{ per: 60, runs: 1 }],
      retry_budget: { ratio: 0.2 },
      loop_cap: { confidence_below: 0.5, runs: 3, backoff_seconds: 10 },
      relaxed_simd: "allow",
    };
    expect(Object.keys(document).sort()).toEqual(Object.keys(policyDocument.shape).sort());
    const record = readPolicy(JSON.stringify(document), "p");
    expect(attenuate(record, record.policy).policy).toEqual(record.policy);
  });

  it("is done by any number of callers in any order alike", () => {
    fc.assert(
      fc.property(
        policyOf("callee"),
        policyOf("caller"),
        policyOf("third"),
        question,
        (callee, one, other, asked) => {
          const left = attenuate(attenuate(callee, one.policy), other.policy).policy;
          const right = attenuate(attenuate(callee, other.policy), one.policy).policy;
          expect(matchRequest(left.network_allowlist, asked).allowed).toBe(
            matchRequest(right.network_allowlist, asked).allowed,
          );
          expect(left.budget).toEqual(right.budget);
          expect(Object.keys(left.functions)).toEqual(Object.keys(right.functions));
        },
      ),
      { numRuns: 1000 },
    );
  });
});

/** @returns whether the request is permitted; throws where narrow and wide disagree about it or about its headers */
function holds(narrow: Policy, callee: Policy, caller: Policy, asked: OutgoingRequest): boolean {
  const both = [callee, caller].map(({ network_allowlist: rules }) => ({
    rules,
    match: matchRequest(rules, asked),
  }));
  const match = matchRequest(narrow.network_allowlist, asked);
  if (match.allowed !== both.every((one) => one.match.allowed)) expect({ match, both }).toBe("in agreement");
  if (!match.allowed) return false;
  for (const field of [...HEADERS, "x-other"]) {
    for (const side of ["request_headers", "response_headers"] as const) {
      const crosses = both.every(({ rules, match: own }) =>
        headerCrosses(own.allowed ? rules[own.index]?.[side] : undefined, field),
      );
      if (headerCrosses(narrow.network_allowlist[match.index]?.[side], field) !== crosses) {
        expect({ field, side, match, both }).toBe("in agreement");
      }
    }
  }
  return true;
}

/** Plain comparisons: this is asked ten thousand times. */
function expectNoWider(narrow: Policy, ...wides: readonly Policy[]): void {
  for (const wide of wides) {
    const no = [
      narrow.max_duration_ms <= wide.max_duration_ms,
      ...Object.entries(narrow.budget).map(
        ([name, amount]) => amount <= Number(Reflect.get(wide.budget, name)),
      ),
      wide.isolation_minimum === "process" || narrow.isolation_minimum !== "process",
      wide.required_observability_fields.every((field) =>
        narrow.required_observability_fields.includes(field),
      ),
      narrow.secret_profile === undefined || narrow.secret_profile === wide.secret_profile,
      ...(narrow.tools ?? []).map(({ tool, functions, calls }) => {
        const rule = wide.tools?.find((known) => known.tool === tool);
        return (
          rule !== undefined &&
          functions.every((name) => rule.functions.includes(name)) &&
          calls <= rule.calls
        );
      }),
    ];
    if (no.includes(false)) expect({ narrow, wide, no }).toBe("no wider");
  }
}
