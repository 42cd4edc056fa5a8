/**
 * Rewrites the code section: scans all bodies, plans each with what is known of its callees, writes them anew.
 */

import { readBody } from "../binary/body.ts";
import type { IndexMap } from "../binary/index-map.ts";
import { SECTION } from "../binary/module.ts";
import type { Walker } from "../binary/walker.ts";
import { OP } from "../binary/walker.ts";
import { Writer } from "../binary/writer.ts";
import { checkCalls, checkMetered, MAX_BODY_BYTES, refuseBody } from "../limits.ts";
import type { CallGraph } from "../placement/callgraph.ts";
import { buildCallGraph, MAX_UNKNOWN } from "../placement/callgraph.ts";
import { MAX_AT_ENTRY, MAX_AT_EXIT } from "../placement/checks.ts";
import { takeDepth } from "../placement/depth.ts";
import { FlowBuilder } from "../placement/flow-builder.ts";
import type { BodyPlan } from "../placement/plan.ts";
import { planBody } from "../placement/plan.ts";
import type { Callee } from "../placement/regions.ts";
import type { ScannedBody } from "../placement/scan.ts";
import { ScannedCode } from "../placement/scan.ts";
import type { Sites } from "../placement/sites.ts";
import { writeExports, writeGlobals, writeTables } from "../sections/sections.ts";
import { writeElements } from "../sections/segments.ts";
import { injectBody } from "./inject.ts";
import type { RewriteContext } from "./rewrite-context.ts";

/** The metered bodies of the module's own functions. */
export interface RewrittenCode {
  /** The bodies, each behind its size, in pieces; without their count. */
  readonly content: readonly Writer[];
  readonly bounded: number;
  readonly regions: number;
  readonly charges: number;
  /** Charges by the power of two that they reach. */
  readonly chargeSizes: readonly number[];
  readonly checks: number;
  /** See {@link ScannedCode.changesTables}. */
  readonly changesTables: boolean;
}

/** Code is scanned, and written, in pieces of this many bytes or of one body. */
const PIECE_BYTES = 2 ** 20;

/** Rewrites all bodies. @throws `GatewayError` component-refused for what is not metered or too large */
export function rewriteCode(context: RewriteContext): RewrittenCode {
  const { module } = context;
  const bodies = scanAll(context);
  const facts = bodies.map((each) => each.facts);
  const graph = buildCallGraph(module, facts, findReferenced(context));
  const taken = takeDepth(graph, bodies, module.importedFunctions);
  const plans = planAll(context, bodies, graph, taken.own);
  const locals = new Writer(256);
  const operators = new Writer(65_536);
  const counts = { regions: 0, charges: 0, chargeSizes: [] as number[], checks: 0, changesTables: false };
  const content: Writer[] = [];
  let bytes = 0;
  for (let position = 0; position < bodies.length; ) {
    const code = bodies[position]?.code;
    if (code === undefined) break;
    const written = new Writer(code.length * 1.5);
    for (; bodies[position]?.code === code; position += 1) {
      const each = bodies[position];
      const plan = plans[position];
      if (each === undefined || plan === undefined) throw new RangeError(`No plan for function ${position}`);
      const depth = { own: taken.own[position] ?? 0, unknown: taken.unknown };
      injectBody(context, each, plan, depth, locals, operators);
      const length = locals.length + operators.length;
      if (length > MAX_BODY_BYTES) throw refuseBody(each.body.index, length);
      written.u32(length);
      written.append(locals);
      written.append(operators);
      counts.regions += plan.regions;
    }
    countSites(code.sites, counts);
    counts.changesTables ||= code.changesTables;
    code.release();
    content.push(written);
    bytes += written.length;
    checkMetered(bytes);
  }
  return { content, bounded: graph.bound.filter((each) => each !== undefined).length, ...counts };
}

