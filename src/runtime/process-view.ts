/**
 * What the kernel says of an executor process, read from `/proc`. An executor in a cage of the system's is a child of
 * the program that made the cage; what is asked here is asked about the executor. Where there is no such `/proc`
 * nothing is known, and nothing is claimed.
 */
import { readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { setPriority } from "node:os";
import type { ProcessView, SystemCage } from "../ports/index.ts";
import { memoryLimiter } from "./memory-limit.ts";

const PAGE_BYTES = 4096;
const NAMESPACES = ["user", "ipc", "pid", "net", "uts", "mnt"];
/** A tenth of the usual share, where others want theirs: what gives way is waited for, and must not starve. */
const LOW = 10;
/** What an executor starts with. */
const USUAL = 0;

/** Members of `/proc/<pid>/status`, the value that says that a layer holds, and its name. */
const STATUS_LAYERS: readonly (readonly [member: string, holds: RegExp, layer: string])[] = [
  ["NoNewPrivs", /^1$/, "os-no-new-privileges"],
  ["Seccomp", /^2$/, "os-system-call-filter"],
  ["CapEff", /^0+$/, "os-no-capabilities"],
];

/**
 * @param pid of the process that was started
 * @param cage what it was started in
 */
export function viewProcess(pid: number, cage: SystemCage): ProcessView {
  const limiter = memoryLimiter();
  let found: number | undefined;

  /** The executor itself; looked for again until it is there. */
  function target(): number | undefined {
    if (cage !== "bubblewrap") return pid;
    found ??= onlyChildOf(pid);
    return found;
  }

  return {
    pid: target,
    confinement() {
      const process = target();
      const status = process === undefined ? undefined : readText(`/proc/${process}/status`);
      if (status === undefined) return [];
      const layers: string[] = STATUS_LAYERS.filter(([member, holds]) =>
        holds.test(new RegExp(`^${member}:\\s+(\\S+)$`, "m").exec(status)?.[1] ?? ""),
      ).map(([, , layer]) => layer);
      if (isLimited(process)) layers.push("os-memory-limit");
      const own = NAMESPACES.every((name) => {
        const theirs = readLink(`/proc/${process}/ns/${name}`);
        return theirs !== undefined && theirs !== readLink(`/proc/self/ns/${name}`);
      });
      return own ? [...layers, "os-own-namespaces"] : layers;
    },
    memory() {
      const process = target();
      const fields = process === undefined ? undefined : readText(`/proc/${process}/statm`)?.split(" ");
      if (fields === undefined) return undefined;
      return {
        residentBytes: Number(fields[1]) * PAGE_BYTES,
        writableBytes: Number(fields[5]) * PAGE_BYTES,
      };
    },
    limitWritable:
      limiter &&
      (async (bytes) => {
        const process = target();
        return process !== undefined && (await limiter(process, bytes));
      }),
    yieldToOthers(yields) {
      const process = target();
      if (process === undefined) return false;
      const nice = yields ? LOW : USUAL;
      // Both, for only one of them counts, and which one is not to be seen from here.
      return [setNice(process, nice), setSessionNice(process, nice)].every(Boolean);
    },
  };
}

/** Whether the kernel refuses it memory beyond some number. */
function isLimited(process: number | undefined): boolean {
  return /^Max data size\s+\d+/m.test(readText(`/proc/${process}/limits`) ?? "");
}

/** @returns false where it is as it was: only the superuser may raise a priority again; a process that is gone has none */
function setNice(process: number, nice: number): boolean {
  try {
    setPriority(process, nice);
    return true;
  } catch {
    return false;
  }
}

/**
 * The same for the session that the process began, which is all of it and nothing else. Linux shares the processor among
 * sessions first (`sched_autogroup_enabled`, and no group of the operator's around them); then a process's own priority
 * counts only against others of its session, and one that spins at a low one takes as much as the whole gateway.
 *
 * @returns false where it is as it was
 */
function setSessionNice(process: number, nice: number): boolean {
  const path = `/proc/${process}/autogroup`;
  // A kernel that knows nothing of it.
  if (readText(path) === undefined) return true;
  try {
    writeFileSync(path, String(nice));
    return true;
  } catch {
    return false;
  }
}

/** A kernel without `children` in `/proc` is asked for every process's parent. */
function onlyChildOf(pid: number): number | undefined {
  const listed = readText(`/proc/${pid}/task/${pid}/children`);
  if (listed !== undefined) return Number(listed.trim().split(" ")[0]) || undefined;
  return processes().find((child) =>
    new RegExp(`^PPid:\\s+${pid}$`, "m").test(readText(`/proc/${child}/status`) ?? ""),
  );
}

function processes(): readonly number[] {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return [];
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function readLink(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
