/**
 * Relaxed SIMD, whose results differ between machines: a component that uses it runs where its policy says so, which is in
 * the manifest, and is refused by name anywhere else.
 */
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { sha256Hex } from "../../src/core/digest.ts";
import { decodeBase64, type RunPredicate } from "../../src/core/manifest/index.ts";
import { assemble, componentOf } from "../support/components.ts";
import { removeFolder } from "../support/folder.ts";
import { openTestGateway } from "../support/gateway.ts";
import { openSandbox } from "../support/sandbox.ts";

/** `run` gives back what it is given, by way of a relaxed swizzle whose indices all machines agree about. */
const RELAXED_GUEST = `(component
  (core module $guest (func (export "run") (param i32) (result i32)
    (i32x4.extract_lane 0 (i8x16.relaxed_swizzle (i32x4.splat (local.get 0))
      (v128.const i8x16 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)))))
  (core instance $guest (instantiate $guest))
  (func (export "run") (param "n" u32) (result u32) (canon lift (core func $guest "run"))))`;

it("run() refuses relaxed SIMD by name unless the run allows it, whatever was prepared before", async () => {
  const box = await openSandbox({ inProcess: true });
  try {
    const component = await componentOf(RELAXED_GUEST);
    const refusal = {
      code: "component-refused",
      message: expect.stringContaining("a relaxed SIMD operator"),
    };
    await expect(box.call(component, "run", { n: 7 })).rejects.toMatchObject(refusal);
    expect(await box.call(component, "run", { n: 7 }, { relaxedSimd: true })).toMatchObject({ output: 7 });
    await expect(box.call(component, "run", { n: 7 })).rejects.toMatchObject(refusal);
    await expect(box.sandbox.prepare(component, 64 << 20)).rejects.toMatchObject(refusal);
  } finally {
    await box.close();
  }
});

async function toolIn(folder: string, members: object): Promise<string> {
  const wasm = await assemble(RELAXED_GUEST);
  const tool = {
    ...{ name: "relaxed", description: "", engine: "wat", component: "t.wasm", functions: {}, imports: [] },
    ...{ digest: `sha256:${sha256Hex(wasm)}`, built_from: "0".repeat(64) },
  };
  const policy = {
    ...{ tool_id: "relaxed", tenant_tier: ["free"], purpose: ["support-chat"], max_duration_ms: 60_000 },
    functions: { run: { operation: "read" } },
    budget: {
      ...{ fuel: 1_000_000, memory_bytes: "1MiB", egress_bytes: 0, requests: 0 },
      ...{ output_bytes: "4KiB", log_bytes: 0 },
    },
    ...members,
  };
  await mkdir(join(folder, "relaxed"), { recursive: true });
  await writeFile(join(folder, "relaxed", "t.wasm"), wasm);
  await writeFile(join(folder, "relaxed", "tool.json"), JSON.stringify(tool));
  await writeFile(join(folder, "relaxed", "policy.yaml"), JSON.stringify(policy));
  return folder;
}

it("POST runs a tool with relaxed SIMD where its policy allows it, and the manifest says so", {
  timeout: 60_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), "writ-relaxed-"));
  try {
    const toolsFolder = await toolIn(join(folder, "allowed"), { relaxed_simd: "allow" });
    const gateway = await openTestGateway({ toolsFolder, executors: 1 });
    try {
      const answer = await gateway.post("/v1/tools/relaxed/run", {
        input: { n: 7 },
        purpose: "support-chat",
      });
      expect(answer.json).toMatchObject({ outcome: { kind: "completed" }, output: 7 });
      const payload = decodeBase64(answer.json.manifest.dsseEnvelope.payload) ?? new Uint8Array();
      const predicate: RunPredicate = JSON.parse(new TextDecoder().decode(payload)).predicate;
      expect(predicate.relaxed_simd).toBe(true);
    } finally {
      await gateway.close();
    }
    await expect(
      openTestGateway({ toolsFolder: await toolIn(join(folder, "not"), {}), executors: 1 }),
    ).rejects.toThrow("a relaxed SIMD operator");
  } finally {
    await removeFolder(folder);
  }
});
