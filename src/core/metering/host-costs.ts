/**
 * The other half of the published cost table: what the host takes from a run's fuel for work that it does on the
 * guest's behalf, where no operator of the guest runs. It says what is due, never when: the sandbox charges it at the
 * component's border, before it acts where the size is known before.
 *
 * The numbers price time, because nothing else bounds it: a unit of guest code takes 0.03 to 0.3 ns (tight loops,
 * calls), and no unit of the host's work should buy more than about half a nanosecond. Measured on the machine of the
 * results in `test/bench`: a call from wasm into JavaScript and back 17 ns, one that makes a resource 70 to 220 ns; a
 * message to another process and back 30 µs of processor on either side; text decoded at 0.1 to 0.5 ns per byte and
 * encoded at 0.03 to 0.3; a record of two numbers 12 ns, an optional byte 14 ns. Like every number of the cost table they
 * belong to its version: changing one changes every bill.
 */

/** One call of an import, or of a built-in function of the component model such as dropping a handle. */
export const HOST_CALL_COST = 512;
/** A call that the broker answers, beside {@link HOST_CALL_COST}: it goes through a pipe to another process. */
export const BROKER_CALL_COST = 50_000;
/**
 * A task of an asynchronous component begins, or goes on after it stood still, beside {@link HOST_CALL_COST}: the engine
 * changes its stack there and back.
 */
export const TASK_SWITCH_COST = 4096;
/** Each waiting task that is asked whether it may go on, when one that may is looked for. */
export const WAITING_TASK_COST = 64;
/** Bytes read out of guest memory (an import's arguments, an export's result) for one unit; rounded up. */
export const LIFTED_BYTES_PER_UNIT = 1;
/** Bytes written into guest memory (an export's arguments, an import's result) for one unit; rounded up. */
export const LOWERED_BYTES_PER_UNIT = 1;
/**
 * Each value that becomes one of the host's own, or comes of one: an element of a list, a field of a record, an
 * argument, beside its bytes. A `list<u8>`, a `string` is one value: its bytes say what it takes.
 */
export const UNITS_PER_VALUE = 32;

/** What crossed the border of a component in one direction or both. */
export interface Crossing {
  /** Bytes read out of guest memory. Default 0. */
  readonly liftedBytes?: number;
  /** Bytes written into guest memory. Default 0. */
  readonly loweredBytes?: number;
  /** Values in them, see {@link UNITS_PER_VALUE}. Default 0. */
  readonly values?: number;
}

/**
 * Units for bytes and values that cross the border of a component.
 *
 * @param crossing whole numbers from 0
 * @example
 * ```ts
 * crossingCost({ loweredBytes: 5, values: 1 }); // 37
 * ```
 */
export function crossingCost({ liftedBytes = 0, loweredBytes = 0, values = 0 }: Crossing): number {
  return (
    Math.ceil(liftedBytes / LIFTED_BYTES_PER_UNIT) +
    Math.ceil(loweredBytes / LOWERED_BYTES_PER_UNIT) +
    values * UNITS_PER_VALUE
  );
}
