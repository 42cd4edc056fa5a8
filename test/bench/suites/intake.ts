/** What it costs to meet a component for the first time: decode, plan, validate, meter, compile. */
import { join } from "node:path";
import { runtime } from "#runtime";
import { readOffer } from "../../../src/compose.ts";
import { decode, planLinks } from "../../../src/core/component/index.ts";
import { instrument } from "../../../src/core/metering/index.ts";
import { inspectComponent } from "../../../src/registry/index.ts";
import { createSandbox } from "../../../src/sandbox/index.ts";
import { compare, planFor, type Row, rowOf } from "../harness.ts";
import type { Figure, Suite, Table } from "../suite.ts";
import { loadTools } from "../support/tools.ts";

const MEMORY_BYTES = 64 * 1024 * 1024;

/** The suite. */
export const intake: Suite = {
  name: "intake",
  about: "decode per MB; preparing a component never seen, step by step",
  async run({ folder, seconds, quick, say }) {
    const registry = await loadTools();
    const offer = await readOffer(runtime);
    const tables: Table[] = [];
    const figures: Figure[] = [];
    const times = quick ? 2 : 7;
    for (const name of ["hash", "text", "weather"]) {
      const tool = registry.find(name);
      if (tool === undefined) continue;
      const { bytes } = tool.component;
      const megabytes = bytes.length / 1e6;
      say(`${name}, ${megabytes.toFixed(3)} MB`);
      const reading = await compare(
        [
          { name: "decode", run: () => void decode(bytes) },
          {
            name: "inspect (decode, imports, schemas, digest)",
            run: async () => void (await inspectComponent(bytes, offer)),
          },
        ],
        planFor(Math.max(0.3, megabytes * 2), seconds / 2),
      );

      const steps = {
        plan: [] as number[],
        validate: [] as number[],
        meter: [] as number[],
        compile: [] as number[],
      };
      let modules: readonly Uint8Array<ArrayBuffer>[] = [];
      for (let i = 0; i < times; i++) {
        modules = await clocked(steps.plan, () =>
          planLinks(bytes).plan.modules.map(({ offset, byteLength }) =>
            bytes.slice(offset, offset + byteLength),
          ),
        );
        await clocked(steps.validate, () => modules.every((wasm) => WebAssembly.validate(wasm)));
        const metered = await clocked(steps.meter, () =>
          modules.map((wasm) => instrument(wasm, { maxMemoryBytes: MEMORY_BYTES }).wasm),
        );
        await clocked(steps.compile, () => metered.map((wasm) => new WebAssembly.Module(wasm)));
      }

      // A cache folder of its own each time, so that nothing is found in it; the preparer is a process that starts here.
      const whole: number[] = [];
      for (let i = 0; i < times; i++) {
        const sandbox = await createSandbox({
          clock: runtime.clock,
          entropy: runtime.entropy,
          files: runtime.files,
          spawn: runtime.spawnExecutor,
          cacheFolder: join(folder, `${name}-${i}`),
          executors: 1,
          queue: 1,
        });
        await clocked(whole, () => sandbox.prepare(tool.component, MEMORY_BYTES));
        await sandbox.close();
      }
      const rows: Row[] = [
        ...reading,
        rowOf("prepare, cold: preparer process → prepared and kept", whole),
        rowOf("  of which decode and plan, in process", steps.plan),
        rowOf("  of which validate", steps.validate),
        rowOf("  of which meter", steps.meter),
        rowOf("  of which compile", steps.compile),
      ];
      tables.push({ title: `${name}, ${megabytes.toFixed(3)} MB`, rows });
      const meterMs = rows.find((row) => row.name.endsWith("meter"))?.p50 ?? Number.NaN;
      const moduleMegabytes = modules.reduce((sum, wasm) => sum + wasm.length, 0) / 1e6;
      figures.push(
        { name: `decode ${name}`, value: (reading[0]?.p50 ?? Number.NaN) / megabytes, unit: "ms/MB" },
        { name: `meter ${name}`, value: meterMs / moduleMegabytes, unit: "ms/MB of core module" },
      );
    }
    return {
      tables,
      figures,
      notes: [
        "the steps of prepare are timed in this process, which is warm after the first; the whole is timed in a preparer process that starts cold every time",
      ],
    };
  },
};

async function clocked<T>(samples: number[], step: () => T | Promise<T>): Promise<T> {
  const at = performance.now();
  const result = await step();
  samples.push(performance.now() - at);
  return result;
}
