/**
 * Rewrites the code section: scans all bodies, plans each with what is known of its callees, writes them anew.
 */

import { refuseComponent } from "../errors.ts";
import { Reader } from "./binary/reader.ts";
import { Writer } from "./binary/writer.ts";
import type { FunctionBody } from "./body.ts";
import { readBody } from "./body.ts";
import type { CallGraph } from "./callgraph.ts";
import { buildCallGraph, MAX_UNKNOWN, scanBody } from "./callgraph.ts";
import { MAX_AT_EXIT } from "./checks.ts";
import type { Callee } from "./flow.ts";
import type { IndexMap } from "./index-map.ts";
import type { InjectContext } from "./inject.ts";
import { injectBody } from "./inject.ts";
import { MAX_BODY_BYTES } from "./limits.ts";
import { SECTION } from "./module.ts";
import type { BodyPlan } from "./plan.ts";
import { planBody } from "./plan.ts";
import { writeExports, writeGlobals, writeTables } from "./sections.ts";
import { writeElements } from "./segments.ts";
import type { Walker } from "./walker.ts";
import { OP } from "./walker.ts";
import { MAX_CALL_DEPTH } from "./word.ts";

/** Slots of eight bytes that one unit of call depth covers: a large frame takes several. */
const SLOTS_PER_DEPTH = 16;
/** What a frame takes beside its locals, in slots. */
const FRAME_OVERHEAD = 8;
/** Slots of frames that callers take depth for in advance. */
const LONGEST_CHAIN = 64;

/** The metered bodies of the module's own functions. */
export interface RewrittenCode {
  /** The bodies, each behind its size; without their count. */
  readonly content: Writer;
  readonly bounded: number;
  readonly regions: number;
  readonly charges: number;
  /** Charges by the power of two that they reach. */
  readonly chargeSizes: readonly number[];
  readonly checks: number;
}

/** Rewrites all bodies. @throws `GatewayError` component-refused for what is not metered or too large */
export function rewriteCode(context: InjectContext): RewrittenCode {
  const { module, relaxedSimd } = context;
  const bodies = module.bodies.map((_, position) => readBody(module, position));
  const facts = bodies.map((body) => scanBody(module, body, readerOf(context, body), relaxedSimd));
  const graph = buildCallGraph(module, facts, findReferenced(context));
  const frames = countFrames(context, graph, bodies);
  const plans = planAll(context, bodies, graph, frames);
  const content = new Writer(bodies.reduce((sum, body) => sum + body.codeEnd - body.codeStart, 1024) * 1.5);
  const body = new Writer(65_536);
  const scratch = new Writer(65_536);
  const chargeSizes: number[] = [];
  let regions = 0;
  let charges = 0;
  let checks = 0;
  bodies.forEach((each, position) => {
    const plan = plans[position];
    if (plan === undefined) throw new RangeError(`No plan for function ${each.index}`);
    body.clear();
    injectBody(context, each, plan, frames[position] ?? 0, body, scratch);
    if (body.length > MAX_BODY_BYTES) {
      throw refuseComponent(
        `Cannot meter wasm function ${each.index}: ${body.length} bytes exceed the limit of ${MAX_BODY_BYTES}`,
      );
    }
    content.sized(body);
    regions += plan.regions;
    charges += plan.units.filter((units) => units !== 0).length;
    for (const units of plan.units) if (units > 0) countSize(chargeSizes, units);
    checks += plan.checks.filter(Boolean).length;
  });
  const bounded = graph.bound.filter((each) => each !== undefined).length;
  return { content, bounded, regions, charges, chargeSizes, checks };
}

function countSize(sizes: number[], units: number): void {
  const power = Math.floor(Math.log2(units));
  while (sizes.length <= power) sizes.push(0);
  sizes[power] = (sizes[power] ?? 0) + 1;
}

/** What is known of a function that is called by way of a table or a reference, and of one that is imported. */
const UNKNOWN: Callee = {
  bound: undefined,
  quiet: false,
  pre: MAX_UNKNOWN,
  through: MAX_UNKNOWN,
  exit: MAX_AT_EXIT,
};

