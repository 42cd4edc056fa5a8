/**
 * What the operating system adds around an executor, as a command line in front of the runtime's own: namespaces, a
 * file system of a few read-only files, no capabilities, a system call filter. Nothing of it is trusted because it
 * was asked for: what holds is read back, from inside and from the kernel.
 */
import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { SystemCage } from "../ports/index.ts";

/** A program and its arguments. */
export interface CommandLine {
  readonly program: string;
  readonly args: readonly string[];
}

/** What the program must find. */
export interface CageNeeds {
  /** Absolute paths of files and folders that it reads. */
  readonly readable: readonly string[];
  /** Whether it is Deno: that needs a `/proc` of its own, where it finds its program. */
  readonly isDeno: boolean;
  /** Architecture as Node spells it. */
  readonly arch: string;
}

const HERE = dirname(fileURLToPath(import.meta.url));
/** Names nobody. Deno looks for a home folder, and the host's own file has names of people. */
const PASSWD = join(HERE, "seccomp", "passwd");
/**
 * What a runtime reads before anything of ours runs, and does not start without: a file that is there and closed is
 * worse to it than one that is not. Deno looks for the bounds of its own stack, and for a home folder in the machine's
 * list of users, which no namespace hides here: whoever is out of V8 in such a process can read those names.
 */
const READ_AT_START = {
  node: ["/etc/ssl/openssl.cnf"],
  deno: ["/etc/passwd", "/dev/urandom", "/proc/self/maps"],
};
/** Clears the environment after bubblewrap, which puts `PWD` into it, and after Deno, which may put names of its own. */
const ENV = "/usr/bin/env";
const SHELL = "/bin/sh";
const NOBODY = "65534";
/** Where programs are, on a path of our own: the operator's PATH decides nothing about a cage. */
const FOLDERS = "/usr/bin:/bin:/usr/local/bin:/run/current-system/sw/bin".split(delimiter);

/**
 * Puts a cage around a command line.
 *
 * @throws {Error} when the program that makes the cage is not installed
 */
export function inSystemCage(command: CommandLine, cage: SystemCage, needs: CageNeeds): CommandLine {
  switch (cage) {
    case "none":
      return command;
    case "setpriv":
      return limited({
        program: find("setpriv"),
        args: ["--no-new-privs", "--pdeathsig", "KILL", "--", command.program, ...command.args],
      });
    case "landlock":
      return limited(landlocked(command, needs), ["--fsize=0"]);
    case "bubblewrap":
      return limited(bubblewrapped(command, needs), ["--fsize=0"]);
  }
}

/**
 * Limits that are inherited, whatever follows: no core file of a tenant's data, few descriptors.
 *
 * @param more for a cage in which no file can be written: Deno has a cache, which it writes where it can
 */
function limited({ program, args }: CommandLine, more: readonly string[] = []): CommandLine {
  const limits = ["--core=0", "--nofile=256", ...more];
  return { program: find("prlimit"), args: [...limits, "--", program, ...args] };
}

/**
 * The kernel's own ways for whoever may not make namespaces: Landlock leaves the process a few files to read and none to
 * write, the filter no socket, no new process and no way to another one, and it has no capability. What Landlock does not
 * hide is that a path exists, and its size and times.
 */
function landlocked({ program, args }: CommandLine, { readable, isDeno, arch }: CageNeeds): CommandLine {
  const filter = join(HERE, "seccomp", `${arch}.bpf`);
  if (!existsSync(filter)) throw new Error(`Cannot make a cage: there is no system call filter for ${arch}`);
  const rules = [
    ...[ENV, program, ...librariesOf(ENV), ...librariesOf(program)].map(
      (path) => `path-beneath:read-file,execute:${path}`,
    ),
    ...READ_AT_START[isDeno ? "deno" : "node"]
      .filter(existsSync)
      // Where it is seen that there is nothing in it.
      .concat("/proc/self/environ")
      .map((path) => `path-beneath:read-file:${path}`),
    ...readable.map((path) => `path-beneath:read-file${isFolder(path) ? ",read-dir" : ""}:${path}`),
  ];
  // An ordinary user has none, and may not say so.
  const noCapabilities = process.getuid?.() === 0 ? ["--inh-caps=-all", "--bounding-set=-all"] : [];
  return {
    program: findLandlocking(),
    args: [
      ...["--no-new-privs", "--pdeathsig", "KILL", ...noCapabilities, "--landlock-access", "fs"],
      ...[...new Set(rules)].flatMap((rule) => ["--landlock-rule", rule]),
      ...["--seccomp-filter", filter, "--", ENV, "-i", program, ...args],
    ],
  };
}

function isFolder(path: string): boolean {
  return statSync(path).isDirectory();
}

let landlocking: string | undefined;

/** A `setpriv` that knows Landlock and filters, as that of util-linux 2.41 does. */
function findLandlocking(): string {
  landlocking ??= FOLDERS.map((folder) => join(folder, "setpriv")).find((path) => {
    if (!existsSync(path)) return false;
    const help = execFileSync(path, ["--help"], { encoding: "utf8", env: {} });
    return help.includes("--landlock-rule") && help.includes("--seccomp-filter");
  });
  if (landlocking === undefined)
    throw new Error("Cannot make a cage: no setpriv here knows Landlock; that of util-linux 2.41 does");
  return landlocking;
}

function bubblewrapped({ program, args }: CommandLine, { readable, isDeno, arch }: CageNeeds): CommandLine {
  const mounts = new Set([...librariesOf(program), ...librariesOf(ENV), ENV, program, ...readable]);
  const filter = join(HERE, "seccomp", `${arch}.bpf`);
  const hasFilter = existsSync(filter);
  const caged = [
    find("bwrap"),
    ...["user", "ipc", "pid", "net", "uts", "cgroup-try"].map((name) => `--unshare-${name}`),
    "--disable-userns",
    ...["--uid", NOBODY, "--gid", NOBODY, "--cap-drop", "ALL"],
    // It dies with the gateway, has no terminal, and is the first process of its own: when it dies, all of it does.
    ...["--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"],
    ...[...mounts].flatMap((path) => ["--ro-bind", path, path]),
    ...(isDeno ? ["--proc", "/proc", "--ro-bind", PASSWD, "/etc/passwd"] : []),
    ...["--remount-ro", "/", "--chdir", "/"],
    ...(hasFilter ? ["--seccomp", "9"] : []),
    ...["--", ENV, "-i", program, ...args],
  ];
  if (!hasFilter) return { program: caged[0] ?? "", args: caged.slice(1) };
  // bubblewrap reads the filter from a descriptor, and only a shell can open one for it on every runtime.
  return { program: SHELL, args: ["-c", 'exec 9<"$0"; exec "$@"', filter, ...caged] };
}

function find(name: string): string {
  for (const folder of FOLDERS) {
    const path = join(folder, name);
    if (existsSync(path)) return path;
  }
  throw new Error(`Cannot make a cage: ${name} is not installed`);
}

const libraries = new Map<string, readonly string[]>();

/** Shared libraries that a program is linked with, its loader included; found once for each. */
function librariesOf(program: string): readonly string[] {
  const known = libraries.get(program);
  if (known !== undefined) return known;
  const text = execFileSync(find("ldd"), [program], { encoding: "utf8", env: {} });
  const found = [...text.matchAll(/(?:^|\s)(\/\S+)\s+\(0x/gm)].map(([, path = ""]) => path);
  libraries.set(program, found);
  return found;
}
