/** The clauses of what a tool may reach beside the network: what they read as, and what is refused when read. */
import { describe, expect, it } from "vitest";
import {
  decide,
  PolicyError,
  type PolicyRecord,
  policySchema,
  readPolicy,
} from "../../../src/core/policy/index.ts";
import vectors from "../../vectors/policy/decide.json" with { type: "json" };

function policy(members: object): PolicyRecord {
  return readPolicy(JSON.stringify({ ...vectors.base, ...members }), "p.json");
}

function faultOf(members: object): string {
  try {
    policy(members);
  } catch (error) {
    if (error instanceof PolicyError) return error.message;
    throw error;
  }
  return "";
}

const REFUSED: readonly (readonly [members: object, fault: string | RegExp])[] = [
  [{ environment: ["A=1"] }, "wanted a mapping of variables to texts"],
  [{ environment: { "A B": "1" } }, "wanted a variable's name"],
  [{ environment: { "1A": "1" } }, "wanted a variable's name"],
  [{ environment: { A: 1 } }, "wanted text without NUL"],
  [{ environment: { A: "a\0b" } }, "wanted text without NUL"],
  [{ environment: { A: "x".repeat(4097) } }, "at most 4096 characters"],
  [
    { environment: Object.fromEntries(Array.from({ length: 129 }, (_, n) => [`A${n}`, ""])) },
    "wanted at most 128 variables",
  ],
  [{ arguments: "--fast" }, "wanted a list of texts"],
  [{ arguments: ["a\0"] }, "wanted text without NUL"],
  [{ arguments: Array.from({ length: 65 }, () => "") }, "wanted at most 64 arguments"],
  [{ config: { "": "x" } }, "wanted a key of 1 to 256 characters"],
  [{ config: { "a\nb": "x" } }, "wanted a key of 1 to 256 characters"],
  [{ config: { a: null } }, "wanted text of at most 65536 characters"],
  [{ keyvalue: { buckets: [], bytes: 1 } }, "wanted at least one bucket's name"],
  [{ keyvalue: { buckets: ["A"], bytes: 1 } }, "wanted a name of lower-case words"],
  [{ keyvalue: { buckets: ["a"] } }, "missing, wanted bytes"],
  [
    { keyvalue: { buckets: ["a"], bytes: 1, operation: 5 } },
    'unknown key "operation", did you mean "operations"',
  ],
  [{ keyvalue: { buckets: ["a"], bytes: 1, operations: 0 } }, "wanted an integer from 1"],
  [{ filesystem: { mounts: [{ name: "a", path: "data" }] } }, "wanted a path such as /data"],
  [{ filesystem: { mounts: [{ name: "a", path: "/" }] } }, "wanted a path such as /data"],
  [{ filesystem: { mounts: [{ name: "a", path: "/a/../b" }] } }, "wanted a path such as /data"],
  [{ filesystem: { mounts: [{ name: "a", path: "/a/." }] } }, "wanted a path such as /data"],
  [{ filesystem: { mounts: [{ name: "../a", path: "/a" }] } }, "wanted a name of lower-case words"],
  [
    { filesystem: { mounts: [{ name: "a", path: "/a" }], volume: { path: "/a", bytes: 1 } } },
    "wanted every path once",
  ],
  [{ filesystem: { scratch: 5 } }, 'unknown key "scratch"'],
  [{ filesystem: { scratch_bytes: "1GiB" } }, "wanted bytes from 0 to 67108864"],
  [{ secret_operations: [] }, "wanted a list of operations"],
  [{ secret_operations: ["encrypt"] }, "wanted one of hmac-sha256, sign, reveal"],
  [{ on_secret_echo: "ignore" }, "wanted redact or revoke"],
];

