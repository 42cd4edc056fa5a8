/**
 * Exactness on real modules: along random ways through every function of the sample tools' modules and of the code
 * generator's own, what is charged is what the operators cost. `WRIT_PATHS` asks for more ways than the default.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { env } from "node:process";
import { expect, test } from "vitest";
import { decode } from "../../../src/core/component/index.ts";
import { walkModule } from "./walk.ts";

const PATHS = Number(env.WRIT_PATHS ?? 20_000);
/** The largest module has most functions, and is walked where there is time for it. */
const TOOLS = PATHS > 100_000 ? ["hash", "text", "weather"] : ["hash", "text"];

test("instrument() charges random ways through real modules as the operators say", {
  timeout: 600_000,
}, () => {
  const modules = realModules();
  expect(modules.length).toBeGreaterThan(4);
  const random = randomFrom(1);
  let [paths, round] = [0, 0];
  const mismatches: unknown[] = [];
  while (paths < PATHS && round < 1000) {
    for (const { name, wasm } of modules) {
      const walked = walkModule(wasm, 1 + Math.floor(PATHS / 100_000), random);
      paths += walked.paths;
      for (const each of walked.mismatches) mismatches.push({ name, ...each });
      if (paths >= PATHS) break;
    }
    round += 1;
  }
  console.log(`random ways: ${paths} over ${modules.length} modules, ${mismatches.length} mismatches`);
  expect(mismatches.slice(0, 5)).toEqual([]);
  expect(paths).toBeGreaterThanOrEqual(PATHS);
});

interface RealModule {
  readonly name: string;
  readonly wasm: Uint8Array;
}

/** Core modules of the built tools, smallest tools first, and of the components that jco-transpile is made of. */
function realModules(): RealModule[] {
  const built = TOOLS.map((name) =>
    resolve(import.meta.dirname, `../../../.writ/tools/${name}/${name}.wasm`),
  );
  const components = built.filter(existsSync).flatMap((path) => {
    const bytes = readFileSync(path);
    return decode(bytes).coreModules.map(({ offset, byteLength }) => ({
      name: `${path} at ${offset}`,
      wasm: bytes.subarray(offset, offset + byteLength),
    }));
  });
  const vendored = resolve(
    import.meta.dirname,
    "../../../node_modules/@bytecodealliance/jco-transpile/vendor",
  );
  const own = wasmFilesIn(vendored).map((path) => ({ name: path, wasm: readFileSync(path) }));
  return [...own, ...components];
}

function wasmFilesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".wasm"))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** A small generator with a seed: the same ways in every run. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
