/**
 * WIT as text: reads packages from folders and joins the ones a world needs into one document.
 *
 * One document, because the WebAssembly tools see the file system through a shim that opens no directory; and
 * because it is then exactly the text whose digest decides whether a tool must be built again.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { GatewayError } from "../core/errors.ts";

/** One WIT package: all of its files as one text, without their `package` lines. */
export interface WitPackage {
  /** As written after `package`, such as `wasi:io@0.2.12`. */
  readonly id: string;
  readonly body: string;
}

/**
 * Reads the packages a world may build on: `wit/` itself and each folder of `wit/deps/`.
 *
 * @param root the project's folder
 * @throws {GatewayError} `invalid-request` when a file names no package, or another than its neighbours do
 */
export async function readWitLibrary(root: string): Promise<WitPackage[]> {
  const deps = join(root, "wit", "deps");
  const folders = (await readdir(deps, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  const paths = [join(root, "wit"), ...folders.map((entry) => join(deps, entry.name)).sort()];
  return Promise.all(paths.map(readWitPackage));
}

/**
 * Reads one WIT package: every `.wit` file directly in a folder, in the order of their names.
 *
 * @throws {GatewayError} `invalid-request` when there is none, or when they do not name one package
 */
export async function readWitPackage(folder: string): Promise<WitPackage> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".wit")).sort();
  const ids = new Set<string>();
  const bodies: string[] = [];
  for (const name of names) {
    const text = await readFile(join(folder, name), "utf8");
    const line = /^package\s+([^;{]+);/m.exec(text);
    ids.add(line?.[1]?.trim() ?? "(none)");
    bodies.push(line === null ? text : text.replace(line[0], ""));
  }
  const [id] = ids;
  if (id === undefined || ids.size > 1 || id === "(none)") {
    const found = [...ids].join(", ") || "no .wit file";
    throw new GatewayError(
      `Cannot read the WIT package in "${folder}": found ${found}, wanted one package line`,
      {
        code: "invalid-request",
        errors: [{ pointer: "", detail: `WIT files must name one package; found ${found}` }],
      },
    );
  }
  return { id, body: bodies.join("\n") };
}

/**
 * Joins a package and every package of the library that it refers to, directly or not, into one WIT document.
 *
 * A reference to a package that the library lacks is left in place: the WIT parser reports it with its line.
 *
 * @returns the text; the same input gives the same text
 */
export function composeWit(main: WitPackage, library: readonly WitPackage[]): string {
  const wanted = new Set<WitPackage>();
  const queue: WitPackage[] = [main];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    const names = referredPackages(next.body);
    for (const candidate of library) {
      const isNamed = names.has(candidate.id) || names.has(candidate.id.replace(/@.*/, ""));
      if (candidate.id !== main.id && isNamed && !wanted.has(candidate)) {
        wanted.add(candidate);
        queue.push(candidate);
      }
    }
  }
  const nested = library.filter((candidate) => wanted.has(candidate));
  return [
    `package ${main.id};\n${main.body}`,
    ...nested.map(({ id, body }) => `package ${id} {\n${body}\n}\n`),
  ].join("\n");
}

/** The `namespace:name`, with the version if there is one, of every package that a WIT text refers to outside its comments. */
function referredPackages(body: string): Set<string> {
  const code = body.replace(/\/\/.*$/gm, "");
  const reference =
    /([a-z][a-z0-9-]*:[a-z][a-z0-9-]*)\/%?[a-z][a-z0-9-]*(@\d+\.\d+\.\d+(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?)?/gi;
  return new Set(Array.from(code.matchAll(reference), ([, name = "", version = ""]) => name + version));
}
