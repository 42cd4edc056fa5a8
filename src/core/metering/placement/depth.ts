/**
 * Decides what takes call depth: no way through a program nests frames without an end that nobody takes depth for.
 *
 * Every cycle of calls by name has a function that takes depth when it is entered: the one with the most code for the
 * calls that it stands between, which is entered seldom for what it does (an interpreter, not what frees its values).
 * Calls by way of a table or a reference take it where they are made, for a chain of frames that begins there. A function
 * that would leave a longer chain to others takes depth as well.
 *
 * What is behind the last that takes depth is no cycle: it has the rest of the native stack, up to {@link LONGEST_END}.
 *
 * Calls in a function's own stead give back what its frame took, so whom they lead to takes its own: by name each such
 * function, and where a module makes them by way of a table, every function there that may come to make a call of that
 * kind or to be in a cycle. Calls by way of a table take nothing in such a module.
 */

import { MAX_CALL_DEPTH, UNKNOWN_FRAMES } from "../word.ts";
import type { CallGraph, FunctionFacts } from "./callgraph.ts";
import type { Graph } from "./cycles.ts";
import { breakCycles, partsOf, turned } from "./cycles.ts";
import { SLOTS_PER_DEPTH, slotsOf } from "./frames.ts";
import type { ScannedBody } from "./scan.ts";

/** Slots of frames between two that take depth, at most. */
const LONGEST_WAY = 128;
/** The same from where one calls by way of a table or a reference. */
const LONGEST_UNKNOWN_WAY = UNKNOWN_FRAMES * SLOTS_PER_DEPTH;
/** Slots of frames behind the last that takes depth, at most. */
const LONGEST_END = 1024;

/** What takes call depth, in frames. */
export interface TakenDepth {
  /** By position: a function when it is entered, 0 where it takes none. */
  readonly own: Int32Array;
  /** A call by way of a table or a reference. */
  readonly unknown: number;
}

/**
 * Decides it for a module.
 *
 * @param bodies of its functions, by position
 * @param firstFunction the index of the first
 */
export function takeDepth(
  graph: CallGraph,
  bodies: readonly ScannedBody[],
  firstFunction: number,
): TakenDepth {
  const { facts, fromOutside, bound } = graph;
  const last = findLast(graph, firstFunction);
  const calls = callsByName(graph, firstFunction, last);
  const taking = last.slice();
  for (const { successors } of facts) {
    for (const index of successors)
      if (bound[index - firstFunction] === undefined) taking[index - firstFunction] = 1;
  }
  const isTakenAtEntry = facts.some(({ endsInUnknown }) => endsInUnknown);
  if (isTakenAtEntry) {
    const leads = leadsOn(graph, calls);
    for (const [v, isFromOutside] of fromOutside.entries())
      if (isFromOutside && leads[v] === 1) taking[v] = 1;
  }
  const weights = new Int32Array(facts.length);
  for (let v = 0; v < weights.length; v += 1) weights[v] = Math.min(facts[v]?.cost ?? 0, MOST_WEIGHT);
  breakCycles(calls, taking, weights);
  return {
    own: new Chains(graph, bodies, calls, taking, last).follow(),
    unknown: isTakenAtEntry ? 0 : UNKNOWN_FRAMES,
  };
}

/** Keeps the products of weights and numbers of calls exact. */
const MOST_WEIGHT = 0xffff;

/**
 * Functions that do not come back, as a rule, and are called by such as do: what reports a failure. They take depth, for all
 * that may be above them as well, so that no function leads to what they lead to.
 */
function findLast({ facts, bound }: CallGraph, firstFunction: number): Uint8Array {
  const last = new Uint8Array(facts.length);
  if (!facts.some(({ diverges }) => diverges)) return last;
  for (const { callees, diverges } of facts) {
    if (diverges) continue;
    for (const callee of callees) {
      const w = callee - firstFunction;
      if (facts[w]?.diverges === true && bound[w] === undefined) last[w] = 1;
    }
  }
  return last;
}

const NO_CALLS: Pick<FunctionFacts, "callees" | "diverges"> = { callees: [], diverges: false };

/** Calls between functions that are not bounded: those that are have small frames and no cycles. */
function callsByName({ facts, bound }: CallGraph, firstFunction: number, last: Uint8Array): Graph {
  const first = new Int32Array(facts.length + 1);
  const to = new Int32Array(facts.reduce((sum, { callees }) => sum + callees.length, 0));
  const seen = new Int32Array(facts.length).fill(-1);
  let at = 0;
  for (let v = 0; v < facts.length; v += 1) {
    const { callees, diverges } = facts[v] ?? NO_CALLS;
    first[v] = at;
    if (bound[v] !== undefined) continue;
    for (const callee of callees) {
      const w = callee - firstFunction;
      if (w >= facts.length) continue; // nobody validated it: no engine takes what comes of it
      if (seen[w] === v || bound[w] !== undefined || (last[w] === 1 && !diverges)) continue;
      seen[w] = v;
      to[at] = w;
      at += 1;
    }
  }
  first[facts.length] = at;
  return { first, to };
}

