/**
 * A log as a folder of files: written so that any web server or bucket can serve it, and read again without believing
 * anything in it but the checkpoint's signature.
 */

import type { Trust } from "../../core/manifest/index.ts";
import {
  type Checkpoint,
  decodeEntries,
  findCosigners,
  leafHash,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  sameBytes,
  TILE_WIDTH,
  TreeEdge,
  tilePath,
} from "../../core/merkle/index.ts";
import { OBSERVER_FILES } from "../../evidence/index.ts";
import { verifySignature } from "../../identity/index.ts";
import type { Files } from "../../ports/index.ts";
import type { Progress } from "../progress.ts";
import type { OpenLog } from "../world.ts";
import { artifactPath, manifestPath } from "./audit-source.ts";

/** What was found in a folder. */
export interface LogReport {
  readonly origin: string;
  readonly size: number;
  /** Each names a file and what is wrong with it; none = every entry is there, and is what was signed. */
  readonly faults: readonly string[];
  /** Witnesses that cosigned its checkpoint; absent when nobody wants any. */
  readonly cosigners?: readonly string[];
}

/** Faults beyond these are not collected: the log is bad already. */
const MAX_FAULTS = 100;
/** Manifests read at once. */
const PAGE = 200;

/**
 * Writes a log: tiles first and the checkpoint last, so that whoever reads the folder meanwhile never misses a tile.
 * Full tiles that are there already are left alone.
 *
 * @returns how many entries and how many files were written
 * @throws {Error} when the log has no such tile: it can not be exported whole
 */
export async function exportLog(
  log: OpenLog,
  files: Files,
  folder: string,
  options: {
    readonly progress: Progress;
    /** With every manifest and the observer's files of a data folder, for an audit. */
    readonly evidence?: { readonly dataFolder: string; readonly nowMs: number };
  },
): Promise<{ readonly size: number; readonly written: number }> {
  const { progress, evidence } = options;
  // First the observer's files: a run that is admitted while the log is copied is then in the log at most.
  let written = evidence === undefined ? 0 : await exportObserver(files, folder, evidence);
  const note = await log.checkpoint();
  const size = Number(parseCheckpoint(parseNote(note)?.text ?? "")?.size ?? 0);
  if (evidence !== undefined) {
    written += await exportManifests(log, files, folder, size);
    // After the manifests: whatever they name is kept by then.
    written += await exportArtifacts(log, files, folder);
  }
  for (const level of levelsOf(size)) {
    const count = level === "entries" ? size : Math.floor(size / TILE_WIDTH ** level);
    for (let index = 0; index * TILE_WIDTH < count; index++) {
      const width = Math.min(TILE_WIDTH, count - index * TILE_WIDTH);
      const path = tilePath({ level, index, width });
      if (width === TILE_WIDTH && (await files.mode(`${folder}/${path}`)) !== undefined) continue;
      const bytes = await log.tile({ level, index, width });
      if (bytes === undefined) throw new Error(`Cannot export log: it has no ${path}`);
      await files.write(`${folder}/${path}`, bytes);
      written++;
      if (level === "entries") progress(index * TILE_WIDTH + width, size);
    }
  }
  await files.write(`${folder}/trusted_root.json`, await log.trustedRoot());
  await files.write(`${folder}/jwks.json`, `${JSON.stringify(await log.jwks(), null, 2)}\n`);
  await files.write(`${folder}/checkpoint`, note);
  return { size, written: written + 3 };
}

async function exportObserver(
  files: Files,
  folder: string,
  { dataFolder, nowMs }: { readonly dataFolder: string; readonly nowMs: number },
): Promise<number> {
  let written = 1;
  await files.write(`${folder}/export.json`, `{"exported_at":"${new Date(nowMs).toISOString()}"}\n`);
  for (const name of OBSERVER_FILES) {
    const bytes = await files.read(`${dataFolder}/observer/${name}`);
    if (bytes === undefined) continue;
    await files.write(`${folder}/observer/${name}`, bytes);
    written++;
  }
  return written;
}

/** Manifests that are there already are left alone: what they prove does not change. */
async function exportManifests(log: OpenLog, files: Files, folder: string, size: number): Promise<number> {
  let written = 0;
  for (let from = 0; from < size; ) {
    const page = await log.manifests(from, Math.min(PAGE, size - from));
    for (const { sequence, text } of page) {
      const path = `${folder}/${manifestPath(sequence)}`;
      if ((await files.mode(path)) !== undefined) continue;
      await files.write(path, text);
      written++;
    }
    if (page.length === 0) break;
    from = (page.at(-1)?.sequence ?? size) + 1;
  }
  return written;
}

