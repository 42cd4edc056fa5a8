import { beforeAll, expect, test } from "vitest";
import type { ComponentDescription } from "../../src/core/component/index.ts";
import { findFunction, loadRegistry, RegistryError } from "../../src/registry/index.ts";
import { assemble, createFiles, mathWat, policyText, readOffer, toolFolder } from "./support.ts";

let offer: ComponentDescription;
let math: Uint8Array<ArrayBuffer>;
let hungry: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  offer = await readOffer();
  math = await assemble(mathWat());
  hungry = await assemble(mathWat('(import "wasi:blobstore/blobstore@0.2.0" (instance))'));
});

type Contents = Record<string, string | Uint8Array<ArrayBuffer>>;
const load = (contents: Contents) =>
  loadRegistry({ files: createFiles(contents), toolsFolder: "tools", policiesFolder: "policies", offer });

/** One broken thing beside a whole tool, and the fault that it has to be. */
const BROKEN: readonly (readonly [what: string, contents: () => Contents, fault: RegExp])[] = [
  ["a folder without tool.json", () => ({ "tools/b/notes.txt": "" }), /^tools\/b\/tool\.json is missing/],
  [
    "a folder with a bad name",
    () => ({ "tools/Bad/tool.json": "{}" }),
    /^tools\/Bad\/tool\.json names no tool/,
  ],
  ["a folder called __proto__", () => ({ "tools/__proto__/tool.json": "{}" }), /names no tool/],
  [
    "a tool.json that is not JSON",
    () => ({ "tools/b/tool.json": "{" }),
    /^tools\/b\/tool\.json is not strict JSON/,
  ],
  [
    "a tool.json with a key twice",
    () => ({ "tools/b/tool.json": '{"name":"b","name":"c"}' }),
    /duplicate key "name"/,
  ],
  [
    "a tool.json that is too large",
    () => ({ "tools/b/tool.json": " ".repeat(1_048_577) }),
    /larger than 1048576 bytes/,
  ],
  ["an unknown member", () => toolFolder("b", math, { grants: ["all"] }), /"grants"/],
  [
    "another name than the folder's",
    () => toolFolder("b", math, { name: "c" }),
    /\/name is "c" in the folder "b"/,
  ],
  [
    "a component outside the folder",
    () => toolFolder("b", math, { component: "../a/a.wasm" }),
    /\/component/,
  ],
  [
    "a component that is not there",
    () => toolFolder("b", math, { component: "x.wasm" }),
    /^tools\/b\/x\.wasm is missing/,
  ],
  [
    "a digest of other bytes",
    () => toolFolder("b", math, { digest: `sha256:${"0".repeat(64)}` }),
    /^tools\/b\/b\.wasm has digest sha256:[0-9a-f]{64}, tool\.json says sha256:0{64}$/,
  ],
  ["a component that is none", () => toolFolder("b", Uint8Array.of(1, 2, 3)), /^tools\/b\/b\.wasm Cannot/],
  [
    "an import that nothing serves",
    () => toolFolder("b", hungry),
    /nothing serves "wasi:blobstore\/blobstore@0\.2\.0": .*not offered/,
  ],
  [
    "a description of no function",
    () => toolFolder("b", math, { functions: { "math/div": "Divides" } }),
    /\/functions describes "math\/div"/,
  ],
  [
    "a policy with an unknown key",
    () => ({ "policies/p.json": policyText("a", { retries: 3 }) }),
    /^policies\/p\.json:\d+:\d+ \/retries/,
  ],
  ["a policy that is not YAML", () => ({ "policies/p.yaml": "a: [" }), /^policies\/p\.yaml:\d+:\d+ /],
  [
    "a policy that is not UTF-8",
    () => ({ "policies/p.yml": Uint8Array.of(0xff) }),
    /^policies\/p\.yml is not UTF-8$/,
  ],
  ["a policy of no tool", () => ({ "policies/p.json": policyText("nobody") }), /\/tool_id is "nobody"/],
  [
    "a policy of no function",
    () => ({
      "policies/p.json": policyText("a", {
        tenant_tier: ["pro"],
        functions: { "math/mul": { operation: "read" } },
      }),
    }),
    /\/functions names "math\/mul"; a has "math\/add", "math\/sub"/,
  ],
  [
    "two policies for one tier",
    () => ({ "policies/p.json": policyText("a") }),
    /^policies\/p\.json:3 .*tools\/a\/policy\.yaml is already the policy for tool a and tier free/,
  ],
];

