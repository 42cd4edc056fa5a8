/** The launchers as programs: real processes of the pinned Node, as npm and npx would start them. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "./support.ts";

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function start(script: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const node = join(ROOT, "node_modules", ".bin", "node");
    const child = spawn(node, [join(ROOT, "src", "bin", script), ...args], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let out = "";
    let err = "";
    child.stdout.on("data", (chunk) => {
      out += chunk;
    });
    child.stderr.on("data", (chunk) => {
      err += chunk;
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out, err }));
  });
}

describe("writ.mjs", () => {
  it("refuses a runtime that is none", async () => {
    const { code, err } = await start("writ.mjs", ["--version"], { WRIT_RUNTIME: "bun" });
    expect(code).toBe(2);
    expect(err).toMatch(/WRIT_RUNTIME "bun", wanted node or deno/);
  });

  for (const name of ["node", "deno"]) {
    it(`hands arguments, output and exit code through ${name}`, async () => {
      const version = await start("writ.mjs", ["--version"], { WRIT_RUNTIME: name });
      expect(version).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
      const missing = await start("writ.mjs", ["inspect", "/nowhere/x.wasm"], { WRIT_RUNTIME: name });
      expect(missing).toEqual({
        code: 2,
        out: "",
        err: 'writ: Cannot read component "/nowhere/x.wasm": there is no such file\n',
      });
    });
  }
});

for (const name of ["node", "deno"]) {
  it(`writ.mjs ends quietly through ${name} when nobody reads on`, async () => {
    const node = join(ROOT, "node_modules", ".bin", "node");
    const args = [join(ROOT, "src", "bin", "writ.mjs"), "policy", "capabilities", "--markdown"];
    const env = { ...process.env, WRIT_RUNTIME: name };
    const child = spawn(node, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    // As `head -0` does.
    child.stdout.destroy();
    let err = "";
    child.stderr.on("data", (chunk) => {
      err += chunk;
    });
    expect([await new Promise((resolve) => child.once("close", resolve)), err]).toEqual([0, ""]);
  });
}

describe("test.mjs", () => {
  it("ends with the sum alone on the last line, and counts a run without tests as failed", async () => {
    const one = { WRIT_TEST_RUNTIMES: "node" };
    const good = await start("test.mjs", ["test/core/digest.test.ts"], one);
    expect(good.code).toBe(0);
    expect(good.out).toMatch(/\n[1-9]\d* passed, 0 failed\n$/);
    const empty = await start("test.mjs", ["test/no-such-test"], one);
    expect(empty.code).toBe(1);
    expect(empty.out).toMatch(/\n0 passed, 1 failed\n$/);
  });

  it("refuses a runtime that is none before it starts anything", async () => {
    expect(await start("test.mjs", [], { WRIT_TEST_RUNTIMES: "node,bun" })).toMatchObject({
      code: 2,
      out: "",
    });
  });
});
