/** What may be done with a secret besides sending it, checked with others' implementations. */
import { createHmac, createPublicKey, generateKeyPairSync, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { createBroker, parseProfiles, resolveProfiles } from "../../src/broker/index.ts";
import type { Grant } from "../../src/core/policy/index.ts";
import { BUDGET, call, clock } from "./support.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

async function open(
  grants: readonly Grant[],
  secret: string,
  more = "inject: { bearer: true }",
  tenant = "acme",
) {
  const yaml = `cloud:\n  secret: { env: KEY }\n  audience: ["https://api.example.com"]\n  ${more}\n`;
  const profiles = await resolveProfiles(parseProfiles(yaml, "p.yaml"), {
    env: () => secret,
    files: runtime.files,
  });
  const broker = createBroker({ clock, resolver: { resolve: async () => [] }, profiles });
  return broker.openRun({ grants, owner: { tenant, tool: "t" }, budget: BUDGET, startedAtMs: Date.now() });
}

const SIGNING: Grant = { kind: "signing", profile: "cloud", operations: ["hmac-sha256", "sign"] };
const DENIED = { kind: "error", error: { tag: "not-permitted" } };

describe("signing/hmac-sha256", () => {
  // The chain of AWS Signature Version 4, over parts whose lengths say where each ends.
  it("makes the keys that AWS Signature Version 4 makes", async () => {
    const key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const parts = ["20150830", "us-east-1", "iam", "aws4_request", "a string to sign"];
    let expected: Uint8Array = bytes(`AWS4${key}`);
    for (const part of parts) expected = createHmac("sha256", expected).update(part).digest();
    const host = await open([SIGNING], key);
    const args = { name: "cloud", prefix: "AWS4", lengths: parts.map((part) => part.length) };
    const reply = await call(host, "signing/hmac-sha256", args, bytes(parts.join("")));
    expect(reply).toMatchObject({ kind: "ok", body: Uint8Array.from(expected) });
    expect(host.events).toMatchObject([
      { import: "writ:host/signing#hmac-sha256", effect: "allowed", clause: "secret_operations" },
    ]);
    expect(JSON.stringify(host.events)).not.toContain(key);
  });

  it("refuses too much, and nothing at all", async () => {
    const host = await open([SIGNING], "longenough");
    const tooLarge = { kind: "error", error: { tag: "too-large" } };
    const many = Array.from({ length: 17 }, () => 0);
    for (const lengths of [[], many])
      expect(await call(host, "signing/hmac-sha256", { name: "cloud", prefix: "", lengths })).toEqual(
        tooLarge,
      );
    const args = { name: "cloud", prefix: "", lengths: [2 ** 20 + 1] };
    expect(await call(host, "signing/hmac-sha256", args, new Uint8Array(2 ** 20 + 1))).toEqual(tooLarge);
  });
});

describe("signing/sign", () => {
  const KEYS = [
    ["Ed25519", generateKeyPairSync("ed25519")],
    ["ES256", generateKeyPairSync("ec", { namedCurve: "P-256" })],
  ] as const;

  it.each(KEYS)(
    "signs with %s so that others can verify it",
    async (algorithm, { privateKey, publicKey }) => {
      const pem = String(privateKey.export({ type: "pkcs8", format: "pem" }));
      const host = await open([SIGNING], pem, `sign: ${algorithm}`);
      const reply = await call(host, "signing/sign", { name: "cloud" }, bytes("a request"));
      if (reply.kind !== "ok" || reply.body === undefined) throw new TypeError("wanted a signature");
      const key = createPublicKey(publicKey.export({ type: "spki", format: "pem" }));
      const hash = algorithm === "Ed25519" ? null : "sha256";
      const how = algorithm === "Ed25519" ? key : ({ key, dsaEncoding: "ieee-p1363" } as const);
      expect(reply.body).toHaveLength(64);
      expect(verify(hash, bytes("a request"), how, reply.body)).toBe(true);
      expect(verify(hash, bytes("another"), how, reply.body)).toBe(false);
      // Not the other way round either: a private key is no text to make a MAC with, or to show.
      const mac = await call(host, "signing/hmac-sha256", { name: "cloud", prefix: "", lengths: [0] });
      expect(mac).toEqual({ kind: "error", error: { tag: "unsupported" } });
    },
  );

  it("has no key in a text", async () => {
    const host = await open([SIGNING], "a plain text");
    expect(await call(host, "signing/sign", { name: "cloud" }, bytes("x"))).toEqual({
      kind: "error",
      error: { tag: "unsupported" },
    });
  });

  it.each(["no key at all", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"])(
    "refuses a profile whose key is none, without quoting it: %s",
    async (text) => {
      const opened = open([SIGNING], text, "sign: Ed25519");
      await expect(opened).rejects.toThrow(/cloud.secret: wanted a private key for Ed25519/);
      await expect(opened).rejects.not.toThrow(/AAAA|no key at all/);
    },
  );
});

describe("operations that the policy does not name", () => {
  const CALLS = [
    ["signing/hmac-sha256", { name: "cloud", prefix: "", lengths: [0] }],
    ["signing/sign", { name: "cloud" }],
    ["reveal/reveal", { name: "cloud" }],
  ] as const;
  const GRANTS: readonly (readonly [string, readonly Grant[]])[] = [
    ["no grant", []],
    ["a handle alone", [{ kind: "secrets", profile: "cloud" }]],
    ["another profile's", [{ ...SIGNING, profile: "other", operations: [] }]],
  ];
  for (const [what, grants] of GRANTS) {
    it.each(CALLS)(`are denied with ${what}: %s`, async (name, args) => {
      const usable = grants.filter((grant) => !("profile" in grant) || grant.profile === "cloud");
      const host = await open(usable, "longenough");
      expect(await call(host, name, args)).toEqual(DENIED);
      expect(host.events).toMatchObject([{ effect: "denied", target: "cloud", clause: "secret_operations" }]);
      expect(host.denial?.import).toMatch(/^writ:host\/(signing|reveal)#/);
    });
  }

  it("are told apart: signing does not let a guest read, nor reading sign", async () => {
    const signing = await open([SIGNING], "longenough");
    expect(await call(signing, "reveal/reveal", { name: "cloud" })).toEqual(DENIED);
    const reveal = await open([{ kind: "reveal", profile: "cloud" }], "longenough");
    expect(await call(reveal, "signing/sign", { name: "cloud" })).toEqual(DENIED);
    expect(await call(reveal, "reveal/reveal", { name: "other" })).toEqual(DENIED);
    expect(await call(reveal, "reveal/reveal", { name: "cloud" })).toEqual({
      kind: "ok",
      value: "longenough",
    });
    expect(reveal.events.at(-1)).toMatchObject({ import: "writ:host/reveal#reveal", effect: "allowed" });
  });

  it("are over with the run", async () => {
    const host = await open([SIGNING], "longenough");
    host.close();
    expect(await call(host, "signing/sign", { name: "cloud" })).toMatchObject({ kind: "stop" });
  });

  it("are not for a tenant that the profile is not for", async () => {
    const more = "inject: { bearer: true }\n  tenants: [acme]";
    await expect(open([SIGNING], "longenough", more, "other")).rejects.toMatchObject({
      code: "tool-suspended",
    });
    await expect(open([SIGNING], "longenough", more, "acme")).resolves.toBeDefined();
  });
});
