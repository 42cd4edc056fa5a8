/** Journals that a command is about: of a run in the data folder, or exported to a file. Found, proven, read. */
import { type Journal, JournalError, readJournal } from "../../core/journal/index.ts";
import { predicateOf, type RunPredicate } from "../../core/manifest/index.ts";
import { COST_TABLE_VERSION } from "../../core/metering/host/index.ts";
import { journalHash } from "../../journal/index.ts";
import type { RunRow } from "../../ports/index.ts";
import { decodeText, readInput } from "../input.ts";
import { UsageError } from "../usage-error.ts";
import type { CliWorld, Records } from "../world.ts";

/** A journal, and what is known of its being the right one. */
export interface FoundJournal {
  readonly text: string;
  readonly journal: Journal;
  /** `sha256:<hex>` of the text. */
  readonly hash: string;
  /** What the run's manifest says of it; undefined when there is no manifest to ask. */
  readonly signedHash: string | null | undefined;
  readonly predicate?: RunPredicate;
}

/** A run id. */
export const RUN = /^run_[0-9A-HJKMNP-TV-Z]{26}$/;

/**
 * Finds a journal.
 *
 * @param name a run's id, or a file that `writ journal export` wrote
 * @param openRecords opens the data folder's runs; called for a run's id only
 * @throws {UsageError} when there is none, with the reason: never kept, erased, no such run
 */
export async function findJournal(
  world: CliWorld,
  name: string,
  openRecords: () => Promise<Records>,
): Promise<FoundJournal> {
  if (!RUN.test(name)) {
    const text = decodeText(await readInput(world, name, "journal"), name);
    return { text, journal: parse(name, text), hash: journalHash(text), signedHash: undefined };
  }
  const records = await openRecords();
  try {
    const row = await records.findRun(name);
    if (row === undefined) throw new UsageError(`Cannot find run ${name}: the data folder has no such run`);
    const predicate = signedPredicate(row);
    const text = await records.readJournal(name);
    if (text === undefined) throw new UsageError(await describeAbsence(records, name, predicate));
    return {
      text,
      journal: parse(name, text),
      hash: journalHash(text),
      signedHash: predicate?.journal_hash ?? null,
      ...(predicate && { predicate }),
    };
  } finally {
    await records.close();
  }
}

/** A journal that can be run again; undefined when there is none such, or it is not the one that the manifest names. */
export async function readJournalOf(
  records: Records,
  { run, journal_hash: hash }: Pick<RunPredicate, "run" | "journal_hash">,
): Promise<Journal | undefined> {
  const text = await records.readJournal(run);
  if (text === undefined || journalHash(text) !== hash) return undefined;
  const journal = readJournal(text);
  const { head, end } = journal;
  const canRun = head.kind === "full" && end.inputs !== undefined && head.costTable === COST_TABLE_VERSION;
  return canRun ? journal : undefined;
}

/** What a run's manifest says; undefined while it is open, or when this version can not read it. */
export function signedPredicate({ seal }: RunRow): RunPredicate | undefined {
  return seal === undefined ? undefined : predicateOf(seal.bundle);
}

function parse(name: string, text: string): Journal {
  try {
    return readJournal(text);
  } catch (error) {
    if (error instanceof JournalError) throw new UsageError(`${error.message}, in ${JSON.stringify(name)}`);
    throw error;
  }
}

async function describeAbsence(
  records: Records,
  run: string,
  predicate: RunPredicate | undefined,
): Promise<string> {
  const erasure = await records.findErasure(run);
  if (erasure !== undefined) {
    const when = new Date(erasure.atMs).toISOString();
    const why = erasure.why === "retention" ? "its days were over" : `by writ erase --${erasure.why}`;
    return `Cannot find the journal of ${run}: it was erased at ${when}, ${why}`;
  }
  if (predicate?.journal_hash === null)
    return `Cannot find the journal of ${run}: it would have been over journal_bytes, so none was kept`;
  return `Cannot find the journal of ${run}: its policy asks for none (evidence: { journal: full })`;
}
