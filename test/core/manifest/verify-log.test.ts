/** Manifests in logs: forged proofs, foreign logs and old checkpoints first, then what must be accepted. */
import { describe, expect, it } from "vitest";
import { canonicalJson } from "../../../src/core/digest.ts";
import {
  type Bundle,
  bundleVerifier,
  digestOfPayload,
  encodeBase64,
  encodeTrustedRoot,
  joinTrust,
  type LogEntry,
  parseTrust,
  type Trust,
  verifyBundle,
} from "../../../src/core/manifest/index.ts";
import { verifySignature } from "../../../src/identity/index.ts";
import { predicateOf, signManifest, testKey } from "./fixtures.ts";
import { bytes, flip, foreign, key, bundle as unlogged } from "./forgeries.ts";
import { entryOf, logBundle, signCheckpoint, testLog, withoutLog } from "./logs.ts";

const log = await testLog();
const otherLog = await testLog("other.example");
const { spki } = key.trusted;
const good = await logBundle(log, unlogged, { spki });
const goodEntry = entryIn(good);
const proof = goodEntry.inclusionProof;
const second = await signManifest(key, predicateOf({ run: "run_01J00000000000000000000002" }));
const secondEntry = entryIn(await logBundle(log, second, { spki, index: 6 }));
const TRUST: Trust = { keys: [key.trusted], logs: [log.trusted], logRequired: true };

function entryIn(bundle: Bundle): LogEntry {
  return bundle.verificationMaterial.tlogEntries?.[0] ?? expect.fail("no log entry");
}
const verify = (value: unknown, trust = TRUST) =>
  verifyBundle(value instanceof Uint8Array ? value : bytes(value), trust, verifySignature);
const remembering = bundleVerifier(TRUST, verifySignature);
/** By a verifier that has verified the good one before, and knows its checkpoint. */
const verifyAgain = async (value: unknown) => {
  expect((await remembering(bytes(good))).ok).toBe(true);
  return await remembering(value instanceof Uint8Array ? value : bytes(value));
};
const withEntries = (tlogEntries: readonly object[]) => ({
  ...unlogged,
  verificationMaterial: { ...unlogged.verificationMaterial, tlogEntries },
});
const withEntry = (changes: object) => withEntries([{ ...goodEntry, ...changes }]);
const withProof = (changes: object) => withEntry({ inclusionProof: { ...proof, ...changes } });

/** What an attacker without the log's key can make of a good bundle, and the check that must refuse it. */
const FORGERIES: readonly (readonly [name: string, refusedBy: string, forged: unknown])[] = [
  ["no entry", "log-entry", unlogged],
  ["an empty list of entries", "log-entry", withEntries([])],
  ["the entry twice", "log-entry", withEntries([goodEntry, goodEntry])],
  ["the entry of another manifest", "log-entry", withEntries([secondEntry])],
  [
    "another manifest's body under our proof",
    "log-entry",
    withEntry({ canonicalizedBody: secondEntry.canonicalizedBody }),
  ],
  [
    "another manifest's proof under our body",
    "log-inclusion",
    withEntries([{ ...secondEntry, canonicalizedBody: goodEntry.canonicalizedBody }]),
  ],
  [
    "the entry of a foreign key's signature",
    "log-entry",
    withEntry({ canonicalizedBody: encodeBase64(bytes(entryOf(unlogged, foreign.trusted.spki))) }),
  ],
  [
    "a body of other spacing",
    "log-entry",
    withEntry({
      canonicalizedBody: encodeBase64(bytes(JSON.stringify(JSON.parse(entryOf(unlogged, spki)), null, 1))),
    }),
  ],
  ["another kind", "log-entry", withEntry({ kindVersion: { kind: "dsse", version: "0.0.2" } })],
  ["another version", "log-entry", withEntry({ kindVersion: { kind: "hashedrekord", version: "0.0.1" } })],
  ["an index outside the proof that differs", "log-entry", withEntry({ logIndex: "6" })],
  ["a promise that nobody checks", "bundle", withEntry({ inclusionPromise: { signedEntryTimestamp: "" } })],
  ["a time that nobody signed", "bundle", withEntry({ integratedTime: "1" })],
  ["an index in another spelling", "bundle", withProof({ logIndex: "05" })],
  ["an index that is a number", "bundle", withProof({ logIndex: 5 })],
  ["a path of 65 hashes", "bundle", withProof({ hashes: Array(65).fill(proof.rootHash) })],
  [
    "another index in both places",
    "log-inclusion",
    withEntries([{ ...goodEntry, logIndex: "4", inclusionProof: { ...proof, logIndex: "4" } }]),
  ],
  ["another size", "checkpoint", withProof({ treeSize: "12" })],
  ["another root", "checkpoint", withProof({ rootHash: encodeBase64(new Uint8Array(32)) })],
  ["another log's id", "checkpoint", withEntry({ logId: { keyId: encodeBase64(new Uint8Array(32)) } })],
  ["no path", "log-inclusion", withProof({ hashes: [] })],
  ["a path cut short", "log-inclusion", withProof({ hashes: proof.hashes.slice(1) })],
  ["a path in another order", "log-inclusion", withProof({ hashes: proof.hashes.toReversed() })],
  ["a hash that is no base64", "log-inclusion", withProof({ hashes: ["!", ...proof.hashes.slice(1)] })],
  ["no checkpoint", "checkpoint", withProof({ checkpoint: { envelope: "" } })],
  [
    "a checkpoint without signature",
    "checkpoint",
    withProof({ checkpoint: { envelope: proof.checkpoint.envelope.split("\n\n")[0] } }),
  ],
];

