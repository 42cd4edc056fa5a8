/** Checkpoints and proofs as texts: hostile spellings first, then keys and names that do not belong together. */
import { beforeAll, describe, expect, it } from "vitest";
import { encodeBase64 } from "../../../src/core/base64.ts";
import {
  type Bytes,
  CheckpointReader,
  formatCheckpoint,
  formatNote,
  formatProof,
  noteKeyDigest,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  parseProof,
  type TrustedLog,
  type VerifyEd25519,
} from "../../../src/core/merkle/index.ts";

const verify: VerifyEd25519 = async (spki, signature, bytes) => {
  const key = await crypto.subtle.importKey("spki", spki, "Ed25519", false, ["verify"]);
  return await crypto.subtle.verify("Ed25519", key, signature, bytes);
};

interface TestLog extends TrustedLog {
  sign(text: string, as?: string): Promise<string>;
}

async function testLog(origin: string): Promise<TestLog> {
  // The DOM's types know Ed25519 only as a string that gives one key or two.
  const pair = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", pair.publicKey));
  return {
    origin,
    spki: encodeBase64(spki),
    async sign(text, as = origin) {
      const bytes = new TextEncoder().encode(text);
      const signature: Bytes = new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, bytes));
      return formatNote(text, [{ name: as, keyId: noteKeyDigest(as, spki).slice(0, 4), signature }]);
    },
  };
}

const root = Uint8Array.from({ length: 32 }, (_, n) => n);
const checkpoint = { origin: "log.example", size: 7n, root };
const text = formatCheckpoint(checkpoint);
let log: TestLog;
let other: TestLog;
let note: string;

beforeAll(async () => {
  [log, other] = [await testLog("log.example"), await testLog("other.example")];
  note = await log.sign(text);
});

describe("parseCheckpoint()", () => {
  const base64 = encodeBase64(root);
  const HOSTILE = [
    "",
    text.slice(0, -1),
    `${text}extension\n`,
    `${text}\n`,
    `\n${text}`,
    `log.example\n07\n${base64}\n`,
    `log.example\n-7\n${base64}\n`,
    `log.example\n+7\n${base64}\n`,
    `log.example\n7 \n${base64}\n`,
    `log.example\n0x7\n${base64}\n`,
    `log.example\n18446744073709551616\n${base64}\n`,
    `log.example\n7\n${base64.slice(0, -1)}\n`,
    `log.example\n7\n${encodeBase64(root.subarray(1))}\n`,
    `log.example\n7\n${base64.slice(0, -2)}9=\n`,
    `\n7\n${base64}\n`,
    `log example\n7\n${base64}\n`,
    `log+example\n7\n${base64}\n`,
    text.replaceAll("\n", "\r\n"),
  ];
  for (const hostile of HOSTILE) {
    it(`refuses ${JSON.stringify(hostile)}`, () => expect(parseCheckpoint(hostile)).toBeUndefined());
  }

  it("reads what formatCheckpoint() wrote, up to 2^64 - 1", () => {
    for (const size of [0n, 1n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
      expect(parseCheckpoint(formatCheckpoint({ ...checkpoint, size }))).toEqual({ ...checkpoint, size });
    }
  });
});

describe("parseNote() refuses", () => {
  const CHANGES: readonly (readonly [string, (note: string) => string])[] = [
    ["nothing", () => ""],
    ["no signature", () => `${text}\n`],
    ["no empty line", (it) => it.replace("\n\n", "\n")],
    ["no text", (it) => it.slice(text.length)],
    ["no last newline", (it) => it.slice(0, -1)],
    ["text after the signatures", (it) => `${it}more\n`],
    ["an empty line at the end", (it) => `${it}\n`],
    ["another dash", (it) => it.replace("\u2014", "-")],
    ["two spaces", (it) => it.replace("\u2014 ", "\u2014  ")],
    ["a tab", (it) => it.replace("log.example", "log\texample")],
    ["a carriage return", (it) => it.replaceAll("\n", "\r\n")],
    ["a NUL", (it) => it.replace("7", "\u0000")],
    ["a lone surrogate", (it) => it.replace("7", "\ud800")],
    ["base64 without padding", (it) => it.replace(/=+\n$/, "\n")],
    ["a signature without bytes", (it) => it.replace(/(\u2014 \S+ ).*\n$/, "$1AAAAAA==\n")],
    ["65 signatures", (it) => it + (it.slice(text.length + 1) || "x").repeat(64)],
    ["a megabyte", (it) => "x".repeat(2 ** 20) + it],
  ];
  for (const [name, change] of CHANGES) {
    it(name, () => expect(parseNote(change(note))).toBeUndefined());
  }
  it("formatNote() a text that could not be read back", () => {
    expect(() => formatNote("a", [])).toThrow(TypeError);
    expect(() => formatNote("a\n\nb\n", [])).toThrow(TypeError);
  });
});

describe("openCheckpoint()", () => {
  const opened = (hostile: string, logs: readonly TrustedLog[] = [log]) =>
    openCheckpoint(hostile, logs, verify);

  it("refuses when nobody is trusted, or somebody else", async () => {
    expect(await opened(note, [])).toBeUndefined();
    expect(await opened(note, [other])).toBeUndefined();
    expect(await opened(note, [{ origin: "log.example", spki: other.spki }])).toBeUndefined();
    expect(await opened(note, [{ origin: "other.example", spki: log.spki }])).toBeUndefined();
  });

  it("refuses every flipped bit of text and signature", async () => {
    const bytes = new TextEncoder().encode(note);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Uint8Array.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await opened(new TextDecoder().decode(flipped)), `bit ${bit}`).toBeUndefined();
    }
  });

  it("refuses a key that signs under another log's name", async () => {
    expect(await opened(await other.sign(text, "log.example"))).toBeUndefined();
    expect(await opened(await other.sign(text), [log, other])).toBeUndefined();
    expect(await opened(await log.sign(text.replace("log.example", "evil.example")))).toBeUndefined();
  });

  it("passes over signatures of strangers, before and after", async () => {
    const stranger = (await other.sign(text)).slice(text.length + 1);
    const line = note.slice(text.length + 1);
    for (const lines of [stranger + line, line + stranger]) {
      expect((await opened(`${text}\n${lines}`))?.checkpoint).toEqual(checkpoint);
    }
  });

  it("opens an honest one, and says whose it is", async () => {
    expect(await opened(note, [other, log])).toMatchObject({ log, checkpoint });
  });
});

