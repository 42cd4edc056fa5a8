/** What becomes of call paths: tables, folded stacks, a drawing; with names that want to be more than names. */
import { expect, test } from "vitest";
import { drawFlameGraph } from "../../src/cli/components/flame-graph.ts";
import { buildTree, foldStacks, OUTSIDE, sumFunctions } from "../../src/cli/components/fuel-profile.ts";
import { PROFILED_FUNCTIONS } from "../../src/core/metering/index.ts";
import { assemble } from "../core/metering/support.ts";

/** `$f` calls `$g`, which calls `$f` again; the second module has no names. */
const NODES = [
  { parent: -1, function: 0, calls: 1, fuel: 100 },
  { parent: 0, function: 1, calls: 3, fuel: 30 },
  { parent: 1, function: 0, calls: 3, fuel: 60 },
  { parent: 0, function: PROFILED_FUNCTIONS + 7, calls: 1, fuel: 5 },
];

async function modules(first = "f", second = "g"): Promise<Uint8Array[]> {
  return [
    await assemble(
      `(module (func (@name ${JSON.stringify(first)})) (func (@name ${JSON.stringify(second)})))`,
    ),
    await assemble("(module)"),
  ];
}

test("buildTree() accounts for all that the run spent", async () => {
  const tree = buildTree(NODES, await modules(), 200);
  expect(tree.total).toBe(200);
  expect(tree.callees.map(({ name, total }) => [name, total])).toEqual([
    [OUTSIDE, 5],
    ["f", 195],
  ]);
});

test("sumFunctions() counts a recursion once", async () => {
  expect(sumFunctions(buildTree(NODES, await modules(), 195))).toEqual([
    { name: "f", calls: 4, own: 160, total: 195 },
    { name: "g", calls: 3, own: 30, total: 90 },
    { name: "function 7 of module 1", calls: 1, own: 5, total: 5 },
  ]);
});

test("foldStacks() writes lines that sum to the fuel, whatever the names are", async () => {
  const folded = foldStacks(buildTree(NODES, await modules("a;b", "c\nd 7"), 195));
  expect(folded).toBe("a:b 100\na:b;c\\u{a}d 7 30\na:b;c\\u{a}d 7;a:b 60\na:b;function 7 of module 1 5\n");
});

test("drawFlameGraph() escapes names", async () => {
  const hostile = `</title><script>alert("1")</script>&`;
  const svg = drawFlameGraph(buildTree(NODES, await modules(hostile, "g"), 195), `<b>${hostile}`);
  expect(svg).not.toMatch(/<script|<b>/);
  expect(svg).toContain("&lt;/title&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;: 195 units");
});

test("drawFlameGraph() stacks callees below their caller, as wide as their fuel", async () => {
  const svg = drawFlameGraph(buildTree(NODES, await modules(), 195), "a tool");
  const frames = [...svg.matchAll(/<title>(\w+):.*?<rect x="([\d.]+)" y="(\d+)" width="([\d.]+)"/g)];
  expect(frames.map(([, name]) => name)).toEqual(["all", "f", "g", "f"]);
  const [all, outer, middle, inner] = frames.map(([, , x, y, width]) => [x, y, width].map(Number));
  expect(outer?.[2]).toBe(all?.[2]);
  expect(middle?.[2]).toBeCloseTo(((all?.[2] ?? 0) * 90) / 195, -0.5);
  expect((inner?.[1] ?? 0) > (middle?.[1] ?? 0)).toBe(true);
});
