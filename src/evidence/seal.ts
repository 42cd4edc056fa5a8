/** From a predicate to what is stored: statement, exact bytes, signature, bundle, digest. */
import { toHex } from "../core/digest.ts";
import {
  type ActionPredicate,
  type ActionStatement,
  type Bundle,
  createActionStatement,
  createBundle,
  createStatement,
  encodeLogEntry,
  encodeStatement,
  isLogEntry,
  PAYLOAD_TYPE,
  pae,
  parseInstant,
  type RunPredicate,
  type Statement,
  withLogEntry,
} from "../core/manifest/index.ts";
import { formatProof, type Sha256 } from "../core/merkle/index.ts";
import type { Logged, PublicKey, Seal, Signer } from "../ports/index.ts";
import type { Checkpoints, SignedCheckpoint } from "./checkpoints.ts";

/** What a caller keeps of a run. */
export interface Receipt {
  /** Place in the gateway's sequence of seals, from 0, without gaps; the index in its log. */
  readonly sequence: number;
  /** Hex sha256 of the signed bytes (the DSSE PAE). */
  readonly digest: string;
  /** RFC 7638 thumbprint of the key that signed. */
  readonly keyId: string;
  /** Inclusion proof with the checkpoint it leads to: C2SP tlog-proof. */
  readonly proof: string;
}

/** A run whose evidence is durable: now its output may be released. */
export interface Sealed {
  /** The manifest, with the proof that the log has it. */
  readonly bundle: Bundle;
  /** The bundle's JSON text. */
  readonly text: string;
  readonly receipt: Receipt;
}

/** What is released of a seal: a class, because objects written down with getters outlive their run (`journal/forward.ts`). */
class Released implements Sealed {
  readonly bundle: Bundle;
  readonly receipt: Receipt;

  constructor(bundle: Bundle, receipt: Receipt) {
    this.bundle = bundle;
    this.receipt = receipt;
  }

  /** Written when it is asked for: most callers pass the manifest on inside an answer. */
  get text(): string {
    return JSON.stringify(this.bundle);
  }
}

/** What seals are made with. */
export interface SealParts {
  readonly signer: Signer;
  readonly checkpoints: Checkpoints;
  readonly sha256: Sha256;
}

/**
 * Signs a predicate; stores nothing.
 *
 * @param sealedAtMs when it is sealed, by the gateway's clock
 * @returns `seal`: for the store; `release`: makes the caller's part once the store has logged the seal. It rejects
 *   with whatever the checkpoints' signer throws: then the run is sealed, and its manifest can be asked for later
 * @throws {TypeError} when the predicate has a malformed hash: a bug; when the run finished before the key is to be
 *   believed: sealing it again with the same words would never help
 * @throws whatever the signer throws
 */
export async function signPredicate(
  predicate: RunPredicate,
  parts: SealParts,
  sealedAtMs: number,
): Promise<{ readonly seal: Seal; readonly release: (logged: Logged) => Promise<Sealed> }> {
  const { run, outcome, finished_at: finishedAt } = predicate;
  const signed = { run, outcome: outcome.kind, finishedAt, statement: createStatement(predicate) };
  return await signStatement(signed, parts, sealedAtMs);
}

/** Signs what an operator did, as {@link signPredicate} does with runs. */
export async function signAction(
  predicate: ActionPredicate,
  parts: SealParts,
  sealedAtMs: number,
): ReturnType<typeof signPredicate> {
  const { action, kind, finished_at: finishedAt } = predicate;
  const signed = { run: action, outcome: kind, finishedAt, statement: createActionStatement(predicate) };
  return await signStatement(signed, parts, sealedAtMs);
}

/** What is signed, and what the store keeps beside it. */
interface Signed {
  readonly run: string;
  readonly outcome: string;
  readonly finishedAt: string;
  readonly statement: Statement | ActionStatement;
}