/** What manifests name by digest; what is there already is what its name says. */
async function exportArtifacts(log: OpenLog, files: Files, folder: string): Promise<number> {
  let written = 0;
  const put = async (path: string, read: () => Promise<string | Uint8Array | undefined>) => {
    if ((await files.mode(path)) !== undefined) return;
    const bytes = await read();
    if (bytes === undefined) return;
    await files.write(path, bytes);
    written++;
  };
  const { components, policies } = await log.artifacts();
  for (const [id, text] of policies) await put(`${folder}/${artifactPath("policies", id)}`, async () => text);
  for (const digest of components)
    await put(`${folder}/${artifactPath("components", digest)}`, () => log.component(digest));
  return written;
}

/**
 * Verifies a log from its files: every entry hashes into the tiles, the tiles into the checkpoint, and the checkpoint is
 * signed by a log that is believed.
 *
 * @param read a file of the log, by its path; undefined when it is missing
 * @param trust whose logs are believed, and which witnesses have to have cosigned the checkpoint
 * @param earlier checkpoints of the same log that somebody kept: the log must have begun as each of them says
 */
export async function verifyLog(
  read: (path: string) => Promise<Uint8Array | undefined>,
  { logs, witnesses }: Pick<Trust, "logs" | "witnesses">,
  earlier: readonly { readonly name: string; readonly note: string }[],
  progress: Progress,
): Promise<LogReport> {
  const faults: string[] = [];
  const fault = (text: string) => void (faults.length < MAX_FAULTS && faults.push(text));
  const note = await readText(read, "checkpoint");
  const opened = await openCheckpoint(note ?? "", logs, verifySignature);
  if (opened === undefined) {
    return { origin: "", size: 0, faults: ["checkpoint: missing, malformed, or signed by no trusted log"] };
  }
  const { log, checkpoint } = opened;
  const size = Number(checkpoint.size);
  const cosigners = witnesses && (await findCosigners(opened.note, witnesses, verifySignature));
  if (cosigners !== undefined && cosigners.length < (witnesses?.quorum ?? 0))
    fault(
      `checkpoint: ${cosigners.length} of ${witnesses?.witnesses.length} witnesses cosigned it, wanted ${witnesses?.quorum}`,
    );
  const kept: { readonly name: string; readonly checkpoint: Checkpoint }[] = [];
  for (const { name, note: text } of earlier) {
    const read = await openCheckpoint(text, [log], verifySignature);
    if (read === undefined) fault(`${name}: malformed, or not signed by ${log.origin}`);
    else if (read.checkpoint.size > checkpoint.size)
      fault(`${name}: ${read.checkpoint.size} entries, now ${size}`);
    else kept.push({ name, checkpoint: read.checkpoint });
  }

  const edge = new TreeEdge(0);
  const compare = async (level: number, index: number, hashes: Uint8Array) => {
    const path = tilePath({ level, index, width: hashes.length / 32 });
    const found = await read(path);
    if (found === undefined) fault(`${path}: missing`);
    else if (!sameBytes(found, hashes)) fault(`${path}: not the hashes of the entries`);
  };
  const compareKept = () => {
    for (const { name, checkpoint: old } of kept) {
      if (old.size !== BigInt(edge.size)) continue;
      if (!sameBytes(edge.root(), old.root)) fault(`${name}: the log did not begin as it says`);
    }
  };
  compareKept();
  for (let index = 0; index * TILE_WIDTH < size; index++) {
    const width = Math.min(TILE_WIDTH, size - index * TILE_WIDTH);
    const path = tilePath({ level: "entries", index, width });
    const bytes = await read(path);
    const entries = bytes && decodeEntries(bytes);
    if (entries?.length !== width) {
      fault(`${path}: ${bytes === undefined ? "missing" : "malformed"}`);
      // Without these entries nothing after them can be hashed.
      return { origin: log.origin, size, faults, ...(cosigners === undefined ? {} : { cosigners }) };
    }
    for (const entry of entries) {
      for (const tile of edge.append(leafHash(entry))) await compare(tile.level, tile.index, tile.hashes);
      compareKept();
    }
    progress(edge.size, size);
  }
  for (const level of levelsOf(size)) {
    if (level === "entries") continue;
    const width = Math.floor(size / TILE_WIDTH ** level) % TILE_WIDTH;
    const index = Math.floor(size / TILE_WIDTH ** (level + 1));
    if (width > 0) await compare(level, index, edge.tile(level)?.encode(width) ?? new Uint8Array());
  }
  if (!sameBytes(edge.root(), checkpoint.root)) fault("checkpoint: the entries do not hash to its root");
  return { origin: log.origin, size, faults, ...(cosigners === undefined ? {} : { cosigners }) };
}

/** What a log of that size has files of. */
function levelsOf(size: number): readonly (number | "entries")[] {
  const levels: (number | "entries")[] = [];
  for (let level = 0; size >= TILE_WIDTH ** level; level++) levels.push(level);
  return [...levels, "entries"];
}

async function readText(
  read: (path: string) => Promise<Uint8Array | undefined>,
  path: string,
): Promise<string | undefined> {
  const bytes = await read(path);
  return bytes && new TextDecoder().decode(bytes);
}
