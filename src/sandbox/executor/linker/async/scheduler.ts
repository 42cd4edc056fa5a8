/**
 * Whose turn it is in one run. Threads of the guest run one at a time, as their calls and returns have it; where all
 * stand still, what the host has done meanwhile is given to them, in the order in which it came, and then the thread
 * that has waited longest of those that may go on. Nothing here depends on time or chance: a run that is given the
 * same inputs in the same order does the same again.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#embedding
 */
import { TASK_SWITCH_COST, WAITING_TASK_COST } from "../../../../core/metering/host/index.ts";
import type { RunGuard } from "../../guard.ts";
import { AbiTrap, trapIf } from "../abi-trap.ts";
import type { ComponentInstance } from "../component-instance.ts";
import type { BorderMeter } from "../meter.ts";
import type { Thread } from "./thread.ts";

/** Work of the host that a guest may wait for. */
export interface HostWork {
  /**
   * Notes that work is under way.
   *
   * @param done called with what came of it, when no code of the guest runs
   * @param failed the same for a failure; without it, a failure is the run's
   */
  underWay<T>(work: Promise<T>, done: (value: T) => void, failed?: (error: unknown) => void): void;
}

/** What a scheduler needs of its run. */
export interface SchedulerPowers {
  readonly guard: RunGuard;
  readonly meter: BorderMeter;
  /** Exchanges the open frames of a profiled run for those of another thread. */
  readonly swapFrames: (frames: number[]) => number[];
  /** Called before a thread begins: no frame of the guest's is under its first. */
  readonly resetDepth: () => void;
}

/** Threads that one run may have at once: each has a stack. */
export const MOST_THREADS = 1000;

/** The scheduler of one run. */
export class Scheduler implements HostWork {
  readonly #powers: SchedulerPowers;
  /** All that have begun and not ended. */
  readonly #threads = new Set<Thread>();
  /** Those that wait, the one that began to first. */
  readonly #waiting = new Set<Thread>();
  #current: Thread | undefined;
  /** What the host has done, and has not been told to the guest. */
  readonly #done: (() => void)[] = [];
  #underWay = 0;
  #wake: (() => void) | undefined;

  constructor(powers: SchedulerPowers) {
    this.#powers = powers;
  }

  /** The thread that runs. */
  get current(): Thread {
    if (this.#current === undefined) throw new TypeError("No thread runs");
    return this.#current;
  }

  /** Whether the thread that runs is one of an instance's: not so in a `realloc` that another's call needs. */
  isCurrentOf(instance: ComponentInstance): boolean {
    return this.#current?.task.instance === instance;
  }

  /** Whether no thread is left. */
  get isIdle(): boolean {
    return this.#threads.size === 0;
  }

  /** Lets a new thread begin. @returns when it stands still */
  begin(thread: Thread): Promise<void> {
    const { guard } = this.#powers;
    if (this.#threads.size >= MOST_THREADS) {
      guard.stop({ kind: "exhausted", budget: "concurrent_calls" });
      guard.trap();
    }
    this.#threads.add(thread);
    void thread.ended.then(() => this.#threads.delete(thread));
    this.#powers.resetDepth();
    return this.resume(thread);
  }

  /** Lets a thread go on. @returns when it stands still */
  async resume(thread: Thread, cancelled = false): Promise<void> {
    const { meter, swapFrames } = this.#powers;
    meter.charge(TASK_SWITCH_COST);
    meter.beforeGuest();
    thread.isReady = undefined;
    this.#waiting.delete(thread);
    const before = this.#current;
    const frames = swapFrames(thread.frames);
    this.#current = thread;
    try {
      await thread.goOn(cancelled);
    } finally {
      this.#current = before;
      thread.frames = swapFrames(frames);
    }
  }

  /**
   * Has the thread that runs wait.
   *
   * @param isReady whether it may go on
   * @param isCancellable whether a cancellation of its task ends the wait
   * @returns whether one did
   */
  waitUntil(isReady: () => boolean, isCancellable: boolean): boolean | Promise<boolean> {
    const { task } = this.current;
    if (task.deliverPendingCancel(isCancellable)) return true;
    return isReady() ? false : this.#stand(isReady, isCancellable);
  }

  /** Has the thread that runs give way to others, once. @returns whether its task was cancelled */
  giveWay(isReady: () => boolean, isCancellable: boolean): boolean | Promise<boolean> {
    const { task } = this.current;
    if (task.deliverPendingCancel(isCancellable)) return true;
    return this.#stand(isReady, isCancellable);
  }

  underWay<T>(work: Promise<T>, done: (value: T) => void, failed?: (error: unknown) => void): void {
    this.#underWay += 1;
    const arrive = (tell: () => void) => {
      this.#done.push(() => {
        this.#underWay -= 1;
        tell();
      });
      this.#wake?.();
    };
    work.then(
      (value) => arrive(() => done(value)),
      (error: unknown) =>
        arrive(() => {
          if (failed === undefined) throw error;
          failed(error);
        }),
    );
  }

