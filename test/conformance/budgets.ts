/**
 * The same fuel everywhere: each program of the metering benchmark, and one that does nothing but make NaNs, on random
 * budgets, under several runtimes and compiler tiers. `node test/conformance/budgets.ts`.
 *
 * Compared with the first configuration, run by run: fuel used, result or kind of end, every byte of memory. NaNs are
 * made canonical, since which NaN comes out is the one thing that the specification leaves to the processor and that
 * the programs' memories could show.
 *
 *   --budgets <n>     random budgets for each program, default 200
 *   --only <text>     a part of a program's name
 *   --against <text>  a part of a configuration's name, as often as there are: the others are left out, but for the first
 *   WRIT_NODE         a further Node, such as an older one: the path of its binary
 */
import { spawn } from "node:child_process";
import { resolve } from "node:path";
import { argv, env, exit, stdout } from "node:process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { loadPrograms } from "../bench/support/programs.ts";

const { values } = parseArgs({
  args: argv.slice(2),
  options: {
    budgets: { type: "string", default: "200" },
    only: { type: "string", default: "" },
    against: { type: "string", multiple: true, default: [""] },
  },
});

const ROOT = resolve(import.meta.dirname, "../..");
const RUN = resolve(import.meta.dirname, "budget-run.ts");
const CACHE = resolve(ROOT, ".writ/bench");

/** Tiers by V8's flags: as it decides itself, its baseline compiler alone, its optimising one alone. */
const TIERS: readonly (readonly [name: string, flags: readonly string[]])[] = [
  ["tiered", []],
  ["baseline", ["--liftoff-only"]],
  ["optimised", ["--no-liftoff"]],
];

interface Configuration {
  readonly name: string;
  readonly command: readonly string[];
}

function configurations(): readonly Configuration[] {
  const nodes = [["Node", resolve(ROOT, "node_modules/.bin/node")]];
  if (env.WRIT_NODE !== undefined) nodes.push(["other Node", env.WRIT_NODE]);
  else stdout.write("other Node: skipped, WRIT_NODE names none\n");
  const deno = resolve(ROOT, "node_modules/.bin/deno");
  return TIERS.flatMap(([tier, flags]) => [
    ...nodes.map(([name, path = ""]) => ({
      name: `${name}, ${tier}`,
      command: [path, "--no-warnings", ...flags, RUN],
    })),
    {
      name: `Deno, ${tier}`,
      command: [
        deno,
        "run",
        "-A",
        "--quiet",
        ...(flags.length > 0 ? [`--v8-flags=${flags.join()}`] : []),
        RUN,
      ],
    },
  ]);
}

/** @returns what each program's runs left behind */
async function runOne({ command }: Configuration): Promise<ReadonlyMap<string, readonly string[]>> {
  const [program = "", ...args] = [...command, values.budgets, CACHE, values.only];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"], cwd: ROOT });
  const ended = new Promise<number | null>((resolveCode) => child.on("close", resolveCode));
  const ends = new Map<string, readonly string[]>();
  for await (const line of createInterface({ input: child.stdout })) {
    const { suite, ends: all }: { suite: string; ends: string[] } = JSON.parse(line);
    ends.set(suite, all);
  }
  const code = await ended;
  if (code !== 0) throw new Error(`Cannot run ${command.join(" ")}: it ended with ${code}`);
  return ends;
}

// Built beforehand: a configuration that had to build some of them would have drawn other numbers than the rest.
await loadPrograms(CACHE);

let wrong = 0;
let first: ReadonlyMap<string, readonly string[]> | undefined;
for (const configuration of configurations()) {
  if (first !== undefined && !values.against.some((each) => configuration.name.includes(each))) continue;
  const begun = performance.now();
  const ends = await runOne(configuration);
  first ??= ends;
  const parts: string[] = [];
  for (const [suite, wanted] of first) {
    const seen = ends.get(suite) ?? [];
    const differ = wanted.filter((end, i) => seen[i] !== end).length;
    wrong += differ;
    const exhausted = wanted.filter((end) => end.includes(" exhausted ")).length;
    parts.push(`${suite} ${wanted.length} runs (${exhausted} exhausted) ${differ} differ`);
    const at = wanted.findIndex((end, i) => seen[i] !== end);
    if (at >= 0) parts.push(`"${wanted[at]}" is "${seen[at]}"`);
  }
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  stdout.write(`${configuration.name} (${seconds} s): ${parts.join("; ")}\n`);
}
exit(wrong === 0 ? 0 : 1);
