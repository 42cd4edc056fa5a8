/**
 * What metering costs before anything runs: the pass itself by size of module, and its memory. In processes of their own.
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PROJECT_FOLDER } from "../../../src/compose.ts";
import { median } from "../stats.ts";
import type { Figure, Suite } from "../suite.ts";
import { loadPrograms } from "../support/programs.ts";
import { runScript } from "../support/script.ts";

const LARGE = 500_000;
/** A module is metered until so much has been: the median is of a pass that is compiled, as the first is not. */
const WARM_BYTES = 60e6;
/** Times that the largest module's functions are there, for the growth of time and memory with size. */
const COPIES = [1, 2, 4, 6];

interface Metered {
  readonly bytes: number;
  readonly metered: number;
  readonly cpuMs: readonly number[];
  readonly addedBytes: number;
}

/** The suite. */
export const pass: Suite = {
  name: "pass",
  about: "the metering pass by size of module, its memory",
  async run({ quick, say }) {
    const folder = await mkdtemp(join(tmpdir(), "writ-pass-"));
    const built = join(PROJECT_FOLDER, ".writ", "bench-programs");
    const figures: Figure[] = [];
    try {
      const modules: { readonly suite: string; readonly path: string; readonly length: number }[] = [];
      for (const program of await loadPrograms(built)) {
        const [wasm] = program.modules.toSorted((a, b) => b.length - a.length);
        if (wasm === undefined || wasm.length < LARGE) continue;
        const path = join(folder, `${modules.length}.wasm`);
        await writeFile(path, wasm);
        modules.push({ suite: program.suite, path, length: wasm.length });
      }
      for (const { suite, path, length } of modules) {
        say(`pass: ${suite}`);
        const { bytes, metered, cpuMs } = await runScript<Metered>(
          "meter-process.ts",
          path,
          "1",
          String(quick ? 2 : Math.max(12, Math.ceil(WARM_BYTES / length))),
        );
        const name = `${suite}, ${(bytes / 1e6).toFixed(1)} MB`;
        const perMegabyte = cpuMs.map((ms) => (ms / bytes) * 1e6);
        figures.push({ name: `${name}: first in a process`, value: perMegabyte[0] ?? 0, unit: "ms/MB" });
        figures.push({ name: `${name}: median`, value: median(perMegabyte), unit: "ms/MB" });
        figures.push({ name: `${name}: size`, value: metered / bytes, unit: "of plain" });
      }
      const largest = modules.toSorted((a, b) => b.length - a.length)[0];
      for (const copies of quick ? COPIES.slice(0, 1) : COPIES) {
        if (largest === undefined) break;
        say(`pass: ${copies} times ${largest.suite}`);
        const { bytes, cpuMs, addedBytes } = await runScript<Metered>(
          "meter-process.ts",
          largest.path,
          String(copies),
          "1",
        );
        const name = `${copies} × ${largest.suite}, ${(bytes / 1e6).toFixed(0)} MB`;
        figures.push({ name: `${name}: once`, value: ((cpuMs[0] ?? 0) / bytes) * 1e6, unit: "ms/MB" });
        figures.push({ name: `${name}: memory at most`, value: addedBytes / bytes, unit: "of the module" });
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    return {
      tables: [],
      figures,
      notes: [
        "times of the pass are processor time of all its process' threads, the engine's own compilers among them",
        "memory is what the process held at its peak beyond what it held before, garbage of the engine included",
      ],
    };
  },
};
