/**
 * The control flow of one function, as charging sees it: regions, and the joints where control passes between them.
 *
 * A region is a run of operators that is left at its end only, by going to one of its successor joints. A joint is a
 * place that control arrives at: a label, the arms of a branch, the operator behind a cut. Several regions may lead
 * to a joint; exactly one region begins there. Joints that share a predecessor are of one class: what has been paid in
 * advance when control leaves a region is the same whichever way it goes.
 */

/** How a region ends: it goes on to successors, leaves the function, throws, or traps. */
export type Ending = "goes" | "leaves" | "throws" | "traps";

/** A run of operators that is left at its end only. */
export interface Region {
  /** Offset of its first operator. */
  offset: number;
  /** The joint it begins at. */
  joint: Joint;
  /** Fixed units of its operators. */
  cost: number;
  /** Units that bounded callees take at most. */
  callees: number;
  /** The function that it ends by calling, where that is not bounded. */
  calls: Callee | undefined;
  /** Only one that goes has successors. */
  ending: Ending;
  /** It has a call, or it leaves, throws or traps: there the word is taken up anyway, and can be charged on the way. */
  carries: boolean;
  /** Its successor joints: a range of {@link Flow.successors}. */
  firstSuccessor: number;
  successorsEnd: number;
  /** The joints that represent the classes before and behind it; none behind one that leaves, throws or traps. */
  before: Joint;
  behind: Joint | undefined;
  /** What it charges, and whether it checks: decided by `charges.ts` and `checks.ts`. */
  charge: number;
  checked: boolean;
}

/** Where control arrives. */
export interface Joint {
  loop: boolean;
  /** An exception may land here, out of any depth. */
  landing: boolean;
  /** The other way in, where an `if` has no else. */
  alias: Joint | undefined;
  /** One of its class that is nearer to the joint that represents it, which has itself here. */
  parent: Joint;
  /** Of the one that represents its class: units paid in advance, and whether a way to an exit is known. */
  potential: number;
  reached: boolean;
  /** Units since the last check; and since the entry on ways without one, or -1 where there are none. */
  since: number;
  sinceEntry: number;
}

/** The joint that represents the class of another. */
export function classOf(joint: Joint): Joint {
  let root = joint;
  while (root.parent !== root) root = root.parent;
  for (let each = joint; each !== root; ) {
    const { parent } = each;
    each.parent = root;
    each = parent;
  }
  return root;
}

/** What charging knows of a callee. */
export interface Callee {
  /** It is bounded: what it costs at most. */
  readonly bound: number | undefined;
  /** Nobody sees the count while it runs, and it does not end the run: what is paid in advance stays unseen. */
  readonly quiet: boolean;
  /** Units it may take before its first check; on a way without one, if there is any; since its last at its return. */
  readonly pre: number;
  readonly through: number | undefined;
  readonly exit: number;
}

/** The flow of one function, until its builder reads the next one. */
export interface Flow {
  /** The first `regionCount` are this flow's, in the order of the code; what is behind them is another's. */
  readonly regions: readonly Region[];
  readonly regionCount: number;
  /** Likewise. */
  readonly joints: readonly Joint[];
  readonly jointCount: number;
  /** Ranges of it belong to regions; what no range holds is another flow's. */
  readonly successors: readonly Joint[];
  /** Where nothing may be paid in advance: behind calls that are not quiet, and where exceptions land. */
  readonly barriers: readonly Joint[];
  /** Offsets of block, loop and try operators whose label an exception may land on. */
  readonly landings: ReadonlySet<number>;
  /** Offsets of loop operators that hold nothing but plain operators and branches: where a turn is short. */
  readonly tightLoops: ReadonlySet<number>;
  /** Something branches to the function's own label, be it in dead code. */
  readonly outerTargeted: boolean;
  readonly outerLanding: boolean;
}
