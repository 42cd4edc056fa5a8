/**
 * How an executor process is caged, as command lines: one subject, two runtimes. What the operating system adds is in
 * `system-cage.ts`.
 *
 * A child gets no environment, no network, no child processes, no workers, no writable file, and may read only what it
 * begins with: the program that it becomes comes through its pipe.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Cage, ExecutorRole } from "../ports/index.ts";
import { executorProgram } from "./executor-program.ts";
import { type CommandLine, inSystemCage } from "./system-cage.ts";

const SOURCES = dirname(dirname(fileURLToPath(import.meta.url)));
const PROJECT = dirname(SOURCES);
const ENTRY = join(SOURCES, "runtime", "executor-boot.mjs");
const PACKAGES = join(PROJECT, "node_modules");

/** Whether the Node that runs us can deny the network to a child (`--permission` does so from Node 25 on). */
export function nodeDeniesNetwork(version: string): boolean {
  return Number(version.split(".")[0]) >= 25;
}

/**
 * What `--permission` of Node does not cover, switched off whole. `node:sqlite` is the one that bites: it opens and
 * makes database files anywhere, the gateway's own among them, whatever may be read and written.
 */
const SWITCHED_OFF = [
  "--no-experimental-sqlite",
  "--no-experimental-ffi",
  "--no-experimental-webstorage",
  "--no-experimental-websocket",
  "--disable-sigusr1",
];

/**
 * Whoever may set flags of V8 in a process that runs may do all that V8 can: have it write its traces into any file, or
 * turn off its checks. No permission of a runtime's is asked. Frozen, the attempt ends the process, or does nothing.
 */
const FREEZE_FLAGS = "--freeze-flags-after-init";

/**
 * A run's functions are validated when they are first called, as they are compiled. All of them were validated before,
 * where the component was prepared, and what is loaded here is those bytes by their digest; to do it again for the many
 * that no run calls would be a fifth of what a large component's first call takes. Deno's engine does not do so.
 */
const VALIDATE_LAZILY = "--wasm-lazy-validation";

/** How the runtime that runs us would start itself. */
export interface Self {
  readonly name: Cage["runtime"];
  readonly program: string;
  /** As Node spells it. */
  readonly arch: string;
  /** Whether this Node knows a flag: an unknown one keeps it from starting. */
  readonly knowsFlag: (flag: string) => boolean;
}

/** How an executor is started. */
export interface ExecutorStart extends CommandLine {
  /** Its program, written to its pipe before anything else. */
  readonly input: Uint8Array;
}

/**
 * The command line of an executor.
 *
 * @param cage default: the runtime that runs us, and nothing of the system's
 * @throws {Error} when the cage can not be made here
 */
export function executorCommand(role: ExecutorRole, cage: Partial<Cage>, self: Self): ExecutorStart {
  const { runtime = self.name, system = "none" } = cage;
  const isSelf = runtime === self.name;
  const program = isSelf ? self.program : PROGRAMS[runtime];
  // The pinned Node knows every flag.
  const args =
    runtime === "node" ? nodeArguments(role, isSelf ? self.knowsFlag : undefined) : denoArguments(role);
  // Deno looks for the others, and does not go on where one is there and closed.
  const configuration = runtime === "deno" ? ["package.json", "deno.json"] : [];
  const readable = [ENTRY, ...configuration.map((name) => join(PROJECT, name))];
  const needs = { readable, isDeno: runtime === "deno", arch: self.arch };
  return {
    ...inSystemCage({ program, args }, system, needs),
    input: executorProgram(runtime, program),
  };
}

/** The pinned packages, for the runtime that does not run us. */
const PROGRAMS: Readonly<Record<Cage["runtime"], string>> = {
  node: join(PACKAGES, "node", "bin", "node"),
  deno: join(PACKAGES, "deno", "deno"),
};

/**
 * Arguments for `node`.
 *
 * @param supports whether this Node knows a flag: what it does not know it has not to be without, and an unknown
 *   flag keeps it from starting. Default: it knows all of them
 */
export function nodeArguments(
  role: ExecutorRole,
  supports: (flag: string) => boolean = () => true,
): readonly string[] {
  return [
    // A probe is to see what the system refuses, so the runtime must refuse it nothing.
    ...(role === "probe" ? [] : ["--permission", `--allow-fs-read=${ENTRY}`]),
    "--disable-proto=throw",
    "--no-addons",
    // Nothing in a child makes code out of text.
    "--disallow-code-generation-from-strings",
    FREEZE_FLAGS,
    ...(role === "run" ? [VALIDATE_LAZILY] : []),
    "--no-warnings",
    ...SWITCHED_OFF.filter(supports),
    // A guest's trap must not write a heap snapshot or a core file of another guest's data.
    "--max-old-space-size=1024",
    ENTRY,
    role,
  ];
}

/** Arguments for `deno`. */
export function denoArguments(role: ExecutorRole): readonly string[] {
  return [
    "run",
    "--no-prompt",
    "--no-remote",
    "--cached-only",
    "--quiet",
    `--v8-flags=--disallow-code-generation-from-strings,${FREEZE_FLAGS}`,
    // A probe is to see what the system refuses, so the runtime must refuse it nothing.
    ...(role === "probe" ? ["--allow-all"] : []),
    ENTRY,
    role,
  ];
}
