/**
 * Databases with many past runs. A million takes minutes to write and gigabytes to hold, so large ones are kept in
 * `.writ/bench-runs` and gone on with; what a measurement adds to them is little beside what is there.
 */
import { join } from "node:path";
import { PROJECT_FOLDER } from "../../../src/compose.ts";
import type { Store } from "../../../src/ports/index.ts";
import { predicateOf } from "./predicate.ts";

/** Runs that are written at once, and share a commit. */
const BATCH = 1000;
/** From that many on a database is kept. */
const KEPT = 10_000;

/** Folder of a gateway with so many past runs. @param temporary where those lie that are not kept */
export function folderOf(count: number, temporary: string): string {
  return count < KEPT
    ? join(temporary, `runs-${count}`)
    : join(PROJECT_FOLDER, ".writ", "bench-runs", String(count));
}

/**
 * Writes past runs as they would be there: sealed, in the log, with a manifest of the usual size each; by the store's own
 * writes, and no more than are missing.
 *
 * @param say told now and then how many there are
 */
export async function fillPastRuns(
  store: Store,
  count: number,
  say: (written: number) => void,
): Promise<void> {
  const bundle = "x".repeat(2900);
  const there = (await store.logHead()).size;
  for (let start = there; start < count; start += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, count - start) }, (_, index) => start + index);
    await Promise.all(
      batch.map((index) => {
        const predicate = predicateOf(index);
        const { run, tenant, tool } = predicate;
        const intent = {
          run,
          tenant,
          tool,
          function: predicate.function,
          admittedAtMs: index,
          predicate: JSON.stringify(predicate),
        };
        return store.recordRefusal(intent, {
          run,
          outcome: "completed",
          digest: "0".repeat(64),
          bundle,
          entry: JSON.stringify({ digest: "0".repeat(64), signature: "0".repeat(96), run }),
          sealedAtMs: index,
        });
      }),
    );
    if (start % 50_000 === 0 && start > there) say(start);
  }
}
