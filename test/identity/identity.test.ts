/** API keys against guessers, forgers and the forgotten. */

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { sha256Hex } from "../../src/core/digest.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { createIdentity, type Identity, type IssueKeyOptions } from "../../src/identity/index.ts";
import { writeKey } from "../../src/identity/key-text.ts";
import type { Clock, Store } from "../../src/ports/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { actOfTest } from "../support/key-act.ts";

const OPTIONS: IssueKeyOptions = { tenant: "acme", tier: "pro", scopes: ["invoke", "evidence"], label: "ci" };
const NOW = 1_750_000_000_000;

let now: number;
let store: Store;
let identity: Identity;

beforeEach(async () => {
  now = NOW;
  const clock: Clock = { nowMs: () => now, monotonicMs: () => now, after: () => () => undefined };
  store = await openStore(runtime.openSqlite(":memory:"));
  identity = createIdentity({ store, clock, entropy: runtime.entropy });
});
afterEach(() => store.close());

/** The error of a refused header, as data. */
async function refusal(authorization: string | undefined): Promise<unknown> {
  const error: unknown = await identity.authenticate(authorization).then(
    (principal) => expect.fail(`accepted ${JSON.stringify(authorization)} as ${principal.id}`),
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(GatewayError);
  // Stack and cause tell the operator where and why; everything else must be the same for everybody.
  return error instanceof GatewayError ? { message: error.message, refusal: error.refusal } : error;
}

describe("authenticate() refuses, always alike,", () => {
  it("at least 40 bad headers", async () => {
    const { text } = await identity.issueKey(OPTIONS, actOfTest);
    const expired = await identity.issueKey({ ...OPTIONS, expiresAtMs: NOW }, actOfTest);
    const revoked = await identity.issueKey(OPTIONS, actOfTest);
    await identity.revokeKey(revoked.row.id);
    const [, id = "", secret = "", sum = ""] = text.split("_");
    const unknown = writeKey(runtime.entropy.bytes(36)).text;
    const twin = Uint8Array.from([
      ...(id.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16)),
      ...Array(32).fill(7),
    ]);
    const swapped = text[20] === "a" ? "b" : "a";

    const HEADERS: readonly (readonly [string, string | undefined])[] = [
      ["missing", undefined],
      ["empty", ""],
      ["a space", " "],
      ["only the scheme", "Bearer"],
      ["the scheme and a space", "Bearer "],
      ["the scheme and spaces", "Bearer    "],
      ["no scheme", text],
      ["another scheme", `Basic ${text}`],
      ["Basic credentials", `Basic ${btoa(`user:${text}`)}`],
      ["Digest", `Digest username="${text}"`],
      ["Token", `Token ${text}`],
      ["DPoP", `DPoP ${text}`],
      ["the scheme twice", `Bearer Bearer ${text}`],
      ["the scheme glued on", `Bearer${text}`],
      ["a tab for the space", `Bearer\t${text}`],
      ["two spaces", `Bearer  ${text}`],
      ["a space before", ` Bearer ${text}`],
      ["a space after", `Bearer ${text} `],
      ["a newline after", `Bearer ${text}\n`],
      ["a NUL after", `Bearer ${text}\u0000`],
      ["quotes", `Bearer "${text}"`],
      ["angle brackets", `Bearer <${text}>`],
      ["a comma list", `Bearer ${text}, Bearer ${text}`],
      ["two keys", `Bearer ${text} ${text}`],
      ["a full-width letter", `Bearer ${text.slice(0, -1)}Ａ`],
      ["a Cyrillic look-alike", `Bearer wr\u0456t_${id}_${secret}_${sum}`],
      ["upper case", `Bearer ${text.toUpperCase()}`],
      ["another prefix", `Bearer writz_${id}_${secret}_${sum}`],
      ["no prefix", `Bearer ${id}_${secret}_${sum}`],
      ["no id", `Bearer writ_${secret}_${sum}`],
      ["no secret", `Bearer writ_${id}__${sum}`],
      ["no checksum", `Bearer writ_${id}_${secret}`],
      ["an empty checksum", `Bearer writ_${id}_${secret}_`],
      ["a wrong checksum", `Bearer writ_${id}_${secret}_000000`],
      ["a letter changed", `Bearer ${text.slice(0, 20)}${swapped}${text.slice(21)}`],
      ["a letter too few", `Bearer ${text.slice(0, -1)}`],
      ["a letter too many", `Bearer ${text}0`],
      ["another id with this secret", `Bearer writ_00000000_${secret}_${sum}`],
      ["the stored hash", `Bearer ${sha256Hex(text)}`],
      ["the id alone", `Bearer key_${id}`],
      ["a well-formed key that never was", `Bearer ${unknown}`],
      ["a well-formed key with this id and another secret", `Bearer ${writeKey(twin).text}`],
      ["an expired key", `Bearer ${expired.text}`],
      ["a revoked key", `Bearer ${revoked.text}`],
      ["SQL", "Bearer ' OR 1=1 --"],
      ["SQL in a key's clothes", `Bearer writ_${id}_' OR '1'='1_${sum}`],
      ["a JWT without signature", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9."],
      ["undefined as text", "Bearer undefined"],
      ["null as text", "null"],
      ["an object's text", "[object Object]"],
      ["a prototype's name", "Bearer __proto__"],
      ["a megabyte", `Bearer ${"A".repeat(1_000_000)}`],
      ["a megabyte before the key", `Bearer ${"A".repeat(1_000_000)}${text}`],
      ["a lone surrogate", `Bearer \ud800${text}`],
    ];
    expect(HEADERS.length).toBeGreaterThanOrEqual(40);
    const expected = await refusal(undefined);
    expect(expected).toMatchObject({ refusal: { code: "unauthenticated" } });
    for (const [name, header] of HEADERS) expect(await refusal(header), name).toEqual(expected);
    // The key that all of these were made from is good.
    expect((await identity.authenticate(`Bearer ${text}`)).id).toBe(`key:${id}`);
  });

  it("a good key from the moment it expires, and after a revocation however the clock jumps", async () => {
    const { text, row } = await identity.issueKey({ ...OPTIONS, expiresAtMs: NOW + 10 }, actOfTest);
    now = NOW + 9;
    await identity.authenticate(`Bearer ${text}`);
    now = NOW + 10;
    await refusal(`Bearer ${text}`);
    now = NOW;
    await identity.revokeKey(row.id);
    now = NOW - 3_600_000;
    await refusal(`Bearer ${text}`);
  });

  it("except when the store fails, which is not the caller's fault", async () => {
    const { text } = await identity.issueKey(OPTIONS, actOfTest);
    await store.close();
    await expect(identity.authenticate(`Bearer ${text}`)).rejects.toMatchObject({
      code: "evidence-unavailable",
    });
    // What can not be a key is refused without asking the store: scanners cost us no queries.
    for (const forged of [`${text.slice(0, -6)}000000`, text.slice(0, -1), "x"]) {
      await expect(identity.authenticate(`Bearer ${forged}`)).rejects.toMatchObject({
        code: "unauthenticated",
      });
    }
    store = await openStore(runtime.openSqlite(":memory:"));
  });
});

describe("authenticate()", () => {
  it("gives the key's tenant, tier and scopes, whatever the scheme's case", async () => {
    const { text, row } = await identity.issueKey(OPTIONS, actOfTest);
    const principal = {
      id: row.id.replace("key_", "key:"),
      tenant: "acme",
      tier: "pro",
      scopes: ["invoke", "evidence"],
      credential: { kind: "api-key", id: row.id },
    };
    for (const scheme of ["Bearer", "bearer", "BEARER"]) {
      expect(await identity.authenticate(`${scheme} ${text}`)).toEqual(principal);
    }
  });

  it("grants nothing for scopes it does not know", async () => {
    const { text, id } = writeKey(runtime.entropy.bytes(36));
    const row = {
      id,
      hash: sha256Hex(text),
      tenant: "t",
      tier: "free",
      scopes: [
        "root",
        "evidence",
        "*",
        "invoke:",
        "invoke:*",
        "invoke:Weather",
        "evidence:weather",
        "invoke:weather",
      ],
      createdAtMs: 1,
      label: "",
    };
    await store.insertKey(row);
    expect((await identity.authenticate(`Bearer ${text}`)).scopes).toEqual(["evidence", "invoke:weather"]);
  });
});

describe("issueKey()", () => {
  it("writes keys of one form, all different, and keeps only their hash", async () => {
    const issued = await Promise.all(
      Array.from({ length: 200 }, () => identity.issueKey(OPTIONS, actOfTest)),
    );
    expect(new Set(issued.map(({ text }) => text)).size).toBe(200);
    for (const { text, row } of issued) {
      expect(text).toMatch(/^writ_[0-9a-f]{8}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
      expect(row).toMatchObject({ id: `key_${text.slice(5, 13)}`, hash: sha256Hex(text), createdAtMs: NOW });
    }
    const kept = JSON.stringify(await identity.listKeys());
    for (const { text } of issued) expect(kept).not.toContain(text.slice(14, 57));
  });

  it("writeKey() keeps all 256 bits: the smallest and the largest secret fit and differ", () => {
    const secretOf = (byte: number) => writeKey(new Uint8Array(36).fill(byte)).text.split("_")[2];
    expect(secretOf(0)).toBe("0".repeat(43));
    let value = 0n;
    const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    for (const letter of secretOf(255) ?? "") value = value * 62n + BigInt(letters.indexOf(letter));
    expect(value).toBe(2n ** 256n - 1n);
    expect(() => writeKey(new Uint8Array(35))).toThrow(RangeError);
  });

  it("checks with CRC-32, by its check value", () => {
    // CRC-32 of "writ_00000000_000…0" by zlib, in base 62.
    expect(writeKey(new Uint8Array(36)).text.split("_")[3]).toBe("0upJdP");
  });
});

describe("bootstrapKey()", () => {
  it("issues one key with every scope to an empty store, and never again", async () => {
    const first = await identity.bootstrapKey(actOfTest);
    expect(first?.row).toMatchObject({
      tenant: "default",
      tier: "free",
      scopes: ["invoke", "evidence", "keys", "operate", "approve"],
    });
    expect(await identity.bootstrapKey(actOfTest)).toBeUndefined();
    await identity.revokeKey(first?.row.id ?? "");
    expect(await identity.bootstrapKey(actOfTest, { tenant: "x", tier: "pro" })).toBeUndefined();
    expect(await identity.listKeys()).toHaveLength(1);
  });

  it("issues none for a tenant that is not in the list of tenants", async () => {
    identity.use({ tenants: new Map([["acme", { tier: "pro" }]]), issuers: [] });
    expect(await identity.bootstrapKey(actOfTest)).toBeUndefined();
    expect((await identity.bootstrapKey(actOfTest, { tenant: "acme" }))?.row.tenant).toBe("acme");
  });

  it("revokeKey() says when there is no such key", async () => {
    expect(await identity.revokeKey("key_00000000")).toBe(false);
  });
});
