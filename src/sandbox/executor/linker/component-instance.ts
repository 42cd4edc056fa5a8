/** The state of one component instance during a run. It belongs to one run and ends with it. */
import { AbiTrap, trapIf } from "./abi-trap.ts";
import { type BorrowScope, type Handle, HandleTable } from "./handles.ts";

/** A call into the instance from outside. */
export interface Task extends BorrowScope {
  /** What an asynchronous export gave to `task.return`. */
  returned: { readonly value: unknown } | undefined;
  /** Type of the result that it owes, an index of the plan's types. */
  readonly result: number | null;
  /** Two words that the guest keeps for itself. */
  readonly storage: [number, number];
}

/** One component instance. */
export class ComponentInstance {
  /** Its number in the plan. */
  readonly id: number;
  readonly handles = new HandleTable();
  /** Sets of waitables: all are empty, for nothing that one could wait for is ever made. */
  readonly waitableSets = new Set<number>();
  /** False while the guest runs for us (`realloc`, `post-return`), when it may call nobody. */
  mayLeave = true;
  /** The call that is under way, or the instance's own start. */
  task: Task = newTask(null);
  /** Import calls that have not been answered: the guest is suspended in them. */
  waiting = 0;
  /** Handles that the import call under way has borrowed. */
  lent: Handle[] = [];
  #entered = false;

  constructor(id: number) {
    this.id = id;
  }

  /** Begins a call from outside. @throws AbiTrap when one is under way: an instance is never entered twice */
  enter(result: number | null): Task {
    trapIf(this.#entered, "cannot-enter-instance");
    this.#entered = true;
    this.task = newTask(result);
    return this.task;
  }

  /** Ends it. @throws AbiTrap when it keeps a handle that was lent to it */
  leave(task: Task): void {
    trapIf(task.borrows !== 0, "borrowed-handle-not-dropped");
    this.#entered = false;
  }

  /** @throws AbiTrap while the guest may call nobody */
  requireLeave(): void {
    if (!this.mayLeave) throw new AbiTrap("cannot-leave-instance");
  }

  /** Gives back what the import call that ends now had borrowed. */
  returnLent(): void {
    for (const handle of this.lent) handle.lends -= 1;
    this.lent = [];
  }
}

function newTask(result: number | null): Task {
  return { borrows: 0, returned: undefined, result, storage: [0, 0] };
}
