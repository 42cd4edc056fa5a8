import { describe, expect, it } from "vitest";
import {
  createStatement,
  decodeBase64,
  encodeStatement,
  missingFields,
  pae,
  predicateSchema,
  type RunPredicate,
  RunPredicateSchema,
} from "../../../src/core/manifest/index.ts";
import { OBSERVABILITY_FIELDS, type ObservabilityField } from "../../../src/core/policy/types.ts";
import vectors from "../../vectors/dsse.json" with { type: "json" };
import { OUTCOMES, predicateOf } from "./fixtures.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);

describe("createStatement()", () => {
  const hex = (digit: string) => ({ sha256: digit.repeat(64) });
  const cases: readonly (readonly [string, Partial<RunPredicate>, object[]])[] = [
    [
      "names output, component and policy",
      {},
      [
        { name: "output", digest: hex("4") },
        { name: "component", digest: hex("2") },
        { name: "policy", digest: hex("1") },
      ],
    ],
    [
      "leaves out an output that there was not",
      { output_hash: null, policy_id: null },
      [{ name: "component", digest: hex("2") }],
    ],
  ];
  for (const [name, overrides, subject] of cases) {
    it(name, () => expect(createStatement(predicateOf(overrides)).subject).toEqual(subject));
  }

  for (const hash of [
    "",
    "4".repeat(64),
    `sha256:${"4".repeat(63)}`,
    `sha256:${"A".repeat(64)}`,
    `sha512:${"4".repeat(64)}`,
  ]) {
    it(`refuses the hash ${JSON.stringify(hash)}`, () => {
      expect(() => createStatement(predicateOf({ output_hash: hash }))).toThrow(TypeError);
    });
  }
});

describe("encodeStatement()", () => {
  it("writes UTF-8 JSON that reads back to the statement, lone surrogates included", () => {
    const statement = createStatement(predicateOf({ tool: "🦀 \ud83e \u0000" }));
    const encoded = encodeStatement(statement);
    expect(JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(encoded))).toEqual(statement);
    expect(text(encoded)).toContain("\\ud83e");
  });
});

describe("pae()", () => {
  it("encodes the protocol's own example", () => {
    const encoded = text(pae("http://example.com/HelloWorld", bytes("hello world")));
    expect(encoded).toBe("DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  });

  it("counts the type in UTF-8 bytes and keeps a binary payload as it is", () => {
    expect(text(pae("exämple", bytes("")))).toBe("DSSEv1 8 exämple 0 ");
    expect([...pae("t", Uint8Array.from([0xff, 0x00, 0x20]))].slice(-3)).toEqual([0xff, 0x00, 0x20]);
  });

  // Thresholds and several keys are not ours: a manifest has one signature. What is left is about the encoding.
  for (const vector of vectors.vectors.filter(({ envelope }) => envelope.signatures.length === 1)) {
    it(`agrees with the DSSE vector ${vector.id}`, async () => {
      const { payload, payloadType, signatures } = vector.envelope;
      const standard = (value = "") =>
        decodeBase64(value.replaceAll("-", "+").replaceAll("_", "/")) ?? new Uint8Array();
      const key = await crypto.subtle.importKey("raw", fromHex(vectors.keys.A.public), "Ed25519", false, [
        "verify",
      ]);
      const signed = pae(payloadType, standard(payload));
      const valid = await crypto.subtle.verify("Ed25519", key, standard(signatures[0]?.sig), signed);
      // The empty type is signed validly; refusing it is the verifier's pin, not the encoding's.
      expect(valid).toBe(vector.expect === "accept" || payloadType === "");
    });
  }
});

describe("missingFields()", () => {
  const LACKING: { readonly [field in ObservabilityField]: readonly Partial<RunPredicate>[] } = {
    trace_id: [
      { trace_id: "" },
      { trace_id: "0".repeat(32) },
      { trace_id: "4BF92F3577B34DA6A3CE929D0E0E4736" },
    ],
    policy_id: [{ policy_id: null }, { policy_id: "" }],
    artifact_hash: [{ artifact_hash: "" }, { artifact_hash: "2".repeat(64) }],
    tenant: [{ tenant: "" }],
    purpose: [{ purpose: "" }],
    principal: [{ principal: "" }],
    task: [{ task: { id: "", class: "exploratory" } }],
    input_hash: [{ input_hash: "" }],
    output_hash: [{ output_hash: null }, { output_hash: "" }],
    fuel: [{ budget: null }],
  };

  for (const field of OBSERVABILITY_FIELDS) {
    for (const overrides of LACKING[field]) {
      it(`names ${field} and only it when it is ${JSON.stringify(Object.values(overrides)[0])}`, () => {
        expect(missingFields(predicateOf(overrides), OBSERVABILITY_FIELDS)).toEqual([field]);
        const others = OBSERVABILITY_FIELDS.filter((other) => other !== field);
        expect(missingFields(predicateOf(overrides), others)).toEqual([]);
      });
    }
  }

  it("names a task that there is not, and fuel that could not be read", () => {
    const { task: _, ...untasked } = predicateOf();
    expect(missingFields(untasked, ["task"])).toEqual(["task"]);
    const { budget } = predicateOf();
    const unread = predicateOf({ budget: budget && { ...budget, fuel: { granted: 5, used: null } } });
    expect(missingFields(unread, ["fuel"])).toEqual(["fuel"]);
  });

  it("takes no output for a fact when the run did not complete", () => {
    for (const outcome of OUTCOMES) {
      const missing = missingFields(predicateOf({ outcome, output_hash: null }), ["output_hash"]);
      expect(missing, outcome.kind).toEqual(outcome.kind === "completed" ? ["output_hash"] : []);
    }
  });
});

describe("RunPredicateSchema", () => {
  it("accepts every outcome and grant as the types say them", () => {
    for (const outcome of OUTCOMES)
      expect(RunPredicateSchema.parse(predicateOf({ outcome }))).toEqual(predicateOf({ outcome }));
  });

  const wrong: readonly (readonly [string, object])[] = [
    ["an unknown outcome", { outcome: { kind: "fine" } }],
    ["an unknown grant", { grants: [{ kind: "filesystem" }] }],
    ["a hash without its algorithm", { input_hash: "3".repeat(64) }],
    ["a date that does not exist", { finished_at: "2026-02-30T00:00:00.000Z" }],
    ["a time with an offset", { finished_at: "2026-02-20T00:00:00.000+01:00" }],
    ["a negative count", { memory_peak_bytes: -1 }],
    ["an empty run", { run: "" }],
    ["a task that is null", { task: null }],
  ];
  for (const [name, overrides] of wrong) {
    it(`refuses ${name}`, () => {
      expect(RunPredicateSchema.safeParse({ ...predicateOf(), ...overrides }).success).toBe(false);
    });
  }

  for (const member of Object.keys(predicateOf()).filter((name) => name !== "task")) {
    it(`refuses a predicate without ${member}`, () => {
      const { [member]: _, ...rest }: Record<string, unknown> = { ...predicateOf() };
      expect(RunPredicateSchema.safeParse(rest).success).toBe(false);
    });
  }
});

describe("predicateSchema()", () => {
  it("is a JSON Schema that requires what the types require", () => {
    const schema = predicateSchema();
    const required = Object.keys(predicateOf()).filter((name) => name !== "task");
    expect(schema).toMatchObject({ $schema: "https://json-schema.org/draft/2020-12/schema", type: "object" });
    expect(schema).toHaveProperty("required", expect.arrayContaining(required));
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema);
  });
});

function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
