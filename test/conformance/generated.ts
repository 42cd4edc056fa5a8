/**
 * Metering against generated modules, as many as time allows: `node test/conformance/generated.ts`.
 *
 * Every module runs plain, metered and counted operator by operator; results, traps, logs, globals and memories agree,
 * and fuel to the unit. The numbers of one long run are in test/README.md. Exits with 1 when anything disagrees.
 *
 *   --modules <n>   modules of each generator, default 20000
 *   --seconds <n>   stops there, default 60
 *   --from <seed>   where to begin, default 1
 *   --only <name>   binaryen or smith
 */
import { spawnSync } from "node:child_process";
import { argv, env, exit, stdout } from "node:process";
import { parseArgs } from "node:util";
import { compareRuns } from "../core/metering/differential.ts";
import { createGenerator, type Generator } from "../core/metering/generator.ts";
import { createSmith } from "../core/metering/smith.ts";

const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    modules: { type: "string", default: "20000" },
    seconds: { type: "string", default: "60" },
    from: { type: "string", default: "1" },
    only: { type: "string" },
  },
});

const WASM_TOOLS = env.WRIT_WASM_TOOLS ?? "wasm-tools";

/** What was seen of one generator's modules. */
interface Tally {
  modules: number;
  /** Given by the generator and not run: not valid on this engine, or its imports can not be served. */
  notRun: number;
  /** Refused by metering, by its message. */
  readonly refused: Map<string, number>;
  returned: number;
  trapped: number;
  thrown: number;
  leftOut: number;
  stopped: number;
  bytes: number;
  readonly differences: string[];
}

async function generators(): Promise<readonly { readonly name: string; readonly generator: Generator }[]> {
  const all = [];
  if (values.only !== "smith") all.push({ name: "binaryen", generator: await createGenerator() });
  if (values.only === "binaryen") return all;
  const found = spawnSync(WASM_TOOLS, ["--version"]);
  if (found.status === 0) all.push({ name: "smith", generator: await createSmith(WASM_TOOLS) });
  else stdout.write(`smith: skipped, there is no ${WASM_TOOLS} (WRIT_WASM_TOOLS may name one)\n`);
  return all;
}

function compareMany(name: string, generator: Generator, mostMs: number): Tally {
  const tally: Tally = {
    modules: 0,
    notRun: 0,
    refused: new Map(),
    returned: 0,
    trapped: 0,
    thrown: 0,
    leftOut: 0,
    stopped: 0,
    bytes: 0,
    differences: [],
  };
  const until = Date.now() + mostMs;
  const first = Number(values.from);
  for (let seed = first; seed < first + Number(values.modules) && Date.now() < until; seed += 1) {
    const wasm = generator.generate(seed);
    if (wasm === undefined) continue;
    try {
      compareOne(tally, seed, wasm);
    } catch (error) {
      const message = String(error).slice(0, 100);
      tally.refused.set(message, (tally.refused.get(message) ?? 0) + 1);
    }
    if (tally.modules % 1000 === 0 && tally.modules > 0) stdout.write(`${name}: ${tally.modules} modules\n`);
  }
  return tally;
}

function compareOne(tally: Tally, seed: number, wasm: Uint8Array<ArrayBuffer>): void {
  const compared = compareRuns(wasm);
  if (compared === undefined) {
    tally.notRun += 1;
    return;
  }
  tally.modules += 1;
  tally.bytes += wasm.length;
  for (const key of ["returned", "trapped", "thrown", "leftOut", "stopped"] as const)
    tally[key] += compared[key];
  const [first] = compared.differences;
  if (first !== undefined) tally.differences.push(`seed ${seed}: ${first}`);
}

function report(name: string, tally: Tally): void {
  const { modules, notRun, refused, returned, trapped, thrown, leftOut, stopped, bytes, differences } = tally;
  const lines = [
    `${name}: ${modules} modules of ${Math.round(bytes / Math.max(1, modules))} bytes on average, ${differences.length} disagree`,
    `  calls: ${returned} returned, ${trapped} trapped, ${thrown} thrown; ${stopped} stopped on a short budget`,
    `  left out: ${leftOut} calls behind the end of a stack, ${notRun} modules that do not run plain`,
    ...[...refused].map(([message, count]) => `  refused: ${count} times ${message}`),
    ...differences.slice(0, 20).map((each) => `  ${each}`),
  ];
  stdout.write(`${lines.join("\n")}\n`);
}

let wrong = 0;
const running = await generators();
for (const { name, generator } of running) {
  const tally = compareMany(name, generator, (Number(values.seconds) * 1000) / running.length);
  generator.close();
  report(name, tally);
  wrong +=
    tally.differences.length +
    [...tally.refused.keys()].filter((each) => !each.includes("Cannot meter")).length;
}
exit(wrong === 0 ? 0 : 1);
