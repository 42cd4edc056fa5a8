/**
 * A tool of WASI 0.3, whose functions are asynchronous, from its file to a manifest that verifies: registered, described,
 * called over HTTP and by `writ run`, denied, trapped, and ended by its time to live.
 */
import { mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256Hex } from "../../src/core/digest.ts";
import { joinTrust, parseTrust, type RunPredicate, verifyBundle } from "../../src/core/manifest/index.ts";
import { verifySignature } from "../../src/identity/index.ts";
import { cli } from "../cli/support.ts";
import { assemble } from "../support/components.ts";
import { removeFolder } from "../support/folder.ts";
import { type Answer, openTestGateway, type TestGateway } from "../support/gateway.ts";
import { wasi3Guest } from "../support/wasi3-guest.ts";

/** Gives way once, then traps in the turn after it; the other one waits for what nobody will ever do. */
const ODD_GUEST = `(component
  (core func $return (canon task.return (result u32)))
  (core func $set-new (canon waitable-set.new))
  (core module $guest
    (import "" "return" (func $return (param i32)))
    (import "" "set" (func $set (result i32)))
    (func (export "begin") (result i32) i32.const 1)
    (func (export "turn") (param i32 i32 i32) (result i32) unreachable)
    ;; Waits on a set that nothing is in.
    (func (export "wait") (result i32) (i32.or (i32.const 2) (i32.shl (call $set) (i32.const 4)))))
  (core instance $guest (instantiate $guest
    (with "" (instance (export "return" (func $return)) (export "set" (func $set-new))))))
  (func (export "trap") async (result u32)
    (canon lift (core func $guest "begin") async (callback (core func $guest "turn"))))
  (func (export "hang") async (result u32)
    (canon lift (core func $guest "wait") async (callback (core func $guest "turn")))))`;

const policyOf = (name: string, functions: readonly string[], ms: number) => ({
  tool_id: name,
  tenant_tier: ["free"],
  purpose: ["support-chat"],
  functions: Object.fromEntries(functions.map((func) => [func, { operation: "read" }])),
  network_allowlist: [],
  max_duration_ms: ms,
  budget: {
    ...{ fuel: 1e9, memory_bytes: "4MiB", egress_bytes: "1MiB", requests: 5 },
    ...{ output_bytes: "4KiB", log_bytes: "4KiB" },
  },
});

let folder: string;
let gateway: TestGateway;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-async-"));
  const [guest, odd] = await Promise.all([wasi3Guest(), assemble(ODD_GUEST)]);
  const tools = {
    later: { wasm: guest, functions: ["post", "nap", "say"], ms: 60_000 },
    brief: { wasm: guest, functions: ["nap"], ms: 2_000 },
    odd: { wasm: odd, functions: ["trap", "hang"], ms: 60_000 },
  };
  for (const [name, { wasm, functions, ms }] of Object.entries(tools)) {
    const at = join(folder, "tools", name);
    await mkdir(at, { recursive: true });
    await writeFile(join(at, "t.wasm"), wasm);
    await writeFile(join(at, "policy.yaml"), JSON.stringify(policyOf(name, functions, ms)));
    const tool = {
      ...{ name, description: "", engine: "wat", component: "t.wasm", functions: {}, imports: [] },
      digest: `sha256:${sha256Hex(wasm)}`,
      built_from: "0".repeat(64),
    };
    await writeFile(join(at, "tool.json"), JSON.stringify(tool));
  }
  gateway = await openTestGateway({ toolsFolder: join(folder, "tools"), executors: 1 });
});
afterAll(async () => {
  await gateway?.close();
  await removeFolder(folder);
});

const invoke = (path: string, input: object = {}) =>
  gateway.post(`/v1/tools/${path}`, { input, purpose: "support-chat" });

/** What an answer's manifest says, verified with the published keys. */
async function signed({ json }: Answer): Promise<RunPredicate> {
  const keys = await Promise.all(["jwks.json", "../trusted_root.json"].map((name) => trustIn(name)));
  const bytes = new TextEncoder().encode(JSON.stringify(json.manifest));
  const report = await verifyBundle(bytes, joinTrust(keys), verifySignature);
  if (!report.ok || report.predicate === undefined) throw new TypeError(JSON.stringify(report.checks));
  return report.predicate;
}

