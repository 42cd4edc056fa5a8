/** Processes that are to end badly, what they released by then, and whether what they left is what must be left. */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtime } from "#runtime";
import { joinTrust, parseTrust, readObservations, verifyBundle } from "../../src/core/manifest/index.ts";
import { createEvidence } from "../../src/evidence/index.ts";
import { signatureVerifier } from "../../src/identity/index.ts";
import { openStore } from "../../src/stores/index.ts";
import { openSigners, writePublicKeys } from "../../src/wiring/index.ts";
import { removeFolder } from "../support/folder.ts";
import { examineBooks, settle } from "./accounts.ts";

const CHILD = fileURLToPath(new URL("child.ts", import.meta.url));
/** What a process released before it ended: by run, what its receipt said; the runs that it served, and the tasks that it billed. */
export class Released extends Map<string, { readonly sequence: number; readonly digest: string }> {
  readonly served = new Set<string>();
  readonly billed = new Set<string>();
}

/** Starts a process, behind `prefix` if there is one. See `child.ts` for its arguments. */
export function start(folder: string, args: readonly string[], prefix: readonly string[] = []): ChildProcess {
  const own =
    runtime.name === "deno" ? ["run", "-A", CHILD] : ["--disable-warning=ExperimentalWarning", CHILD];
  const [command = "", ...rest] = [...prefix, process.execPath, ...own, folder, ...args];
  return spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"] });
}

/** Collects what a child says until it ends. `onLine` may kill it. */
export async function listen(
  child: ChildProcess,
  released: Released,
  onLine: (line: string) => void = () => undefined,
) {
  let rest = "";
  const lines: string[] = [];
  child.stdout?.on("data", (chunk: Buffer) => {
    const parts = (rest + chunk.toString()).split("\n");
    rest = parts.pop() ?? "";
    for (const line of parts) {
      lines.push(line);
      const [, sequence, run = "", digest = ""] = /^released (\d+) (\S+) (\S+)$/.exec(line) ?? [];
      if (sequence !== undefined) released.set(run, { sequence: Number(sequence), digest });
      const [, asked] = /^served (\S+)$/.exec(line) ?? [];
      if (asked !== undefined) released.served.add(asked);
      const [, task] = /^billed (\S+)$/.exec(line) ?? [];
      if (task !== undefined) released.billed.add(task);
      onLine(line);
    }
  });
  let errors = "";
  child.stderr?.on("data", (chunk) => {
    errors += chunk;
  });
  const code = await new Promise<number | null>((resolve) =>
    child.once("close", (status) => resolve(status)),
  );
  return { lines, errors, code };
}

/** @returns what is wrong with what is left in a folder */
export async function examine(folder: string, released: Released): Promise<readonly string[]> {
  const faults: string[] = [];
  const place = { keysFolder: `${folder}/keys`, origin: "log.example", address: undefined };
  const signers = await openSigners(runtime, place);
  await writePublicKeys(runtime, place.keysFolder, signers);
  const parts = await Promise.all(
    ["jwks.json", "trusted_root.json"].map(async (name) =>
      parseTrust(await readFile(`${place.keysFolder}/${name}`)),
    ),
  );
  const trust = joinTrust(parts.flatMap((part) => (part.ok ? [part.trust] : [])));
  const store = await openStore(runtime.openSqlite(`${folder}/writ.sqlite`));
  const evidence = createEvidence({ store, clock: runtime.clock, ...signers, settle });
  await evidence.reconcile(Number.POSITIVE_INFINITY);
  if ((await store.openRuns(Number.MAX_SAFE_INTEGER, 1)).length > 0) faults.push("a run stayed open");
  const verify = signatureVerifier(runtime.verification);
  const seen = new Map<string, string>();
  let sequence = 0;
  for (;;) {
    const page = await store.listSeals(sequence, 500);
    for (const { seal, known } of page) {
      if (seal.sequence !== sequence++)
        faults.push(`sequence ${seal.sequence} where ${sequence - 1} was due`);
      if (seen.has(seal.run) || !known) faults.push(`${seal.run} is sealed twice, or by nobody`);
      seen.set(seal.run, seal.outcome);
      const mine = released.get(seal.run);
      if (mine !== undefined && (mine.sequence !== seal.sequence || mine.digest !== seal.digest))
        faults.push(`${seal.run} was released as something else`);
      const text = new TextEncoder().encode(await evidence.manifest(seal));
      const report = await verifyBundle(text, trust, verify);
      if (!report.ok || report.predicate?.run !== seal.run) faults.push(`${seal.run} does not verify`);
    }
    if (page.length === 0) break;
  }
  for (const run of released.keys())
    if (!seen.has(run)) faults.push(`${run} was released and has no manifest`);
  for (const run of released.served) if (!seen.has(run)) faults.push(`${run} was served and has no manifest`);
  faults.push(...(await examineBooks(store, seen, released.billed)));
  await store.close();
  const observed = readObservations(await readFile(`${folder}/observer/admissions.log`, "utf8"));
  faults.push(...observed.faults);
  const admitted = new Set(observed.lines.map(({ run }) => run));
  for (const run of seen.keys())
    if (!admitted.has(run)) faults.push(`${run} has a manifest, and nobody observed it`);
  return faults;
}

/** Lends a folder that goes away afterwards. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "writ-crash-"));
  try {
    return await use(folder);
  } finally {
    await removeFolder(folder);
  }
}
