/**
 * A call that an instance has made and that may outlast the core function that made it: who made it waits for it, or
 * is told by an event.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#subtask-state
 */
import { trapIf } from "../abi-trap.ts";
import type { Handle } from "../handles.ts";
import type { Cancel, Resolution } from "./task.ts";
import { Waitable } from "./waitable.ts";

/** How far a call has come. */
export const SUBTASK = {
  starting: 0,
  started: 1,
  returned: 2,
  cancelledBeforeStarted: 3,
  cancelledBeforeReturned: 4,
} as const;

/** One call, from the caller's side. */
export class Subtask extends Waitable {
  readonly kind = "subtask";
  state: (typeof SUBTASK)[keyof typeof SUBTASK] = SUBTASK.starting;
  /** Set once the callee has been called. */
  cancel: Cancel | undefined;
  isCancelRequested = false;
  /** Core results of a synchronous call. */
  flatResult: unknown;
  /** Handles that the call has borrowed; undefined once its caller knows that it has ended. */
  #lenders: readonly Handle[] | undefined = [];

  get isResolved(): boolean {
    return this.state >= SUBTASK.returned;
  }

  /** Whether the caller knows that it has ended. */
  get isDelivered(): boolean {
    return this.#lenders === undefined;
  }

  /** The callee has taken its arguments, and with them borrowed these handles. */
  start(lenders: readonly Handle[]): void {
    this.state = SUBTASK.started;
    this.#lenders = lenders;
  }

  /** The callee has come to its end. */
  resolve({ kind }: Resolution): void {
    if (kind === "returned") this.state = SUBTASK.returned;
    else
      this.state =
        this.state === SUBTASK.starting ? SUBTASK.cancelledBeforeStarted : SUBTASK.cancelledBeforeReturned;
  }

  /** The caller learns that it has ended: what was borrowed is its own again. */
  deliver(): void {
    for (const handle of this.#lenders ?? []) handle.lends -= 1;
    this.#lenders = undefined;
  }

  /** @throws AbiTrap while the caller does not know that it has ended */
  drop(): void {
    trapIf(!this.isDelivered, "subtask-not-resolved");
    this.join(undefined);
  }
}
