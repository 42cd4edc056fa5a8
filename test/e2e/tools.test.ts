/** One tool calls another, for real: two components, two policies, two manifests that name each other. */
import { cp, mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sha256Hex } from "../../src/core/digest.ts";
import { decodeBase64, PAYLOAD_TYPE, pae, type RunPredicate } from "../../src/core/manifest/index.ts";
import { assemble } from "../support/components.ts";
import { removeFolder } from "../support/folder.ts";
import { openTestGateway, PROJECT, type TestGateway } from "../support/gateway.ts";
import { relayGuest, TOOLS_ERRORS } from "../support/relay-guest.ts";

const BUDGET = {
  fuel: 20_000_000,
  memory_bytes: "4MiB",
  egress_bytes: 0,
  requests: 0,
  output_bytes: "4KiB",
  log_bytes: 0,
};
const POLICY = {
  tenant_tier: ["free"],
  purpose: ["support-chat", "travel-planning", "only-here"],
  functions: { relay: { operation: "read" } },
  max_duration_ms: 60_000,
  budget: BUDGET,
};
const HASH = { tool: "hash", functions: ["hash/fnv1a64"] };

let folder: string;
let gateway: TestGateway;

/** Each tool's clause `tools`, and what else its policy says otherwise. */
const TOOLS: Readonly<Record<string, object>> = {
  relay: {
    tools: [
      { ...HASH, calls: 2 },
      { tool: "absent", functions: ["x"] },
      { tool: "relay", functions: ["relay"] },
    ],
  },
  "outer-relay": { tools: [{ tool: "relay", functions: ["relay"] }, HASH] },
  "wide-relay": { tools: [{ tool: "hash", functions: ["hash/fnv1a64", "hash/sha256"] }] },
  "poor-relay": { tools: [HASH], budget: { ...BUDGET, fuel: 400_000 } },
  "busy-relay": { tools: [HASH] },
  "bare-relay": {},
};

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "writ-tools-"));
  const tools = join(folder, "tools");
  for (const [name, more] of Object.entries(TOOLS)) {
    const wasm = await assemble(relayGuest(name === "busy-relay" ? 500_000 : 0));
    const tool = {
      name,
      description: "",
      engine: "wat",
      component: "t.wasm",
      digest: `sha256:${sha256Hex(wasm)}`,
      functions: {},
      imports: ["writ:host/tools@0.1.0"],
      built_from: "0".repeat(64),
    };
    await mkdir(join(tools, name), { recursive: true });
    await writeFile(join(tools, name, "t.wasm"), wasm);
    await writeFile(join(tools, name, "tool.json"), JSON.stringify(tool));
    await writeFile(join(tools, name, "policy.yaml"), JSON.stringify({ ...POLICY, ...more, tool_id: name }));
  }
  await cp(join(PROJECT, ".writ/tools/hash"), join(tools, "hash"), { recursive: true });
  // A busy machine may need longer than the sample's second.
  const policy = join(tools, "hash", "policy.yaml");
  await writeFile(
    policy,
    (await readFile(policy, "utf8")).replace("max_duration_ms: 1000", "max_duration_ms: 30000"),
  );
  gateway = await openTestGateway({ toolsFolder: tools, executors: 1 });
});
afterAll(async () => {
  await gateway?.close();
  await removeFolder(folder);
});

/** @returns the answer with the statement that it carries */
async function relay(
  by: string,
  input: { tool: string; function: string; input: string },
  purpose = "support-chat",
) {
  const { json, status } = await gateway.post(`/v1/tools/${by}/relay`, { input, purpose });
  if (status !== 200) return { status, json };
  return { status, json, predicate: statementOf(json.manifest) };
}

function statementOf(bundle: { dsseEnvelope: { payload: string } }): RunPredicate {
  return JSON.parse(new TextDecoder().decode(decodeBase64(bundle.dsseEnvelope.payload) ?? new Uint8Array()))
    .predicate;
}

async function manifestOf(run: string) {
  const { text } = await gateway.get(`/v1/runs/${run}/manifest`);
  const bundle = JSON.parse(text);
  return {
    digest: sha256Hex(pae(PAYLOAD_TYPE, decodeBase64(bundle.dsseEnvelope.payload) ?? new Uint8Array())),
    predicate: statementOf(bundle),
  };
}

const hash = { tool: "hash", function: "hash/fnv1a64", input: '{"data":"aGVsbG8="}' };
const word = (output: { err?: number }) => (output.err === undefined ? undefined : TOOLS_ERRORS[output.err]);

