/** A witness's key, and its cosignatures, as C2SP tlog-cosignature says they are. */
import { sha256Bytes } from "../../src/core/digest.ts";
import { encodeBase64 } from "../../src/core/manifest/index.ts";
import { parseNote } from "../../src/core/merkle/index.ts";

/** One witness, who believes whatever it is given. */
export interface TestWitness {
  readonly name: string;
  /** `name+hash+base64`, as witnesses publish it. */
  readonly key: string;
  /** @returns the line that goes under a note */
  cosign(note: string): Promise<string>;
}

/** Makes one, with a key of its own. */
export async function testWitness(name: string): Promise<TestWitness> {
  // The DOM's types know Ed25519 only as a string that gives one key or two.
  const pair = (await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"])) as CryptoKeyPair;
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", pair.publicKey));
  const typed = Uint8Array.from([4, ...raw]);
  const id = sha256Bytes(Uint8Array.from([...new TextEncoder().encode(`${name}\n`), ...typed])).slice(0, 4);
  return {
    name,
    key: `${name}+${Buffer.from(id).toString("hex")}+${encodeBase64(typed)}`,
    async cosign(note) {
      const time = 1_700_000_000n;
      const signed = new TextEncoder().encode(`cosignature/v1\ntime ${time}\n${parseNote(note)?.text ?? ""}`);
      const signature = new Uint8Array(await crypto.subtle.sign("Ed25519", pair.privateKey, signed));
      const stamp = new Uint8Array(8);
      new DataView(stamp.buffer).setBigUint64(0, time);
      return `\u2014 ${name} ${encodeBase64(Uint8Array.from([...id, ...stamp, ...signature]))}\n`;
    },
  };
}
