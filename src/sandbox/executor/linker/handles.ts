/**
 * The handles of one component instance. A handle is an index, and what it stands for is only in here: a forged index
 * finds nothing, one of another resource is refused, and a dropped one is empty until it is given out again.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#table-state
 */
import { AbiTrap, trapIf } from "./abi-trap.ts";

/** What a call holds of its caller's: borrowed handles that have to be dropped before it returns. */
export interface BorrowScope {
  borrows: number;
}

/** One handle. */
export interface Handle {
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

/** A table of handles; indices begin at 1, freed ones are given out again, the last one first. */
export class HandleTable {
  readonly #entries: (Handle | undefined)[] = [undefined];
  readonly #free: number[] = [];

  /** @returns the new handle's index */
  add(handle: Handle): number {
    const index = this.#free.pop() ?? this.#entries.length;
    trapIf(index > MOST_HANDLES, "too-many-handles");
    this.#entries[index] = handle;
    return index;
  }

  /** @throws AbiTrap when there is no such handle of that resource */
  get(index: number, resource: number): Handle {
    const found = this.#entries[index >>> 0];
    if (found === undefined) throw new AbiTrap("unknown-handle");
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
    this.#entries[index >>> 0] = undefined;
    this.#free.push(index >>> 0);
    return found;
  }
}