const whole = (): Contents => ({ ...toolFolder("a", math), "tools/a/policy.yaml": policyText("a") });

test.for(BROKEN)("loadRegistry() refuses %s", async ([, contents, fault]) => {
  const error = await load({ ...whole(), ...contents() }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RegistryError);
  if (!(error instanceof RegistryError)) return;
  expect(error.faults.map(({ source, detail }) => `${source} ${detail}`)).toEqual([
    expect.stringMatching(fault),
  ]);
});

test("loadRegistry() lists every fault of every file in one error, sorted", async () => {
  const error = await load({
    ...whole(),
    ...toolFolder("c", hungry),
    "tools/b/tool.json": "{",
    "policies/p.json": policyText("nobody"),
    "policies/q.yaml": "a: [",
    // Its tool is there and broken: that is said once.
    "policies/r.json": policyText("c"),
  }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RegistryError);
  if (!(error instanceof RegistryError)) return;
  expect(error.faults.map(({ source }) => source.replace(/:\d+:\d+$/, ""))).toEqual([
    "policies/p.json:2",
    "policies/q.yaml",
    "tools/b/tool.json",
    "tools/c/c.wasm",
  ]);
  expect(error.message).toMatch(/^Cannot load the tools: 4 faults\n {2}policies\/p\.json:2 /);
});

test("loadRegistry() makes tools of folders, with their policies from both places", async () => {
  const registry = await load({
    ...whole(),
    ...toolFolder("b", math),
    "policies/a-pro.json": policyText("a", { tenant_tier: ["pro"] }),
    "policies/README.md": "Not a policy",
    "tools/notes.txt": "Not a folder",
    "tools/a.0123.new/tool.json": "Left by a build that crashed",
  });
  expect(registry.tools.map(({ name }) => name)).toEqual(["a", "b"]);
  const tool = registry.find("a");
  expect(tool?.policies.map(({ source }) => source)).toEqual(["tools/a/policy.yaml", "policies/a-pro.json"]);
  expect(tool?.functions.map(({ key, description }) => [key, description])).toEqual([
    ["math/add", "Adds two numbers"],
    ["math/sub", ""],
  ]);
  expect(tool?.digest).toBe(`sha256:${tool?.component.digest}`);
  expect(tool?.component.bytes).toEqual(math);
  expect(tool?.component.exports).toEqual([
    {
      interface: "test:tiny/math@0.1.0",
      functions: [expect.objectContaining({ name: "add" }), expect.objectContaining({ name: "sub" })],
    },
  ]);
  expect(registry.find("b")?.policies).toEqual([]);
  for (const name of ["c", "", "constructor", "__proto__", "A"]) expect(registry.find(name)).toBeUndefined();
  expect(Object.isFrozen(tool)).toBe(true);
});

test("loadRegistry() of no folder is an empty registry", async () => {
  expect((await load({})).tools).toEqual([]);
});

test.for([
  ["math/add", "math/add"],
  ["add", "math/add"],
  ["main", "main"],
  ["sub", undefined],
  ["math/mul", undefined],
  ["math", undefined],
  ["other/main", undefined],
  ["constructor", undefined],
  ["", undefined],
] as const)("findFunction() takes %s for %s", async ([name, key]) => {
  const twice =
    '(instance $more (export "sub" (func $f))) (export "test:tiny/more" (instance $more)) (export "main" (func $f))';
  const registry = await load(toolFolder("a", await assemble(mathWat("", twice))));
  const tool = registry.find("a");
  expect(tool?.functions).toHaveLength(4);
  expect(tool && findFunction(tool, name)?.key).toBe(key);
});
