/**
 * Sets the kernel's limit on what a process may have of private, writable memory (`RLIMIT_DATA`; Linux counts anonymous
 * mappings since 4.7). Only what the process asks for after that is refused: what it has, it keeps. Neither runtime can
 * do so for another process, so `prlimit` of util-linux does; it takes a millisecond or two, and is no part of any
 * run's way that is not about to need more than there is.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";

/** The operator's PATH decides nothing about a limit. */
const PROGRAMS = ["/usr/bin/prlimit", "/bin/prlimit", "/run/current-system/sw/bin/prlimit"];
const LONGEST_MS = 10_000;

/** Sets the limit of a process. @returns false where the kernel did not take it, or the process is gone */
export type MemoryLimiter = (pid: number, bytes: number) => Promise<boolean>;

let program: string | null | undefined;

/** @returns undefined where there is no such limit to be had */
export function memoryLimiter(): MemoryLimiter | undefined {
  program ??= PROGRAMS.find(existsSync) ?? null;
  const found = program;
  if (found === null) return undefined;
  return (pid, bytes) =>
    new Promise((resolve) => {
      // The soft one: to raise the other again takes a privilege, and the filter lets no executor raise either.
      const args = ["--pid", String(pid), `--data=${Math.ceil(bytes)}:`];
      execFile(found, args, { env: {}, timeout: LONGEST_MS }, (error) => resolve(error === null));
    });
}