/** Adds what is charged and checked at some sites. */
function countSites(
  sites: Sites,
  counts: { charges: number; readonly chargeSizes: number[]; checks: number },
): void {
  for (let site = 0; site < sites.count; site += 1) {
    const units = sites.unitsOf(site);
    if (sites.checksAt(site)) counts.checks += 1;
    if (units !== 0) counts.charges += 1;
    if (units <= 0) continue;
    const power = 31 - Math.clz32(units);
    while (counts.chargeSizes.length <= power) counts.chargeSizes.push(0);
    counts.chargeSizes[power] = (counts.chargeSizes[power] ?? 0) + 1;
  }
}

/** Scans all bodies, in order. */
function scanAll(context: RewriteContext): readonly ScannedBody[] {
  const { module, relaxedSimd, global, ownHints } = context;
  const scanned: ScannedBody[] = [];
  let calls = 0;
  for (let position = 0; position < module.bodies.length; ) {
    const first = position;
    let size = 0;
    for (; position < module.bodies.length; position += 1) {
      const { start, end } = module.bodies[position] ?? { start: 0, end: 0 };
      if (position > first && size + end - start > PIECE_BYTES) break;
      size += end - start;
    }
    const code = new ScannedCode(module, size * 1.02);
    for (let each = first; each < position; each += 1) {
      const body = readBody(module, each);
      const moves = { locals: body.type.params.count, global };
      const one = code.scan(body, moves, relaxedSimd, ownHints.get(body.index));
      calls += one.facts.callees.length;
      scanned.push(one);
    }
    checkCalls(calls);
  }
  return scanned;
}

/** What is known of a function that is called by way of a table or a reference. */
const UNKNOWN: Callee = {
  bound: undefined,
  quiet: false,
  pre: MAX_UNKNOWN,
  through: MAX_UNKNOWN,
  exit: MAX_AT_EXIT,
};

/** What is known of an import: its wrapper settles, which is as good as a check, before and behind. */
const IMPORT: Callee = { bound: undefined, quiet: false, pre: 0, through: undefined, exit: 0 };

/** Plans callees before their callers, so that callers know what a return may leave unseen. */
function planAll(
  { module }: RewriteContext,
  bodies: readonly ScannedBody[],
  graph: CallGraph,
  frames: Int32Array,
): BodyPlan[] {
  const plans: BodyPlan[] = [];
  // One that is not planned yet: recursion came by it, and it is called with as much as any may take.
  const unplanned = { pre: MAX_AT_ENTRY, through: MAX_AT_ENTRY, exit: MAX_AT_EXIT };
  const callees = bodies.map((_, position): Callee => {
    const quiet = graph.quiet[position] ?? false;
    return { bound: graph.bound[position], quiet, ...unplanned };
  });
  const calleeOf = ({ opcode, first }: Walker): Callee => {
    if (opcode !== OP.call && opcode !== OP.returnCall) return UNKNOWN;
    if (first < module.importedFunctions) return IMPORT;
    return callees[first - module.importedFunctions] ?? IMPORT;
  };
  const everyCall = graph.facts.some(({ exceptions }) => exceptions);
  const planContext = { module, calleeOf, everyCall, builder: new FlowBuilder() };
  for (const position of graph.order) {
    const body = bodies[position];
    const callee = callees[position];
    if (body === undefined || callee === undefined) continue;
    const isBounded = graph.bound[position] !== undefined;
    const checks = (frames[position] ?? 0) > 0;
    const most = graph.fromOutside[position] === true ? MAX_UNKNOWN : MAX_AT_ENTRY;
    const plan = planBody(planContext, body, isBounded ? "bounded" : checks ? "checks" : "open", most);
    plans[position] = plan;
    const { pre, through, exit } = plan.checks;
    const { bound, quiet } = callee;
    callees[position] =
      plan.entry === "checks"
        ? { bound, quiet, pre: 0, through: undefined, exit }
        : { bound, quiet, pre, through, exit };
  }
  return plans;
}

/** Functions that sections refer to, or export: they are called by others than those who name them in code. */
function findReferenced({ module, maxima }: RewriteContext): ReadonlySet<number> {
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
