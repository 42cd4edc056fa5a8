/**
 * One cache of prepared components for all that a run of the suite opens: preparing the sample tools takes longer than
 * most tests do. What is prepared is named by component, memory and versions, and verified when it is read. It lives as
 * long as the run: a change of what prepares is never hidden by what an earlier run kept.
 */
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";

/** Name of the variable that the set-up of a run tells its test files the folder by. */
export const CACHE_VARIABLE = "WRIT_TEST_CACHE";

/** The cache's folder; undefined where nobody has made one, as in a program by itself. */
export function sharedCache(): string | undefined {
  return process.env[CACHE_VARIABLE];
}

/** Has the gateway of a data folder find it where its own cache is. One that is there already stays. */
export async function shareCache(dataFolder: string): Promise<void> {
  const cache = sharedCache();
  if (cache === undefined) return;
  await mkdir(dataFolder, { recursive: true, mode: 0o700 });
  await symlink(cache, join(dataFolder, "cache")).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
}
