/**
 * Runs the whole suite on Node and then on Deno, the pinned ones, and ends with one line that machines can read:
 * `N passed, N failed`, both runtimes together. Arguments go to vitest; `WRIT_TEST_RUNTIMES=node` leaves Deno out.
 *
 * The numbers come from vitest's own report. A runtime that made no report, or said that it failed without naming a
 * test, counts as one failure: silence must not look like success.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import process from "node:process";
import { root, runtimePath } from "./setup.mjs";

const VITEST = join("node_modules", "vitest", "vitest.mjs");
/** What comes before vitest's own arguments, by runtime. */
const COMMANDS = { node: [VITEST], deno: ["run", "-A", VITEST] };

const names = (process.env.WRIT_TEST_RUNTIMES || "node,deno").split(",").map((name) => name.trim());
const strange = names.filter((name) => !Object.hasOwn(COMMANDS, name));
if (strange.length > 0) {
  process.stderr.write(`test: no runtime "${strange[0]}" in WRIT_TEST_RUNTIMES, wanted node, deno or both\n`);
  process.exit(2);
}

const folder = mkdtempSync(join(tmpdir(), "writ-test-"));
const totals = { passed: 0, failed: 0 };
try {
  for (const name of names) {
    process.stdout.write(`\n== the suite on ${name}\n`);
    const report = join(folder, `${name}.json`);
    const code = await runVitest(name, report);
    const { passed, failed } = readReport(name, report, code);
    process.stdout.write(`== ${name}: ${passed} passed, ${failed} failed\n`);
    totals.passed += passed;
    totals.failed += failed;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
process.stdout.write(`\n${totals.passed} passed, ${totals.failed} failed\n`);
process.exitCode = totals.failed === 0 && totals.passed > 0 ? 0 : 1;

/** @returns the exit code; null when it was killed or could not be started */
function runVitest(name, report) {
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const args = [...COMMANDS[name], "run", ...reporters, ...process.argv.slice(2)];
  // What the tests start by name is the pinned runtime too.
  const path = `${dirname(runtimePath(name))}${delimiter}${process.env.PATH ?? ""}`;
  return new Promise((resolve) => {
    const child = spawn(runtimePath(name), args, {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      env: { ...process.env, PATH: path },
      shell: process.platform === "win32",
    });
    child.once("error", (error) => {
      process.stderr.write(`test: cannot start ${name}: ${error.message}\n`);
      resolve(null);
    });
    child.once("close", resolve);
  });
}

function readReport(name, path, code) {
  let report;
  try {
    report = JSON.parse(readFileSync(path, "utf8"));
  } catch {
    process.stderr.write(`test: ${name} made no report, it ended with ${code}\n`);
    return { passed: 0, failed: 1 };
  }
  const passed = report.numPassedTests;
  // A file that fails to load has no failed test in it.
  const broken = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === "failed" && !assertionResults.some((result) => result.status === "failed"),
  ).length;
  const named = report.numFailedTests + broken;
  const failed = named === 0 && (code !== 0 || !report.success) ? 1 : named;
  if (failed > named) process.stderr.write(`test: ${name} ended with ${code} without naming a failed test\n`);
  return { passed, failed };
}
