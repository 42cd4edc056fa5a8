/** A policy's `isolation_minimum` over HTTP: nothing runs below it, and what was reached is signed. */
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { removeFolder } from "../support/folder.ts";
import { openTestGateway, type TestGateway } from "../support/gateway.ts";
import { hashAlone } from "../support/small-tools.ts";

let folder = "";
let gateway: TestGateway;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-minimum-"));
  const toolsFolder = await hashAlone(folder);
  // The level that every machine has.
  gateway = await openTestGateway({ toolsFolder, isolation: "process+permissions", executors: 1 });
});
afterAll(async () => {
  await gateway?.close();
  await removeFolder(folder);
});

/** Puts another minimum into the policy, and calls the tool under it. */
async function callUnder(minimum: string) {
  const policy = join(folder, "tools", "hash", "policy.yaml");
  const text = await readFile(policy, "utf8");
  await writeFile(policy, text.replace(/^isolation_minimum: .*$/m, `isolation_minimum: ${minimum}`));
  expect((await gateway.post("/v1/operate/reload", {})).status).toBe(200);
  return gateway.post("/v1/tools/hash/fnv1a64", { input: { data: "aGVsbG8=" }, purpose: "benchmark" });
}

describe("isolation_minimum", () => {
  it("lets a run begin at the level that was reached, and below it", async () => {
    for (const minimum of ["process", "process+permissions"]) {
      const { status, json } = await callUnder(minimum);
      expect([minimum, status, json.outcome]).toEqual([minimum, 200, { kind: "completed" }]);
      const payload = JSON.parse(atob(json.manifest.dsseEnvelope.payload));
      expect(payload.predicate.isolation).toMatchObject({
        level: "process+permissions",
        verified: expect.arrayContaining(["no-environment", "no-network", "no-read", "no-write"]),
      });
    }
  });

  it("lets none begin above it: no run, no output, no manifest, and words that say what is wanted", async () => {
    const { status, json, text, headers } = await callUnder("process+os");
    expect([status, json.type]).toEqual([503, expect.stringMatching(/\/problems\/sandbox-unavailable$/)]);
    expect(headers.get("retry-after")).toMatch(/^\d+$/);
    expect(json).not.toHaveProperty("output");
    expect(json).not.toHaveProperty("manifest");
    expect(text).not.toContain("a430d84680aabd0b");
    expect(json.detail).toBe("No executor that the tool's policy allows became free in time");
    // It is written behind the answer.
    await expect
      .poll(() => gateway.log.join("\n"))
      .toContain('isolation reached is \\"process+permissions\\", its policy wants \\"process+os\\"');
  });
});
