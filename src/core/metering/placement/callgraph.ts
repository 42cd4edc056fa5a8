/**
 * Finds the functions that need no check of their own, and what they cost at most.
 *
 * A function is bounded when it has no loop, calls only bounded functions, directly, and all of it together costs
 * at most {@link MAX_UNCHECKED}. Whoever calls it accounts for that cost as if it were inlined. Every cycle in a
 * run goes through a loop header or a function that is not bounded, so every cycle has a check.
 */

import type { WasmModule } from "../binary/module.ts";
import type { Walker } from "../binary/walker.ts";
import { OP } from "../binary/walker.ts";
import type { Graph } from "./cycles.ts";
import { turned } from "./cycles.ts";

/** Units that a bounded function may cost, the functions it calls included. */
export const MAX_UNCHECKED = 60;
/** Units that a bounded function may cost that is called from elsewhere than by name, where nobody knows its bound. */
export const MAX_UNKNOWN = 40;

/** What the scan of one body finds. */
export interface FunctionFacts {
  /** All operators of the body, entry included: an upper bound for a body without loops. */
  readonly cost: number;
  /** It has a loop, an indirect call or a call of an import. */
  readonly open: boolean;
  /** Makes calls through tables or references, or of imports. */
  readonly callsOut: boolean;
  /** Makes calls through tables or references; in its own stead. */
  readonly callsUnknown: boolean;
  readonly endsInUnknown: boolean;
  /** It throws or catches. */
  readonly exceptions: boolean;
  /** It has an `unreachable` of its own. */
  readonly panics: boolean;
  /** It ends by an `unreachable` and has no `return`: as a rule it comes to that end, or to none. */
  readonly diverges: boolean;
  /** Indices of the functions that it calls by name. */
  readonly callees: readonly number[];
  /** Of those that it calls in its own stead. */
  readonly successors: readonly number[];
  /** Indices of the functions that it makes references to. */
  readonly references: readonly number[];
}

/** What is known about the functions of a module as callees. */
export interface CallGraph {
  readonly facts: readonly FunctionFacts[];
  /** By position of the defined function: what it costs at most, or undefined where it is not bounded. */
  readonly bound: readonly (number | undefined)[];
  /**
   * By position: nobody sees the count while it runs, and it does not end the run on its own. Neither it nor what it
   * calls makes calls out, throws, or has an `unreachable`.
   */
  readonly quiet: readonly boolean[];
  /** Positions with callees before their callers, as far as recursion lets them. */
  readonly order: readonly number[];
  /** By position: it may be called from elsewhere than by name. */
  readonly fromOutside: readonly boolean[];
}

const NONE: readonly number[] = [];

/** Gathers the facts of one body after the other, stop by stop. */
export class FactsCollector {
  readonly #importedFunctions: number;
  /** The first `#calleeCount` are the body's. */
  readonly #callees: number[] = [];
  #calleeCount = 0;
  /** Made where there are any: most bodies have neither. */
  #successors: number[] | undefined;
  #references: number[] | undefined;
  #open = false;
  #callsOut = false;
  #callsUnknown = false;
  #endsInUnknown = false;
  #exceptions = false;
  #panics = false;
  #returns = false;
  /** One past the last `unreachable`. */
  #behindPanic = 0;

  constructor({ importedFunctions }: WasmModule) {
    this.#importedFunctions = importedFunctions;
  }

  /** Begins with the next body. */
  start(): void {
    this.#calleeCount = 0;
    this.#successors = undefined;
    this.#references = undefined;
    this.#open = false;
    this.#callsOut = false;
    this.#callsUnknown = false;
    this.#endsInUnknown = false;
    this.#exceptions = false;
    this.#panics = false;
    this.#returns = false;
    this.#behindPanic = 0;
  }