describe("verifyBundle() with a log refuses", () => {
  for (const [name, refusedBy, forged] of FORGERIES) {
    it(name, async () => {
      for (const one of [verify, verifyAgain]) {
        const report = await one(forged);
        expect(report.ok).toBe(false);
        expect(report.checks.at(-1)).toMatchObject({ check: refusedBy, ok: false });
      }
    });
  }

  it("an old checkpoint, from before the entry", async () => {
    const old = await signCheckpoint(log, { size: 3n, root: new Uint8Array(32) });
    const forged = withProof({
      treeSize: "3",
      rootHash: encodeBase64(new Uint8Array(32)),
      checkpoint: { envelope: old },
    });
    expect((await verify(forged)).checks.at(-1)).toMatchObject({ check: "log-inclusion", ok: false });
    const swapped = withProof({ checkpoint: { envelope: old } });
    expect((await verify(swapped)).checks.at(-1)).toMatchObject({ check: "checkpoint", ok: false });
  });

  it("a log that is not trusted, trusted under another name, or with another's key", async () => {
    const elsewhere = await logBundle(otherLog, unlogged, { spki });
    for (const [value, logs] of [
      [elsewhere, [log.trusted]],
      [good, [otherLog.trusted]],
      [good, []],
      [good, [{ ...log.trusted, origin: "other.example" }]],
      [good, [{ ...log.trusted, spki: otherLog.trusted.spki }]],
    ] as const) {
      const report = await verify(value, { ...TRUST, logs });
      expect(report.checks.at(-1)).toMatchObject({ check: "checkpoint", ok: false });
    }
  });

  it("a log key used for a manifest, and a manifest key used for a log", async () => {
    const keys = [{ ...key.trusted, spki: log.trusted.spki }];
    expect((await verify(good, { ...TRUST, keys })).checks.at(-1)).toMatchObject({ check: "signature" });
    const logs = [{ ...log.trusted, spki }];
    await expect(verify(good, { ...TRUST, logs })).rejects.toThrow(TypeError);
  });

  it("a log outside its validity", async () => {
    const finishedAtMs = Date.parse(predicateOf().finished_at);
    for (const [validity, accepted] of [
      [{ validFromMs: finishedAtMs + 1 }, false],
      [{ validFromMs: 0, validUntilMs: finishedAtMs }, false],
      [{ validFromMs: finishedAtMs, validUntilMs: finishedAtMs + 1 }, true],
    ] as const) {
      const report = await verify(good, { ...TRUST, logs: [{ ...log.trusted, ...validity }] });
      expect(report.ok).toBe(accepted);
      expect(report.checks.at(-1)).toMatchObject({ check: "log-validity", ok: accepted });
    }
  });

  it("every flipped bit of the log entry", async () => {
    const text = JSON.stringify(good);
    const from = text.indexOf('"tlogEntries"') * 8;
    const until = text.indexOf('"dsseEnvelope"') * 8;
    let accepted = 0;
    // Every seventh: no bit of a letter is left out over the whole entry.
    for (let bit = from; bit < until; bit += 7)
      if ((await verifyAgain(flip(bytes(text), bit))).ok) accepted++;
    expect(accepted).toBe(0);
  });
});

