/**
 * Checkpoints of the log: one signature for each head, however many proofs ask for it. Seals that share a commit share
 * a head, so signing does not grow with them.
 */
import { formatCheckpoint, formatNote, noteKeyDigest, sameBytes } from "../core/merkle/index.ts";
import type { LogHead, NoteSigner } from "../ports/index.ts";

/** Heads whose checkpoints are kept; proofs of older seals ask for older ones, which are signed anew. */
const MAX_KEPT = 256;

/** A signed head. */
interface Signed {
  readonly head: LogHead;
  readonly note: Promise<string>;
}

/** The checkpoints of one log. */
export class Checkpoints {
  readonly signer: NoteSigner;
  /** Names the log in manifests; its first four bytes name the key in notes. */
  readonly keyDigest: Uint8Array;
  /** By size, oldest first. Ed25519 is deterministic: signed anew, a checkpoint is the same text. */
  readonly #signed = new Map<number, Signed>();

  constructor(signer: NoteSigner) {
    this.signer = signer;
    this.keyDigest = noteKeyDigest(signer.origin, signer.publicKeySpki);
  }

  /**
   * @param head durable, from the store
   * @returns the signed note
   * @throws {Error} when another root was signed for that size: whatever the store says, two histories are never signed
   * @throws whatever the signer throws
   */
  of(head: LogHead): Promise<string> {
    const known = this.#signed.get(head.size);
    if (known !== undefined) {
      if (sameBytes(known.head.root, head.root)) return known.note;
      return Promise.reject(
        new Error(`Cannot sign checkpoint: another root of ${head.size} entries was signed before`),
      );
    }
    const note = this.#sign(head);
    this.#signed.set(head.size, { head, note });
    note.catch(() => this.#signed.delete(head.size));
    const [oldest] = this.#signed.keys();
    if (this.#signed.size > MAX_KEPT && oldest !== undefined) this.#signed.delete(oldest);
    return note;
  }

  async #sign(head: LogHead): Promise<string> {
    const { origin } = this.signer;
    const text = formatCheckpoint({ origin, size: BigInt(head.size), root: head.root });
    const signature = await this.signer.sign(new TextEncoder().encode(text));
    return formatNote(text, [{ name: origin, keyId: this.keyDigest.subarray(0, 4), signature }]);
  }
}
