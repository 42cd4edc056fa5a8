/**
 * The WebAssembly spec suite: what V8 passes plain, it passes metered.
 *
 * The suite is no part of this repository. `WRIT_VECTORS` names the folder that holds `wasm-testsuite`; without one
 * the test is skipped and says so.
 */

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { env } from "node:process";
import { expect, test } from "vitest";
import { FUEL_IMPORT, instrument } from "../../../../src/core/metering/index.ts";
import { createCounters } from "../support.ts";
import type { ScriptHost, Verdict } from "./run.ts";
import { runScript } from "./run.ts";

const ROOT = import.meta.dirname;
const SUITE = join(env.WRIT_VECTORS ?? resolve(ROOT, "../../../../../shared/vectors"), "wasm-testsuite");
const BUDGET = 1n << 45n;

/** Scripts about the text format's own syntax, which say nothing about modules. */
const TEXT_ONLY = ["annotations.wast", "comments.wast"];

/**
 * Lost, and known why: three modules link that must not. The plain copy of a function type keeps its recursion
 * group's form, but not whether a struct in it names the group's own function type or an equal one of another group.
 * Nothing but the linking of functions between such modules can tell.
 */
const KNOWN = ["type-subtyping.wast:659", "type-subtyping.wast:752", "type-subtyping.wast:767"];

const scripts = existsSync(SUITE)
  ? ["", "legacy"].flatMap((folder) =>
      readdirSync(join(SUITE, folder))
        .filter((name) => name.endsWith(".wast") && !TEXT_ONLY.includes(name))
        .map((name) => join(folder, name)),
    )
  : [];

test.skipIf(scripts.length > 0)(
  "instrument() keeps the spec suite: skipped, WRIT_VECTORS names no such folder",
  (context) => {
    context.skip();
  },
);

test.runIf(scripts.length > 0)(
  "instrument() keeps what V8 passes of the spec suite",
  { timeout: 600_000 },
  async () => {
    const plainCounts = { pass: 0, fail: 0, skip: 0 };
    const lost: string[] = [];
    for (const script of scripts.filter((name) => name.includes(env.WRIT_SPEC ?? ""))) {
      const source = readFileSync(join(SUITE, script), "utf8");
      const plain = await runScript(source, PLAIN);
      const metered = await runScript(source, createMeteredHost());
      for (const { end } of plain) plainCounts[end] += 1;
      const ends = new Map(metered.map((verdict) => [verdict.line, verdict]));
      for (const verdict of plain) {
        const other = ends.get(verdict.line);
        if (KNOWN.includes(`${script}:${verdict.line}`)) continue;
        if (verdict.end === "pass" && other?.end !== "pass") lost.push(describe(script, verdict, other));
      }
      const plainLines = new Set(plain.map(({ line }) => line));
      for (const verdict of metered) {
        if (!plainLines.has(verdict.line)) lost.push(describe(script, undefined, verdict));
      }
    }
    console.log(`spec suite, plain: ${JSON.stringify(plainCounts)}; lost by metering: ${lost.length}`);
    expect(lost).toEqual([]);
    if (env.WRIT_SPEC === undefined) expect(plainCounts.pass).toBeGreaterThan(50_000);
  },
);

const PLAIN: ScriptHost = { prepare: (wasm) => wasm, imports: {}, reset: () => {} };

function createMeteredHost(): ScriptHost {
  const { left, depth } = createCounters(BUDGET);
  const limits = { maxMemoryBytes: 2 ** 48, maxTableElements: 2 ** 40, allowRelaxedSimd: true };
  return {
    prepare: (wasm) => instrument(wasm, limits).wasm,
    imports: { [FUEL_IMPORT.module]: { left, depth } },
    reset: () => {
      left.value = BUDGET;
      depth.value = 0;
    },
  };
}

function describe(script: string, plain: Verdict | undefined, metered: Verdict | undefined): string {
  const line = plain?.line ?? metered?.line;
  return `${script}:${line} plain ${plain?.end ?? "nothing"}, metered ${metered?.end ?? "nothing"}: ${metered?.detail}`;
}
