/** Offline verification against forgers: first what must be refused, then what must be accepted. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { canonicalJson, sha256Hex } from "../../../src/core/digest.ts";
import {
  type Bundle,
  bundleVerifier,
  type Comparison,
  createStatement,
  derToRaw,
  encodeBase64,
  encodeStatement,
  MAX_BUNDLE_BYTES,
  rawToDer,
  verifyBundle,
} from "../../../src/core/manifest/index.ts";
import { signatureVerifier, verifyEs256 } from "../../../src/identity/index.ts";
import { OUTCOMES, predicateOf, signManifest, signPayload } from "./fixtures.ts";
import {
  bundle,
  bytes,
  der,
  FORGERIES,
  flip,
  foreign,
  key,
  predicate,
  signature,
  withEnvelope,
  withSig,
} from "./forgeries.ts";
import { withoutLog } from "./logs.ts";

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
// What the log adds is in verify-log.test.ts.
const trust = withoutLog([foreign.trusted, key.trusted]);
// As whoever verifies many: one verifier for everything that is forged here, with the host's own cryptography.
const verifier = bundleVerifier(
  withoutLog([key.trusted]),
  signatureVerifier(runtime.verification),
  runtime.verification.sha256,
);
const verify = (value: unknown, comparison?: Comparison) =>
  verifier(value instanceof Uint8Array ? value : bytes(value), comparison);

describe("verifyBundle() refuses", () => {
  it("at least 2,000 forgeries of at least 8 classes", () => {
    expect(FORGERIES.length).toBeGreaterThanOrEqual(8);
    expect(FORGERIES.reduce((sum, { times }) => sum + times, 0)).toBeGreaterThanOrEqual(2000);
  });

  for (const { name, times, forge, refusedBy } of FORGERIES) {
    it(`${name} (${times} times)`, async () => {
      // Small classes are gone through in order; large ones are sampled.
      const sample = fc.sample(fc.nat(1_000_000), { numRuns: times, seed: 7 });
      for (let index = 0; index < times; index++) {
        const n = times < 100 ? index : (sample[index] ?? index);
        const report = await verify(await forge(n));
        expect(report.ok, `${name} ${n}`).toBe(false);
        const last = report.checks.at(-1);
        expect(last?.ok).toBe(false);
        if (refusedBy !== undefined) expect(last?.check, `${name} ${n}: ${last?.detail}`).toBe(refusedBy);
      }
    });
  }

  const statement = createStatement(predicate);
  const SIGNED: readonly (readonly [name: string, payload: unknown, refusedBy: string])[] = [
    ["no JSON", "hello", "statement"],
    [
      "a member said twice",
      JSON.stringify(statement).replace('"tenant":', '"tenant":"evil","tenant":'),
      "statement",
    ],
    ["another statement version", { ...statement, _type: "https://in-toto.io/Statement/v0.1" }, "statement"],
    ["an extra member beside the predicate", { ...statement, extra: 1 }, "statement"],
    [
      "another predicate type",
      { ...statement, predicateType: "https://slsa.dev/provenance/v1" },
      "predicate-type",
    ],
    ["no predicate", { ...statement, predicate: undefined }, "statement"],
    [
      "an outcome it does not know",
      { ...statement, predicate: { ...predicate, outcome: { kind: "fine" } } },
      "predicate",
    ],
    ["a subject missing", { ...statement, subject: statement.subject.slice(1) }, "subjects"],
    ["subjects in another order", { ...statement, subject: statement.subject.toReversed() }, "subjects"],
    [
      "a subject too many",
      { ...statement, subject: [...statement.subject, statement.subject[0]] },
      "subjects",
    ],
    [
      "a subject of other bytes",
      createStatementLike({ name: "output", digest: { sha256: "5".repeat(64) } }),
      "subjects",
    ],
  ];
  for (const [name, payload, refusedBy] of SIGNED) {
    it(`a validly signed statement with ${name}`, async () => {
      const report = await verify(await signPayload(key, bytes(payload)));
      expect(report.checks.at(-1)).toMatchObject({ check: refusedBy, ok: false });
      expect(report.ok).toBe(false);
    });
  }

  function createStatementLike(first: object): object {
    return { ...statement, subject: [first, ...statement.subject.slice(1)] };
  }

  it("a document that is too large, without reading it", async () => {
    const report = await verify(new Uint8Array(MAX_BUNDLE_BYTES + 1));
    expect(report.checks.map(({ check }) => check)).toEqual(["size"]);
  });

  it("everything when nothing is trusted", async () => {
    expect((await verifyBundle(bytes(bundle), withoutLog([]), verifyEs256)).ok).toBe(false);
  });

  const finishedAtMs = Date.parse(predicate.finished_at);
  const VALIDITY: readonly (readonly [string, { validFromMs: number; validUntilMs?: number }, boolean])[] = [
    ["that begins after the run", { validFromMs: finishedAtMs + 1 }, false],
    ["that ended when the run finished", { validFromMs: 0, validUntilMs: finishedAtMs }, false],
    ["that begins when the run finished", { validFromMs: finishedAtMs }, true],
    ["that ends just after the run", { validFromMs: 0, validUntilMs: finishedAtMs + 1 }, true],
  ];
  for (const [name, validity, accepted] of VALIDITY) {
    it(`${accepted ? "not " : ""}a key's validity ${name}`, async () => {
      const report = await verifyBundle(
        bytes(bundle),
        withoutLog([{ ...key.trusted, ...validity }]),
        verifyEs256,
      );
      expect(report.ok).toBe(accepted);
      expect(report.checks.at(-1)).toMatchObject({ check: "key-validity", ok: accepted });
    });
  }

  it("never parses what it has not verified", async () => {
    const seen: string[] = [];
    const report = await verifyBundle(
      bytes(withEnvelope({ payload: encodeBase64(bytes("{")) })),
      trust,
      async (spki) => {
        seen.push(encodeBase64(spki));
        return false;
      },
    );
    expect(report.checks.at(-1)?.check).toBe("signature");
    expect(seen).toEqual(trust.keys.map(({ spki }) => spki));
  });

  it("in printable ASCII, whatever the manifest says", async () => {
    const lie = "\u001b[2J\u009b31m\u202eevil\n".repeat(100);
    for (const forged of [
      { ...bundle, [lie]: 1 },
      withEnvelope({ payloadType: lie }),
      { ...bundle, verificationMaterial: { publicKey: { hint: lie } } },
      await signPayload(key, bytes({ ...createStatement(predicate), predicateType: lie })),
    ]) {
      const report = await verify(forged);
      expect(report.ok).toBe(false);
      for (const { detail } of report.checks) expect(detail).toMatch(/^[\x20-\x7e]{0,403}$/);
    }
  });
});

describe("verifyBundle() accepts", () => {
  it("a manifest of every outcome, under whichever trusted key signed it", async () => {
    for (const outcome of OUTCOMES) {
      const signed = await signManifest(key, predicateOf({ outcome }));
      const report = await verifyBundle(bytes(signed), trust, verifyEs256);
      expect(report).toMatchObject({
        ok: true,
        keyId: key.trusted.keyId,
        predicate: predicateOf({ outcome }),
      });
      expect(report.checks.map(({ check }) => check)).toEqual([
        "size",
        "bundle",
        "encoding",
        "payload-type",
        "signature",
        "key-hint",
        "log-entry",
        "statement",
        "predicate-type",
        "predicate",
        "subjects",
        "key-validity",
      ]);
    }
  });

  it("the same manifest in another layout, with the keyid that an older Writ wrote, and in high-S form, which it names", async () => {
    expect((await verify(JSON.stringify(bundle, null, 2))).ok).toBe(true);
    expect(
      (await verify(withEnvelope({ signatures: [{ ...signature, keyid: key.trusted.keyId }] }))).ok,
    ).toBe(true);
    const raw = derToRaw(der) ?? expect.fail();
    const s = BigInt(`0x${Buffer.from(raw.subarray(32)).toString("hex")}`);
    const mirrored = Buffer.from((ORDER - s).toString(16).padStart(64, "0"), "hex");
    const twin = await verify(
      withSig(encodeBase64(rawToDer(Uint8Array.from([...raw.subarray(0, 32), ...mirrored])))),
    );
    expect(twin.ok).toBe(true);
    const details = [await verify(bundle), twin].map(
      ({ checks }) => checks.find(({ check }) => check === "signature")?.detail,
    );
    expect(details.filter((detail) => detail?.includes("high-S"))).toHaveLength(1);
  });

  it("members that a later version adds", async () => {
    const later = { ...predicate, later: { x: 1 }, outcome: { kind: "completed", later: 1 } };
    const statement = { ...createStatement(predicate), predicate: later };
    expect(await verify(await signPayload(key, bytes(statement)))).toMatchObject({
      ok: true,
      predicate: later,
    });
  });

  it("any predicate that a gateway can sign", async () => {
    const word = fc.string({ unit: "binary", minLength: 1, maxLength: 20 });
    const arbitrary = fc.record({
      run: word,
      tenant: word,
      tool: word,
      purpose: word,
      error: fc.jsonValue({ maxDepth: 20 }),
    });
    await fc.assert(
      fc.asyncProperty(arbitrary, async ({ error, ...words }) => {
        // JSON.parse gives what JSON can carry: fast-check also makes -0.
        const outcome = { kind: "failed", error: JSON.parse(JSON.stringify(error)) } as const;
        const said = predicateOf({ ...words, outcome });
        expect(await verify(await signManifest(key, said))).toMatchObject({ ok: true, predicate: said });
      }),
      { numRuns: 200 },
    );
  });

  it("gives the digest of the signed bytes", async () => {
    const report = await verify(bundle);
    const statement = encodeStatement(createStatement(predicate));
    const head = `DSSEv1 28 application/vnd.in-toto+json ${statement.length} `;
    expect(report).toMatchObject({ digest: sha256Hex(Uint8Array.from([...bytes(head), ...statement])) });
  });
});

describe("verifyBundle() compares", () => {
  const value = { b: [1, 2.5e8], a: "ü" };
  const component = Uint8Array.from([0, 97, 115, 109]);
  const hash = `sha256:${sha256Hex(canonicalJson(value))}`;
  const compared = predicateOf({
    input_hash: hash,
    output_hash: hash,
    artifact_hash: `sha256:${sha256Hex(component)}`,
  });
  let signed: Bundle;

  const CASES: readonly (readonly [string, Comparison, string | undefined])[] = [
    ["an output in any layout", { output: bytes('{ "a": "\\u00fc", "b": [1.0, 250000000] }') }, undefined],
    [
      "everything at once",
      { input: bytes(value), output: bytes(value), component, policyId: `sha256:${"1".repeat(64)}` },
      undefined,
    ],
    ["another output", { output: bytes({ ...value, a: "u" }) }, "compare-output"],
    ["an output that is no JSON", { output: bytes("{") }, "compare-output"],
    [
      "an output with a member said twice",
      { output: bytes('{"b":[1,2.5e8],"a":"x","a":"ü"}') },
      "compare-output",
    ],
    ["an output without canonical form", { output: bytes('"\\ud800"') }, "compare-output"],
    ["another input", { input: bytes([]) }, "compare-input"],
    ["another component", { component: flip(component, 3) }, "compare-component"],
    ["another policy", { policyId: hash }, "compare-policy"],
  ];
  for (const [name, comparison, refusedBy] of CASES) {
    it(`${name}: ${refusedBy === undefined ? "accepts" : "refuses"}`, async () => {
      signed ??= await signManifest(key, compared);
      const report = await verify(signed, comparison);
      expect(report.ok).toBe(refusedBy === undefined);
      if (refusedBy !== undefined)
        expect(report.checks.at(-1)).toMatchObject({ check: refusedBy, ok: false });
      else
        expect(report.checks.filter(({ check }) => check.startsWith("compare-"))).toHaveLength(
          Object.keys(comparison).length,
        );
    });
  }

  it("refuses an output for a run that had none", async () => {
    const report = await verify(await signManifest(key, predicateOf({ output_hash: null })), {
      output: bytes(null),
    });
    expect(report.checks.at(-1)).toMatchObject({ check: "compare-output", ok: false });
  });
});
