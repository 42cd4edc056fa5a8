/**
 * Verifies that a log which the verifier believes has a manifest. The entry is not parsed: it is written anew from
 * what has been verified by then, and must be the same to the byte.
 */
import { z } from "zod";
import { decodeBase64, encodeBase64 } from "../base64.ts";
import {
  type CheckpointReader,
  leafHash,
  type Note,
  type Sha256,
  verifyInclusion,
  type WitnessDemand,
} from "../merkle/index.ts";
import { encodeLogEntry } from "./log-entry.ts";
import type { Demand } from "./report.ts";
import { ENTRY_KIND } from "./statement.ts";
import type { Trust } from "./trust.ts";
import type { TrustedLog } from "./trusted-root.ts";

const whole = z.string().regex(/^(0|[1-9][0-9]{0,19})$/);
const MAX_PATH = 64;

/**
 * A log entry in a bundle, attacker-controlled. Members that other logs add (a promise, a time) are refused: nothing
 * here would have checked them.
 */
export const tlogEntrySchema = z.strictObject({
  logIndex: whole,
  logId: z.strictObject({ keyId: z.string() }),
  kindVersion: z.strictObject({ kind: z.string(), version: z.string() }),
  inclusionProof: z.strictObject({
    logIndex: whole,
    rootHash: z.string(),
    treeSize: whole,
    hashes: z.array(z.string()).max(MAX_PATH),
    checkpoint: z.strictObject({ envelope: z.string() }),
  }),
  canonicalizedBody: z.string(),
});

/** What a bundle's envelope holds, as far as its log entry is about it. */
export interface SignedParts {
  /** The pre-authentication encoding: what the signature must be over. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** SHA-256 of them. */
  readonly digest: Uint8Array;
  readonly signatureDer: Uint8Array<ArrayBuffer>;
  readonly tlogEntries: readonly z.infer<typeof tlogEntrySchema>[];
}

/** With what a verifier of many manifests looks at logs. */
export interface LogReading {
  readonly checkpoints: CheckpointReader<TrustedLog>;
  readonly sha256: Sha256;
  /** Who cosigned a checkpoint; looked for once. */
  readonly cosigners: (note: Note, demand: WitnessDemand) => Promise<readonly string[]>;
}

/** A manifest that was found in a log. */
export interface InLog {
  readonly log: TrustedLog;
  readonly index: bigint;
  readonly path: readonly Uint8Array[];
  readonly checkpoint: string;
}

/**
 * Demands that a manifest is in a trusted log.
 *
 * @param signed with a signature that holds under the key `spki`
 * @param reading `checkpoints`: of the logs that are trusted
 * @param demand told of each check; ends verification at the first that does not hold
 * @returns where it was found; undefined when the trust asks for no log
 */
export async function verifyLogEntry(
  signed: SignedParts,
  spki: Uint8Array,
  trust: Trust,
  reading: LogReading,
  demand: Demand,
): Promise<InLog | undefined> {
  const { checkpoints, sha256 } = reading;
  const [entry, ...more] = signed.tlogEntries;
  if (!trust.logRequired) {
    if (trust.witnesses !== undefined)
      demand("witnesses", false, "witnesses cosign a log, and the trust asks for none");
    demand("log-entry", true, "the trust asks for no log; none was looked at");
    return undefined;
  }
  if (entry === undefined || more.length > 0) {
    demand("log-entry", false, `${signed.tlogEntries.length} log entries, want 1`);
  }
  const { inclusionProof: proof } = entry;
  const expected = new TextEncoder().encode(
    encodeLogEntry({ digest: signed.digest, signatureDer: signed.signatureDer, spki }),
  );
  const { kind, version } = entry.kindVersion;
  const about =
    entry.canonicalizedBody === encodeBase64(expected) &&
    kind === ENTRY_KIND.kind &&
    version === ENTRY_KIND.version &&
    entry.logIndex === proof.logIndex;
  demand(
    "log-entry",
    about,
    about
      ? `${kind} ${version} of these signed bytes, signature and key`
      : "of other bytes, signature, key, kind or index",
  );

  const opened = await checkpoints.open(proof.checkpoint.envelope);
  if (opened === undefined) demand("checkpoint", false, describeLogs(trust.logs));
  const { log, checkpoint, keyDigest } = opened;
  const same =
    proof.treeSize === String(checkpoint.size) &&
    proof.rootHash === encodeBase64(checkpoint.root) &&
    entry.logId.keyId === encodeBase64(keyDigest);
  demand(
    "checkpoint",
    same,
    same ? `signed by log ${log.origin}, ${checkpoint.size} entries` : "not the one that the proof names",
  );

  if (trust.witnesses !== undefined) {
    const { quorum, witnesses } = trust.witnesses;
    const names = await reading.cosigners(opened.note, trust.witnesses);
    const found = `${names.length} of ${witnesses.length} cosigned it${names.length === 0 ? "" : ": "}${names.join(", ")}`;
    demand("witnesses", names.length >= quorum, `${found}; wanted ${quorum}`);
  }

  const path = proof.hashes.map(decodeBase64);
  const index = BigInt(proof.logIndex);
  const included =
    path.every((hash) => hash !== undefined) &&
    verifyInclusion(
      { index, size: checkpoint.size, leaf: leafHash(expected, sha256), path },
      checkpoint.root,
      sha256,
    );
  demand("log-inclusion", included, `entry ${proof.logIndex} of ${proof.treeSize}, ${path.length} hashes`);
  return { log, index, path: path.flatMap((hash) => hash ?? []), checkpoint: proof.checkpoint.envelope };
}

function describeLogs(logs: readonly TrustedLog[]): string {
  if (logs.length > 0) return `signed by none of the logs ${logs.map(({ origin }) => origin).join(", ")}`;
  return "no log is trusted: trusted_root.json of a gateway names its log";
}
