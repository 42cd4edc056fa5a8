/**
 * Watches one executor from outside while runs are under way in it: how much memory the system says that it holds, and
 * whether something in it computes for long without having to wait. Nothing is asked of the executor itself.
 *
 * What is granted to guests is capped inside; this is for what a guest makes its host hold beside that, and for an
 * executor that is no longer ours. Where the kernel can be told how much it may have, it is told so before a run
 * begins, and refuses more by itself (`ceiling.ts`); looking is for what it does not count, and where it can not be told.
 */
import type { Clock, ProcessMemory, ProcessView } from "../ports/index.ts";
import { createCeiling } from "./ceiling.ts";

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
/** What a run's own stack takes of an executor's memory; engines set it aside whole. */
const STACK_BYTES = 1024 * 1024;
/** What the host keeps for a run beside its memories and stacks: instances, handles, their functions. Thousands may wait at once. */
const KEPT_BYTES = 512 * 1024;
/** Room from the start, for the first run that comes: an ordinary one then waits for no more. */
const FIRST_ROOM_BYTES = 66 * 1024 * 1024;
/** What ended runs may have left before the floor is looked at again. */
const MOST_UNSEEN_BYTES = 8 * 1024 * 1024;
/** What an executor may hold when nothing runs in it: code, and instances for later runs, of all components that it has run. */
const MOST_AT_REST_BYTES = 1024 * 1024 * 1024;
/** A floor of the writable memory that is older is looked at again. */
const FLOOR_LASTS_MS = 100;
/** Computing for as long without waiting makes an executor give way to others. */
const LONG_TURN_MS = 40;

/** A run as the watch needs to know it. */
export interface Watched {
  readonly memoryBytes: number;
  /** Stacks that it may have at once: as many as tasks. */
  readonly stacks: number;
  readonly waiting: boolean;
  /** When it began to compute, where it does; monotonic. */
  readonly computingSinceMs: number;
}

/** The watch over one executor. */
export interface Watch<R extends Watched> {
  /** The process is there, and nothing runs in it. Resolves once the kernel bounds its memory, where it can. */
  ready(): Promise<void>;
  /** Asked just before a run begins. @returns undefined where it may; else resolves when to ask again */
  roomFor(run: R): Promise<void> | undefined;
  began(run: R): void;
  /**
   * Also of one that never began, which changes nothing.
   *
   * @param leftBytes what its memories had, if it is to be believed, and what is there until it is collected; default all of it
   */
  ended(run: R, leftBytes?: number): void;
  /** None is under way any more. */
  over(): void;
  /**
   * It is to be given a component of so many bytes: the host's own work, which is no run's, whoever is under way meanwhile.
   *
   * @returns undefined where there is room for it; else resolves when there is
   */
  loads(bytes: number): Promise<void> | undefined;
  /** It has loaded it. */
  loaded(bytes: number): void;
  /** The executor said something: what computed may have ended, or wait. */
  heard(): void;
  /** It is to hear something, soon: until it has said something it does not give way. */
  hurry(): void;
  /** It is to be replaced: it gives way to other processes for good, or holds too much when nothing runs in it. */
  readonly worn: boolean;
}

/** Whom a watch tells what. */
export interface WatchOptions<R extends Watched> {
  /** Told when they hold more than they were granted, and which one it must be when that can be said. */
  readonly exceeded: (culprit: R | undefined) => void;
  /** Told when the kernel does not bound its memory as it is asked to: it is to be given nothing any more. */
  readonly unbounded: () => void;
  /** Whether there is anybody to give way to. Default: there is. */
  readonly isCrowded?: () => boolean;
}