async function trustIn(name: string) {
  const { text } = await gateway.get(`/.well-known/${name}`);
  const read = parseTrust(new TextEncoder().encode(text));
  if (!read.ok) throw new TypeError("The published keys cannot be read");
  return read.trust;
}

describe("a tool with asynchronous functions", () => {
  it("is described like any other", async () => {
    const { json } = await gateway.get("/v1/tools/later");
    const names = json.functions.map((func: { name: string }) => func.name);
    expect(names).toEqual(expect.arrayContaining(["post", "nap", "say"]));
    const { code, out } = await cli(["inspect", join(folder, "tools/later/t.wasm")]);
    expect(code).toBe(0);
    expect(out).toMatch(/wasi:http\/client@0\.3\.0 +http-client/);
    expect(out).toMatch(/nap: async func\(ms: u32\) -> u32/);
  });

  it("answers, and its manifest verifies", async () => {
    const answer = await invoke("later/nap", { ms: 20 });
    expect([answer.status, answer.json.outcome]).toEqual([200, { kind: "completed" }]);
    expect(answer.json.output).toBeGreaterThanOrEqual(20);
    const predicate = await signed(answer);
    expect(predicate).toMatchObject({ function: "nap", outcome: { kind: "completed" } });
    expect(predicate.budget?.fuel.used).toBeGreaterThan(0);
  });

  it("has done what it does after its result before anything is signed", async () => {
    const answer = await invoke("later/say", { text: "late", lasting: true });
    expect(answer.json.output).toBe(7);
    expect((await signed(answer)).events).toMatchObject([{ import: "wasi:cli/stdout", bytes_out: 4 }]);
  });

  it("is denied in the name of the import that it called, and told what would allow it", async () => {
    const answer = await invoke("later/post", { authority: "api.test", path: "/x", body: "" });
    const called = "wasi:http/client@0.3.0#send";
    expect(answer.json).toMatchObject({
      outcome: { kind: "denied-import", import: called },
      output: { err: 15 },
    });
    expect((await signed(answer)).events).toMatchObject([{ import: called, effect: "denied" }]);
    const file = join(folder, "denied.json");
    await writeFile(file, answer.text);
    const { out } = await cli(["explain", file]);
    expect(out).toContain(`${called}  POST http://api.test:80/x`);
    expect(out).toContain('add to network_allowlist: { host: "api.test"');
  });

  it.each([
    ["trap", "a trap after it gave way", "trapped", /unreachable/],
    ["hang", "a wait for what never comes", "trapped", /deadlock/],
  ])("ends %s as %s, signed, and the next call is answered", async (name, _what, kind, reason) => {
    const answer = await invoke(`odd/${name}`);
    expect(answer.status).toBe(200);
    expect(answer.json.outcome).toMatchObject({ kind, reason: expect.stringMatching(reason) });
    expect((await signed(answer)).outcome).toEqual(answer.json.outcome);
    expect((await invoke("later/nap", { ms: 1 })).json.outcome).toEqual({ kind: "completed" });
  });

  it("is ended by its time to live while it waits, and its executor goes on", async () => {
    let answer = await invoke("brief/nap", { ms: 3_600_000 });
    // On a machine that gives it no executor within its time it is refused, and never waits.
    while (answer.status === 503) answer = await invoke("brief/nap", { ms: 3_600_000 });
    expect(answer.json.outcome).toMatchObject({ kind: "timed-out" });
    expect((await signed(answer)).outcome).toEqual(answer.json.outcome);
    expect((await invoke("later/nap", { ms: 1 })).json.outcome).toEqual({ kind: "completed" });
  });

  it("runs from its file", async () => {
    const args = ["run", join(folder, "tools/later/t.wasm"), "nap", "--input", '{"ms":5}'];
    const ended = await cli([...args, "--json", "--data", join(folder, "data")]);
    expect(ended.err).toBe("");
    expect(JSON.parse(ended.out)).toMatchObject({ outcome: { kind: "completed" } });
  });
});
