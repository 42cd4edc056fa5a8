/**
 * A task: one call of a component function, from its start to its result, and what its threads do after that.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#tasks
 */
import { trapIf } from "../abi-trap.ts";
import type { ComponentInstance } from "../component-instance.ts";
import type { BorrowScope } from "../handles.ts";
import { enterFrom, leave, mayEnterFrom, type Scheduler } from "./scheduler.ts";
import type { Thread } from "./thread.ts";

/** How a call ended: with a value (undefined where the function has no result), or cancelled. */
export type Resolution =
  | { readonly kind: "returned"; readonly value: unknown }
  | { readonly kind: "cancelled" };

/** The caller's side of a call. */
export interface Call {
  /** Gives the arguments, when the callee is about to begin. */
  start(): readonly unknown[];
  /** Takes how it ended; called once. */
  resolve(resolution: Resolution): void;
  /** The instance that calls; undefined for the host. */
  readonly caller: ComponentInstance | undefined;
}

/** Asks a callee to give up. @returns when it stands still, by then resolved or not */
export type Cancel = (caller: ComponentInstance) => void | Promise<void>;

/** A component function as others call it. @returns when it stands still */
export type Callee = (call: Call) => Cancel | Promise<Cancel>;

/** What a task is a call of. */
export interface TaskKind {
  /** Whether the function's type is asynchronous. */
  readonly isAsync: boolean;
  /** Whether it was lifted by the asynchronous ABI, whose result comes by `task.return`. */
  readonly returnsByItself: boolean;
  /** Whether it is lifted with a callback. */
  readonly hasCallback: boolean;
  /** Type of the result, an index of the plan's types. */
  readonly result: number | null;
  /** What `task.return` must agree with: memory and text encoding. */
  readonly liftOptions: string;
}

/** One call under way. */
export class Task implements BorrowScope {
  readonly kind: TaskKind;
  readonly instance: ComponentInstance;
  borrows = 0;
  /** The thread that the call began. */
  first: Thread | undefined;
  /** Those that are under way. */
  readonly threads = new Set<Thread>();
  readonly #call: Call;
  readonly #scheduler: Scheduler;
  #state: "initial" | "started" | "pending-cancel" | "cancel-delivered" | "resolved" = "initial";

  constructor(kind: TaskKind, instance: ComponentInstance, call: Call, scheduler: Scheduler) {
    this.kind = kind;
    this.instance = instance;
    this.#call = call;
    this.#scheduler = scheduler;
  }

  get isResolved(): boolean {
    return this.#state === "resolved";
  }

  /** Whether its first thread runs only while no other such thread of its instance is under way on its stack. */
  get needsExclusive(): boolean {
    const { isAsync, returnsByItself, hasCallback } = this.kind;
    return isAsync && (!returnsByItself || hasCallback);
  }

  /** Waits until the instance takes another task. @returns false when it was cancelled before that */
  async enter(thread: Thread): Promise<boolean> {
    this.first = thread;
    const { instance } = this;
    if (this.kind.isAsync) {
      const isHeldUp = () =>
        instance.backpressure > 0 || (this.needsExclusive && instance.exclusive !== undefined);
      if (isHeldUp() || instance.waitingToEnter > 0) {
        instance.waitingToEnter += 1;
        const cancelled = await this.#scheduler.giveWay(() => !isHeldUp(), true);
        instance.waitingToEnter -= 1;
        if (cancelled) {
          this.cancel();
          return false;
        }
      }
      if (this.needsExclusive) instance.exclusive = thread;
    }
    this.threads.add(thread);
    return true;
  }

  /** Ends its first thread. @throws AbiTrap when it was the last, and no result was given */
  exit(thread: Thread): void {
    this.threads.delete(thread);
    trapIf(this.threads.size === 0 && !this.isResolved, "returned-nothing");
    if (this.needsExclusive) this.instance.exclusive = undefined;
  }

  /** Takes the arguments. */
  start(): readonly unknown[] {
    this.#state = "started";
    return this.#call.start();
  }

  /** Gives the result. @throws AbiTrap when one was given, or something borrowed is still held */
  return(value: unknown): void {
    trapIf(this.isResolved, "returned-twice");
    trapIf(this.borrows > 0, "borrowed-handle-not-dropped");
    this.#call.resolve({ kind: "returned", value });
    this.#state = "resolved";
  }

  /** Gives up, as it was asked to. @throws AbiTrap when it was not, or something borrowed is still held */
  cancel(): void {
    trapIf(this.#state !== "cancel-delivered", "cancelled-without-being-asked");
    trapIf(this.borrows > 0, "borrowed-handle-not-dropped");
    this.#call.resolve({ kind: "cancelled" });
    this.#state = "resolved";
  }

  /** Tells the guest, where it may be told, that its caller wants no result any more. @returns whether it was */
  deliverPendingCancel(isCancellable: boolean): boolean {
    if (!isCancellable || this.#state !== "pending-cancel") return false;
    this.#state = "cancel-delivered";
    return true;
  }

  /** Asks it to give up. @returns when it stands still */
  async requestCancel(caller: ComponentInstance): Promise<void> {
    const { first, instance } = this;
    if (this.#state === "initial") {
      this.#state = "cancel-delivered";
      if (first !== undefined) await this.#scheduler.resume(first, true);
      return;
    }
    const thread = [...this.threads].find((each) => each.isCancellable && !this.#isLockedOut(each));
    if (thread === undefined || !mayEnterFrom(instance, caller)) {
      this.#state = "pending-cancel";
      return;
    }
    this.#state = "cancel-delivered";
    const entered = enterFrom(instance, caller);
    await this.#scheduler.resume(thread, true);
    leave(entered);
  }

  #isLockedOut(thread: Thread): boolean {
    const { exclusive } = this.instance;
    return this.needsExclusive && thread === this.first && exclusive !== undefined && exclusive !== thread;
  }
}
