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

/** Gathers the facts of one body, stop by stop. */
export class FactsCollector {
  readonly #importedFunctions: number;
  readonly #callees: number[] = [];
  readonly #successors: number[] = [];
  readonly #references: number[] = [];
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
          this.#callees.push(first);
          if (opcode === OP.returnCall) this.#successors.push(first);
        }
        break;
      case OP.refFunc:
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
      callees: this.#callees,
      successors: this.#successors,
      references: this.#references,
    };
  }
}

/**
 * Orders functions bottom-up and finds the bounded ones. The walk keeps its own stack: call chains can be long.
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
  const bound = new Array<number | undefined>(facts.length).fill(undefined);
  const state = new Uint8Array(facts.length); // 0 new, 1 on the stack, 2 done
  const order: number[] = [];
  for (let root = 0; root < facts.length; root += 1) {
    if (state[root] !== 0) continue;
    const stack = [root];
    const progress = [0];
    state[root] = 1;
    while (stack.length > 0) {
      const top = stack.length - 1;
      const position = stack[top] ?? 0;
      const callees = facts[position]?.callees ?? [];
      const next = progress[top] ?? 0;
      if (next < callees.length) {
        progress[top] = next + 1;
        const callee = (callees[next] ?? 0) - module.importedFunctions;
        if (state[callee] === 0) {
          state[callee] = 1;
          stack.push(callee);
          progress.push(0);
        }
        continue;
      }
      stack.pop();
      progress.pop();
      state[position] = 2;
      order.push(position);
      const most = fromOutside[position] === true ? MAX_UNKNOWN : MAX_UNCHECKED;
      bound[position] = boundOf(module, facts[position], bound, most);
    }
  }
  return { facts, bound, quiet: findQuiet(module, facts), fromOutside, order };
}

/** What reaches a function that is not quiet is not quiet either: spreads from callees to callers. */
function findQuiet(module: WasmModule, facts: readonly FunctionFacts[]): boolean[] {
  const callers = facts.map((): number[] => []);
  const quiet = facts.map(({ callsOut, exceptions, panics }) => !callsOut && !exceptions && !panics);
  facts.forEach(({ callees }, position) => {
    for (const callee of callees) callers[callee - module.importedFunctions]?.push(position);
  });
  const loud = quiet.flatMap((each, position) => (each ? [] : [position]));
  for (let next = loud.pop(); next !== undefined; next = loud.pop()) {
    for (const caller of callers[next] ?? []) {
      if (!quiet[caller]) continue;
      quiet[caller] = false;
      loud.push(caller);
    }
  }
  return quiet;
}

/** A callee on the stack has no bound yet, which makes its caller unbounded: recursion always meets a check. */
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
