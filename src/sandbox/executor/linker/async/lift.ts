/**
 * `canon lift` where a component is asynchronous: each call is a task with a thread of its own.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#canon-lift
 */
import { AbiTrap, trapIf } from "../abi-trap.ts";
import { liftResult, lowerParams, runPostReturn } from "../call.ts";
import type { Signature } from "../compile.ts";
import type { CoreFunction, Passage } from "../passage.ts";
import { enterFrom, leave, type Scheduler } from "./scheduler.ts";
import { type Callee, Task, type TaskKind } from "./task.ts";
import { Thread } from "./thread.ts";
import { CANCELLED_EVENT, type Event, NO_EVENT, WaitableSet } from "./waitable.ts";

/** A core function with what its calls need. */
export interface AsyncLifted {
  readonly passage: Passage;
  readonly signature: Signature;
  readonly kind: TaskKind;
  /** Can be suspended, as the callback can. */
  readonly core: () => CoreFunction;
  readonly postReturn: () => CoreFunction | undefined;
  readonly callback: (() => CoreFunction) | undefined;
}

/** What a callback asks for. */
const CODE = { exit: 0, yield: 1, wait: 2 } as const;

/** Makes the component function of `canon lift`. */
export function liftedAsync(parts: AsyncLifted, scheduler: Scheduler): Callee {
  const { passage, signature, kind, callback } = parts;
  const { instance } = passage;

  return async (call) => {
    const entered = enterFrom(instance, call.caller);
    const task = new Task(kind, instance, call, scheduler);
    await scheduler.begin(new Thread(task, (thread) => run(task, thread)));
    if (!kind.isAsync) await scheduler.goOnWithin(instance, () => task.isResolved);
    leave(entered);
    return (caller) => task.requestCancel(caller);
  };

  async function run(task: Task, thread: Thread): Promise<void> {
    if (!(await task.enter(thread))) return;
    const args = task.start();
    instance.borrower = task;
    const flat = lowerParams(passage, signature, args);
    const result = await parts.core()(...flat);
    if (!kind.returnsByItself) {
      task.return(liftResult(passage, signature, result));
      runPostReturn(passage, signature, parts.postReturn(), result);
    } else if (callback !== undefined) {
      await followCallback(callback(), thread, Number(result) >>> 0);
    }
    task.exit(thread);
  }

  async function followCallback(turn: CoreFunction, thread: Thread, first: number): Promise<void> {
    for (let packed = first; (packed & 0xf) !== CODE.exit; ) {
      const event = await nextEvent(packed);
      instance.exclusive = thread;
      passage.meter.beforeGuest();
      packed = Number(await turn(...event)) >>> 0;
    }
  }

  /** Others of the instance may run until there is one. */
  async function nextEvent(packed: number): Promise<Event> {
    const isFree = () => instance.exclusive === undefined;
    instance.exclusive = undefined;
    switch (packed & 0xf) {
      case CODE.yield:
        return (await scheduler.giveWay(isFree, true)) ? CANCELLED_EVENT : NO_EVENT;
      case CODE.wait: {
        const set = instance.handles.find(packed >>> 4);
        if (!(set instanceof WaitableSet)) throw new AbiTrap("unknown-handle");
        return waitForEvent(scheduler, set, isFree, true);
      }
      default:
        throw new AbiTrap("unknown-callback-code");
    }
  }
}

/**
 * Waits for an event of a set.
 *
 * @param mayGoOn what must be so besides
 */
export async function waitForEvent(
  scheduler: Scheduler,
  set: WaitableSet,
  mayGoOn: () => boolean,
  isCancellable: boolean,
): Promise<Event> {
  set.waiting += 1;
  const cancelled = await scheduler.waitUntil(() => mayGoOn() && set.hasEvent, isCancellable);
  set.waiting -= 1;
  return cancelled ? CANCELLED_EVENT : set.takeEvent();
}

/**
 * Runs core code that is no call of a component function: a start function, a destructor.
 *
 * @param instance whose code it is
 * @param core the code, with its arguments
 */
export async function runWithin(
  scheduler: Scheduler,
  instance: Passage["instance"],
  caller: Passage["instance"] | undefined,
  core: () => unknown,
): Promise<void> {
  const kind: TaskKind = {
    isAsync: false,
    returnsByItself: false,
    hasCallback: false,
    result: null,
    liftOptions: "",
  };
  const call = { start: () => [], resolve: () => undefined, caller };
  const entered = enterFrom(instance, caller);
  const task = new Task(kind, instance, call, scheduler);
  const thread = new Thread(task, async () => {
    trapIf(!(await task.enter(thread)), "cannot-enter-instance");
    task.start();
    await core();
    task.return(undefined);
    task.exit(thread);
  });
  await scheduler.begin(thread);
  await scheduler.goOnWithin(instance, () => task.isResolved);
  leave(entered);
}
