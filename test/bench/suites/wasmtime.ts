/**
 * The peer that meters too: wasmtime with fuel and without, beside V8 plain and metered, in the same run. Modules that
 * import nothing, since the other programs' hosts are JavaScript.
 */
import { readFile } from "node:fs/promises";
import { FUEL_IMPORT, instrument } from "../../../src/core/metering/index.ts";
import { compare, planFor } from "../harness.ts";
import type { Figure, Suite, Table } from "../suite.ts";
import { C_PROGRAMS } from "../support/programs.ts";
import { openWasmtime } from "../support/wasmtime.ts";

const LIMITS = { maxMemoryBytes: 2 ** 30 };
const FUEL = 2n ** 62n;

/** The suite. */
export const wasmtime: Suite = {
  name: "wasmtime",
  about: "the peer: wasmtime with fuel and without, beside V8 plain and metered; C kernels, hash functions",
  async run({ seconds, say }) {
    const tables: Table[] = [];
    const figures: Figure[] = [];
    for (const { suite, path, workloads } of C_PROGRAMS) {
      const peer = await openWasmtime(path);
      if (peer === undefined) {
        const note =
          "wasmtime is missing, and nothing was measured: `pip install wasmtime`, and WRIT_BENCH_PYTHON names the python that has it";
        return { tables, figures, notes: [note] };
      }
      say(`${suite}, wasmtime ${peer.version}`);
      const wasm = new Uint8Array(await readFile(path));
      const [plain, metered] = [open(wasm), open(instrument(wasm, LIMITS).wasm)];
      const totals = new Map<string, number>();
      try {
        for (const { name, size } of workloads) {
          const { result } = await peer.call("fuel", name, size);
          if (metered(name, size) !== result) throw new Error(`${suite} ${name}: wasmtime and V8 disagree`);
          const rows = await compare(
            [
              { name: "V8 plain", run: () => void plain(name, size) },
              { name: "V8 metered", run: () => void metered(name, size) },
              { name: "wasmtime", run: async () => (await peer.call("plain", name, size)).ms },
              { name: "wasmtime with fuel", run: async () => (await peer.call("fuel", name, size)).ms },
            ],
            planFor(10, seconds / 3),
          );
          for (const row of rows) totals.set(row.name, (totals.get(row.name) ?? 0) + row.p10);
          tables.push({ title: `${suite}: ${name}`, rows });
        }
      } finally {
        peer.close();
      }
      for (const [name, value] of totals) {
        figures.push({ name: `${suite}: sum of p10, ${name}`, value, unit: "ms" });
      }
    }
    return {
      tables,
      figures,
      notes: ["compilation is in none of them; each call is timed in its own process"],
    };
  },
};

function open(wasm: Uint8Array<ArrayBuffer>): (name: string, size: number) => unknown {
  const { module, left, depth } = FUEL_IMPORT;
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {
    [module]: {
      [left.name]: new WebAssembly.Global({ value: "i64", mutable: true }, FUEL),
      [depth.name]: new WebAssembly.Global({ value: "i32", mutable: true }, 0),
    },
  });
  return (name, size) => {
    const run = exports[name];
    if (typeof run !== "function") throw new TypeError(`The program exports no ${name}`);
    return run(size);
  };
}