describe("verifyBundle() with a log accepts", () => {
  it("a logged manifest, and says where it is", async () => {
    const report = await verify(good);
    expect(report).toMatchObject({ ok: true, log: { origin: "log.example", index: 5n } });
    expect(report.checks.map(({ check }) => check)).toEqual([
      "size",
      "bundle",
      "encoding",
      "payload-type",
      "signature",
      "key-hint",
      "log-entry",
      "checkpoint",
      "log-inclusion",
      "statement",
      "predicate-type",
      "predicate",
      "subjects",
      "key-validity",
      "log-validity",
    ]);
  });

  it("one that is alone in its log, or the last of many", async () => {
    for (const [index, size] of [
      [0, 1],
      [0, 2],
      [1, 2],
      [16, 17],
      [99, 100],
    ] as const) {
      expect((await verify(await logBundle(log, unlogged, { spki, index, size }))).ok).toBe(true);
    }
  });

  it("a checkpoint that others have signed too", async () => {
    const { envelope } = proof.checkpoint;
    const [text = ""] = envelope.split("\n\n");
    const theirs = (await signCheckpoint(otherLog, { size: 1n, root: new Uint8Array(32) })).split("\n\n")[1];
    const cosigned = withProof({
      checkpoint: { envelope: `${text}\n\n${theirs}${envelope.split("\n\n")[1]}` },
    });
    expect((await verify(cosigned)).ok).toBe(true);
  });

  it("any entry, or none, when the trust asks for no log, and says so", async () => {
    for (const value of [good, unlogged, withProof({ hashes: [] })]) {
      const report = await verify(value, withoutLog([key.trusted]));
      expect(report.ok).toBe(true);
      expect(report).not.toHaveProperty("log");
      expect(report.checks).toContainEqual({
        check: "log-entry",
        ok: true,
        detail: "the trust asks for no log; none was looked at",
      });
    }
  });
});

describe("encodeLogEntry()", () => {
  it("writes canonical JSON of a hashedrekord 0.0.2", () => {
    const text = entryOf(unlogged, spki);
    expect(canonicalJson(JSON.parse(text))).toBe(text);
    const { payload, signatures } = unlogged.dsseEnvelope;
    expect(JSON.parse(text)).toEqual({
      apiVersion: "0.0.2",
      kind: "hashedrekord",
      spec: {
        hashedRekordV002: {
          data: {
            algorithm: "SHA2_256",
            digest: encodeBase64(digestOfPayload(Buffer.from(payload, "base64"))),
          },
          signature: {
            content: signatures[0].sig,
            verifier: { keyDetails: "PKIX_ECDSA_P256_SHA_256", publicKey: { rawBytes: spki } },
          },
        },
      },
    });
  });
});

describe("parseTrust()", () => {
  const instant = (atMs: number) => new Date(atMs).toISOString();
  const document = encodeTrustedRoot([log.trusted, { ...otherLog.trusted, validUntilMs: 99 }], instant);
  const read = (value: unknown) => parseTrust(bytes(value));

  it("reads back the logs that encodeTrustedRoot() wrote", () => {
    const logs = [log.trusted, { ...otherLog.trusted, validUntilMs: 99 }];
    expect(read(document)).toEqual({ ok: true, trust: { keys: [], logs, logRequired: true } });
  });

  const root = JSON.parse(document);
  const [first] = root.tlogs;
  const HOSTILE: readonly (readonly [string, object, string])[] = [
    ["another media type", { ...root, mediaType: "x" }, "/mediaType"],
    ["no logs", { mediaType: root.mediaType }, "/tlogs"],
    [
      "a key id of another log",
      { ...root, tlogs: [{ ...first, logId: { keyId: "AAAA" } }] },
      "/tlogs/0/logId/keyId",
    ],
    [
      "a base URL with a path",
      { ...root, tlogs: [{ ...first, baseUrl: "https://a/b" }] },
      "/tlogs/0/baseUrl",
    ],
    [
      "a key of another kind",
      { ...root, tlogs: [{ ...first, publicKey: { ...first.publicKey, rawBytes: spki } }] },
      "/tlogs/0/publicKey/rawBytes",
    ],
    [
      "a time that is none",
      { ...root, tlogs: [{ ...first, publicKey: { ...first.publicKey, validFor: { start: "now" } } }] },
      "/tlogs/0/publicKey/validFor",
    ],
  ];
  for (const [name, hostile, pointer] of HOSTILE) {
    it(`refuses a trusted root with ${name}`, () => {
      expect(read(hostile)).toMatchObject({ ok: false, errors: [{ pointer }] });
    });
  }

  it("passes over logs with keys of other kinds", () => {
    const ecdsa = { ...first, publicKey: { ...first.publicKey, keyDetails: "PKIX_ECDSA_P256_SHA_256" } };
    expect(read({ ...root, tlogs: [ecdsa] })).toMatchObject({ ok: true, trust: { logs: [] } });
  });

  it("asks for a log unless trusted-keys.json says otherwise, in the one word for it", async () => {
    const keys = { trustedKeys: [(await testKey()).trusted] };
    expect(read(keys)).toMatchObject({ ok: true, trust: { logRequired: true } });
    expect(read({ ...keys, log: "required" })).toMatchObject({ ok: true, trust: { logRequired: true } });
    expect(read({ ...keys, log: "not-required" })).toMatchObject({ ok: true, trust: { logRequired: false } });
    for (const log of ["none", false, "", null]) expect(read({ ...keys, log })).toMatchObject({ ok: false });
  });

  it("joinTrust() of nothing trusts nothing and asks for a log", () => {
    expect(joinTrust([])).toEqual({ keys: [], logs: [], logRequired: true });
  });
});
