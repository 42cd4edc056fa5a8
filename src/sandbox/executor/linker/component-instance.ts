/** The state of one component instance during a run. It belongs to one run and ends with it. */

import { AbiTrap, trapIf } from "./abi-trap.ts";
import type { Thread } from "./async/thread.ts";
import { type BorrowScope, type Handle, type HandleQuota, HandleTable } from "./handles.ts";

/** A call into the instance from outside, where nothing is asynchronous. */
export interface SyncTask extends BorrowScope {
  /** Two words that the guest keeps for itself. */
  readonly storage: [number, number];
}

/** One component instance. */
export class ComponentInstance {
  /** Its number in the plan. */
  readonly id: number;
  /** The instance that it lies in. */
  readonly parent: ComponentInstance | undefined;
  readonly handles: HandleTable;
  /** False while the guest runs for us (`realloc`, `post-return`), when it may call nobody. */
  mayLeave = true;
  /** The call that is under way, or the instance's own start; where nothing is asynchronous. */
  task: SyncTask = { borrows: 0, storage: [0, 0] };
  /** The call that borrows what is lent to the instance now. */
  borrower: BorrowScope = this.task;
  /** Import calls that have not been answered: the guest is suspended in them. */
  waiting = 0;
  /** Handles that the import call under way has borrowed. */
  lent: Handle[] = [];
  #entered = false;

  /** Asynchronous: false while code of it, or of what it called, is under way. */
  mayEnter = true;
  /** Asynchronous: how often the guest has asked for no further tasks. */
  backpressure = 0;
  /** Asynchronous: tasks that wait to be taken. */
  waitingToEnter = 0;
  /** Asynchronous: the thread that has the instance's stack to itself. */
  exclusive: Thread | undefined;

  /** @param quota what all instances of the run may hold */
  constructor(id: number, parent: ComponentInstance | undefined, quota: HandleQuota) {
    this.handles = new HandleTable(quota);
    this.id = id;
    this.parent = parent;
  }

  /** Begins a call from outside. @throws AbiTrap when one is under way: an instance is never entered twice */
  enter(): SyncTask {
    trapIf(this.#entered, "cannot-enter-instance");
    this.#entered = true;
    this.task = { borrows: 0, storage: [0, 0] };
    this.borrower = this.task;
    return this.task;
  }

  /** Ends it. @throws AbiTrap when it keeps a handle that was lent to it */
  leave(task: SyncTask): void {
    trapIf(task.borrows !== 0, "borrowed-handle-not-dropped");
    this.#entered = false;
  }

  /** @throws AbiTrap while the guest may call nobody */
  requireLeave(): void {
    if (!this.mayLeave) throw new AbiTrap("cannot-leave-instance");
  }

  /** What the call whose arguments were just lifted has borrowed; the next one begins with nothing. */
  takeLent(): readonly Handle[] {
    const taken = this.lent;
    if (taken.length > 0) this.lent = [];
    return taken;
  }

  /** Gives back what the import call that ends now had borrowed. */
  returnLent(): void {
    for (const handle of this.takeLent()) handle.lends -= 1;
  }
}
