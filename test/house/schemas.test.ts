/** What is published about the predicate: the files in the repository are what the source says now. */
import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { markdownPage } from "../../src/cli/evidence/manifest.ts";
import { readOffer } from "../../src/compose.ts";
import { predicateFields, predicateSchema } from "../../src/core/manifest/index.ts";
import { CAPABILITIES, capabilityPage } from "../../src/core/policy/index.ts";
import { ROOT } from "./source-tree.ts";

const read = (path: string) => readFileSync(`${ROOT}/src/core/${path}`, "utf8");

describe("pages written by npm run build:schemas", () => {
  it("execution-manifest.json is the predicate's JSON Schema", () => {
    expect(read("manifest/execution-manifest.json")).toBe(`${JSON.stringify(predicateSchema(), null, 2)}\n`);
  });

  it("capabilities.md is the capability table, and every interface that is offered stands in it", async () => {
    const { imports } = await readOffer(runtime);
    const offered = imports.interfaces.map(({ name }) => name);
    expect(read("policy/capabilities.md")).toBe(capabilityPage(CAPABILITIES, offered));
    const inRows = CAPABILITIES.flatMap(({ interfaces }) => interfaces).sort();
    expect([...new Set(offered.map((name) => name.split("@")[0]))].sort()).toEqual(inRows);
  });

  it("capabilities.md names broker files that are there", () => {
    const named = CAPABILITIES.flatMap(({ broker }) => broker ?? []);
    expect(named.filter((file) => !existsSync(`${ROOT}/src/${file}`))).toEqual([]);
  });

  it("execution-manifest.md explains every field", () => {
    expect(read("manifest/execution-manifest.md")).toBe(markdownPage(predicateFields()));
  });
});

describe("predicateFields()", () => {
  it("explains every field in words, once", () => {
    const fields = predicateFields();
    expect(fields.filter(({ meaning }) => meaning === "").map(({ path }) => path)).toEqual([]);
    expect(new Set(fields.map(({ path }) => path)).size).toBe(fields.length);
  });

  it("reaches the members of lists, of objects and of each outcome", () => {
    const paths = predicateFields().map(({ path }) => path);
    for (const path of [
      "budget.fuel.used",
      "events[].seq",
      "outcome (trapped).reason",
      "decision.reasons[].clause",
    ]) {
      expect(paths).toContain(path);
    }
  });
});
