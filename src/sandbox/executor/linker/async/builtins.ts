/**
 * The canonical built-ins of the asynchronous ABI: over tasks, and over what they wait for. Those that may wait give a
 * promise where they do.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#-canon-contextget
 */
import type { TaskBuiltin } from "../../../../core/component/index.ts";
import { AbiTrap, trapIf } from "../abi-trap.ts";
import { liftReturned } from "../call.ts";
import type { Signature } from "../compile.ts";
import type { ComponentInstance } from "../component-instance.ts";
import type { CoreFunction, Passage } from "../passage.ts";
import { BLOCKED } from "./ends.ts";
import { waitForEvent } from "./lift.ts";
import type { Scheduler } from "./scheduler.ts";
import { Subtask } from "./subtask.ts";
import { CANCELLED_EVENT, type Event, NO_EVENT, Waitable, WaitableSet } from "./waitable.ts";

/** Calls for no further tasks that may be open at once. */
const MOST_BACKPRESSURE = 2 ** 16;

/** Built-ins that may have to wait. */
export const WAITING_BUILTINS: ReadonlySet<TaskBuiltin> = new Set<TaskBuiltin>([
  "subtask.cancel",
  "waitable-set.wait",
  "thread.yield",
]);

/**
 * Makes a built-in over tasks, or what they wait for.
 *
 * @param flag of `subtask.cancel`: does not wait; of the others: a cancellation ends the wait
 * @param passage has the memory where the payloads of an event go
 */
export function taskBuiltin(
  name: TaskBuiltin,
  flag: boolean,
  passage: Passage,
  scheduler: Scheduler,
): CoreFunction {
  const { instance } = passage;
  const act = builtinOf(name, flag, passage, scheduler);
  // Backpressure calls nobody, so it may be changed even where nobody may be called, as in `post-return`.
  if (name.startsWith("backpressure.")) return act;
  return (...args) => {
    instance.requireLeave();
    return act(...args);
  };
}

function builtinOf(name: TaskBuiltin, flag: boolean, passage: Passage, scheduler: Scheduler): CoreFunction {
  const { instance } = passage;
  const { handles } = instance;
  switch (name) {
    case "task.cancel":
      return () => {
        const { task } = scheduler.current;
        trapIf(!task.kind.returnsByItself, "task-is-not-asynchronous");
        task.cancel();
      };
    case "subtask.cancel":
      return (index) => cancelSubtask(subtaskAt(instance, Number(index)), flag, instance, scheduler);
    case "subtask.drop":
      return (index) => {
        subtaskAt(instance, Number(index)).drop();
        handles.release(Number(index));
      };
    case "waitable-set.new":
      return () => handles.add(new WaitableSet());
    case "waitable-set.wait":
      return (index, at) =>
        waitForEvent(scheduler, setAt(instance, Number(index)), () => true, flag).then((event) =>
          writeEvent(passage, Number(at) >>> 0, event),
        );
    case "waitable-set.poll":
      return (index, at) => {
        const set = setAt(instance, Number(index));
        const isCancelled = scheduler.current.task.deliverPendingCancel(flag);
        const event = isCancelled ? CANCELLED_EVENT : set.hasEvent ? set.takeEvent() : NO_EVENT;
        return writeEvent(passage, Number(at) >>> 0, event);
      };
    case "waitable-set.drop":
      return (index) => {
        setAt(instance, Number(index)).requireUnused();
        handles.release(Number(index));
      };
    case "waitable.join":
      return (index, set) => {
        const waitable = handles.find(Number(index));
        if (!(waitable instanceof Waitable)) throw new AbiTrap("unknown-handle");
        waitable.join(Number(set) === 0 ? undefined : setAt(instance, Number(set)));
      };
    case "thread.yield":
      return async () => ((await scheduler.giveWay(() => true, flag)) ? 1 : 0);
    case "backpressure.set":
      return (isOn) => {
        instance.backpressure = Number(isOn) === 0 ? 0 : 1;
      };
    case "backpressure.inc":
      return () => {
        instance.backpressure += 1;
        trapIf(instance.backpressure >= MOST_BACKPRESSURE, "too-much-backpressure");
      };
    case "backpressure.dec":
      return () => {
        trapIf(instance.backpressure === 0, "backpressure-below-zero");
        instance.backpressure -= 1;
      };
  }
}

async function cancelSubtask(
  subtask: Subtask,
  isAsync: boolean,
  instance: ComponentInstance,
  scheduler: Scheduler,
): Promise<number> {
  trapIf(subtask.isDelivered, "subtask-already-resolved");
  trapIf(subtask.isCancelRequested, "subtask-already-cancelled");
  trapIf(subtask.isInSet && !isAsync, "waitable-is-in-set");
  if (!subtask.isResolved) {
    subtask.isCancelRequested = true;
    await subtask.cancel?.(instance);
    if (!subtask.isResolved) {
      if (isAsync) return BLOCKED;
      await waitForOne(subtask, scheduler);
    }
  }
  return subtask.takeEvent()[2];
}

/** Waits for what happens to one waitable that is in no set. */
export async function waitForOne(waitable: Waitable, scheduler: Scheduler): Promise<void> {
  waitable.hasSyncWaiter = true;
  await scheduler.waitUntil(() => waitable.hasEvent, false);
  waitable.hasSyncWaiter = false;
}

/**
 * `task.return`: what a task has for an answer.
 *
 * @param liftOptions what the task's own must be; undefined where they do not matter
 */
export function taskReturn(
  passage: Passage,
  result: number | null,
  liftOptions: string | undefined,
  signature: Signature,
  scheduler: Scheduler,
): CoreFunction {
  const { instance } = passage;
  return (...flat) => {
    instance.requireLeave();
    const { task } = scheduler.current;
    trapIf(!task.kind.returnsByItself, "task-is-not-asynchronous");
    trapIf(task.isResolved, "returned-twice");
    trapIf(task.kind.result !== result, "returned-another-type");
    trapIf(liftOptions !== undefined && task.kind.liftOptions !== liftOptions, "returned-by-other-options");
    task.return(liftReturned(passage, signature, flat));
  };
}

/** `context.get` and `context.set`: two words of the thread that runs, and of none while another instance's does. */
export function contextBuiltin(
  what: "context.get" | "context.set",
  slot: number,
  instance: ComponentInstance,
  scheduler: Scheduler,
): CoreFunction {
  trapIf(slot > 1, "no-such-context");
  const index = slot === 0 ? 0 : 1;
  const isOwn = () => scheduler.isCurrentOf(instance);
  if (what === "context.get") return () => (isOwn() ? scheduler.current.storage[index] : 0);
  return (value) => {
    if (isOwn()) scheduler.current.storage[index] = Number(value) | 0;
  };
}

function subtaskAt(instance: ComponentInstance, index: number): Subtask {
  const found = instance.handles.find(index);
  if (found instanceof Subtask) return found;
  throw new AbiTrap("unknown-handle");
}

function setAt(instance: ComponentInstance, index: number): WaitableSet {
  const found = instance.handles.find(index);
  if (found instanceof WaitableSet) return found;
  throw new AbiTrap("unknown-handle");
}

function writeEvent(passage: Passage, at: number, [code, index, payload]: Event): number {
  passage.refresh();
  passage.require(at, 8, 4);
  passage.view.setUint32(at, index, true);
  passage.view.setUint32(at + 4, payload, true);
  return code;
}