describe("a tool that calls a tool", () => {
  it("gets its answer, and the two manifests name each other", async () => {
    const { json, predicate } = await relay("relay", hash);
    expect(json).toMatchObject({ outcome: { kind: "completed" }, output: { ok: '"11831194018420276491"' } });
    const [child] = predicate?.children ?? [];
    const callee = await manifestOf(child?.run ?? "");
    expect(predicate?.children).toEqual([{ run: callee.predicate.run, digest: callee.digest }]);
    expect(callee.predicate).toMatchObject({
      tool: "hash",
      function: "hash/fnv1a64",
      purpose: "support-chat",
      parent: { run: json.run, policy_id: predicate?.policy_id },
      trace_id: predicate?.trace_id,
      outcome: { kind: "completed" },
    });
    expect(predicate?.parent).toBeUndefined();
    expect(predicate?.events).toMatchObject([
      {
        import: "writ:host/tools#invoke",
        effect: "allowed",
        target: "hash hash/fnv1a64",
        clause: "tools[0]",
        result: `completed ${child?.run}`,
      },
    ]);
    // What the callee used is part of what the caller used, to the unit.
    const alone = await gateway.post("/v1/tools/hash/hash/fnv1a64", {
      input: { data: "aGVsbG8=" },
      purpose: "support-chat",
    });
    const calleeFuel = callee.predicate.budget?.fuel;
    expect(calleeFuel?.used).toBe(statementOf(alone.json.manifest).budget?.fuel.used);
    expect(predicate?.budget?.fuel.used).toBeGreaterThan(calleeFuel?.used ?? Number.POSITIVE_INFINITY);
    // The callee was granted no more than the caller had.
    expect(calleeFuel?.granted).toBeLessThan(20_000_000);
    expect(callee.predicate.budget?.memory_bytes.granted).toBe(4 * 1024 * 1024);
    expect(callee.predicate.budget?.wall_ms.granted).toBeLessThanOrEqual(30_000);
  });

  it.each([
    [
      "a function that its policy does not name",
      "relay",
      { ...hash, function: "hash/sha256" },
      "not-granted",
    ],
    ["a tool that there is not", "relay", { ...hash, tool: "absent", function: "x" }, "not-granted"],
    ["an input of another type", "relay", { ...hash, input: '{"data":7}' }, "invalid-input"],
    ["an input that is no JSON", "relay", { ...hash, input: "{" }, "invalid-input"],
    ["itself", "relay", { tool: "relay", function: "relay", input: JSON.stringify(hash) }, "calls-itself"],
  ])("is refused %s", async (_, by, input, expected) => {
    const { json, predicate } = await relay(by, input);
    expect(word(json.output)).toBe(expected);
    expect(predicate?.children).toBeUndefined();
    expect(predicate?.events).toHaveLength(1);
  });

  it("is refused a purpose that the callee's policy does not allow, and the decision is signed", async () => {
    const { json, predicate } = await relay("relay", hash, "only-here");
    expect(word(json.output)).toBe("denied");
    expect(json.outcome).toMatchObject({ kind: "denied-import", import: "writ:host/tools#invoke" });
    const denial = /^denied (run_\w+)$/.exec(predicate?.events[0]?.result ?? "")?.[1] ?? "";
    const decision = await manifestOf(denial);
    expect(decision.predicate).toMatchObject({
      outcome: { kind: "denied" },
      parent: { run: json.run },
      tool: "hash",
    });
    expect(predicate?.events[0]).toMatchObject({ effect: "denied" });
  });

  it("does not run at all under a policy without the clause", async () => {
    expect(await relay("bare-relay", hash)).toMatchObject({ status: 403, json: { missing: ["tools"] } });
  });

  it("calls through another, which may call no more than it may itself", async () => {
    const through = (inner: object) => ({ tool: "relay", function: "relay", input: JSON.stringify(inner) });
    const { json, predicate } = await relay("outer-relay", through(hash));
    expect(JSON.parse(json.output.ok)).toEqual({ ok: '"11831194018420276491"' });
    const middle = await manifestOf(predicate?.children?.[0]?.run ?? "");
    const last = await manifestOf(middle.predicate.children?.[0]?.run ?? "");
    expect(last.predicate.parent?.run).toBe(middle.predicate.run);
    // Every function that relay may call and outer-relay may not is gone: "absent" is named by relay alone.
    const absent = await relay("outer-relay", through({ ...hash, tool: "absent", function: "x" }));
    expect(TOOLS_ERRORS[JSON.parse(absent.json.output.ok).err]).toBe("not-granted");
    const grants = (await manifestOf(absent.predicate?.children?.[0]?.run ?? "")).predicate.grants;
    expect(grants.flatMap((grant) => (grant.kind === "tools" ? grant.tools : []))).toEqual([
      { tool: "hash", functions: ["hash/fnv1a64"], calls: 2 },
      { tool: "relay", functions: ["relay"], calls: 16 },
    ]);
    const back = await relay("outer-relay", through({ tool: "outer-relay", function: "relay", input: "{}" }));
    expect(TOOLS_ERRORS[JSON.parse(back.json.output.ok).err]).toBe("not-granted");
  });

  it("pays for its callee: what the callee used is gone", async () => {
    const big = { ...hash, input: JSON.stringify({ data: "A".repeat(100_000) }) };
    const { json, predicate } = await relay("poor-relay", big);
    // The callee ran out of what was left, and with it the caller.
    expect(json.outcome).toEqual({ kind: "exhausted", budget: "fuel" });
    expect(predicate?.budget?.fuel.used).toBeLessThanOrEqual(400_000);
    const callee = await manifestOf(predicate?.children?.[0]?.run ?? "");
    expect(callee.predicate.outcome).toEqual({ kind: "exhausted", budget: "fuel" });
    expect(callee.predicate.budget?.fuel.granted).toBeLessThan(400_000);
  });

  it("calls at once from many runs on one executor without waiting for itself", async () => {
    const answers = await Promise.all(Array.from({ length: 12 }, () => relay("busy-relay", hash)));
    expect(answers.map(({ json }) => json.output)).toEqual(
      Array.from({ length: 12 }, () => ({ ok: '"11831194018420276491"' })),
    );
  });
});