/** @param view of the process */
export function createWatch<R extends Watched>(
  view: ProcessView,
  clock: Clock,
  { exceeded, unbounded, isCrowded = () => true }: WatchOptions<R>,
): Watch<R> {
  const ceiling = createCeiling(view, clock, unbounded);
  const runs = new Set<R>();
  let ticking = false;
  let yields = false;
  let worn = false;
  let hurried = false;
  /** Runs that the last tick saw; while one of them is under way, memory is measured against the same floor. */
  let seen = new Set<R>();
  let floorBytes = 0;
  /** Writable memory before they began, and when that was seen. */
  let floorWritableBytes = 0;
  let floorSeenMs = Number.NEGATIVE_INFINITY;
  /** What those under way were granted together, their stacks included. */
  let grantedBytes = 0;
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
    const present = new Set(runs);
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
    const memory = view.memory();
    if (memory === undefined) return Number.POSITIVE_INFINITY;
    const bytes = memory.residentBytes;
    let granted = 0;
    for (const { memoryBytes } of present) granted += memoryBytes;
    if (![...present].some((run) => seen.has(run))) {
      // All of them began since the last look: what is there by now is what others left, and their first moments.
      floorBytes = bytes;
      leftBehindBytes = 0;
      if (present.size > 1 || clock.monotonicMs() - floorSeenMs > FLOOR_LASTS_MS) lookAtFloor(memory);
      void settle();
      return granted + ALLOWANCE_BYTES;
    }
    void settle();
    const most = floorBytes + granted + others() + ALLOWANCE_BYTES;
    if (bytes <= most) return most - bytes;
    const computing = [...present].filter(({ waiting }) => !waiting);
    exceeded(present.size === 1 ? [...present][0] : computing.length === 1 ? computing[0] : undefined);
    return 0;
  }

  /** What is no run's: of those that ended, and of components. One that never says that it has loaded gains no more. */
  function others(): number {
    return Math.min(leftBehindBytes + loadingBytes, MOST_LEFT_BEHIND_BYTES);
  }

  function lookAtFloor(memory: ProcessMemory | undefined): void {
    floorWritableBytes = memory?.writableBytes ?? floorWritableBytes;
    floorSeenMs = clock.monotonicMs();
  }

  /** @param next what is to begin now. @returns undefined where there is room for it */
  function settle(next?: Watched): Promise<void> | undefined {
    const of = runs.size > 0 ? "runs" : next === undefined ? "idle" : "next";
    const granted = grantedBytes + (next === undefined ? 0 : ownBytes(next));
    // Many at once are most likely to be more in a moment: one change for as many again.
    const soonBytes = of === "runs" && next !== undefined ? granted : 0;
    return ceiling.settle(floorWritableBytes + others() + granted, soonBytes, of);
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
    worn ||= !view.yieldToOthers(false);
  }

  return {
    ready() {
      lookAtFloor(view.memory());
      return ceiling.begin(floorWritableBytes + FIRST_ROOM_BYTES);
    },
    roomFor(run) {
      // Where nothing runs: what ended runs left is nobody's, and what comes is the run's from its first moment. Not before each
      // run, for many are shorter than a look.
      const isLongAgo = clock.monotonicMs() - floorSeenMs >= TICK_MS;
      if (runs.size === 0 && (isLongAgo || leftBehindBytes > MOST_UNSEEN_BYTES)) {
        const memory = view.memory();
        lookAtFloor(memory);
        leftBehindBytes = 0;
        worn ||= (memory?.residentBytes ?? 0) > MOST_AT_REST_BYTES;
      }
      return settle(run);
    },
    began(run) {
      runs.add(run);
      grantedBytes += ownBytes(run);
      schedule();
    },
    ended(run, leftBytes = run.memoryBytes) {
      if (!runs.delete(run)) return;
      grantedBytes -= ownBytes(run);
      leftBehindBytes += Math.min(leftBytes, run.memoryBytes);
    },
    over: () => runs.clear(),
    loads(bytes) {
      loadingBytes += LOADED_TIMES * bytes;
      return settle();
    },
    loaded(bytes) {
      loadingBytes -= LOADED_TIMES * bytes;
      leftBehindBytes += LOADED_TIMES * bytes;
    },
    heard() {
      hurried = false;
      if (yields && !computesForLong(runs)) restore();
    },
    hurry() {
      hurried = true;
      restore();
    },
    get worn() {
      return worn;
    },
  };
}

/** What a run may have of an executor's writable memory. */
function ownBytes({ memoryBytes, stacks }: Watched): number {
  return memoryBytes + stacks * STACK_BYTES + KEPT_BYTES;
}