  /** Looks at the walker's operator. */
  stop({ opcode, first, reader }: Walker): void {
    switch (opcode) {
      case OP.loop:
        this.#open = true;
        break;
      case OP.call:
      case OP.returnCall:
        if (first < this.#importedFunctions) this.#callsOut = true;
        else {
          this.#callees[this.#calleeCount] = first;
          this.#calleeCount += 1;
          if (opcode !== OP.returnCall) break;
          this.#successors ??= [];
          this.#successors.push(first);
        }
        break;
      case OP.refFunc:
        this.#references ??= [];
        this.#references.push(first);
        break;
      case OP.unreachable:
        this.#panics = true;
        this.#behindPanic = reader.pos;
        break;
      case OP.return:
        this.#returns = true;
        break;
      case OP.returnCallIndirect:
      case OP.returnCallRef:
        this.#endsInUnknown = true;
        this.#callsOut = true;
        this.#callsUnknown = true;
        break;
      case OP.callIndirect:
      case OP.callRef:
        this.#callsOut = true;
        this.#callsUnknown = true;
        break;
      case OP.try:
      case OP.tryTable:
      case OP.throw:
      case OP.throwRef:
      case OP.rethrow:
        this.#exceptions = true;
        break;
      default:
    }
  }

  /** What was found. @param cost of all operators @param codeEnd one past the body's last */
  done(cost: number, codeEnd: number): FunctionFacts {
    return {
      cost,
      open: this.#open || this.#callsOut,
      callsOut: this.#callsOut,
      callsUnknown: this.#callsUnknown,
      endsInUnknown: this.#endsInUnknown,
      exceptions: this.#exceptions,
      panics: this.#panics,
      diverges: this.#panics && !this.#returns && this.#behindPanic === codeEnd - 1,
      callees: this.#calleeCount === 0 ? NONE : this.#callees.slice(0, this.#calleeCount),
      successors: this.#successors ?? NONE,
      references: this.#references ?? NONE,
    };
  }
}

/**
 * Orders functions bottom-up and finds the bounded ones.
 *
 * @param referenced functions that the module's sections export or refer to
 */
export function buildCallGraph(
  module: WasmModule,
  facts: readonly FunctionFacts[],
  referenced: ReadonlySet<number>,
): CallGraph {
  const fromOutside = facts.map((_, position) => referenced.has(position + module.importedFunctions));
  for (const { references } of facts) {
    for (const index of references) {
      if (index >= module.importedFunctions) fromOutside[index - module.importedFunctions] = true;
    }
  }
  const order = orderBottomUp(module, facts);
  const bound = new Array<number | undefined>(facts.length).fill(undefined);
  for (const position of order) {
    const most = fromOutside[position] === true ? MAX_UNKNOWN : MAX_UNCHECKED;
    bound[position] = boundOf(module, facts[position], bound, most);
  }
  return { facts, bound, quiet: findQuiet(module, facts), fromOutside, order };
}

/** Positions, callees before callers as far as recursion lets them. The walk keeps its own stack: call chains can be long. */
function orderBottomUp({ importedFunctions }: WasmModule, facts: readonly FunctionFacts[]): number[] {
  const isMet = new Uint8Array(facts.length);
  const progress = new Int32Array(facts.length);
  const order: number[] = [];
  const stack: number[] = [];
  for (let root = 0; root < facts.length; root += 1) {
    if (isMet[root] === 1) continue;
    isMet[root] = 1;
    stack.push(root);
    while (stack.length > 0) {
      const position = stack[stack.length - 1] ?? 0;
      const next = nextUnmet(facts[position], importedFunctions, isMet, progress, position);
      if (next < 0) {
        order.push(position);
        stack.pop();
      } else {
        isMet[next] = 1;
        stack.push(next);
      }
    }
  }
  return order;
}

/** The next callee of a function that nobody has come to, or -1. */
function nextUnmet(
  facts: FunctionFacts | undefined,
  importedFunctions: number,
  isMet: Uint8Array,
  progress: Int32Array,
  position: number,
): number {
  const callees = facts?.callees ?? [];
  for (let next = progress[position] ?? 0; next < callees.length; next += 1) {
    const callee = (callees[next] ?? 0) - importedFunctions;
    if (isMet[callee] !== 0) continue;
    progress[position] = next + 1;
    return callee;
  }
  progress[position] = callees.length;
  return -1;
}

/** What reaches a function that is not quiet is not quiet either: spreads from callees to callers. */
function findQuiet(module: WasmModule, facts: readonly FunctionFacts[]): boolean[] {
  const { first, to } = turned(allCalls(module, facts));
  const quiet = facts.map(({ callsOut, exceptions, panics }) => !callsOut && !exceptions && !panics);
  const loud: number[] = [];
  for (let position = 0; position < quiet.length; position += 1) if (!quiet[position]) loud.push(position);
  for (let next = loud.pop(); next !== undefined; next = loud.pop()) {
    for (let edge = first[next] ?? 0; edge < (first[next + 1] ?? 0); edge += 1) {
      const caller = to[edge] ?? 0;
      if (!quiet[caller]) continue;
      quiet[caller] = false;
      loud.push(caller);
    }
  }
  return quiet;
}

/** All calls by name, between positions. */
function allCalls({ importedFunctions }: WasmModule, facts: readonly FunctionFacts[]): Graph {
  const first = new Int32Array(facts.length + 1);
  const to = new Int32Array(facts.reduce((sum, { callees }) => sum + callees.length, 0));
  let at = 0;
  for (let position = 0; position < facts.length; position += 1) {
    first[position] = at;
    for (const callee of facts[position]?.callees ?? []) {
      if (callee - importedFunctions >= facts.length) continue; // nobody validated it
      to[at] = callee - importedFunctions;
      at += 1;
    }
  }
  first[facts.length] = at;
  return { first, to };
}

/** A callee behind its caller in the order has no bound yet, which makes its caller unbounded: recursion always meets a check. */
function boundOf(
  module: WasmModule,
  facts: FunctionFacts | undefined,
  bound: readonly (number | undefined)[],
  most: number,
): number | undefined {
  if (facts === undefined || facts.open) return undefined;
  let sum = facts.cost;
  for (const callee of facts.callees) {
    const cost = bound[callee - module.importedFunctions];
    if (cost === undefined) return undefined;
    sum += cost;
    if (sum > most) return undefined;
  }
  return sum > most ? undefined : sum;
}
