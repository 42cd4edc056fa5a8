/** The page about the scheme shows what the code does: its worked example is metered here. */

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { print } from "@bytecodealliance/jco-transpile/wasm-tools";
import { expect, test } from "vitest";
import { COST_TABLE_VERSION, instrument } from "../../../src/core/metering/index.ts";
import { assemble, instantiateMetered, ROOMY } from "./support.ts";

const PAGE = readFileSync(resolve(import.meta.dirname, "../../../src/core/metering/SCHEME.md"), "utf8");

function block(name: string): string {
  const found = new RegExp(`\`\`\`wat ${name}\\n([^]*?)\`\`\``).exec(PAGE)?.[1];
  if (found === undefined) throw new Error(`SCHEME.md has no block "${name}"`);
  return found.trim();
}

test("instrument() makes of SCHEME.md's example what the page shows", async () => {
  const metered = await print(instrument(await assemble(block("before")), ROOMY).wasm);
  expect(metered).toContain(block("after"));
});

test("instrument() charges SCHEME.md's example as the page reads it", async () => {
  const instance = instantiateMetered(await assemble(block("before")));
  expect(instance.call("sum", 10)).toBe(55);
  expect(instance.used()).toBe(3n + 10n * 9n);
});

test("SCHEME.md names the cost table that is in force", () => {
  expect(PAGE).toContain(`\`${COST_TABLE_VERSION}\``);
});
