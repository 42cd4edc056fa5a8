/**
 * A disk that fails under a process, by strace: one of SQLite's own writes or syncs, each in its turn, fails as disks
 * fail. Nothing is released that is not there afterwards, and the same process goes on by itself.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { runtime } from "#runtime";
import { examine, listen, Released, start, withFolder } from "./processes.ts";

/** Calls on the file before a run begins: opening the log of writes, and the first look for open runs. */
const BEFORE = { pwrite64: 3, fsync: 2 } as const;
/** Calls on the file that one run makes: its intent, which is synced because it asks for something, its seal, and its bill. */
const OF_A_RUN = { pwrite64: 30, fsync: 3 } as const;

/** What fails, and how. */
export const WAYS = [
  ["pwrite64", "ENOSPC"],
  ["pwrite64", "EIO"],
  ["fsync", "EIO"],
] as const;

/**
 * Lets one call of a run's fail, each in its turn.
 *
 * @param most cells at most: beyond them the calls are sampled evenly
 */
export async function failing(
  [call, error]: (typeof WAYS)[number],
  most: number,
): Promise<readonly string[]> {
  const all: string[] = [];
  const cells = Math.min(most, OF_A_RUN[call]);
  let refused = 0;
  for (let cell = 0; cell < cells; cell++) {
    const at = BEFORE[call] + 1 + Math.floor((cell * OF_A_RUN[call]) / cells);
    const faults = await withFolder(async (folder) => {
      // Keys and tables are there: what fails is writing evidence.
      await listen(start(folder, ["1", "1"]), new Released());
      const released = new Released();
      const inject = ["-e", `trace=${call}`, "-e", `inject=${call}:error=${error}:when=${at}`];
      const prefix = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", `${folder}/writ.sqlite-wal`, ...inject];
      // Whoever is refused comes back: the same process has to release all of them.
      const { lines, errors } = await listen(start(folder, ["1", "2", "persist"], prefix), released);
      const refusals = lines.filter((line) => line.startsWith("refused"));
      if (refusals.length > 0) refused++;
      const strange = refusals.filter((line) => line !== "refused evidence-unavailable");
      if (released.size !== 2) strange.push(`released ${released.size} of 2: ${errors.slice(0, 300)}`);
      // Then the same on a disk that is well again.
      await listen(start(folder, ["1", "2"]), released);
      return [...strange, ...(await examine(folder, released))];
    });
    all.push(...faults.map((fault) => `${call} ${error} at ${at}: ${fault}`));
  }
  runtime.print(
    `${error} at ${cells} of ${OF_A_RUN[call]} ${call} of a run, ${refused} refused, then on in the same process: ${all.length} faults`,
  );
  if (refused === 0) all.push(`${call} ${error}: nothing was refused, so nothing failed`);
  return all;
}

/**
 * Whatever is served or released was synced before: the last write to the log of the database is followed by a sync. A run
 * that asks for nothing needs one for itself, and one for what is billed of its task.
 */
export async function syncing(): Promise<readonly string[]> {
  return await withFolder(async (folder) => {
    await listen(start(folder, ["1", "1"]), new Released());
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
    const released = new Released();
    await listen(start(folder, ["1", "20"], prefix), released);
    const faults: string[] = [];
    let [unsynced, syncs] = [0, 0];
    const seen = { served: 0, released: 0, billed: 0 };
    for (const line of (await readFile(trace, "utf8")).split("\n")) {
      if (/ pwrite64\(\d+<[^>]*writ\.sqlite-wal>/.test(line)) unsynced++;
      else if (/ f(data)?sync\(\d+<[^>]*writ\.sqlite-wal>/.test(line)) {
        unsynced = 0;
        syncs++;
      }
      const [, said] = / write\(1<[^>]*>, "(served|released|billed) /.exec(line) ?? [];
      if (said !== "served" && said !== "released" && said !== "billed") continue;
      // What comes before the first run is not counted.
      if (seen.served === 0) syncs = 1;
      seen[said]++;
      if (unsynced > 0) faults.push(`${said} with ${unsynced} writes not synced`);
    }
    const { served, released: releases, billed } = seen;
    const most = served + releases + billed;
    runtime.print(
      `order of syncs before ${served} effects, ${releases} releases and ${billed} bills: ${faults.length} faults, ${syncs} syncs`,
    );
    if (syncs > most) faults.push(`${syncs} syncs, where ${most} are needed`);
    if (releases !== 20 || served !== 10)
      faults.push(`only ${served} of 10 effects and ${releases} of 20 releases were seen`);
    return faults;
  });
}
