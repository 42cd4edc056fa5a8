/**
 * Checkpoints of the log: one signature for each head, however many proofs ask for it. Seals that share a commit share
 * a head, so signing does not grow with them.
 */
import { formatCheckpoint, formatNote, noteKeyDigest, sameBytes } from "../core/merkle/index.ts";
import type { LogHead, NoteSigner, PublicKey } from "../ports/index.ts";

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
  /** Signed, or about to be, for a head that is not durable yet: seen by nobody, and forgotten when it does not come to be. */
  #expected: Signed | undefined;
  /** Of the key that signed last. */
  #named: { readonly key: PublicKey; readonly digest: Uint8Array } | undefined;

  constructor(signer: NoteSigner) {
    this.signer = signer;
  }

  /**
   * Begins to sign while the disk is waited for, where the signer lets itself be asked.
   *
   * INVARIANT: what comes of it leaves this object by {@link Checkpoints.of} alone, for the same head, which is durable then.
   *
   * @param head that a commit under way will make
   */
  readonly expect = (head: LogHead): void => {
    if (this.signer.mayBeAskedAhead !== true || this.#signed.has(head.size)) return;
    const checkpoint = this.#sign(head);
    // Whoever needs it hears of it.
    checkpoint.catch(() => undefined);
    this.#expected = { head, checkpoint };
  };

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
    const checkpoint = this.#takeExpected(head) ?? this.#sign(head);
    this.#signed.set(head.size, { head, checkpoint });
    checkpoint.catch(() => this.#signed.delete(head.size));
    const [oldest] = this.#signed.keys();
    if (this.#signed.size > MAX_KEPT && oldest !== undefined) this.#signed.delete(oldest);
    return checkpoint;
  }

  /** Once: what could not be signed is signed anew when it is asked for again. */
  #takeExpected(head: LogHead): Signed["checkpoint"] | undefined {
    const expected = this.#expected;
    if (expected?.head !== head) return undefined;
    this.#expected = undefined;
    return expected.checkpoint;
  }

  async #sign(head: LogHead): Promise<SignedCheckpoint> {
    const { origin } = this.signer;
    const text = formatCheckpoint({ origin, size: BigInt(head.size), root: head.root });
    const { signature, key } = await this.signer.sign(new TextEncoder().encode(text));
    if (this.#named?.key !== key) this.#named = { key, digest: noteKeyDigest(origin, key.spki) };
    const { digest: keyDigest } = this.#named;
    return {
      note: formatNote(text, [{ name: origin, keyId: keyDigest.subarray(0, 4), signature }]),
      keyDigest,
    };
  }
}
