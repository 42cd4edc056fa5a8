/**
 * Breaking the cycles of graphs: none is left, however the graph is made, and what is chosen is not more than it takes.
 */

import { expect, test } from "vitest";
import type { Graph } from "../../../src/core/metering/placement/cycles.ts";
import { breakCycles, partsOf } from "../../../src/core/metering/placement/cycles.ts";

function graphOf(edges: readonly (readonly number[])[]): Graph {
  const first = new Int32Array(edges.length + 1);
  edges.forEach((each, v) => {
    first[v + 1] = (first[v] ?? 0) + each.length;
  });
  return { first, to: Int32Array.from(edges.flat()) };
}

/** Whether taking away vertices that nothing leads from, again and again, leaves nothing. */
function hasNoCycle(edges: readonly (readonly number[])[], chosen: Uint8Array): boolean {
  const from = edges.map((): number[] => []);
  const out = edges.map((each) => each.filter((w) => chosen[w] === 0).length);
  edges.forEach((each, v) => {
    for (const w of each) if (chosen[w] === 0) from[w]?.push(v);
  });
  const ends = [...out.keys()].filter((v) => chosen[v] === 0 && out[v] === 0);
  let left = chosen.filter((each) => each === 0).length;
  for (let v = ends.pop(); v !== undefined; v = ends.pop()) {
    left -= 1;
    for (const u of from[v] ?? []) {
      const rest = (out[u] ?? 0) - 1;
      out[u] = rest;
      if (rest === 0 && chosen[u] === 0) ends.push(u);
    }
  }
  return left === 0;
}

function choose(edges: readonly (readonly number[])[], weights: readonly number[] = edges.map(() => 1)) {
  const chosen = new Uint8Array(edges.length);
  breakCycles(graphOf(edges), chosen, Int32Array.from(weights));
  return chosen;
}

const ring = (length: number): number[][] => Array.from({ length }, (_, v) => [(v + 1) % length]);

const SHAPES: Readonly<Record<string, readonly (readonly number[])[]>> = {
  "a vertex that leads to itself": [[0]],
  "a ring": ring(5),
  "a long ring": ring(20_000),
  "two rings that share a vertex": [[1, 3], [2], [0], [4], [0]],
  "all to all": Array.from({ length: 40 }, (_, v) =>
    Array.from({ length: 40 }, (__, w) => w).filter((w) => w !== v),
  ),
  "a star, there and back": [[1, 2, 3, 4], [0], [0], [0], [0]],
};

for (const [name, edges] of Object.entries(SHAPES)) {
  test(`breakCycles() leaves none of ${name}`, () => {
    expect(hasNoCycle(edges, choose(edges))).toBe(true);
  });
}

test("breakCycles() leaves none of random graphs, and chooses nothing of one that has none", () => {
  let seed = 7;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return seed % below;
  };
  for (let round = 0; round < 200; round += 1) {
    const size = 1 + random(60);
    const edges = Array.from({ length: size }, () => Array.from({ length: random(4) }, () => random(size)));
    const chosen = choose(edges);
    expect(hasNoCycle(edges, chosen)).toBe(true);
    const upward = edges.map((each, v) => each.filter((w) => w > v));
    expect(choose(upward)).not.toContain(1);
    expect(partsOf(graphOf(upward))).toEqual([]);
  }
});

test("breakCycles() takes what weighs most", () => {
  expect([...choose(ring(4), [1, 9, 2, 3])]).toEqual([0, 1, 0, 0]);
  expect([...choose(SHAPES["a star, there and back"] ?? [], [2, 3, 3, 3, 3])]).toEqual([1, 0, 0, 0, 0]);
});
