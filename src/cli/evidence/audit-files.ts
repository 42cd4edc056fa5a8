/** One audit: the log entry by entry, every manifest, the observer's files, and how all of that compares. */
import {
  type BundleVerifier,
  type ObservedLine,
  type RunPredicate,
  readObservations,
  type Trust,
} from "../../core/manifest/index.ts";
import {
  Audit,
  type AuditCounts,
  type AuditGap,
  type KnownOfRun,
  OBSERVER_FILES,
} from "../../evidence/index.ts";
import type { Progress } from "../progress.ts";
import { type AuditSource, manifestPath } from "./audit-source.ts";
import { verifyLog } from "./log-files.ts";
import { NamedArtifacts } from "./named-artifacts.ts";

/** What an audit found. */
export interface AuditReport {
  readonly origin: string;
  readonly size: number;
  /** Each names a file and what is wrong with it. */
  readonly faults: readonly string[];
  readonly counts: AuditCounts;
  readonly gaps: readonly AuditGap[];
}

/** Faults and gaps beyond these are counted and not kept. */
const MAX_KEPT = 10_000;

/**
 * Audits.
 *
 * @param earlier checkpoints of the same log that somebody kept: what is cut off at the end of everything shows in nothing
 *   else
 * @param settled whether nothing is under way any more
 * @param verify checks one manifest
 */
export async function audit(
  source: AuditSource,
  trust: Trust,
  earlier: readonly { readonly name: string; readonly note: string }[],
  settled: boolean,
  verify: BundleVerifier,
  progress: Progress,
): Promise<AuditReport> {
  const faults: string[] = [];
  const fault = (text: string) => void (faults.length < MAX_KEPT && faults.push(text));
  const read = async (path: string) => {
    try {
      return await source.read(path);
    } catch (error) {
      fault(`${path}: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  };
  // First the observer's files, then the log: what is admitted in between has a receipt without observation in neither.
  const lines = await readObservers(read, ["observer", ...(source.otherObservers ?? [])], fault);
  const { origin, size, faults: logFaults } = await verifyLog(read, trust, earlier, () => undefined);
  for (const text of logFaults) fault(text);

  const auditing = new Audit();
  const artifacts = new NamedArtifacts(read, fault);
  for (const line of lines) auditing.observe(line);
  const look = async (predicate: RunPredicate): Promise<KnownOfRun> => {
    const known = await artifacts.look(predicate);
    const isKept = typeof predicate.journal_hash !== "string" || (await source.hasJournal?.(predicate.run));
    return isKept === false
      ? { ...known, lacks: [...known.lacks, "its journal is neither kept nor erased"] }
      : known;
  };
  for (let sequence = 0; sequence < size; sequence++) {
    const path = manifestPath(sequence);
    const bytes = await read(path);
    if (bytes === undefined) {
      fault(`${path}: missing, and the log has its entry`);
      continue;
    }
    const report = await verify(bytes);
    if (!report.ok) {
      const last = report.checks.at(-1);
      fault(`${path}: ${last?.check ?? "nothing"} does not hold: ${last?.detail ?? ""}`);
      continue;
    }
    if (report.log?.index !== BigInt(sequence)) fault(`${path}: it is entry ${report.log?.index} of the log`);
    if (source.orphans.has(path))
      fault(`${path}: the database does not know its run ${report.predicate?.run ?? report.action?.action}`);
    // An operator's action is no run: nobody at the front door has seen it.
    if (report.predicate !== undefined) auditing.receive(report.predicate, await look(report.predicate));
    progress(sequence + 1, size);
  }
  if ((await read(manifestPath(size))) !== undefined)
    fault(`${manifestPath(size)}: there, and the log has ${size} entries`);
  const { counts, gaps } = auditing.finish(settled ? undefined : source.takenAtMs);
  return { origin, size, faults, counts, gaps: gaps.slice(0, MAX_KEPT) };
}

async function readObservers(
  read: (path: string) => Promise<Uint8Array | undefined>,
  folders: readonly string[],
  fault: (text: string) => void,
): Promise<readonly ObservedLine[]> {
  const all: ObservedLine[] = [];
  for (const path of folders.flatMap((folder) => OBSERVER_FILES.map((name) => `${folder}/${name}`))) {
    const bytes = await read(path);
    if (bytes === undefined) {
      fault(`${path}: missing`);
      continue;
    }
    const { lines, faults } = readObservations(new TextDecoder().decode(bytes));
    for (const text of faults) fault(`${path}: ${text}`);
    for (const line of lines) all.push(line);
  }
  return all;
}
