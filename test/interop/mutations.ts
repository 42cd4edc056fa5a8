/**
 * What an attacker without the keys can make of logged manifests, by class. Each class makes as many as are asked for,
 * the same for the same number, so that a wrong answer can be had again.
 */
import { encodeBase64 } from "../../src/core/manifest/index.ts";
import type { Samples } from "./samples.ts";

type Bundle = Samples["honest"][number];
type Entry = NonNullable<Bundle["verificationMaterial"]["tlogEntries"]>[0];

/**
 * Who has to notice. `signature`: whoever checks the signature; `log`: whoever checks the log too; `whole`: whoever reads
 * every member, those too that say what is said elsewhere, so that a verifier may do without them.
 */
export type SeenBy = "signature" | "log" | "whole";

/** A class of forgeries. */
export interface Mutation {
  readonly name: string;
  readonly seenBy: SeenBy;
  /** @returns a document, or its text. Never a manifest that is good */
  readonly forge: (samples: Samples, n: number) => unknown | Promise<unknown>;
}

/** Letters of a base64 text that can be replaced without another letter's bits. */
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** All classes. */
export const MUTATIONS: readonly Mutation[] = [
  envelope("a bit of the payload flipped", (e, n) => ({ payload: flip(e.payload, n) })),
  envelope("the payload cut short", (e, n) => ({ payload: cut(e.payload, n) })),
  envelope("a bit of the signature flipped", (e, n) => withSig(e, flip(e.signatures[0].sig, n))),
  envelope("another manifest's payload", (_, n, other) => ({
    payload: other(n).dsseEnvelope.payload,
  })),
  envelope("another manifest's signature", (e, n, other) =>
    withSig(e, other(n).dsseEnvelope.signatures[0].sig),
  ),
  envelope("another payload type", (_, n) => ({ payloadType: `application/vnd.in-toto+json;v=${n}` })),
  envelope("no signature at all", (_, n) => ({ signatures: n % 2 === 0 ? [] : [{ sig: "", keyid: "" }] })),
  {
    name: "signed by a stranger's key",
    seenBy: "signature",
    forge: ({ strangers }, n) => strangers[n % strangers.length],
  },
  {
    name: "finished after the key's end",
    seenBy: "whole",
    forge: ({ late }, n) => late[n % late.length],
  },
  entry("no log entry", "log", () => undefined),
  entry("another manifest's log entry", "log", (_, n, other) => entryOf(other(n))),
  entry("a bit of the entry's body flipped", "whole", (e, n) => ({
    ...e,
    canonicalizedBody: flip(e.canonicalizedBody, n),
  })),
  entry("another log's name", "log", (e, n) => ({ ...e, logId: { keyId: flip(e.logId.keyId, n) } })),
  entry("another place in the log", "log", (e, n) => {
    const { treeSize, logIndex: own } = e.inclusionProof;
    const logIndex = String((Number(own) + 1 + (n % (Number(treeSize) - 1))) % Number(treeSize));
    return { ...e, logIndex, inclusionProof: { ...e.inclusionProof, logIndex } };
  }),
  proof("a bit of the path flipped", "log", (p, n) => ({
    hashes: change(p.hashes, n, (hash) => flip(hash, n)),
  })),
  proof("a path with one hash less", "log", (p, n) => ({
    hashes: p.hashes.filter((_, at) => at !== n % p.hashes.length),
  })),
  proof("a path with one hash more", "log", (p, n) => ({
    hashes: [...p.hashes, p.hashes[n % p.hashes.length] ?? ""],
  })),
  proof("a path in another order", "log", (p, n) => {
    // One hash has one order.
    if (p.hashes.length < 2) return { hashes: [p.rootHash] };
    const turned = [...p.hashes.slice(1 + (n % (p.hashes.length - 1))), ...p.hashes];
    return { hashes: turned.slice(0, p.hashes.length) };
  }),
  proof("a bit of the root flipped", "whole", (p, n) => ({ rootHash: flip(p.rootHash, n) })),
  proof("another size", "whole", (p, n) => ({ treeSize: String(Number(p.treeSize) + 1 + n) })),
  checkpoint("a checkpoint of another size", (note, n) => note.replace(/\n(\d+)\n/, `\n${n}$1\n`)),
  checkpoint("a checkpoint of another root", (note, n) =>
    note.replace(/\n([A-Za-z0-9+/]{43}=)\n/, (_, root: string) => `\n${flip(root, n)}\n`),
  ),
  checkpoint("a bit of the checkpoint's signature flipped", (note, n) =>
    note.replace(/ (\S+)\n$/, (_, signature: string) => ` ${flip(signature, 32 + (n % 512))}\n`),
  ),
  checkpoint("a checkpoint without signature", (note, n) => {
    const [text = ""] = note.split("\n\n");
    return n % 2 === 0 ? `${text}\n\n` : `${text}\n`;
  }),
  {
    name: "an older checkpoint of the same log",
    seenBy: "log",
    forge: ({ honest }, n) => {
      const bundle = pick(honest, n);
      const own = entryOf(bundle);
      const older = honest.map(entryOf).filter((e) => notes(e) !== notes(own));
      return withEntry(bundle, withNote(own, notes(pick(older, n))));
    },
  },
  {
    name: "a checkpoint of a stranger's log of the same name",
    seenBy: "log",
    forge: async ({ honest, strangeNote }, n) => {
      const bundle = pick(honest, n);
      return withEntry(bundle, withNote(entryOf(bundle), await strangeNote(notes(entryOf(bundle)))));
    },
  },
  {
    name: "a member said twice",
    seenBy: "whole",
    forge: ({ honest }, n) => {
      const text = JSON.stringify(pick(honest, n));
      const members = [...text.matchAll(/"(\w+)":/g)];
      const member = members[n % members.length];
      return `${text.slice(0, member?.index)}"${member?.[1]}":0,${text.slice(member?.index)}`;
    },
  },
  {
    name: "a letter of the document replaced",
    seenBy: "whole",
    forge: ({ honest }, n) => {
      const text = JSON.stringify(pick(honest, n));
      const at = (n * 7919) % text.length;
      const letter = ALPHABET.charAt(n % 64);
      return text.slice(0, at) + (letter === text.charAt(at) ? "!" : letter) + text.slice(at + 1);
    },
  },
];

