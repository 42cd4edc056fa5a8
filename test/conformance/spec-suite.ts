/**
 * The WebAssembly spec suite: what the engine passes plain, it passes metered. `node test/conformance/spec-suite.ts`, or
 * under Deno; `WRIT_VECTORS` names the folder that holds `wasm-testsuite`, `WRIT_SPEC` a part of a script's name. With
 * `--canonical-nans` a third run has that option of metering.
 *
 * The suite is no part of this repository. Exits with 1 when an assertion is lost, with 2 when there is no suite.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { argv, env, exit, stdout } from "node:process";
import { FUEL_IMPORT, instrument } from "../../src/core/metering/index.ts";
import type { ScriptHost, Verdict } from "../core/metering/spec/run.ts";
import { runScript } from "../core/metering/spec/run.ts";
import { createCounters } from "../core/metering/support.ts";

const SUITE = join(env.WRIT_VECTORS ?? ".", "wasm-testsuite");
const BUDGET = 1n << 45n;
/** Fewer than this and something is wrong with the runner, not with the engine. */
const EXPECTED = 50_000;

/** Scripts about the text format's own syntax, which say nothing about modules. */
const TEXT_ONLY = ["annotations.wast", "comments.wast"];

const PLAIN: ScriptHost = { prepare: (wasm) => wasm, imports: {}, reset: () => {} };

function createMeteredHost(canonicalNans: boolean): ScriptHost {
  const { left, depth } = createCounters(BUDGET);
  const limits = {
    maxMemoryBytes: 2 ** 48,
    maxTableElements: 2 ** 40,
    allowRelaxedSimd: true,
    canonicalNans,
  };
  return {
    prepare: (wasm) => instrument(wasm, limits).wasm,
    imports: { [FUEL_IMPORT.module]: { left, depth } },
    reset: () => {
      left.value = BUDGET;
      depth.value = 0;
    },
  };
}

/** @returns what passes plain and not in the other way, or only appears there */
function lostIn(script: string, plain: readonly Verdict[], other: readonly Verdict[]): string[] {
  const ends = new Map(other.map((verdict) => [verdict.line, verdict]));
  const lines = new Set(plain.map(({ line }) => line));
  return [
    ...plain
      .filter(({ line, end }) => end === "pass" && ends.get(line)?.end !== "pass")
      .map(({ line }) => describe(script, line, ends.get(line))),
    ...other.filter(({ line }) => !lines.has(line)).map((verdict) => describe(script, verdict.line, verdict)),
  ];
}

function describe(script: string, line: number, verdict: Verdict | undefined): string {
  return `${script}:${line} ${verdict?.end ?? "nothing"} ${verdict?.detail ?? ""}`;
}

if (!existsSync(SUITE)) {
  stdout.write(`spec suite: skipped, there is no ${SUITE} (WRIT_VECTORS names the folder that holds it)\n`);
  exit(2);
}
const scripts = ["", "legacy"].flatMap((folder) =>
  readdirSync(join(SUITE, folder))
    .filter(
      (name) => name.endsWith(".wast") && !TEXT_ONLY.includes(name) && name.includes(env.WRIT_SPEC ?? ""),
    )
    .map((name) => join(folder, name)),
);
const counts = { pass: 0, fail: 0, skip: 0 };
const lost: string[] = [];
for (const script of scripts) {
  const source = readFileSync(join(SUITE, script), "utf8");
  const plain = await runScript(source, PLAIN);
  for (const { end } of plain) counts[end] += 1;
  for (const canonicalNans of argv.includes("--canonical-nans") ? [false, true] : [false]) {
    for (const each of lostIn(script, plain, await runScript(source, createMeteredHost(canonicalNans)))) {
      lost.push(canonicalNans ? `canonical NaNs: ${each}` : each);
    }
  }
}
stdout.write(
  `spec suite, ${scripts.length} scripts: ${counts.pass} pass plain, ${counts.fail} do not, ${counts.skip} skipped; ` +
    `metered ${lost.length} lost\n`,
);
for (const each of lost.slice(0, 20)) stdout.write(`  ${each}\n`);
exit(lost.length === 0 && (counts.pass > EXPECTED || env.WRIT_SPEC !== undefined) ? 0 : 1);