/** Plans callees before their callers, so that callers know what a return may leave unseen. */
function planAll(
  context: InjectContext,
  bodies: readonly FunctionBody[],
  graph: CallGraph,
  frames: readonly number[],
): BodyPlan[] {
  const { module, relaxedSimd } = context;
  const plans: BodyPlan[] = [];
  const calleeOf = ({ opcode, first }: Walker): Callee => {
    const position = first - module.importedFunctions;
    if ((opcode !== OP.call && opcode !== OP.returnCall) || position < 0) return UNKNOWN;
    const bound = graph.bound[position];
    const quiet = graph.quiet[position] ?? false;
    const plan = plans[position];
    // One that is not planned yet is an anchor: recursion came by it.
    if (plan === undefined || plan.entry === "checks") {
      return { bound, quiet, pre: 0, through: undefined, exit: plan?.exit ?? MAX_AT_EXIT };
    }
    return { bound, quiet, pre: plan.pre, through: plan.through, exit: plan.exit };
  };
  const everyCall = graph.facts.some(({ exceptions }) => exceptions);
  const planContext = { module, relaxedSimd, calleeOf, everyCall };
  for (const position of graph.order) {
    const body = bodies[position];
    if (body === undefined) continue;
    const isBounded = graph.bound[position] !== undefined;
    const checks = graph.anchors[position] === true || (frames[position] ?? 0) > 0;
    const entry = isBounded ? "bounded" : checks ? "checks" : "open";
    plans[position] = planBody(planContext, body, readerOf(context, body), entry);
  }
  return plans;
}

/**
 * What each function takes of the call depth when it is entered. Anchors do: for their own frame, and for those of the
 * functions below that do not. Bounded functions are the last of a chain, and small. One that would leave a long chain
 * of frames to others takes depth as well.
 */
function countFrames(context: InjectContext, graph: CallGraph, bodies: readonly FunctionBody[]): number[] {
  const { module } = context;
  const frames = bodies.map(() => 0);
  /** Slots of the chain of frames that a function begins and its callers must take depth for. */
  const chains = bodies.map(() => 0);
  for (const position of graph.order) {
    const facts = graph.facts[position];
    if (facts === undefined || graph.bound[position] !== undefined) continue;
    const callees = facts.callees.map((callee) => callee - module.importedFunctions);
    const below = callees.reduce((most, callee) => Math.max(most, chains[callee] ?? 0), 0);
    const isLeaf = !facts.callsOut && callees.every((callee) => graph.bound[callee] !== undefined);
    const own = FRAME_OVERHEAD + (bodies[position]?.slots ?? 0);
    const chain = below + (isLeaf ? own : Math.max(own, SLOTS_PER_DEPTH));
    if (graph.anchors[position] !== true && chain <= LONGEST_CHAIN) chains[position] = chain;
    else
      frames[position] = Math.min(
        Math.floor((own + below) / SLOTS_PER_DEPTH) + (isLeaf ? 0 : 1),
        MAX_CALL_DEPTH,
      );
  }
  return frames;
}

/** Functions that sections refer to, or export: they are called by others than those who name them in code. */
function findReferenced({ module, maxima }: InjectContext): ReadonlySet<number> {
  const referenced = new Set<number>();
  const see = (index: number): number => {
    referenced.add(index);
    return index;
  };
  const map: IndexMap = { global: (index) => index, reference: see, export: see };
  for (const section of module.sections) {
    if (section.id === SECTION.table) writeTables(module, section, maxima, map);
    if (section.id === SECTION.global) writeGlobals(module, section, map);
    if (section.id === SECTION.export) writeExports(module, section, map);
    if (section.id === SECTION.element) writeElements(module, section, map, new Set());
  }
  if (module.start !== undefined) referenced.add(module.start);
  return referenced;
}

function readerOf({ module }: InjectContext, body: FunctionBody): Reader {
  return new Reader(module.bytes, body.codeStart, body.codeEnd);
}