type Other = (n: number) => Bundle;

function envelope(
  name: string,
  forge: (envelope: Bundle["dsseEnvelope"], n: number, other: Other) => object,
): Mutation {
  return {
    name,
    seenBy: "signature",
    forge({ honest }, n) {
      const bundle = pick(honest, n);
      const other = (m: number) => pick(honest, n + 1 + (m % (honest.length - 1)));
      return { ...bundle, dsseEnvelope: { ...bundle.dsseEnvelope, ...forge(bundle.dsseEnvelope, n, other) } };
    },
  };
}

function entry(
  name: string,
  seenBy: SeenBy,
  forge: (entry: Entry, n: number, other: Other) => Entry | undefined,
): Mutation {
  return {
    name,
    seenBy,
    forge({ honest }, n) {
      const bundle = pick(honest, n);
      const other = (m: number) => pick(honest, n + 1 + (m % (honest.length - 1)));
      return withEntry(bundle, forge(entryOf(bundle), n, other));
    },
  };
}

function proof(
  name: string,
  seenBy: SeenBy,
  forge: (proof: Entry["inclusionProof"], n: number) => object,
): Mutation {
  return entry(name, seenBy, (e, n) => ({
    ...e,
    inclusionProof: { ...e.inclusionProof, ...forge(e.inclusionProof, n) },
  }));
}

function checkpoint(name: string, forge: (note: string, n: number) => string): Mutation {
  return entry(name, "log", (e, n) => withNote(e, forge(notes(e), n)));
}

function withEntry(bundle: Bundle, one: Entry | undefined): object {
  const tlogEntries = one === undefined ? [] : [one];
  return { ...bundle, verificationMaterial: { ...bundle.verificationMaterial, tlogEntries } };
}

function withNote(e: Entry, text: string): Entry {
  return { ...e, inclusionProof: { ...e.inclusionProof, checkpoint: { envelope: text } } };
}

function withSig({ signatures }: Bundle["dsseEnvelope"], sig: string): object {
  return { signatures: [{ ...signatures[0], sig }] };
}

function notes({ inclusionProof }: Entry): string {
  return inclusionProof.checkpoint.envelope;
}

function entryOf({ verificationMaterial }: Bundle): Entry {
  const [only] = verificationMaterial.tlogEntries ?? [];
  if (only === undefined) throw new TypeError("A sample is not logged");
  return only;
}

function pick<T>(items: readonly T[], n: number): T {
  const item = items[n % items.length];
  if (item === undefined) throw new RangeError("There is nothing to pick from");
  return item;
}

function change(items: readonly string[], n: number, by: (item: string) => string): readonly string[] {
  return items.map((item, at) => (at === n % items.length ? by(item) : item));
}

/** Flips one bit of what base64 says. */
function flip(text: string, n: number): string {
  const bytes = Buffer.from(text, "base64");
  const bit = (n * 31) % (bytes.length * 8);
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return encodeBase64(bytes);
}

function cut(text: string, n: number): string {
  const bytes = Buffer.from(text, "base64");
  return encodeBase64(bytes.subarray(0, (n * 37) % bytes.length));
}
