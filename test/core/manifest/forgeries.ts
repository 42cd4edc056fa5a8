/**
 * Forged manifests, by class: a table of what an attacker without the key can make of a good one. `verify.test.ts`
 * goes through it.
 */
import { expect } from "vitest";
import { createStatement, decodeBase64, derToRaw, encodeBase64 } from "../../../src/core/manifest/index.ts";
import { predicateOf, signManifest, signPayload, testKey } from "./fixtures.ts";

/** The key that verifiers trust. */
export const key = await testKey();
/** A key of somebody else. */
export const foreign = await testKey();
/** What the good manifest says. */
export const predicate = predicateOf();
/** The good manifest. */
export const bundle = await signManifest(key, predicate);
const other = await signManifest(key, predicateOf({ tenant: "evil", run: "run_01J00000000000000000000001" }));
/** Its signature as text. */
export const [signature] = bundle.dsseEnvelope.signatures;

/** Text, or a value as JSON, in UTF-8. */
export const bytes = (value: unknown) =>
  new TextEncoder().encode(typeof value === "string" ? value : JSON.stringify(value));
const unbase64 = (text: string) => decodeBase64(text) ?? expect.fail(`not base64: ${text}`);
/** The bundle with another envelope member. */
export function withEnvelope(changes: object): object {
  return { ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, ...changes } };
}

/** The bundle with another signature text. */
export function withSig(sig: string): object {
  return withEnvelope({ signatures: [{ ...signature, sig }] });
}

/** `data` with the bit at `at` (wrapping) flipped. */
export function flip(data: Uint8Array, at: number): Uint8Array<ArrayBuffer> {
  const flipped = Uint8Array.from(data);
  const bit = at % (data.length * 8);
  flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return flipped;
}

/** A class of forgeries: `n` chooses one of them. */
export interface Forgery {
  readonly name: string;
  readonly times: number;
  readonly forge: (n: number) => unknown;
  /** The check that must refuse; undefined = whichever comes first. */
  readonly refusedBy?: string;
}

const text = JSON.stringify(bundle);
/** Its signature. */
export const der = unbase64(signature.sig);
const payload = unbase64(bundle.dsseEnvelope.payload);
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_= \n";

/** All classes of forgeries. */
export const FORGERIES: readonly Forgery[] = [
  { name: "a bit of the document flipped", times: 1500, forge: (n) => flip(bytes(text), n) },
  {
    name: "a bit of the payload flipped",
    times: 500,
    forge: (n) => withEnvelope({ payload: encodeBase64(flip(payload, n)) }),
    refusedBy: "signature",
  },
  { name: "a bit of the signature flipped", times: 500, forge: (n) => withSig(encodeBase64(flip(der, n))) },
  { name: "the document cut short", times: 200, forge: (n) => text.slice(0, n % text.length) },
  {
    name: "the payload cut short",
    times: 200,
    forge: (n) => withEnvelope({ payload: encodeBase64(payload.subarray(0, n % payload.length)) }),
    refusedBy: "signature",
  },
  {
    name: "a letter of the payload's base64 replaced or added",
    times: 300,
    forge: (n) => {
      const { payload: base64 } = bundle.dsseEnvelope;
      const at = n % base64.length;
      const letter = ALPHABET.charAt(n % ALPHABET.length);
      const rest = base64.slice(at + (n % 2));
      const forged = base64.slice(0, at) + letter + rest;
      return withEnvelope({ payload: forged === base64 ? `${base64}=` : forged });
    },
  },
  {
    name: "a member said twice",
    times: 50,
    forge: (n) => {
      const members = [...text.matchAll(/"(\w+)":/g)];
      const member = members[n % members.length];
      return `${text.slice(0, member?.index)}"${member?.[1]}":0,${text.slice(member?.index)}`;
    },
    refusedBy: "bundle",
  },
  {
    name: "a member that a bundle does not have",
    times: 50,
    forge: (n) =>
      [{ ...bundle, [`x${n}`]: 1 }, withEnvelope({ [`x${n}`]: 1 }), { ...bundle, tlogEntries: [{ n }] }][
        n % 3
      ],
    refusedBy: "bundle",
  },
  {
    name: "another payload type",
    times: 50,
    forge: (n) =>
      withEnvelope({
        payloadType: ["", "application/json", "application/vnd.in-toto+JSON", `text/${n}`][n % 4],
      }),
    refusedBy: "payload-type",
  },
  {
    name: "a payload signed as another type and relabelled",
    times: 20,
    forge: async (n) => {
      const signed = await signPayload(key, payload, `application/x-${n}`);
      return signed;
    },
    refusedBy: "signature",
  },
  {
    name: "no, two or many signatures",
    times: 50,
    forge: (n) => withEnvelope({ signatures: n % 3 === 0 ? [] : Array(1 + (n % 50 || 1)).fill(signature) }),
    refusedBy: "bundle",
  },
  {
    name: "a foreign key that claims to be ours",
    times: 50,
    forge: async (n) => {
      const signed = await signManifest(foreign, predicateOf({ tool: `tool-${n}` }));
      const [{ sig }] = signed.dsseEnvelope.signatures;
      const { keyId } = key.trusted;
      const verificationMaterial = { publicKey: { hint: keyId } };
      return {
        ...signed,
        verificationMaterial,
        dsseEnvelope: { ...signed.dsseEnvelope, signatures: [{ sig, keyid: keyId }] },
      };
    },
    refusedBy: "signature",
  },
  {
    name: "a foreign key in its own name",
    times: 20,
    forge: (n) => signManifest(foreign, predicateOf({ tool: `tool-${n}` })),
    refusedBy: "signature",
  },
  {
    name: "our signature of another manifest",
    times: 1,
    forge: () => withEnvelope({ payload: other.dsseEnvelope.payload }),
    refusedBy: "signature",
  },
  {
    name: "the same statement encoded anew",
    times: 3,
    forge: (n) => {
      const statement = createStatement(predicate);
      const { _type, ...rest } = statement;
      const texts = [
        JSON.stringify(statement, null, 1),
        JSON.stringify({ ...rest, _type }),
        `${JSON.stringify(statement)}\n`,
      ];
      return withEnvelope({ payload: encodeBase64(bytes(texts[n % 3])) });
    },
    refusedBy: "signature",
  },
  {
    name: "a signature in another encoding",
    times: 4,
    forge: (n) => {
      const raw = derToRaw(der) ?? expect.fail();
      const longForm = Uint8Array.from([0x30, 0x81, der.length - 2, ...der.subarray(2)]);
      return withSig(
        encodeBase64([raw, longForm, Uint8Array.from([...der, 0]), new Uint8Array()][n % 4] ?? raw),
      );
    },
    refusedBy: "encoding",
  },
  {
    name: "a hint or a keyid of another key",
    times: 40,
    forge: (n) => {
      const lie = [foreign.trusted.keyId, `x${n}`][n % 2] ?? "";
      if (n % 4 < 2) return { ...bundle, verificationMaterial: { publicKey: { hint: lie } } };
      return withEnvelope({ signatures: [{ ...signature, keyid: lie }] });
    },
    refusedBy: "key-hint",
  },
  {
    name: "another media type",
    times: 20,
    forge: (n) => ({ ...bundle, mediaType: `application/vnd.dev.sigstore.bundle.v0.${n + 4}+json` }),
    refusedBy: "bundle",
  },
];
