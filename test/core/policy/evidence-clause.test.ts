/** The clause `evidence`: every word is taken with one meaning or refused with its place. */
import { describe, expect, it } from "vitest";
import { PolicyError, readPolicy } from "../../../src/core/policy/index.ts";

function read(evidence: string | undefined) {
  const lines = [
    "tool_id: hash",
    "tenant_tier: [free]",
    "purpose: [testing]",
    'functions: { "hash/sha256": { operation: read } }',
    "max_duration_ms: 5000",
    "budget: { fuel: 1e8, memory_bytes: 16MiB, egress_bytes: 0, requests: 0, output_bytes: 4KiB, log_bytes: 0 }",
    ...(evidence === undefined ? [] : [`evidence: ${evidence}`]),
  ];
  return readPolicy(lines.join("\n"), "p.yaml");
}

const DEFAULTS = {
  journal: "none",
  keep: [],
  journal_bytes: 4_194_304,
  journal_over: "stop",
  retention_days: 30,
};

const TAKEN = [
  ["{ journal: full }", { ...DEFAULTS, journal: "full", keep: ["input", "output"] }],
  ["{ keep: [output, input, output] }", { ...DEFAULTS, keep: ["input", "output"] }],
  [
    "{ keep: [output], journal_bytes: 1KiB, journal_over: drop, retention_days: 1 }",
    { journal: "none", keep: ["output"], journal_bytes: 1024, journal_over: "drop", retention_days: 1 },
  ],
] as const;

const REFUSED = [
  ["{}", "journal: full, or at least one of input, output in keep"],
  ["{ journal: none }", "journal: full, or at least one of input, output in keep"],
  ["{ journal: half }", "none or full"],
  ["{ keep: [events] }", "input or output"],
  ["{ journal: full, journal_bytes: 100 }", "bytes from 1024"],
  ["{ journal: full, journal_over: truncate }", "stop or drop"],
  ["{ journal: full, retention_days: 0 }", "an integer from 1 to 3650"],
  ["{ journal: full, retain: 3 }", "retain"],
  ["full", "a mapping of journal"],
] as const;

describe("readPolicy() of evidence", () => {
  for (const [text, clause] of TAKEN)
    it(`takes ${text}`, () => expect(read(text).policy.evidence).toEqual(clause));

  for (const [text, wanted] of REFUSED)
    it(`refuses ${text}`, () => {
      expect(() => read(text)).toThrow(PolicyError);
      expect(() => read(text)).toThrow(wanted);
    });

  it("is absent when it is not written, so that older policies keep their ids", () => {
    expect("evidence" in read(undefined).policy).toBe(false);
  });

  it("has one id for one meaning", () => {
    expect(read("{ journal: full }").policyId).toBe(read("{ journal: full, keep: [input] }").policyId);
    expect(read("{ journal: full }").policyId).not.toBe(read("{ keep: [input] }").policyId);
  });
});
