/**
 * What the linker's own work costs the guest: the run's fuel, for calls, bytes and values that cross the border; and
 * host memory, for what a few bytes of guest memory may turn into.
 *
 * A guest of two megabytes can describe two gigabytes: a list of two thousand pointers to one list of a megabyte.
 * So whatever is lifted is charged before it is lifted, by what its type may become.
 */
import { crossingCost } from "../../../core/metering/host/index.ts";
import type { RunGuard } from "../guard.ts";
import type { Fuel } from "./fuel.ts";

/** The meter of one run. */
export class BorderMeter {
  readonly #guard: RunGuard;
  readonly #fuel: Fuel;
  /** Units that are due and not yet taken from the counter; taken before the guest goes on. */
  #due = 0;
  #liftedBytes: number;

  /**
   * @param fuel the run's, which the guest's own operators count down too
   * @param liftedBytes host memory that the run may make out of guest memory, about, in bytes
   */
  constructor(guard: RunGuard, fuel: Fuel, liftedBytes: number) {
    this.#guard = guard;
    this.#fuel = fuel;
    this.#liftedBytes = liftedBytes;
  }

  /** Charges units; {@link settle} takes them. */
  charge(units: number): void {
    this.#due += units;
  }

  /**
   * Charges what is about to be read out of guest memory.
   *
   * @param guestBytes bytes read
   * @param values values made of them, at most
   * @param hostBytes what they may take here, at most
   */
  lift(guestBytes: number, values: number, hostBytes: number): void {
    this.#due += crossingCost({ liftedBytes: guestBytes, values });
    this.#liftedBytes -= hostBytes;
    if (this.#liftedBytes >= 0) return;
    this.#guard.stop({ kind: "exhausted", budget: "lifted_bytes" });
    this.#guard.trap();
  }

  /** Charges what is about to be written into guest memory. */
  lower(guestBytes: number, values: number): void {
    this.#due += crossingCost({ loweredBytes: guestBytes, values });
  }

  /**
   * {@link settle}, before guest code runs or its memory is written: the counter is exact whenever it does.
   *
   * INVARIANT: the linker enters guest code behind this and nowhere else, so an instance that has trapped, or whose run
   * has ended, is never entered again, whatever still arrives for it.
   *
   * @throws AbiTrap once the run is over
   */
  beforeGuest(): void {
    this.#guard.requireOpen();
    this.settle();
  }

  /** Takes what is due. */
  settle(): void {
    if (this.#due === 0) return;
    const due = this.#due;
    this.#due = 0;
    if (!this.#fuel.take(due)) this.#guard.trap();
  }

  /** Units left, without what is due; negative when fuel is exhausted. */
  left(): bigint {
    return this.#fuel.left - BigInt(this.#due);
  }
}
