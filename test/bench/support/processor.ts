/** Processor time of processes and of those that they started, as Linux counts it; elsewhere nobody counts. */
import { readdir, readFile } from "node:fs/promises";

/** Of the clock in which `/proc` counts: 100 a second on every Linux there is. */
const MS_PER_TICK = 10;

interface Counted {
  readonly parent: number;
  readonly name: string;
  /** Its own, and of its children that are gone. */
  readonly ms: number;
}

/** Processor time of all processes, at some moment. */
export type Counts = ReadonlyMap<number, Counted>;

/** Counts all processes; none where there is no `/proc`. */
export async function countProcessor(): Promise<Counts> {
  const counts = new Map<number, Counted>();
  for (const name of await readdir("/proc").catch(() => [])) {
    if (!/^\d+$/.test(name)) continue;
    // It may be gone by now.
    const text = await readFile(`/proc/${name}/stat`, "utf8").catch(() => "");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    if (fields.length < 15) continue;
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    const called = text.slice(text.indexOf("(") + 1, text.lastIndexOf(")"));
    counts.set(Number(name), { parent: Number(fields[1]), name: called, ms: ticks * MS_PER_TICK });
  }
  return counts;
}

/**
 * What was used between two counts.
 *
 * @param pid a process; `alone`: without those that it started
 * @returns ms
 */
export function usedBetween(before: Counts, after: Counts, pid: number, alone = false): number {
  let used = (after.get(pid)?.ms ?? 0) - (before.get(pid)?.ms ?? 0);
  if (alone) return used;
  for (const [child, { parent }] of after)
    if (parent === pid && child !== pid) used += usedBetween(before, after, child);
  return used;
}
