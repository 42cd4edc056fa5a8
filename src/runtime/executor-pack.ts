/**
 * A program of its own, which the gateway runs once: prints the executor's program, every module that it is made of with
 * its types stripped, as the runtime itself would strip them. Run by the runtime that the executors run on, which need
 * not be the gateway's.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import process from "node:process";
import { fileURLToPath } from "node:url";

const SOURCES = new URL("../", import.meta.url).href;
/** Read for other reasons than to be a part: this program, and what `package.json` says of names. */
const ALSO_READ = ["runtime/executor-pack.ts", "../package.json"];
/**
 * How our modules name others; a habit in `test/house` reads them the same way. What it misses is not lost: the runtime
 * loads it from its source, as it does without any of this.
 */
const NAMES_MODULE =
  /^(?:import|export|\}) ?[^\n]*?\bfrom "([^"\n]+)";|^import "([^"\n]+)";|\bimport\("([^"\n]+)"\)/gm;

/** As `executor-program.ts` reads it. */
interface Program {
  /** SHA-256 of every file that this was made from, by its address below `src`. */
  readonly files: Record<string, string>;
  /** Where names lead that `package.json` gives. */
  readonly aliases: Record<string, string>;
  readonly modules: Record<string, string>;
}

const program: Program = { files: {}, aliases: {}, modules: {} };
for (const path of ALSO_READ) program.files[path] = digestOf(read(path));
add("executor.ts");
process.stdout.write(JSON.stringify(program));

function add(path: string): void {
  if (program.modules[path] !== undefined) return;
  const text = read(path);
  program.files[path] = digestOf(text);
  const code = stripTypeScriptTypes(text);
  program.modules[path] = code;
  for (const [, from, bare, later] of code.matchAll(NAMES_MODULE)) {
    const specifier = from ?? bare ?? later ?? "";
    if (specifier.startsWith(".")) add(below(new URL(specifier, SOURCES + path).href));
    if (specifier.startsWith("#")) {
      const target = below(import.meta.resolve(specifier));
      program.aliases[specifier] = target;
      add(target);
    }
  }
}

function read(path: string): string {
  return readFileSync(fileURLToPath(SOURCES + path), "utf8");
}

function below(url: string): string {
  if (!url.startsWith(SOURCES))
    throw new Error(`Cannot make the executor's program: ${url} is no source of it`);
  return url.slice(SOURCES.length);
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
