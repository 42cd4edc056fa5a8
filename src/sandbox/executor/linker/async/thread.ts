/**
 * A thread of a component: code that can be suspended where it waits, and gone on with later. One runs at a time. Who
 * lets a thread go on is told when it stands still again, by then suspended or at its end; until then nobody else
 * runs. Stacks are the engine's: a thread's core code is entered by way of `WebAssembly.promising`.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#threads
 */
import type { Task } from "./task.ts";

/** One thread. */
export class Thread {
  readonly task: Task;
  /** Two words that the guest keeps for itself. */
  readonly storage: [number, number] = [0, 0];
  /** Whether a cancellation of its task may end the present wait. */
  isCancellable = false;
  /** Of a thread that waits: whether it may go on. */
  isReady: (() => boolean) | undefined;
  /** Frames of a profiled run that are open in it, the outermost first. */
  frames: number[] = [];
  /** Resolves when it has come to its end, whatever that is. */
  readonly ended: Promise<void>;
  readonly #body: () => Promise<void>;
  readonly #end = Promise.withResolvers<void>();
  #hasBegun = false;
  #suspended: PromiseWithResolvers<boolean> | undefined;
  #turn: PromiseWithResolvers<void> | undefined;

  constructor(task: Task, body: (thread: Thread) => Promise<void>) {
    this.task = task;
    this.ended = this.#end.promise;
    this.#body = () => body(this);
  }

  /**
   * Lets it go on, or begin.
   *
   * @param cancelled told to the guest where it waits
   * @returns when it stands still; rejects with what its code threw
   */
  goOn(cancelled: boolean): Promise<void> {
    const turn = Promise.withResolvers<void>();
    this.#turn = turn;
    const suspended = this.#suspended;
    this.#suspended = undefined;
    if (suspended !== undefined) suspended.resolve(cancelled);
    else if (!this.#hasBegun) this.#begin();
    else throw new TypeError("Cannot go on with a thread that runs or has ended");
    return turn.promise;
  }

  /** Suspends it. @returns whether a cancellation ended the wait */
  standStill(): Promise<boolean> {
    const suspended = Promise.withResolvers<boolean>();
    this.#suspended = suspended;
    this.#passTurn();
    return suspended.promise;
  }

  /**
   * Ends it where it stands: its stack is unwound, and no code of the guest's sees that.
   *
   * @returns whether it stood still; one that the world keeps waiting can not be ended
   */
  unwind(error: Error): boolean {
    const suspended = this.#suspended;
    this.#suspended = undefined;
    suspended?.reject(error);
    return suspended !== undefined;
  }

  #begin(): void {
    this.#hasBegun = true;
    this.#body().then(
      () => {
        this.#end.resolve();
        this.#passTurn();
      },
      (error: unknown) => {
        this.#end.resolve();
        this.#turn?.reject(error);
      },
    );
  }

  #passTurn(): void {
    const turn = this.#turn;
    this.#turn = undefined;
    turn?.resolve();
  }
}
