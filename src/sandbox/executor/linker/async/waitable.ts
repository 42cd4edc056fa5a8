/**
 * What a task can wait for, alone or in sets. An event is there until somebody takes it, and is made when it is taken:
 * taking it may change what it stands for.
 *
 * Sets give events in the order in which they arrived, so that a run which is replayed sees the same order.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#waitable-state
 */
import { trapIf } from "../abi-trap.ts";
import type { TableEntry } from "../handles.ts";

/** What happened, to which index, and how it went. */
export type Event = readonly [code: number, index: number, payload: number];

/** Codes of events. */
export const EVENT = {
  none: 0,
  subtask: 1,
  streamRead: 2,
  streamWrite: 3,
  futureRead: 4,
  futureWrite: 5,
  taskCancelled: 6,
} as const;

/** Nothing happened. */
export const NO_EVENT: Event = [EVENT.none, 0, 0];
/** The caller wants no result any more. */
export const CANCELLED_EVENT: Event = [EVENT.taskCancelled, 0, 0];

/** A subtask, or an end of a stream or future. */
export abstract class Waitable implements TableEntry {
  abstract readonly kind: TableEntry["kind"];
  /** Whether a task waits for this one directly; then it can be in no set. */
  hasSyncWaiter = false;
  #event: (() => Event) | undefined;
  #set: WaitableSet | undefined;

  get isInSet(): boolean {
    return this.#set !== undefined;
  }

  get hasEvent(): boolean {
    return this.#event !== undefined;
  }

  /** Something happened; what happened before and nobody took is replaced. */
  setEvent(event: () => Event): void {
    this.#event = event;
    this.#set?.ready.add(this);
  }

  /** The event, which is there. */
  takeEvent(): Event {
    const event = this.#event;
    if (event === undefined) throw new TypeError("Cannot take an event that is not there");
    this.#event = undefined;
    this.#set?.ready.delete(this);
    return event();
  }

  /** Moves it into a set, or out of the one that it is in. */
  join(set: WaitableSet | undefined): void {
    trapIf(this.hasSyncWaiter, "waitable-is-waited-for");
    this.#set?.members.delete(this);
    this.#set?.ready.delete(this);
    this.#set = set;
    set?.members.add(this);
    if (set !== undefined && this.hasEvent) set.ready.add(this);
  }
}

/** A set of waitables. */
export class WaitableSet implements TableEntry {
  readonly kind = "waitable-set";
  readonly members = new Set<Waitable>();
  /** Those that have an event, in the order in which these arrived. */
  readonly ready = new Set<Waitable>();
  /** Tasks that wait for it. */
  waiting = 0;

  get hasEvent(): boolean {
    return this.ready.size > 0;
  }

  /** The event that is there the longest. */
  takeEvent(): Event {
    const [first] = this.ready;
    if (first === undefined) throw new TypeError("Cannot take an event from a set that has none");
    return first.takeEvent();
  }

  /** @throws AbiTrap when something is in it, or somebody waits for it */
  requireUnused(): void {
    trapIf(this.members.size > 0, "waitable-set-not-empty");
    trapIf(this.waiting > 0, "waitable-set-is-waited-for");
  }
}