describe("readPolicy()", () => {
  it.each(REFUSED)("refuses %j", (members, fault) => {
    expect(faultOf(members)).toMatch(fault);
  });

  it("keeps absent clauses absent, so that policies from before them keep their ids", () => {
    const { policy: plain } = policy({});
    for (const clause of ["environment", "arguments", "config", "keyvalue", "filesystem"])
      expect(clause in plain).toBe(false);
  });

  it("gives one id for any order of keys and another for any other value", () => {
    const ids = [
      { environment: { A: "1", B: "2" } },
      { environment: { B: "2", A: "1" } },
      { environment: { A: "1", B: "3" } },
      { arguments: ["a", "b"] },
      { arguments: ["b", "a"] },
    ].map((members) => policy(members).policyId);
    expect(ids[0]).toBe(ids[1]);
    expect(new Set(ids).size).toBe(4);
  });

  it("publishes every clause in the JSON Schema", () => {
    const { properties } = policySchema() as { properties: Record<string, { description?: string }> };
    for (const clause of ["environment", "arguments", "config", "keyvalue", "filesystem"])
      expect(properties[clause]?.description).toBeTruthy();
  });
});

describe("decide()", () => {
  const grantsFor = (members: object, needs: readonly string[]) => {
    const request = { ...vectors.request, needs };
    // The vectors' request is JSON; its scopes and words are of their unions.
    return decide(request as Parameters<typeof decide>[0], [policy(members)]);
  };

  it("grants an environment of nothing, since every language runtime imports it", () => {
    expect(grantsFor({}, ["environment"])).toMatchObject({
      kind: "allow",
      grants: [{ kind: "environment" }],
    });
  });

  it("grants what the clauses name, frozen", () => {
    const decision = grantsFor({ environment: { A: "1" }, arguments: ["x"], config: { k: "v" } }, [
      "environment",
      "config",
    ]);
    expect(decision).toMatchObject({
      kind: "allow",
      grants: [
        { kind: "environment", variables: { A: "1" }, arguments: ["x"] },
        { kind: "config", values: { k: "v" } },
      ],
    });
    expect(decision.kind === "allow" && decision.grants.every((grant) => Object.isFrozen(grant))).toBe(true);
  });

  it.each(["config", "keyvalue"])(
    "denies %s to a component that imports it under a policy without it",
    (word) => {
      const decision = grantsFor({}, [word]);
      expect(decision.kind).toBe("deny");
      expect(decision.reasons.filter(({ effect }) => effect === "deny")).toMatchObject([{ clause: word }]);
    },
  );

  it("grants a filesystem of nothing, since every language runtime imports it", () => {
    expect(grantsFor({}, ["filesystem"])).toMatchObject({
      kind: "allow",
      grants: [{ kind: "filesystem", scratch_bytes: 0, mounts: [] }],
    });
  });

  it.each([
    ["signing", {}, "secret_profile"],
    ["signing", { secret_profile: "p" }, "secret_operations"],
    ["signing", { secret_profile: "p", secret_operations: ["reveal"] }, "secret_operations"],
    ["reveal", { secret_profile: "p", secret_operations: ["sign", "hmac-sha256"] }, "secret_operations"],
    ["reveal", { secret_operations: ["reveal"] }, "secret_profile"],
  ])("denies %s under %j", (word, members, clause) => {
    const decision = grantsFor(members, [word]);
    expect(decision.kind).toBe("deny");
    expect(decision.reasons.filter(({ effect }) => effect === "deny")).toMatchObject([{ clause }]);
  });

  it("grants each operation to its own word", () => {
    const decision = grantsFor({ secret_profile: "p", secret_operations: ["sign", "reveal"] }, [
      "signing",
      "reveal",
    ]);
    expect(decision).toMatchObject({
      grants: [
        { kind: "signing", profile: "p", operations: ["sign"] },
        { kind: "reveal", profile: "p" },
      ],
    });
  });

  it("grants keyvalue with its bounds, sorted and complete", () => {
    const decision = grantsFor({ keyvalue: { buckets: ["b", "a", "b"], bytes: "1KiB" } }, ["keyvalue"]);
    expect(decision).toMatchObject({
      grants: [{ kind: "keyvalue", buckets: ["a", "b"], bytes: 1024, items: 10_000, operations: 1000 }],
    });
  });
});
