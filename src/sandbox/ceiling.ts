/**
 * How much writable memory the kernel lets one executor have: what it had before its runs began, what they were granted, and
 * a little more. It is the kernel that refuses, at the moment of asking, so nobody has to be quick; an engine that is
 * refused memory ends its process, and `link.ts` says then what that means to each run.
 *
 * INVARIANT: what is let begin has room: where there is too little the limit is raised first, and whoever begins waits for
 * it. Each change costs a process, so a limit is changed when it is off by some megabytes, and one that is higher than
 * it needs to be is kept for a second: an executor is held to the most that its runs were granted in that time.
 */
import type { Clock, ProcessView } from "../ports/index.ts";

const MIB = 1024 * 1024;
/**
 * What there is to be beyond what is needed: where there is less nothing begins. Lifting all that may be lifted takes an engine
 * that has just started up to 57 MiB (Deno), and less of one that has more to spare: it is to end by its own budget.
 */
const LEAST_SPARE_BYTES = 36 * MIB;
/** Less than this is mended, more than the other too, and then it is between them. */
const LOW_SPARE_BYTES = 52 * MIB;
const SPARE_BYTES = 60 * MIB;
const HIGH_SPARE_BYTES = 66 * MIB;
const LINGER_MS = 1000;

/** The limit of one executor. */
export interface Ceiling {
  /**
   * Sets the first one; until then there is none, and {@link Ceiling.settle} asks for none.
   *
   * @returns once the kernel has it, or at once where there is none to be had
   */
  begin(bytes: number): Promise<void>;
  /**
   * Something changed of what is needed, or may have.
   *
   * @param bytes what it has to be let have, without what is spare
   * @param soonBytes taken along where the limit is raised anyway
   * @param of `idle`: nothing runs, and what it has for the host's own work it may keep for as long; `next`: the only run begins
   *   now, and is not to find a limit that is to be lowered; `runs`: some are under way
   * @returns undefined where there is room; else resolves when that is to be asked again
   */
  settle(bytes: number, soonBytes: number, of: "idle" | "next" | "runs"): Promise<void> | undefined;
}

/**
 * @param failed told when the kernel does not take a limit: the process is gone, or is to be given nothing any more
 */
export function createCeiling(
  { limitWritable }: Pick<ProcessView, "limitWritable">,
  clock: Clock,
  failed: () => void,
): Ceiling {
  const none = Number.POSITIVE_INFINITY;
  /** What the kernel has, what it is being told, and what it is to have in the end. */
  let limit = none;
  let told = none;
  let wanted = none;
  let setting: Promise<void> | undefined;
  /** When it was last as high as it needs to be, and no higher. */
  let neededAtMs = Number.NEGATIVE_INFINITY;

  async function set(): Promise<void> {
    while (limit !== wanted) {
      told = wanted;
      const isSet = limitWritable !== undefined && (await limitWritable(told));
      // What it has now nobody knows: nothing is asked of it any more.
      if (!isSet) {
        told = none;
        wanted = none;
        failed();
      }
      limit = told;
    }
    setting = undefined;
  }

  function want(bytes: number): Promise<void> {
    wanted = bytes;
    setting ??= set();
    return setting;
  }

  return {
    async begin(bytes) {
      if (limitWritable !== undefined) await want(bytes + SPARE_BYTES);
    },
    settle(bytes, soonBytes, of) {
      if (wanted === none) return undefined;
      const nowMs = clock.monotonicMs();
      if (of !== "idle" && wanted <= bytes + soonBytes + HIGH_SPARE_BYTES) neededAtMs = nowMs;
      if (wanted < bytes + LOW_SPARE_BYTES) void want(bytes + soonBytes + SPARE_BYTES);
      else if (of !== "idle" && nowMs - neededAtMs >= LINGER_MS) void want(bytes + SPARE_BYTES);
      const isTooLow = Math.min(limit, told, wanted) < bytes + LEAST_SPARE_BYTES;
      const isTooHigh = of === "next" && limit > wanted;
      return isTooLow || isTooHigh ? setting : undefined;
    },
  };
}
