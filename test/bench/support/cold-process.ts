/**
 * A process of its own that compiles a script's engine, makes an instance and calls it once, and says what that took:
 * `cold-process.ts <plain|metered> <folder of built programs>`. Metering itself is not in it: that happens at registration.
 */
import { argv, stdout } from "node:process";
import { FUEL_IMPORT, instrument } from "../../../src/core/metering/index.ts";
import { loadPrograms } from "./programs.ts";

const [, , way = "plain", folder = ""] = argv;
const program = (await loadPrograms(folder)).find(({ suite }) => suite === "StarlingMonkey");
if (program === undefined) throw new TypeError("There is no program of StarlingMonkey");
const { module, left, depth } = FUEL_IMPORT;
const imports = {
  [module]: {
    [left.name]: new WebAssembly.Global({ value: "i64", mutable: true }, 2n ** 62n),
    [depth.name]: new WebAssembly.Global({ value: "i32", mutable: true }, 0),
  },
};
const limits = { maxMemoryBytes: 2 ** 30 };
const ready = new Map(
  program.modules.map((wasm) => [wasm, way === "plain" ? wasm : instrument(wasm, limits).wasm] as const),
);
const before = performance.now();
const call = await program.instantiate((wasm) => ready.get(wasm) ?? wasm, imports);
const instantiated = performance.now();
call("strings", 10);
const first = performance.now();
call("strings", 10);
const second = performance.now();
stdout.write(
  `${JSON.stringify({ instantiateMs: instantiated - before, firstMs: first - instantiated, secondMs: second - first })}\n`,
);
