/**
 * Guards a log against its own database being taken back: the newest checkpoint is kept in a file beside it, and a
 * database that does not contain what was signed there does not get another signature. Who restores an old copy of the
 * whole folder gets past this; witnesses, and whoever kept a checkpoint, see it then.
 */
import { encodeBase64 } from "../core/manifest/index.ts";
import { openCheckpoint, sameBytes, verifyConsistency } from "../core/merkle/index.ts";
import { beginRounds } from "../core/rounds.ts";
import type { Evidence } from "../evidence/index.ts";
import { verifySignature } from "../identity/index.ts";
import type { NoteSigner, Runtime, Store } from "../ports/index.ts";

/** Pause between two looks at the log: its kept checkpoint is this far behind at most. */
const KEEP_MS = 1_000;

/** What is guarded. */
export interface GuardedLog {
  readonly store: Store;
  readonly evidence: Evidence;
  readonly noteSigner: NoteSigner;
}

/**
 * Compares the database with the checkpoint that was kept, then keeps the newest one.
 *
 * @param path of the file; a checkpoint of a log with another name is none of this one's
 * @returns stops keeping; whoever waits for it finds the file as it will stay
 * @throws {Error} when the database is not a later state of what was signed
 */
export async function guardLog(
  runtime: Runtime,
  path: string,
  { store, evidence, noteSigner }: GuardedLog,
): Promise<() => Promise<void>> {
  const { files, clock } = runtime;
  const bytes = await files.read(path);
  if (bytes !== undefined) {
    const fault = await findFault(new TextDecoder().decode(bytes), store, noteSigner);
    if (fault !== undefined) {
      throw new Error(
        `Cannot go on with the log ${noteSigner.origin}: ${fault}; restore the newer database, or begin another log with --log-origin`,
      );
    }
  }
  let kept = "";
  return beginRounds({
    ...{ clock, everyMs: () => KEEP_MS, atOnce: true },
    async work() {
      const note = await evidence.checkpoint();
      if (note !== kept) await files.write(path, note);
      kept = note;
    },
    // The log can not be signed for now, and says so elsewhere; the next round tries again.
    onError: () => undefined,
  });
}

async function findFault(note: string, store: Store, signer: NoteSigner): Promise<string | undefined> {
  const { origin } = signer;
  if (!note.startsWith(`${origin}\n`)) return undefined;
  const logs = (await signer.keys()).map(({ spki }) => ({ origin, spki: encodeBase64(spki) }));
  const opened = await openCheckpoint(note, logs, verifySignature);
  if (opened === undefined) return "the checkpoint that was kept is not signed by any of its keys";
  const { size, root } = opened.checkpoint;
  const head = await store.logHead();
  if (size > BigInt(head.size))
    return `its database has ${head.size} entries, and ${size} were signed before`;
  if (size === 0n) return undefined;
  const now = BigInt(head.size);
  const isSame = size === now && sameBytes(root, head.root);
  const path = size === now ? [] : await store.proveGrowth(Number(size), head.size);
  const grew =
    size < now && verifyConsistency({ oldSize: size, oldRoot: root, size: now, root: head.root, path });
  return isSame || grew
    ? undefined
    : `its database does not begin with the ${size} entries that were signed before`;
}
