/**
 * The component model's own tests, through our decoder, planner, metering and linker, in this process:
 * `node test/conformance/component-model.ts`, or under Deno. `WRIT_VECTORS` names the folder that holds
 * `component-model/test`, `WRIT_SPEC` a part of a script's path; `--verbose` tells what was refused, too.
 *
 * The scripts are no part of this repository. Exits with 1 when an assertion does not hold that is not known, or one
 * that is known does hold; with 2 when there are no scripts.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { argv, env, exit, stdout } from "node:process";
import { KNOWN } from "./component-model/known.ts";
import { runScript, type Verdict } from "./component-model/script.ts";

const SUITE = join(env.WRIT_VECTORS ?? ".", "component-model", "test");
/** Fewer than this and something is wrong with the runner, not with the linker. */
const EXPECTED = 1200;

/** How a whole script ended: `refused` when some of it needs what is not supported, and the rest of it passes. */
const ENDS = ["passed", "refused", "known", "failed"] as const;
type End = (typeof ENDS)[number];

interface Row {
  readonly scripts: Record<End, number>;
  readonly assertions: Record<Verdict["end"] | "known", number>;
}

const emptyRow = (): Row => ({
  scripts: { passed: 0, refused: 0, known: 0, failed: 0 },
  assertions: { pass: 0, refused: 0, text: 0, known: 0, fail: 0 },
});

function knownLines(script: string): Set<number> {
  return new Set(KNOWN.filter((it) => it.script === script).flatMap(({ lines }) => lines));
}

/** Runs a script and enters it into its row. @returns what is wrong */
async function judge(script: string, row: Row): Promise<string[]> {
  const known = knownLines(script);
  const verdicts = await runScript(readFileSync(join(SUITE, script), "utf8"));
  const wrong: string[] = [];
  for (const { line, end, detail } of verdicts) {
    const isKnown = end === "fail" && known.delete(line);
    row.assertions[isKnown ? "known" : end] += 1;
    const text = `${script}:${line} ${end} ${detail.slice(0, 200)}`;
    if (end === "fail" && !isKnown) wrong.push(text);
    else if (argv.includes("--verbose") && end !== "pass") stdout.write(`  ${text}\n`);
  }
  for (const line of known) wrong.push(`${script}:${line} is known not to hold, and holds`);
  row.scripts[endOf(verdicts, wrong)] += 1;
  return wrong;
}

function endOf(verdicts: readonly Verdict[], wrong: readonly string[]): End {
  if (wrong.length > 0) return "failed";
  if (verdicts.some(({ end }) => end === "fail")) return "known";
  return verdicts.some(({ end }) => end === "refused" || end === "text") ? "refused" : "passed";
}

function format(folder: string, { scripts, assertions }: Row): string {
  const cells = [...Object.values(scripts), ...Object.values(assertions)];
  return `${folder.padEnd(12)}${cells.map((count) => String(count).padStart(9)).join("")}\n`;
}

if (!existsSync(SUITE)) {
  stdout.write(`component model: skipped, there is no ${SUITE} (WRIT_VECTORS names the folder above)\n`);
  exit(2);
}
const scripts = readdirSync(SUITE, { recursive: true, encoding: "utf8" })
  .map((path) => path.replaceAll(sep, "/"))
  .filter((path) => path.endsWith(".wast") && path.includes(env.WRIT_SPEC ?? ""))
  .sort();
const rows = new Map<string, Row>();
const wrong: string[] = [];
for (const script of scripts) {
  const folder = script.split("/")[0] ?? "";
  const row = rows.get(folder) ?? emptyRow();
  rows.set(folder, row);
  wrong.push(...(await judge(script, row)));
}
const total = emptyRow();
for (const row of rows.values()) {
  for (const end of ENDS) total.scripts[end] += row.scripts[end];
  total.assertions.pass += row.assertions.pass;
  total.assertions.refused += row.assertions.refused;
  total.assertions.text += row.assertions.text;
  total.assertions.known += row.assertions.known;
  total.assertions.fail += row.assertions.fail;
}
stdout.write(`component model, ${scripts.length} scripts; scripts and then assertions that end in\n`);
const heads = [...Object.keys(total.scripts), ...Object.keys(total.assertions)];
stdout.write(`${"".padEnd(12)}${heads.map((head) => head.padStart(9)).join("")}\n`);
for (const [folder, row] of rows) stdout.write(format(folder, row));
stdout.write(format("all", total));
for (const each of wrong.slice(0, 40)) stdout.write(`  ${each}\n`);
const isWhole = total.assertions.pass >= EXPECTED || env.WRIT_SPEC !== undefined;
if (!isWhole) stdout.write(`  fewer than ${EXPECTED} assertions passed\n`);
exit(wrong.length === 0 && isWhole ? 0 : 1);
