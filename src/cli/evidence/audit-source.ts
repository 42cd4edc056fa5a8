/** Where an audit reads: a folder that was exported, or a data folder. Both look like the same tree of files. */

import { parseTilePath } from "../../core/merkle/index.ts";
import { OBSERVER_FILES } from "../../evidence/index.ts";
import type { Runtime } from "../../ports/index.ts";
import type { Artifacts, OpenLog } from "../world.ts";

/** Evidence as files, by path. */
export interface AuditSource {
  /** @returns undefined when there is no such file @throws when it can not be read */
  read(path: string): Promise<Uint8Array | undefined>;
  /** Folders of observers' files beyond `observer`: those of other gateways on the same database; default none. */
  readonly otherObservers?: readonly string[];
  /** When the evidence was taken; undefined when nobody says. */
  readonly takenAtMs: number | undefined;
  /** Whether a run's journal is kept, or was erased as it may be; absent where nobody can say. */
  readonly hasJournal?: (run: string) => Promise<boolean>;
  /** Manifests whose run the database does not know, by path; of an export nobody can say. */
  readonly orphans: ReadonlySet<string>;
}

/** Evidence with what the observers of other gateways saw. @param folders each with an observer's files */
export function withObservers(
  source: AuditSource,
  { files }: Runtime,
  folders: readonly string[],
): AuditSource {
  const inFolder = (path: string) => folders.some((folder) => path.startsWith(`${folder}/`));
  return {
    ...source,
    otherObservers: folders,
    read: (path) => (inFolder(path) ? files.read(path) : source.read(path)),
  };
}

/** Where the manifest of a sequence is. */
export function manifestPath(sequence: number): string {
  return `manifests/${Math.floor(sequence / 1000)}/${sequence}.sigstore.json`;
}

/** Where what manifests name by digest is. @param digest `sha256:<hex>` */
export function artifactPath(kind: "components" | "policies", digest: string): string {
  const [name, ending] = [digest.slice("sha256:".length), kind === "components" ? "wasm" : "json"];
  return `artifacts/${kind}/${name}.${ending}`;
}

/** Reads what `writ log export --manifests` wrote. */
export async function openExport({ files }: Runtime, folder: string): Promise<AuditSource> {
  const note = await files.read(`${folder}/export.json`);
  const takenAt: unknown = note && JSON.parse(new TextDecoder().decode(note)).exported_at;
  const takenAtMs = typeof takenAt === "string" ? Date.parse(takenAt) : Number.NaN;
  return {
    read: (path) => files.read(`${folder}/${path}`),
    takenAtMs: Number.isNaN(takenAtMs) ? undefined : takenAtMs,
    orphans: new Set(),
  };
}

/** Manifests read at once. */
const PAGE = 200;

/** Reads a data folder through its store, as if it were an export. */
export function openData(log: OpenLog, observed: Runtime["files"]["read"], nowMs: number): AuditSource {
  let page: { readonly from: number; readonly items: Awaited<ReturnType<OpenLog["manifests"]>> } = {
    from: 0,
    items: [],
  };
  const orphans = new Set<string>();
  let artifacts: Promise<Artifacts> | undefined;
  const artifact = async (kind: string, digest: string) => {
    if (kind === "components") return await log.component(digest);
    artifacts ??= log.artifacts();
    return encode((await artifacts).policies.get(digest));
  };
  const manifest = async (sequence: number) => {
    if (page.items.length === 0 || sequence < page.from || sequence >= page.from + PAGE) {
      page = { from: sequence, items: await log.manifests(sequence, PAGE) };
      for (const { sequence: at, known } of page.items) if (!known) orphans.add(manifestPath(at));
    }
    return page.items.find((item) => item.sequence === sequence)?.text;
  };
  const encode = (text: string | undefined) =>
    text === undefined ? undefined : new TextEncoder().encode(text);
  return {
    takenAtMs: nowMs,
    orphans,
    hasJournal: (run) => log.hasJournal(run),
    async read(path) {
      if (path === "checkpoint") return encode(await log.checkpoint());
      const [, sequence] = /^manifests\/\d+\/(\d+)\.sigstore\.json$/.exec(path) ?? [];
      if (sequence !== undefined) return encode(await manifest(Number(sequence)));
      const [, kind, hex] =
        /^artifacts\/(components|policies)\/([0-9a-f]{64})\.(?:wasm|json)$/.exec(path) ?? [];
      if (kind !== undefined) return await artifact(kind, `sha256:${hex}`);
      const name = OBSERVER_FILES.find((file) => path === `observer/${file}`);
      if (name !== undefined) return await observed(name);
      const tile = parseTilePath(path);
      return tile && (await log.tile(tile));
    },
  };
}
