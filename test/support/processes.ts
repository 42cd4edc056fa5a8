/** What the system says of a process, read from /proc. */
import { readdirSync, readFileSync } from "node:fs";

/** Bytes of memory that a process holds, and the most that it ever held; 0 when it is gone. */
export function memoryOf(pid: number | "self"): { readonly nowBytes: number; readonly peakBytes: number } {
  const read = (status: string, name: string) =>
    1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0);
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return { nowBytes: read(status, "VmRSS"), peakBytes: read(status, "VmHWM") };
  } catch {
    return { nowBytes: 0, peakBytes: 0 };
  }
}

/** Processes that are there and no zombies, of some. A number that a thread of somebody's has by now is none of them. */
export function alive(pids: readonly number[]): readonly number[] {
  return pids.filter((pid) => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      return !/^State:\s+[ZX]/m.test(status) && new RegExp(`^Tgid:\\s+${pid}$`, "m").test(status);
    } catch {
      return false;
    }
  });
}

/** Children of this very process, zombies included. */
export function childrenOf(parent: number): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return new RegExp(`^PPid:\\s+${parent}$`, "m").test(readFileSync(`/proc/${pid}/status`, "utf8"));
      } catch {
        return false;
      }
    });
}

/** Processes of a process group that are there and no zombies. */
export function groupOf(leader: number): readonly number[] {
  const members = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        // Behind the name in parentheses: state, parent, group.
        const [, , group] = (readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1) ?? "").split(" ");
        return Number(group) === leader;
      } catch {
        return false;
      }
    });
  return alive(members);
}
