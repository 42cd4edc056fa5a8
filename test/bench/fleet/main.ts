/**
 * `node test/bench/fleet/main.ts`: prints what a fleet would do with bursts, from figures of the suites. The inputs stand
 * in the table below with the result file that each comes from; change them when a run of the suites says otherwise.
 */
import { createRandom, type Load, type Node, type Placement, simulate } from "./simulate.ts";

/**
 * `sandbox-2026-11-25.json`, medians: text (QuickJS) warm, its first call in an empty executor, and an executor ended and
 * a new one ready.
 */
const NODE: Node = { executors: 4, warmMs: 0.37, firstMs: 28.4, turnoverMs: 299, keeps: 50 };
const LOAD: Omit<Load, "perSecond" | "burst"> = { tenants: 200, tools: 100, seconds: 120 };
const PLACEMENTS: readonly Placement[] = ["round-robin", "tool", "tenant", "tenant, spill"];

console.log("nodes  runs/s  burst  placement        p50 ms   p99 ms  first run  turnover   busy");
for (const nodes of [4, 16, 64]) {
  for (const [perNode, burst] of [
    [10, 1],
    [10, 20],
    [40, 20],
  ] as const) {
    for (const placement of PLACEMENTS) {
      const load = { ...LOAD, perSecond: perNode * nodes, burst };
      const { p50, p99, first, turnover, busy } = simulate(nodes, NODE, load, placement, createRandom(7));
      const cells = [
        String(nodes).padStart(5),
        String(load.perSecond).padStart(7),
        String(burst).padStart(6),
        ` ${placement.padEnd(15)}`,
        p50.toFixed(1).padStart(8),
        p99.toFixed(0).padStart(8),
        percent(first).padStart(10),
        percent(turnover).padStart(9),
        percent(busy).padStart(6),
      ];
      console.log(cells.join(" "));
    }
  }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}
