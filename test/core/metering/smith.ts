/**
 * Modules of wasm-smith, the generator of the Bytecode Alliance's `wasm-tools`: for the proposals that binaryen's knows
 * little of (64-bit memories and tables, several memories, tail calls through tables, legacy forms of nothing at all).
 */

import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IMPORTS_WAT } from "./fuzz-host.ts";
import type { Generator } from "./generator.ts";
import { assemble } from "./support.ts";

const CONFIG = {
  "bulk-memory-enabled": true,
  "compact-imports-enabled": false,
  "custom-descriptors-enabled": false,
  "custom-page-sizes-enabled": false,
  "exceptions-enabled": true,
  "export-everything": true,
  "extended-const-enabled": true,
  "gc-enabled": true,
  "generate-custom-sections": false,
  "max-funcs": 12,
  "max-instructions": 400,
  "max-memories": 3,
  "max-memory32-bytes": 1 << 20,
  "max-memory64-bytes": 1 << 20,
  "max-table-elements": 1000,
  "max-tables": 3,
  "memory-max-size-required": true,
  "memory64-enabled": true,
  "min-funcs": 3,
  "relaxed-simd-enabled": false,
  "shared-everything-threads-enabled": false,
  "table-max-size-required": true,
  "tail-call-enabled": true,
  "threads-enabled": false,
  "wide-arithmetic-enabled": false,
};

/**
 * Makes modules by a `wasm-tools` of version 1.262 or so.
 *
 * @param tool the program
 */
export async function createSmith(tool: string): Promise<Generator> {
  const folder = mkdtempSync(join(tmpdir(), "writ-smith-"));
  const available = join(folder, "imports.wasm");
  writeFileSync(available, await assemble(IMPORTS_WAT));
  const options = Object.entries(CONFIG).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const flags = [
    "smith",
    "--ensure-termination",
    "--fuel",
    "3000",
    "--available-imports",
    available,
    ...options,
  ];
  return {
    generate(seed) {
      // Every other module computes only what can not trap, so that more of its operators are reached.
      const traps = ["--disallow-traps", String(seed % 2 === 0)];
      const { status, stdout } = spawnSync(tool, [...flags, ...traps], {
        input: noise(seed),
        maxBuffer: 1 << 24,
      });
      return status === 0 ? new Uint8Array(stdout) : undefined;
    },
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Two generators' worth of bits, since wasm-smith reads them from both ends. */
function noise(seed: number): Buffer {
  let state = seed * 2_654_435_761;
  return Buffer.from(
    Uint8Array.from({ length: 1500 + (seed % 9) * 500 }, () => {
      state = (state + 0x6d2b79f5) | 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return mixed ^ (mixed >>> 14);
    }),
  );
}
