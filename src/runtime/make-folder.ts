/** Makes folders one by one from the first that is missing: bounded, where the system's own way may try for ever. */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it, for their owner alone.
 *
 * @throws what the system says of the first that can not be made
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "EEXIST") return;
    // Some file systems say that what they refuse to make is not there: so the one above is tried once, not again.
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    try {
      await mkdir(path, { mode: 0o700 });
    } catch (again) {
      if (!(again instanceof Error && "code" in again && again.code === "EEXIST")) throw again;
    }
  }
}
