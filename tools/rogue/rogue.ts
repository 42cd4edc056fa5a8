/**
 * The rogue tool: each function tries one thing that a guest must not get away with.
 *
 * It fights fair in one respect: it uses what its world names. Guests that forge handles, lie about their
 * imports or swallow traps are built by hand in test/sandbox.
 */
import { getEnvironment } from "wasi:cli/environment@0.2.12";
import { subscribeDuration } from "wasi:clocks/monotonic-clock@0.2.12";
import { getDirectories } from "wasi:filesystem/preopens@0.2.12";
import { write } from "writ:host/log@0.1.0";

/** Text for one log entry or one line: 1 KiB, so that a budget of 64 KiB lasts for 64 calls. */
const line = "rogue ".repeat(170);

/** Nanoseconds of one wait: an hour. */
const hour = 3_600_000_000_000n;

/** The interface `rogue` of world.wit. */
export const rogue = {
  async reachHost(url: string): Promise<number> {
    try {
      return (await fetch(url)).status;
    } catch {
      throw { tag: "refused" };
    }
  },

  readEnv(): [string, string][] {
    return getEnvironment();
  },

  readFile(path: string): string {
    for (const [directory] of getDirectories()) {
      try {
        const file = directory.openAt({ symlinkFollow: true }, path, { create: false }, { read: true });
        return new TextDecoder().decode(file.read(1024n, 0n)[0]);
      } catch {
        // Not in this directory, or not for us: try the next one.
      }
    }
    throw { tag: "refused" };
  },

  spin(): void {
    for (;;) {
      // Nothing: the loop's own jump is what is metered.
    }
  },

  backtrack(): boolean {
    return /^(?:a+)+$/.test(`${"a".repeat(60)}!`);
  },

  wait(): void {
    for (;;) subscribeDuration(hour).block();
  },

  growMemory(): void {
    const kept: Uint8Array[] = [];
    for (;;) kept.push(new Uint8Array(1024 * 1024).fill(kept.length));
  },

  recurse(): void {
    descend(0);
  },

  floodLog(): void {
    for (;;) {
      try {
        write({ level: "info", message: line, fields: [] });
      } catch {
        // Refused: go on regardless, as a guest with bad intent would.
      }
    }
  },

  floodStdout(): void {
    for (;;) console.log(line);
  },

  hugeOutput(bytes: number): string {
    return "x".repeat(bytes);
  },
};

/** Adds after the call, so that no engine can turn the recursion into a loop. */
function descend(depth: number): number {
  return descend(depth + 1) + 1;
}
