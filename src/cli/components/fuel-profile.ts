/**
 * A run's fuel by function, out of the call paths that the sandbox counted: as a table, as folded stacks for any
 * flame-graph tool, and as the tree that `flame-graph.ts` draws. Names are the vendor's: none of them is trusted.
 */
import type { ProfileNode } from "../../core/metering/index.ts";
import { functionNames, PROFILED_FUNCTIONS } from "../../core/metering/index.ts";
import { printable } from "../output.ts";

/** One call path with the paths below it. */
export interface PathFrame {
  readonly name: string;
  readonly calls: number;
  /** Units of its own. */
  readonly own: number;
  /** Units of its own and of everything below. */
  readonly total: number;
  readonly callees: readonly PathFrame[];
}

/** One function, whatever path it was called on. */
export interface FunctionFuel {
  readonly name: string;
  readonly calls: number;
  readonly own: number;
  /** With its callees; a recursion counts once. */
  readonly total: number;
}

/** What no function of the guest spent: code by its size, segments and tables, and what crosses the border outside of any call. */
export const OUTSIDE = "[instantiation and border]";

/**
 * Builds the tree of a run.
 *
 * @param nodes as the sandbox gave them; a parent stands before its callees
 * @param modules the component's core modules, in its order
 * @param fuelUsed what the run spent: the tree's total, to the unit
 */
export function buildTree(
  nodes: readonly ProfileNode[],
  modules: readonly Uint8Array[],
  fuelUsed: number,
): PathFrame {
  const nameOf = namer(modules);
  const callees = nodes.map((): PathFrame[] => []);
  const roots: PathFrame[] = [];
  let counted = 0;
  // From the last to the first, so that a node's callees are built before it.
  for (let at = nodes.length - 1; at >= 0; at -= 1) {
    const node = nodes[at];
    if (node === undefined) continue;
    const below = callees[at] ?? [];
    below.reverse();
    const total = below.reduce((sum, frame) => sum + frame.total, node.fuel);
    const frame = { name: nameOf(node.function), calls: node.calls, own: node.fuel, total, callees: below };
    (callees[node.parent] ?? roots).push(frame);
    counted += node.fuel;
  }
  roots.reverse();
  const rest = fuelUsed - counted;
  if (rest !== 0) roots.unshift({ name: OUTSIDE, calls: 1, own: rest, total: rest, callees: [] });
  return { name: "all", calls: 1, own: 0, total: fuelUsed, callees: roots };
}

/** Sums up functions, the one that spent most first. */
export function sumFunctions(tree: PathFrame): readonly FunctionFuel[] {
  const sums = new Map<string, { calls: number; own: number; total: number }>();
  const open = new Set<string>();
  const visit = ({ name, calls, own, total, callees }: PathFrame): void => {
    const sum = sums.get(name) ?? { calls: 0, own: 0, total: 0 };
    sum.calls += calls;
    sum.own += own;
    const isOutermost = !open.has(name);
    if (isOutermost) sum.total += total;
    sums.set(name, sum);
    open.add(name);
    for (const callee of callees) visit(callee);
    if (isOutermost) open.delete(name);
  };
  for (const root of tree.callees) visit(root);
  return [...sums].map(([name, sum]) => ({ name, ...sum })).sort((a, b) => b.own - a.own);
}

/**
 * Writes folded stacks: a line for each path with fuel of its own, `outer;inner units`.
 *
 * @see https://github.com/brendangregg/FlameGraph
 */
export function foldStacks(tree: PathFrame): string {
  const lines: string[] = [];
  const visit = (frame: PathFrame, path: string): void => {
    const whole = path === "" ? frame.name : `${path};${frame.name}`;
    if (frame.own > 0) lines.push(`${whole} ${frame.own}`);
    for (const callee of frame.callees) visit(callee, whole);
  };
  for (const root of tree.callees) visit(root, "");
  return `${lines.join("\n")}\n`;
}

/** Names functions by number. A semicolon would end a frame in folded stacks. */
function namer(modules: readonly Uint8Array[]): (numbered: number) => string {
  const names = modules.map((module) => functionNames(module));
  return (numbered) => {
    const module = Math.floor(numbered / PROFILED_FUNCTIONS);
    const index = numbered % PROFILED_FUNCTIONS;
    const name = names[module]?.get(index) ?? `function ${index} of module ${module}`;
    return printable(name).replaceAll(";", ":").slice(0, 300);
  };
}