  /**
   * Goes on, from outside of all threads, until something is so.
   *
   * @returns false when nothing can go on before that: all wait for what never comes
   */
  async goOnUntil(isSo: () => boolean): Promise<boolean> {
    const { guard, meter } = this.#powers;
    while (!isSo()) {
      meter.beforeGuest();
      const tell = this.#done.shift();
      if (tell !== undefined) {
        tell();
        continue;
      }
      const thread = this.#firstReady(this.#waiting);
      if (thread !== undefined) {
        await this.#turnOf(thread);
        continue;
      }
      if (this.#underWay === 0) return false;
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await guard.whileIdle(promise);
      this.#wake = undefined;
    }
    return true;
  }

  /**
   * Goes on within a call of a function that is not asynchronous: with threads of its own instance that may share its
   * stack, and nobody else's.
   *
   * @throws AbiTrap when none can
   */
  async goOnWithin(instance: ComponentInstance, isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      const thread = this.#firstReady(
        this.#waiting,
        (it) => it.task.instance === instance && !(it.task.needsExclusive && it === it.task.first),
      );
      if (thread === undefined) throw new AbiTrap("blocked-in-synchronous-task");
      await this.resume(thread);
    }
  }

  /** Ends every thread where it stands. @returns when all that could be have been unwound */
  async endAll(): Promise<void> {
    const error = new WebAssembly.RuntimeError("the run is over");
    const unwound = [...this.#threads].filter((thread) => thread.unwind(error));
    await Promise.all(unwound.map(({ ended }) => ended));
  }

  async #turnOf(thread: Thread): Promise<void> {
    const { instance } = thread.task;
    const entered = enterFrom(instance, undefined);
    await this.resume(thread);
    leave(entered);
  }

  #stand(isReady: () => boolean, isCancellable: boolean): Promise<boolean> {
    const thread = this.current;
    thread.isReady = isReady;
    thread.isCancellable = isCancellable;
    this.#waiting.add(thread);
    return thread.standStill().finally(() => {
      thread.isCancellable = false;
    });
  }

  #firstReady(threads: Iterable<Thread>, may: (thread: Thread) => boolean = () => true): Thread | undefined {
    let looked = 0;
    try {
      for (const thread of threads) {
        looked += 1;
        if (thread.isReady?.() === true && may(thread)) return thread;
      }
      return undefined;
    } finally {
      this.#powers.meter.charge(looked * WAITING_TASK_COST);
    }
  }
}

/**
 * Enters an instance, and those that it lies in, as far as the caller is not in them already.
 *
 * @returns what was entered, for {@link leave}
 * @throws AbiTrap when code of one of them is under way
 */
export function enterFrom(
  instance: ComponentInstance,
  caller: ComponentInstance | undefined,
): readonly ComponentInstance[] {
  const entered = enteringSet(instance, caller);
  for (const each of entered) trapIf(!each.mayEnter, "cannot-enter-instance");
  for (const each of entered) each.mayEnter = false;
  return entered;
}

/** Whether {@link enterFrom} would be let in. */
export function mayEnterFrom(instance: ComponentInstance, caller: ComponentInstance | undefined): boolean {
  return enteringSet(instance, caller).every(({ mayEnter }) => mayEnter);
}

/** Leaves what was entered. */
export function leave(entered: readonly ComponentInstance[]): void {
  for (const each of entered) each.mayEnter = true;
}

function enteringSet(
  instance: ComponentInstance,
  caller: ComponentInstance | undefined,
): readonly ComponentInstance[] {
  const inside = new Set(caller === undefined ? [] : lineOf(caller));
  return lineOf(instance).filter((each) => !inside.has(each));
}

function lineOf(instance: ComponentInstance): readonly ComponentInstance[] {
  const line: ComponentInstance[] = [];
  for (let at: ComponentInstance | undefined = instance; at !== undefined; at = at.parent) line.push(at);
  return line;
}
