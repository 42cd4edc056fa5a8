/**
 * What a policy can let a tool reach beside the network, once it has been read. Type aliases and not interfaces, so
 * that they are JSON by their type too.
 */

/** Clause `keyvalue`, and the constraints of its grant. Enforced by `broker/keyvalue.ts` and the item store. */
export type KeyvalueClause = {
  /** Names that `open` may be given; sorted. */
  readonly buckets: readonly string[];
  /** Of keys and values of all buckets together, kept for one tenant of this tool. */
  readonly bytes: number;
  /** Of all buckets together. */
  readonly items: number;
  /** Calls of one run. */
  readonly operations: number;
};
