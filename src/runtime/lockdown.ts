/**
 * How an executor process is caged, as command lines: one subject, two runtimes.
 *
 * A child gets no environment, no network, no child processes, no workers, no writable file, and may read only
 * the program that it is. The preparer may read the npm packages that it transpiles with, and nothing more.
 */
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutorRole } from "../ports/index.ts";

const SOURCES = dirname(dirname(fileURLToPath(import.meta.url)));
const PROJECT = dirname(SOURCES);
const ENTRY = join(SOURCES, "executor.ts");
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
 * Arguments for `node`.
 *
 * @param supports whether this Node knows a flag: what it does not know it has not to be without, and an unknown
 *   flag keeps it from starting. Default: it knows all of them
 */
export function nodeArguments(
  role: ExecutorRole,
  supports: (flag: string) => boolean = () => true,
): readonly string[] {
  const readable = [
    join(PROJECT, "package.json"),
    join(SOURCES, "*"),
    ...(role === "prepare" ? [join(PACKAGES, "*")] : []),
  ];
  return [
    "--permission",
    ...readable.map((path) => `--allow-fs-read=${path}`),
    // jco's WASI shim starts a worker when it is loaded, and Node's workers do not inherit the permissions. What
    // the preparer runs is jco's parser, itself WebAssembly, and never a guest.
    ...(role === "prepare" ? ["--allow-worker"] : []),
    "--disable-proto=throw",
    "--no-addons",
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
    // The environment is empty: being allowed to read it reveals nothing, and jco's WASI shim does read it.
    ...(role === "prepare" ? [`--allow-read=${PACKAGES}`, "--allow-env"] : []),
    ENTRY,
    role,
  ];
}
