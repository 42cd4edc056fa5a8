/** What a process holds, as the system counts it. */
import { readFileSync } from "node:fs";

/** Resident bytes of a process; NaN where there is no /proc. */
export function residentBytes(pid: number): number {
  try {
    const [, kibibytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return Number(kibibytes) * 1024;
  } catch {
    return Number.NaN;
  }
}
