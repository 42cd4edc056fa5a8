/**
 * The published cost table: what each operator takes from a run's fuel.
 *
 * One unit is about one simple machine instruction. Anything a guest could use to buy much time for few units
 * has its own row. Changing a number changes every bill and every replay: raise {@link COST_TABLE_VERSION}, which
 * every execution manifest carries.
 */

/**
 * The version of the table below and of `host-costs.ts`, `writ-fuel/<number>`; the second charges the border too, the
 * third tasks of asynchronous components, the fourth code by its size.
 */
export const COST_TABLE_VERSION = "writ-fuel/4";

/** Fixed units per operator, by class. `operators.ts` says which operator is of which class. */
export const OPERATOR_COSTS = {
  /** Makes no code of its own: nop, block, loop, else, end, drop, return, unreachable, try, catch. */
  free: 0,
  /** Arithmetic, constants, locals, globals, loads, stores, comparisons, direct branches, SIMD. */
  simple: 1,
  /** br_table: an indirect jump. */
  jump: 2,
  /** Integer division and remainder, floating division and square root. */
  divide: 4,
  /** A direct call; the callee's entry is charged beside it. */
  call: 2,
  /** call_indirect, call_ref: signature check and indirect call. */
  callIndirect: 6,
  /** table.get, ref.test, ref.cast, br_on_cast: a bounds or a type check that may walk. */
  check: 4,
  /** table.set: a write barrier. */
  tableSet: 32,
  /** throw, rethrow, throw_ref: the engine walks the stack. */
  throw: 256,
  /** struct.new, array.new…: an allocation, beside what its size costs. */
  allocate: 16,
  /** memory.copy, memory.fill, memory.init, beside their bytes. */
  memoryBulk: 128,
  /** table.copy, table.fill, table.init, beside their elements. */
  tableBulk: 128,
  /** array.copy, array.fill, array.init_…, beside their elements. */
  arrayBulk: 64,
  /** memory.grow and table.grow, beside their pages and elements. */
  grow: 512,
} as const;

/** A class of operators with one fixed cost. */
export type CostClass = keyof typeof OPERATOR_COSTS;

/** Entering a defined function, beside its locals. */
export const ENTRY_COST = 1;
/** Declared locals that one unit clears at entry; a begun group counts whole. */
export const LOCALS_PER_UNIT = 8;
/** A 64-bit size counts as no more than this: an engine serves none that is larger. */
export const LARGEST_SIZE = 2 ** 32;
/** Bytes that one unit copies, fills or initialises; rounded down, the operator's fixed cost covers the rest. */
export const BULK_BYTES_PER_UNIT = 8;
/** Units per page by which a memory grows. A grow that would pass the maximum takes only its fixed cost. */
export const UNITS_PER_PAGE = 8192;
/** Units per element that table operators write. */
export const UNITS_PER_TABLE_ELEMENT = 32;
/** Units per element that a defined table has from the start. */
export const UNITS_PER_INITIAL_ELEMENT = 2;
/**
 * Bytes of code that one unit makes ready to run. Compilers take more for a byte, but the host compiles once for many runs,
 * and every run of a tool has to cost the same: this is a run's share where there are some thousand.
 */
export const CODE_BYTES_PER_UNIT = 64;
/** Units per element that array operators allocate, copy, fill or initialise; an element has at most 16 bytes. */
export const UNITS_PER_ARRAY_ELEMENT = 2;
/** Units per field of an allocated struct. */
export const UNITS_PER_FIELD = 1;

/** What entering a function costs: {@link ENTRY_COST}, and its declared locals in groups. */
export function entryCost(declaredLocals: number): number {
  return ENTRY_COST + Math.ceil(declaredLocals / LOCALS_PER_UNIT);
}

/**
 * What instantiation costs; the host charges it before it instantiates, because no guest code runs then.
 *
 * @param codeBytes bytes of all function bodies, as they are before metering
 * @param dataBytes bytes of active data segments
 * @param elements elements of active element segments
 * @param tableElements minimum sizes of defined tables, which the engine fills
 */
export function instantiationCost(
  codeBytes: number,
  dataBytes: number,
  elements: number,
  tableElements: number,
): number {
  return (
    Math.ceil(codeBytes / CODE_BYTES_PER_UNIT) +
    Math.ceil(dataBytes / BULK_BYTES_PER_UNIT) +
    elements * UNITS_PER_TABLE_ELEMENT +
    tableElements * UNITS_PER_INITIAL_ELEMENT
  );
}
