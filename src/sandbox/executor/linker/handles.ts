/**
 * The handles of one component instance. A handle is an index, and what it stands for is only in here: a forged index
 * finds nothing, one of another resource is refused, and a dropped one is empty until it is given out again.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#table-state
 */
import type { RunGuard } from "../guard.ts";
import { AbiTrap, trapIf } from "./abi-trap.ts";

/** What a call holds of its caller's: borrowed handles that have to be dropped before it returns. */
export interface BorrowScope {
  borrows: number;
}

/** What an index of the table may stand for. */
export interface TableEntry {
  readonly kind: "resource" | "subtask" | "end" | "waitable-set";
}

/** One handle. */
export interface Handle extends TableEntry {
  readonly kind: "resource";
  /** Index of the plan's resources. */
  readonly resource: number;
  /** A number of the guest that defines the resource, or the host's object. */
  readonly representation: unknown;
  readonly isOwn: boolean;
  /** Calls under way that have borrowed it. */
  lends: number;
  /** Of a borrowed handle: the call that it lives as long as. */
  readonly scope: BorrowScope | undefined;
}

/** Handles that one instance may hold, as the specification has it. */
const MOST_HANDLES = 2 ** 28 - 1;
/**
 * What all instances of a run may hold at once: handles of resources, subtasks, ends of streams and futures, sets of
 * waitables. Each is an object of ours of some hundred bytes, and a list can hand over millions of them in one call.
 */
export const MOST_HANDLES_OF_A_RUN = 32_768;

/** Counts what the instances of one run hold. */
export class HandleQuota {
  readonly #guard: Pick<RunGuard, "stop" | "trap">;
  #left = MOST_HANDLES_OF_A_RUN;

  constructor(guard: Pick<RunGuard, "stop" | "trap">) {
    this.#guard = guard;
  }

  /** Takes one, before it is made. Traps when there is none left. */
  take(): void {
    this.#left -= 1;
    if (this.#left >= 0) return;
    this.#guard.stop({ kind: "exhausted", budget: "handles" });
    this.#guard.trap();
  }

  /** Gives one back. */
  give(): void {
    this.#left += 1;
  }
}

/** A table of handles and what else has an index; indices begin at 1, freed ones are given out again, the last one first. */
export class HandleTable {
  readonly #entries: (TableEntry | undefined)[] = [undefined];
  readonly #free: number[] = [];
  readonly #quota: HandleQuota;

  constructor(quota: HandleQuota) {
    this.#quota = quota;
  }

  /** @returns the new entry's index */
  add(entry: TableEntry): number {
    this.#quota.take();
    const index = this.#free.pop() ?? this.#entries.length;
    trapIf(index > MOST_HANDLES, "too-many-handles");
    this.#entries[index] = entry;
    return index;
  }

  /** @throws AbiTrap when nothing is there */
  find(index: number): TableEntry {
    const found = this.#entries[index >>> 0];
    if (found === undefined) throw new AbiTrap("unknown-handle");
    return found;
  }

  /** @throws AbiTrap when there is no such handle of that resource */
  get(index: number, resource: number): Handle {
    const found = this.find(index);
    if (!isHandle(found)) throw new AbiTrap("unknown-handle");
    trapIf(found.resource !== resource, "handle-of-another-resource");
    return found;
  }

  /**
   * Takes a handle out, to drop it or to pass it on.
   *
   * @throws AbiTrap when there is none, or when a call has borrowed it
   */
  remove(index: number, resource: number): Handle {
    const found = this.get(index, resource);
    trapIf(found.lends !== 0, "handle-is-lent");
    this.release(index);
    return found;
  }

  /** Frees the index of what was found there. */
  release(index: number): void {
    this.#quota.give();
    this.#entries[index >>> 0] = undefined;
    this.#free.push(index >>> 0);
  }
}

function isHandle(entry: TableEntry): entry is Handle {
  return entry.kind === "resource";
}