/** By position, 1 where calls may come to one by way of a table or a reference, or to a cycle. */
function leadsOn({ facts }: CallGraph, calls: Graph): Uint8Array {
  const leads = Uint8Array.from(facts, ({ callsUnknown }) => (callsUnknown ? 1 : 0));
  for (const part of partsOf(calls)) for (const v of part) leads[v] = 1;
  // From there to the callers, each once: any order of functions takes as long as their calls are many.
  const { first, to } = turned(calls);
  const found = [...leads.keys()].filter((v) => leads[v] === 1);
  for (let v = found.pop(); v !== undefined; v = found.pop()) {
    for (let edge = first[v] ?? 0; edge < (first[v + 1] ?? 0); edge += 1) {
      const caller = to[edge] ?? 0;
      if (leads[caller] === 1) continue;
      leads[caller] = 1;
      found.push(caller);
    }
  }
  return leads;
}

/** The chains of frames that take no depth. */
class Chains {
  readonly #graph: CallGraph;
  readonly #bodies: readonly ScannedBody[];
  readonly #calls: Graph;
  readonly #taking: Uint8Array;
  readonly #last: Uint8Array;
  readonly #own: Int32Array;
  /** Slots of the longest chain to a function or a call that takes depth, -1 where there is none; and to an end. */
  readonly #ways: Int32Array;
  readonly #ends: Int32Array;

  constructor(
    graph: CallGraph,
    bodies: readonly ScannedBody[],
    calls: Graph,
    taking: Uint8Array,
    last: Uint8Array,
  ) {
    this.#graph = graph;
    this.#bodies = bodies;
    this.#calls = calls;
    this.#taking = taking;
    this.#last = last;
    this.#own = new Int32Array(bodies.length);
    this.#ways = new Int32Array(bodies.length);
    this.#ends = new Int32Array(bodies.length);
  }

  /** Follows all calls, callees first: no cycle is left. The walk keeps its own stack, as chains can be long. */
  follow(): Int32Array {
    const { first, to } = this.#calls;
    const isMet = new Uint8Array(this.#bodies.length);
    const edges = first.slice();
    const walk: number[] = [];
    const { bound } = this.#graph;
    for (let root = 0; root < bound.length; root += 1) {
      if (isMet[root] === 1 || bound[root] !== undefined) continue;
      isMet[root] = 1;
      walk.push(root);
      for (let v = walk.at(-1); v !== undefined; v = walk.at(-1)) {
        const edge = edges[v] ?? 0;
        if (edge === first[v + 1]) {
          this.#finish(v);
          walk.pop();
          continue;
        }
        edges[v] = edge + 1;
        const w = to[edge] ?? 0;
        if (isMet[w] === 1 || this.#taking[w] === 1) continue;
        isMet[w] = 1;
        walk.push(w);
      }
    }
    return this.#own;
  }

  #finish(v: number): void {
    const { first, to } = this.#calls;
    const isOut = this.#graph.facts[v]?.callsOut === true;
    let way = isOut ? 0 : -1;
    let end = 0;
    for (let edge = first[v] ?? 0; edge < (first[v + 1] ?? 0); edge += 1) {
      const w = to[edge] ?? 0;
      if (this.#taking[w] === 1) way = Math.max(way, 0);
      else {
        way = Math.max(way, this.#ways[w] ?? 0);
        end = Math.max(end, this.#ends[w] ?? 0);
      }
    }
    const isLeaf = !isOut && first[v] === first[v + 1];
    const slots = slotsOf(this.#bodies[v]);
    const frame = isLeaf ? slots : Math.max(slots, SLOTS_PER_DEPTH);
    const longest = this.#graph.fromOutside[v] === true ? LONGEST_UNKNOWN_WAY : LONGEST_WAY;
    if (this.#taking[v] === 0 && (way < 0 || way + frame <= longest) && end + frame <= LONGEST_END) {
      this.#ways[v] = way < 0 ? -1 : way + frame;
      this.#ends[v] = end + frame;
      return;
    }
    this.#taking[v] = 1;
    const above = this.#last[v] === 1 ? LONGEST_END : 0;
    const taken = Math.floor((slots + Math.max(way, 0) + above) / SLOTS_PER_DEPTH) + (isLeaf ? 0 : 1);
    this.#own[v] = Math.min(taken, MAX_CALL_DEPTH);
  }
}
