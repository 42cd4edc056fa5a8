/**
 * `npm run bench [-- suite …] [--quick] [--host deno]`: measures, prints tables, keeps the figures under `results/`.
 * Suites run one after another, never at once: they would measure each other.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { PROJECT_FOLDER } from "../../src/compose.ts";
import { load, provenance } from "./machine.ts";
import { format, keep } from "./report.ts";
import type { Suite } from "./suite.ts";
import { accounts } from "./suites/accounts.ts";
import { cage } from "./suites/cage.ts";
import { cold } from "./suites/cold.ts";
import { egress } from "./suites/egress.ts";
import { evidence } from "./suites/evidence.ts";
import { growth } from "./suites/growth.ts";
import { guestHttp } from "./suites/guest-http.ts";
import { http } from "./suites/http.ts";
import { identity } from "./suites/identity.ts";
import { intake } from "./suites/intake.ts";
import { log } from "./suites/log.ts";
import { many } from "./suites/many.ts";
import { metering } from "./suites/metering.ts";
import { nan } from "./suites/nan.ts";
import { neighbour } from "./suites/neighbour.ts";
import { parts } from "./suites/parts.ts";
import { pass } from "./suites/pass.ts";
import { pipe } from "./suites/pipe.ts";
import { sandbox } from "./suites/sandbox.ts";
import { steps } from "./suites/steps.ts";
import { units } from "./suites/units.ts";
import { wasmtime } from "./suites/wasmtime.ts";
import { watching } from "./suites/watching.ts";
import { workerd } from "./suites/workerd.ts";

const SUITES: readonly Suite[] = [
  egress,
  pipe,
  guestHttp,
  http,
  steps,
  accounts,
  sandbox,
  cage,
  neighbour,
  evidence,
  log,
  identity,
  intake,
  many,
  metering,
  parts,
  pass,
  cold,
  units,
  wasmtime,
  nan,
  growth,
  watching,
  workerd,
];
const USAGE = `npm run bench [-- suite …] [--quick] [--host node|deno] [--no-keep]\n\n${SUITES.map(({ name, about }) => `  ${name.padEnd(9)} ${about}`).join("\n")}`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    host: { type: "string", default: "node" },
    "no-keep": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const { quick, host } = values;
const unknown = positionals.filter((name) => SUITES.every((suite) => suite.name !== name));

if (values.help) console.log(USAGE);
else if (unknown.length > 0 || (host !== "node" && host !== "deno")) {
  const why = unknown.length > 0 ? `suite ${unknown.join(", ")} is not known` : `host "${host}" is not known`;
  console.error(`Cannot measure: ${why}\n\n${USAGE}`);
  process.exitCode = 2;
} else {
  const chosen = SUITES.filter(({ name }) => positionals.length === 0 || positionals.includes(name));
  for (const suite of chosen) await runSuite(suite, host);
}

async function runSuite(suite: Suite, hostRuntime: "node" | "deno"): Promise<void> {
  console.log(`\n== ${suite.name}: ${suite.about}`);
  // Beside the gateway's own data, so that a sync to disk costs what it costs there: /tmp may be memory.
  const parent = join(PROJECT_FOLDER, ".writ", "bench");
  await mkdir(parent, { recursive: true });
  const folder = await mkdtemp(join(parent, `${suite.name}-`));
  const startedAt = new Date();
  const before = load();
  try {
    const say = (line: string) => console.log(`  … ${line}`);
    const measured = await suite.run({ quick, seconds: quick ? 0.3 : 4, folder, host: hostRuntime, say });
    const output = { ...measured, notes: [...measured.notes, ...warnings(Math.max(before, load()))] };
    for (const line of format(output)) console.log(line);
    // A peer that is missing leaves nothing to keep, and does not replace what was measured when it was there.
    if (values["no-keep"] || output.tables.length + output.figures.length === 0) return;
    const path = await keep(join(PROJECT_FOLDER, "test", "bench", "results"), {
      schema: 1,
      suite: suite.name,
      quick,
      host: hostRuntime,
      startedAt: startedAt.toISOString(),
      seconds: Math.round((Date.now() - startedAt.getTime()) / 1000),
      load: { before, after: load() },
      ...provenance(),
      ...output,
    });
    console.log(`\n  kept ${path.slice(PROJECT_FOLDER.length + 1)}  (load ${before} → ${load()})`);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Figures from a machine that was busy with other things are kept, and say so. */
function warnings(highest: number): readonly string[] {
  const cores = availableParallelism();
  if (highest <= cores * 0.75) return [];
  return [
    `the load was ${highest} on ${cores} cores: others were using this machine, and p50 and above are worse than it can do; p10 and the ratios suffer less`,
  ];
}
