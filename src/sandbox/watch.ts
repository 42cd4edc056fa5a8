/**
 * Watches one executor from outside while runs are under way in it: how much memory the system says that it holds, and
 * whether something in it computes for long without having to wait. Nothing is asked of the executor itself.
 *
 * What is granted to guests is capped inside; this is for what a guest makes its host hold beside that, and for an
 * executor that is no longer ours.
 */
import type { Clock, ProcessView } from "../ports/index.ts";

/** How often it looks where there is room. */
const TICK_MS = 8;
/** How often where there is little: what is taken between two looks is what an executor can hold beyond all allowance. */
const SHORT_TICK_MS = 1;
/** What a processor fills in a millisecond, about, when the system has to find every page. */
const FILLED_BYTES_PER_MS = 4 * 1024 * 1024;
/** What an executor may hold beyond its runs' grants: objects of the host, code that was just compiled. */
const ALLOWANCE_BYTES = 48 * 1024 * 1024;
/** What ended runs may have left for the collector, at most, when the runs that are left are measured. */
const MOST_LEFT_BEHIND_BYTES = 256 * 1024 * 1024;
/** What a component takes of an executor that loads it, as a multiple of its bytes: text, code, and what compiling needs. */
const LOADED_TIMES = 10;
/** Computing for as long without waiting makes an executor give way to others. */
const LONG_TURN_MS = 40;

/** A run as the watch needs to know it. */
export interface Watched {
  readonly memoryBytes: number;
  readonly waiting: boolean;
  /** When it began to compute, where it does; monotonic. */
  readonly computingSinceMs: number;
}

/** The watch over one executor. */
export interface Watch {
  began(): void;
  ended(run: Watched): void;
  /** It is given a component of so many bytes: the host's own work, which is no run's, whoever is under way meanwhile. */
  loads(bytes: number): void;
  /** It has loaded it. */
  loaded(bytes: number): void;
  /** The executor said something: what computed may have ended, or wait. */
  heard(): void;
  /** It is to hear something, soon: until it has said something it does not give way. */
  hurry(): void;
  /** It gives way to other processes and cannot be told to do so no longer. */
  readonly slowed: boolean;
}

/**
 * @param runs those under way
 * @param exceeded told when they hold more than they were granted, and which one it must be when that can be said
 * @param isCrowded whether there is anybody to give way to; default: there is
 */
export function createWatch<R extends Watched>(
  view: ProcessView,
  clock: Clock,
  runs: () => Iterable<R>,
  exceeded: (culprit: R | undefined) => void,
  isCrowded: () => boolean = () => true,
): Watch {
  let ticking = false;
  let yields = false;
  let slowed = false;
  let hurried = false;
  /** Runs that the last tick saw; while one of them is under way, memory is measured against the same floor. */
  let seen = new Set<R>();
  let floorBytes = 0;
  let leftBehindBytes = 0;
  /** What components that are on their way may take. */
  let loadingBytes = 0;

  function schedule(afterMs = TICK_MS): void {
    if (ticking) return;
    ticking = true;
    clock.after(afterMs, tick);
  }

  function tick(): void {
    ticking = false;
    const present = new Set(runs());
    if (present.size === 0) {
      seen = present;
      return;
    }
    const room = measure(present);
    if (!isCrowded()) restore();
    else if (!yields && !hurried && computesForLong(present)) yields = view.yieldToOthers(true);
    seen = present;
    schedule(Math.max(SHORT_TICK_MS, Math.min(TICK_MS, Math.floor(room / FILLED_BYTES_PER_MS))));
  }

  /** @returns bytes that they may still take, where that is known */
  function measure(present: ReadonlySet<R>): number {
    const bytes = view.residentBytes();
    if (bytes === undefined) return Number.POSITIVE_INFINITY;
    let granted = 0;
    for (const { memoryBytes } of present) granted += memoryBytes;
    if (![...present].some((run) => seen.has(run))) {
      // All of them began since the last look: what is there by now is what others left, and their first moments.
      floorBytes = bytes;
      leftBehindBytes = 0;
      return granted + ALLOWANCE_BYTES;
    }
    // An executor that never says that it has loaded gains no more than this.
    const others = Math.min(leftBehindBytes + loadingBytes, MOST_LEFT_BEHIND_BYTES);
    const most = floorBytes + granted + others + ALLOWANCE_BYTES;
    if (bytes <= most) return most - bytes;
    const computing = [...present].filter(({ waiting }) => !waiting);
    exceeded(present.size === 1 ? [...present][0] : computing.length === 1 ? computing[0] : undefined);
    return 0;
  }

  function computesForLong(present: Iterable<R>): boolean {
    const before = clock.monotonicMs() - LONG_TURN_MS;
    for (const { waiting, computingSinceMs } of present)
      if (!waiting && computingSinceMs < before) return true;
    return false;
  }

  function restore(): void {
    if (!yields) return;
    yields = false;
    slowed ||= !view.yieldToOthers(false);
  }

  return {
    began: () => schedule(),
    ended({ memoryBytes }) {
      leftBehindBytes += memoryBytes;
    },
    loads(bytes) {
      loadingBytes += LOADED_TIMES * bytes;
    },
    loaded(bytes) {
      loadingBytes -= LOADED_TIMES * bytes;
      leftBehindBytes += LOADED_TIMES * bytes;
    },
    heard() {
      hurried = false;
      if (!computesForLong(runs())) restore();
    },
    hurry() {
      hurried = true;
      restore();
    },
    get slowed() {
      return slowed;
    },
  };
}