describe("CheckpointReader", () => {
  it("checks a signature once, and remembers nothing that does not hold", async () => {
    const asked: boolean[] = [];
    const reader = new CheckpointReader([log], async (...args) => {
      const holds = await verify(...args);
      asked.push(holds);
      return holds;
    });
    const forged = note.replace(text, text.replace("\n7\n", "\n8\n"));
    for (let times = 0; times < 3; times++) {
      expect((await reader.open(note))?.checkpoint.size).toBe(7n);
      expect(await reader.open(forged)).toBeUndefined();
      expect(await reader.open(`${note}x`)).toBeUndefined();
    }
    expect(asked).toEqual([true, false, false, false]);
  });

  it("remembers so many and no more", async () => {
    let asked = 0;
    const reader = new CheckpointReader([log], (...args) => {
      asked++;
      return verify(...args);
    });
    const notes = await Promise.all(
      Array.from({ length: 257 }, (_, n) =>
        log.sign(formatCheckpoint({ ...checkpoint, size: BigInt(n + 1) })),
      ),
    );
    for (const one of notes) await reader.open(one);
    expect(asked).toBe(257);
    // The newest is known still, the oldest is not.
    await reader.open(notes.at(-1) ?? "");
    expect(asked).toBe(257);
    await reader.open(notes[0] ?? "");
    expect(asked).toBe(258);
  });
});

describe("noteKeyDigest()", () => {
  it("refuses keys of other kinds and names that could be two", () => {
    const spki = Uint8Array.from(Buffer.from(log.spki, "base64"));
    expect(() => noteKeyDigest("log.example", spki.subarray(1))).toThrow(TypeError);
    for (const name of ["", "a b", "a+b", "a\nb"]) {
      expect(() => noteKeyDigest(name, spki)).toThrow(TypeError);
    }
  });
});

describe("parseProof()", () => {
  const proof = { index: 5n, path: [root, root], checkpoint: "a checkpoint\n" };
  const written = formatProof(proof);
  const CHANGES: readonly (readonly [string, string])[] = [
    ["nothing", ""],
    ["another version", written.replace("@v1", "@v2")],
    ["an index with a zero before it", written.replace("index 5", "index 05")],
    ["an index beyond 2^64", written.replace("index 5", "index 18446744073709551616")],
    ["no index", written.replace("index 5\n", "")],
    ["a hash cut short", written.replace(encodeBase64(root), "AAAA")],
    ["no checkpoint", written.slice(0, written.indexOf("\n\n"))],
    ["more hashes than a tree has levels", formatProof({ ...proof, path: Array(65).fill(root) })],
  ];
  for (const [name, hostile] of CHANGES) {
    it(`refuses ${name}`, () => expect(parseProof(hostile)).toBeUndefined());
  }
  it("reads what formatProof() wrote", () => expect(parseProof(written)).toEqual(proof));
});
