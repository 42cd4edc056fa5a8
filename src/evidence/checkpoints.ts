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
  readonly checkpoint: Promise<SignedCheckpoint>;
}

/** A checkpoint, and the key that signed it. */
export interface SignedCheckpoint {
  /** The signed note. */
  readonly note: string;
  /** Digest of the key under the log's name: names the log in manifests. */
  readonly keyDigest: Uint8Array;
}

/** The checkpoints of one log. */
export class Checkpoints {
  readonly signer: NoteSigner;
  /** By size, oldest first. Ed25519 is deterministic: signed anew with the same key, a checkpoint is the same text. */
  readonly #signed = new Map<number, Signed>();

  constructor(signer: NoteSigner) {
    this.signer = signer;
  }

  /**
   * @param head durable, from the store
   * @throws {Error} when another root was signed for that size: whatever the store says, two histories are never signed
   * @throws whatever the signer throws
   */
  of(head: LogHead): Promise<SignedCheckpoint> {
    const known = this.#signed.get(head.size);
    if (known !== undefined) {
      if (sameBytes(known.head.root, head.root)) return known.checkpoint;
      return Promise.reject(
        new Error(`Cannot sign checkpoint: another root of ${head.size} entries was signed before`),
      );
    }
    const checkpoint = this.#sign(head);
    this.#signed.set(head.size, { head, checkpoint });
    checkpoint.catch(() => this.#signed.delete(head.size));
    const [oldest] = this.#signed.keys();
    if (this.#signed.size > MAX_KEPT && oldest !== undefined) this.#signed.delete(oldest);
    return checkpoint;
  }

  async #sign(head: LogHead): Promise<SignedCheckpoint> {
    const { origin } = this.signer;
    const text = formatCheckpoint({ origin, size: BigInt(head.size), root: head.root });
    const { signature, key } = await this.signer.sign(new TextEncoder().encode(text));
    const keyDigest = noteKeyDigest(origin, key.spki);
    return {
      note: formatNote(text, [{ name: origin, keyId: keyDigest.subarray(0, 4), signature }]),
      keyDigest,
    };
  }
}