async function signStatement(
  signed: Signed,
  { signer, checkpoints, sha256 }: SealParts,
  sealedAtMs: number,
): ReturnType<typeof signPredicate> {
  const payload = encodeStatement(signed.statement);
  const bytes = pae(PAYLOAD_TYPE, payload);
  // Under way while the digest is computed: signing is another thread's work.
  const signing = signer.sign(bytes);
  const hash = sha256(bytes);
  const digest = toHex(hash);
  const { signature: signatureDer, key } = await signing;
  requireValidity(signed, key);
  const { keyId, spki } = key;
  const bundle = createBundle({ payload, signatureDer, keyId });
  const entry = encodeLogEntry({ digest: hash, signatureDer, spki });
  return {
    seal: {
      run: signed.run,
      outcome: signed.outcome,
      digest,
      bundle: JSON.stringify(bundle),
      entry,
      sealedAtMs,
    },
    async release(logged) {
      const checkpoint = await checkpoints.of(logged.head);
      const proven = attach(bundle, entry, logged, checkpoint);
      const { path } = logged;
      const proof = formatProof({ index: BigInt(logged.sequence), path, checkpoint: checkpoint.note });
      return new Released(proven, { sequence: logged.sequence, digest, keyId, proof });
    },
  };
}

/**
 * Writes the manifest of a stored seal with its proof.
 *
 * @param cosigned a checkpoint that others signed too: stands in for ours when it is of the same head
 * @returns JSON text, the same that was released then, as long as the log's name and key are. A seal from before there
 *   was a log has no proof
 * @throws whatever the checkpoints' signer throws
 */
export async function writeManifest(
  seal: Pick<Seal, "bundle" | "entry">,
  logged: Logged,
  checkpoints: Checkpoints,
  cosigned?: string,
): Promise<string> {
  if (!isLogEntry(seal.entry)) return seal.bundle;
  const own = await checkpoints.of(logged.head);
  // Ours, and lines of others under it: what it leads to, and by which key, stays the same.
  const checkpoint = cosigned?.startsWith(own.note) === true ? { ...own, note: cosigned } : own;
  // Written by ourselves, in the transaction that sealed it.
  const bundle: Bundle = JSON.parse(seal.bundle);
  return JSON.stringify(attach(bundle, seal.entry, logged, checkpoint));
}

/**
 * What a stored seal released when it was sealed.
 *
 * @throws whatever the checkpoints' signer throws
 */
export async function releaseAgain(
  seal: Pick<Seal, "bundle" | "entry" | "digest">,
  logged: Logged,
  checkpoints: Checkpoints,
): Promise<Sealed> {
  const text = await writeManifest(seal, logged, checkpoints);
  // Written by ourselves, in the transaction that sealed it.
  const bundle: Bundle = JSON.parse(text);
  const checkpoint = await checkpoints.of(logged.head);
  const { sequence, path } = logged;
  const proof = formatProof({ index: BigInt(sequence), path, checkpoint: checkpoint.note });
  const keyId = bundle.verificationMaterial.publicKey.hint;
  return { bundle, text, receipt: { sequence, digest: seal.digest, keyId, proof } };
}

function attach(
  bundle: Bundle,
  entry: string,
  { sequence, head, path }: Logged,
  { note, keyDigest }: SignedCheckpoint,
): Bundle {
  const { size, root } = head;
  return withLogEntry(bundle, {
    entry,
    logKeyDigest: keyDigest,
    index: sequence,
    size,
    root,
    path,
    checkpoint: note,
  });
}

/** What a verifier would refuse is not signed: a rotation may lie between a run's end and its seal. */
function requireValidity({ run, finishedAt: at }: Signed, key: PublicKey): void {
  const finishedAtMs = parseInstant(at);
  const isBelieved =
    finishedAtMs >= key.validFromMs && (key.validUntilMs === undefined || finishedAtMs < key.validUntilMs);
  if (isBelieved) return;
  throw new TypeError(
    `Cannot sign run ${JSON.stringify(run)}: it finished at ${at}, outside of its key's time`,
  );
}
