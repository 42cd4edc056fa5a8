/**
 * The program that an executor is given through its pipe: the repository's own modules with their types stripped, in one
 * piece. Made once and kept beside the packages, where whoever could change it could change what the gateway is made of.
 *
 * What is kept is only a memory of work. It is used when it is to the byte what was written, by the same runtime, and
 * when every file that it was made from is to the byte what it was then; else it is made again.
 */
import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Cage } from "../ports/index.ts";

const SOURCES = dirname(dirname(fileURLToPath(import.meta.url)));
const PROJECT = dirname(SOURCES);
const PACK = join(SOURCES, "runtime", "executor-pack.ts");
/** How each runtime is told to make it. */
const ARGUMENTS: Readonly<Record<Cage["runtime"], readonly string[]>> = {
  node: ["--no-warnings", PACK],
  deno: ["run", "--no-prompt", "--no-remote", "--quiet", `--allow-read=${PROJECT}`, PACK],
};
const LARGEST_PROGRAM_BYTES = 64 * 1024 * 1024;
const LENGTH_BYTES = 4;

const programs = new Map<string, Uint8Array>();

/**
 * The program for executors of a runtime; found or made once in the life of a process, which waits for it.
 *
 * @param runtime whose program it is
 * @param path where that runtime's own program is
 * @returns what the executor reads first: the length in four bytes, then as much JSON
 * @throws {Error} when the runtime does not make it
 */
export function executorProgram(runtime: Cage["runtime"], path: string): Uint8Array {
  const known = programs.get(path);
  if (known !== undefined) return known;
  const body = new TextEncoder().encode(findProgram(runtime, path, join(PROJECT, "node_modules")));
  const program = new Uint8Array(LENGTH_BYTES + body.length);
  new DataView(program.buffer).setUint32(0, body.length);
  program.set(body, LENGTH_BYTES);
  programs.set(path, program);
  return program;
}

/**
 * What is kept of the program, or the program made anew and kept.
 *
 * @param folder where it is kept; one that can not be written to keeps nothing
 * @returns JSON, as `executor-boot.mjs` reads it
 */
export function findProgram(runtime: Cage["runtime"], path: string, folder: string): string {
  const { size, mtimeMs } = statSync(path);
  const by = `${path} ${size} ${mtimeMs}`;
  const kept = join(folder, `.writ-executor-${runtime}`);
  return readKept(kept, by) ?? make(runtime, path, kept, by);
}

/** What was made before, if it is whole and of what is there now. */
function readKept(kept: string, by: string): string | undefined {
  const [digest, madeBy, text] = splitLines(readText(kept) ?? "");
  if (text === undefined || madeBy !== by || digest !== digestOf(`${by}\n${text}`)) return undefined;
  const { files } = JSON.parse(text) as { files: Readonly<Record<string, string>> };
  const isSame = ([path, then]: [string, string]) => {
    const now = readText(join(SOURCES, path));
    return now !== undefined && digestOf(now) === then;
  };
  return Object.entries(files).every(isSame) ? text : undefined;
}

function make(runtime: Cage["runtime"], path: string, kept: string, by: string): string {
  const text = execFileSync(path, ARGUMENTS[runtime], {
    encoding: "utf8",
    env: {},
    maxBuffer: LARGEST_PROGRAM_BYTES,
  });
  keep(kept, `${digestOf(`${by}\n${text}`)}\n${by}\n${text}`);
  return text;
}

/** Whole or not at all: others may be reading it. A crash before the renaming leaves a file that nobody reads. */
function keep(kept: string, text: string): void {
  const temporary = `${kept}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    writeFileSync(temporary, text, { flag: "wx", mode: 0o600 });
    renameSync(temporary, kept);
  } catch {
    // Packages that only others may write to: each gateway makes it for itself, in a third of a second.
    rmSync(temporary, { force: true });
  }
}

/** The first two lines, and all that follows. */
function splitLines(text: string): readonly (string | undefined)[] {
  const first = text.indexOf("\n");
  const second = text.indexOf("\n", first + 1);
  return second < 0 ? [] : [text.slice(0, first), text.slice(first + 1, second), text.slice(second + 1)];
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
