/**
 * Folders of tests: where they are made, and how they go. What a test starts has ended before its folder goes, so that
 * nothing is written there while it is emptied. Where something is all the same, whose it is can be read from what is
 * left, and it is said; that alone fails no test.
 */
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Tries to empty it, and the pause between two of them. */
const TRIES = 20;
const PAUSE_MS = 250;
/** Names of what is left that are told. */
const MOST_NAMES = 20;

/** @returns a fresh folder, and what removes it. */
export async function temporaryFolder(): Promise<{ path: string; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "writ-test-"));
  return { path, remove: () => removeFolder(path) };
}

/**
 * Removes a folder with all that is in it; one that is not there is no fault.
 *
 * @throws {Error} with the names of what is left, when it can not be removed
 */
export async function removeFolder(path: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await rm(path, { recursive: true, force: true });
      return;
    } catch (cause) {
      const left = await namesIn(path);
      const message = `Cannot remove ${path}: ${left.length === 0 ? String(cause) : `left are ${left.join(", ")}`}`;
      if (tries === TRIES) throw new Error(message, { cause });
      if (tries === 1) console.warn(`${message}; somebody writes there who should have ended`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}

async function namesIn(path: string): Promise<readonly string[]> {
  const names = await readdir(path, { recursive: true }).catch(() => []);
  return names.slice(0, MOST_NAMES);
}
