/** Where and with what a measurement was made: a figure without this can not be compared with anything. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";
import { join } from "node:path";
import { PROJECT_FOLDER } from "../../src/compose.ts";
import { workerdVersion } from "./peers/workerd/start.ts";

/** The machine, the versions and the sources. */
export interface Provenance {
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryGiB: number;
    readonly os: string;
  };
  readonly versions: Readonly<Record<string, string | null>>;
  /** `-dirty` is appended when files other than results differ from the commit. Null outside a git work tree. */
  readonly commit: string | null;
}

/** Load of the last minute: a machine that others use too gives worse figures, and worse tails above all. */
export function load(): number {
  return Math.round((loadavg()[0] ?? 0) * 100) / 100;
}

/** Reads all of it. */
export function provenance(): Provenance {
  const [cpu] = cpus();
  return {
    machine: {
      cpu: cpu?.model ?? "unknown",
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      os: `${process.platform} ${release()} ${process.arch}`,
    },
    versions: {
      node: versionOf("node"),
      deno: versionOf("deno"),
      "@bytecodealliance/jco-transpile": versionOf("@bytecodealliance/jco-transpile"),
      hono: versionOf("hono"),
      "@hono/node-server": versionOf("@hono/node-server"),
      workerd: workerdVersion() ?? null,
      bench: `node ${process.versions.node}, v8 ${process.versions.v8}, sqlite ${process.versions["sqlite"] ?? "?"}`,
    },
    commit: commit(),
  };
}

function versionOf(name: string): string | null {
  try {
    const file = readFileSync(join(PROJECT_FOLDER, "node_modules", name, "package.json"), "utf8");
    const { version }: { version: string } = JSON.parse(file);
    return version;
  } catch {
    return null;
  }
}

function commit(): string | null {
  try {
    const git = (...args: string[]) =>
      execFileSync("git", args, {
        cwd: PROJECT_FOLDER,
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
    // What an earlier suite of the same evening kept changes nothing of what is measured.
    const sources = git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!test/bench/results");
    const dirty = sources.trim() !== "";
    return `${git("rev-parse", "--short=12", "HEAD").trim()}${dirty ? "-dirty" : ""}`;
  } catch {
    return null;
  }
}
