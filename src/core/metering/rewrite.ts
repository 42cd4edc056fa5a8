/**
 * Rewrites the code section: scans all bodies, plans each with what is known of its callees, writes them anew.
 */

import { refuseComponent } from "../errors.ts";
import { Reader } from "./binary/reader.ts";
import { Writer } from "./binary/writer.ts";
import type { FunctionBody } from "./body.ts";
import { readBody } from "./body.ts";
import type { CallGraph } from "./callgraph.ts";
import { buildCallGraph, scanBody } from "./callgraph.ts";
import { MAX_AT_EXIT } from "./checks.ts";
import type { Callee } from "./flow.ts";
import type { InjectContext } from "./inject.ts";
import { injectBody } from "./inject.ts";
import { MAX_BODY_BYTES } from "./limits.ts";
import type { BodyPlan } from "./plan.ts";
import { planBody } from "./plan.ts";
import type { Walker } from "./walker.ts";
import { OP } from "./walker.ts";
import { MAX_CALL_DEPTH } from "./word.ts";

/** Slots of eight bytes that one unit of call depth covers: a large frame takes several. */
const SLOTS_PER_DEPTH = 16;
/** What a frame takes beside its locals, in slots. */
const FRAME_OVERHEAD = 8;

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
  const graph = buildCallGraph(module, facts);
  const plans = planAll(context, bodies, graph);
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
    injectBody(context, each, plan, depthOf(context, graph, each, position), body, scratch);
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

/** Plans callees before their callers, so that callers know what a return may leave unseen. */
function planAll(context: InjectContext, bodies: readonly FunctionBody[], graph: CallGraph): BodyPlan[] {
  const { module, relaxedSimd } = context;
  const plans: BodyPlan[] = [];
  const calleeOf = ({ opcode, first }: Walker): Callee => {
    const position = first - module.importedFunctions;
    if ((opcode !== OP.call && opcode !== OP.returnCall) || position < 0)
      return { bound: undefined, quiet: false, exit: MAX_AT_EXIT };
    return {
      bound: graph.bound[position],
      quiet: graph.quiet[position] ?? false,
      exit: plans[position]?.exit ?? MAX_AT_EXIT,
    };
  };
  const everyCall = graph.facts.some(({ exceptions }) => exceptions);
  const planContext = { module, relaxedSimd, calleeOf, everyCall };
  for (const position of graph.order) {
    const body = bodies[position];
    if (body === undefined) continue;
    const checked = graph.bound[position] === undefined;
    plans[position] = planBody(planContext, body, readerOf(context, body), checked, MAX_AT_EXIT);
  }
  return plans;
}

/**
 * What a frame takes of the call depth. Functions that call only bounded ones are the last of a chain: they take
 * depth only where their own frame is large.
 */
function depthOf(context: InjectContext, graph: CallGraph, body: FunctionBody, position: number): number {
  if (graph.bound[position] !== undefined) return 0;
  const facts = graph.facts[position];
  const slots = FRAME_OVERHEAD + body.slots;
  const isLeaf =
    facts?.callsOut === false &&
    facts.callees.every((callee) => graph.bound[callee - context.module.importedFunctions] !== undefined);
  const frames = Math.floor(slots / SLOTS_PER_DEPTH) + (isLeaf ? 0 : 1);
  return Math.min(frames, MAX_CALL_DEPTH);
}

function readerOf({ module }: InjectContext, body: FunctionBody): Reader {
  return new Reader(module.bytes, body.codeStart, body.codeEnd);
}
