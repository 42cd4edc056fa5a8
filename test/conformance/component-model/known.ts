/** Assertions that are known not to hold, by script and line, and why that is so. */

/** Lines of one script that share a reason. */
export interface Known {
  readonly script: string;
  readonly lines: readonly number[];
  readonly why: string;
}

/** One about whose turn it is, and one of a component that is accepted although it is invalid, which is without effect. */
export const KNOWN: readonly Known[] = [
  {
    script: "async/sync-streams.wast",
    lines: [208],
    why: "the script has a call begin at once whose instance is still taken by a task that may go on; here, as in the specification's own program, it begins when that one has",
  },
  {
    script: "validation/annotated-names.wast",
    lines: [176],
    why: "a resource that is put into an instance under a name is the resource itself, which has a name there",
  },
];
