/** The sources as text, for tests that read the house instead of running it. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** One source file. */
export interface SourceFile {
  /** From the project's folder, with forward slashes: `src/core/errors.ts`. */
  readonly path: string;
  readonly text: string;
  /** Every module it imports or re-exports from, as written. */
  readonly imports: readonly string[];
}

/** All TypeScript files below a folder of the project, sorted by path. */
export function readSources(folder: string): readonly SourceFile[] {
  return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts") && !entry.name.endsWith(".d.ts"))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).replaceAll("\\", "/"))
    .filter((path) => !path.includes("node_modules"))
    .sort()
    .map(readSource);
}

/** Where a relative import of a file leads, from the project's folder. */
export function resolveImport(from: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(from), specifier));
}

/** The text without comments, strings and templates: only what is code. */
export function stripProse(text: string): string {
  return text.replace(
    /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`/g,
    (match) => (match.startsWith("/") ? " " : '""'),
  );
}

/** The text without comments; strings stay. */
export function stripComments(text: string): string {
  return text.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (_match, literal: string | undefined) => literal ?? " ",
  );
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), "utf8");
  const found = text.matchAll(
    /^(?:import|export|\}) ?[^\n]*?\bfrom "([^"\n]+)";|^import "([^"\n]+)";|\bimport\("([^"\n]+)"\)/gm,
  );
  return {
    path,
    text,
    imports: [...found].flatMap(([, from, bare, dynamic]) => from ?? bare ?? dynamic ?? []),
  };
}
