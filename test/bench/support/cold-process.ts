/**
 * A process of its own that compiles a script's engine, makes an instance and calls it once, and says what that took:
 * `cold-process.ts <folder of built programs> <modules' files, without number and .wasm>`. Metering itself is not in it, nor done here:
 * that happens at registration, and would leave the engine's compilers busy.
 */
import { readFileSync } from "node:fs";
import { argv, cpuUsage, stdout } from "node:process";
import { FUEL_IMPORT } from "../../../src/core/metering/index.ts";
import { loadStarlingMonkey } from "./programs.ts";

const [, , folder = "", files = ""] = argv;
const program = await loadStarlingMonkey(folder);
const { module, left, depth } = FUEL_IMPORT;
const imports = {
  [module]: {
    [left.name]: new WebAssembly.Global({ value: "i64", mutable: true }, 2n ** 62n),
    [depth.name]: new WebAssembly.Global({ value: "i32", mutable: true }, 0),
  },
};
const ready = new Map(
  program.modules.map((wasm, i) => [wasm, new Uint8Array(readFileSync(`${files}${i}.wasm`))] as const),
);
const before = performance.now();
const started = cpuUsage();
const call = await program.instantiate((wasm) => ready.get(wasm) ?? wasm, imports);
const instantiated = performance.now();
call("strings", 10);
const first = performance.now();
const { user, system } = cpuUsage(started);
stdout.write(
  `${JSON.stringify({ instantiateMs: instantiated - before, firstMs: first - instantiated, cpuMs: (user + system) / 1000 })}\n`,
);
