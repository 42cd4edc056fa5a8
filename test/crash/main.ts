/**
 * Crash bars: what kill −9 at any moment and a disk that fails at any write leave of the evidence.
 *
 * Run: `node test/crash/main.ts [kills] [writes]`, or the same with Deno; ends with 1 when a bar is not met. The disk's
 * failures and the order of syncs are strace's, on Node alone; without strace it says so.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtime } from "#runtime";
import { joinTrust, parseTrust, readObservations, verifyBundle } from "../../src/core/manifest/index.ts";
import { createEvidence } from "../../src/evidence/index.ts";
import { signatureVerifier } from "../../src/identity/index.ts";
import { openSigners, writePublicKeys } from "../../src/signers.ts";
import { openStore } from "../../src/stores/index.ts";

const CHILD = fileURLToPath(new URL("child.ts", import.meta.url));
const AT_ONCE = 8;

/** What a process released before it ended: by run, what its receipt said. */
type Released = Map<string, { readonly sequence: number; readonly digest: string }>;

function start(folder: string, args: readonly string[], prefix: readonly string[] = []): ChildProcess {
  const own =
    runtime.name === "deno" ? ["run", "-A", CHILD] : ["--disable-warning=ExperimentalWarning", CHILD];
  const [command = "", ...rest] = [...prefix, process.execPath, ...own, folder, ...args];
  return spawn(command, rest, { stdio: ["ignore", "pipe", "pipe"] });
}

/** Collects what a child says until it ends. `onLine` may kill it. */
async function listen(
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
async function examine(folder: string, released: Released): Promise<readonly string[]> {
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
  const evidence = createEvidence({ store, clock: runtime.clock, ...signers });
  await evidence.reconcile(Number.POSITIVE_INFINITY);
  if ((await store.openRuns(Number.MAX_SAFE_INTEGER, 1)).length > 0) faults.push("a run stayed open");
  const verify = signatureVerifier(runtime.verification);
  const seen = new Set<string>();
  let sequence = 0;
  for (;;) {
    const page = await store.listSeals(sequence, 500);
    for (const { seal, known } of page) {
      if (seal.sequence !== sequence++)
        faults.push(`sequence ${seal.sequence} where ${sequence - 1} was due`);
      if (seen.has(seal.run) || !known) faults.push(`${seal.run} is sealed twice, or by nobody`);
      seen.add(seal.run);
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
  await store.close();
  const observed = readObservations(await readFile(`${folder}/observer/admissions.log`, "utf8"));
  faults.push(...observed.faults);
  const admitted = new Set(observed.lines.map(({ run }) => run));
  for (const run of seen)
    if (!admitted.has(run)) faults.push(`${run} has a manifest, and nobody observed it`);
  return faults;
}

async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "writ-crash-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Kills a process again and again, somewhere between its first moment and its hundredth run. */
async function killing(kills: number): Promise<readonly string[]> {
  return await withFolder(async (folder) => {
    const released: Released = new Map();
    for (let kill = 0; kill < kills; kill++) {
      const child = start(folder, [String(AT_ONCE)]);
      let lines = 0;
      // A different moment each time: some while it reconciles, most in the middle of commits.
      const at = (kill * 13) % 60;
      const stop = () => child.kill("SIGKILL");
      const timer = setTimeout(stop, 4_000);
      await listen(child, released, () => {
        if (lines++ === at) setTimeout(stop, (kill * 7) % 11);
      });
      clearTimeout(timer);
    }
    const faults = await examine(folder, released);
    runtime.print(`killed ${kills} times, ${released.size} runs released: ${faults.length} faults`);
    if (released.size < kills) return [...faults, "too few runs were released for this to mean anything"];
    return faults;
  });
}

/** Lets one system call of many fail, each in its turn. */
async function failing(call: string, error: string, most: number): Promise<readonly string[]> {
  const all: string[] = [];
  let cells = 0;
  for (let at = 1; at <= most; at++) {
    const faults = await withFolder(async (folder) => {
      // Keys and tables are there: what fails is writing evidence.
      await listen(start(folder, ["1", "1"]), new Map());
      const released: Released = new Map();
      const inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", `trace=${call}`];
      const prefix = [...inject, "-e", `inject=${call}:error=${error}:when=${at}`];
      const { lines } = await listen(start(folder, ["1", "3"], prefix), released);
      cells++;
      // Then the same on a disk that is well again.
      await listen(start(folder, ["1", "2"]), released);
      const strange = lines.filter(
        (line) => line.startsWith("refused") && line !== "refused evidence-unavailable",
      );
      return [...strange, ...(await examine(folder, released))];
    });
    all.push(...faults.map((fault) => `${call} ${error} at ${at}: ${fault}`));
  }
  runtime.print(`${error} at each of ${cells} ${call}: ${all.length} faults`);
  return all;
}

/** Whatever is released was synced before: the last write to the log of the database is followed by a sync. */
async function syncing(): Promise<readonly string[]> {
  return await withFolder(async (folder) => {
    await listen(start(folder, ["1", "1"]), new Map());
    const trace = join(folder, "trace");
    const prefix = [
      "strace",
      "-f",
      "-qq",
      "-y",
      "-s",
      "40",
      "-o",
      trace,
      "-e",
      "trace=pwrite64,write,fdatasync,fsync",
    ];
    const released: Released = new Map();
    await listen(start(folder, ["1", "20"], prefix), released);
    const faults: string[] = [];
    let [unsynced, checked] = [0, 0];
    for (const line of (await readFile(trace, "utf8")).split("\n")) {
      if (/ pwrite64\(\d+<[^>]*writ\.sqlite-wal>/.test(line)) unsynced++;
      else if (/ f(data)?sync\(\d+<[^>]*writ\.sqlite-wal>/.test(line)) unsynced = 0;
      else if (/ write\(1<[^>]*>, "released /.test(line)) {
        checked++;
        if (unsynced > 0) faults.push(`released with ${unsynced} writes not synced`);
      }
    }
    runtime.print(`order of syncs before ${checked} releases: ${faults.length} faults`);
    return checked === 20 ? faults : [...faults, `only ${checked} of 20 releases were seen`];
  });
}

const [kills = 200, writes = 12] = runtime.args.map(Number);
// Two at a time, each in its own folder: that is how many cores there are to count on.
const faults = (await Promise.all([killing(Math.ceil(kills / 2)), killing(Math.floor(kills / 2))])).flat();
if (runtime.name === "node" && spawnSync("strace", ["-o", "/dev/null", "true"]).status === 0) {
  faults.push(...(await syncing()));
  const ways = [
    ["pwrite64", "ENOSPC"],
    ["pwrite64", "EIO"],
    ["fdatasync", "EIO"],
  ] as const;
  faults.push(...(await Promise.all(ways.map(([call, error]) => failing(call, error, writes)))).flat());
} else
  runtime.print(
    "skipped: a failing disk and the order of syncs, which are for strace, on Node, where tracing is allowed",
  );
for (const fault of faults.slice(0, 50)) runtime.print(`  ${fault}`);
if (faults.length > 0) runtime.setExitCode(1);
