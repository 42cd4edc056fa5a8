/**
 * What tools keep between runs: keys with bytes behind them. Implemented beside the Store, in the same database, with
 * the same duties: durable when a promise resolves, whole or absent, in a serial order.
 *
 * INVARIANT: nothing of one drawer is visible in another. Tenant and tool come from the gateway, never from a guest.
 */

/** Whose items, and which: one bucket of a key-value store, or one volume. */
export interface Drawer {
  readonly tenant: string;
  readonly tool: string;
  /** What is counted together against one quota. */
  readonly kind: "keyvalue" | "volume";
  /** Name of the bucket; `""` for a volume. */
  readonly bucket: string;
}

/** An item without its bytes. */
export interface ItemHead {
  readonly key: string;
  /** Of the value alone. */
  readonly bytes: number;
  /** Grows with every change of anything in the quota's range; never the same for two values of a key. */
  readonly version: number;
  readonly modifiedAtMs: number;
}

/** An item. */
export interface Item extends ItemHead {
  readonly value: Uint8Array<ArrayBuffer>;
}

/** One change of one key. */
export interface ItemChange {
  readonly key: string;
  /** Null = take it away; that it is not there is no fault. */
  readonly value: Uint8Array | null;
  /** Version that must be there, 0 = nothing must be there; absent = whatever is there. */
  readonly expected?: number;
}

/** What may be held in a drawer's range, key and value bytes of all its buckets together. */
export interface ItemQuota {
  readonly bytes: number;
  readonly items: number;
}

/** The items of all tenants. */
export interface ItemStore {
  /** @returns undefined when there is none */
  get(drawer: Drawer, key: string): Promise<Item | undefined>;
  /** Items after a key in the order of their UTF-8 bytes; at most `limit`. `""` = from the beginning. */
  list(drawer: Drawer, after: string, limit: number): Promise<readonly ItemHead[]>;
  /**
   * Makes all of the changes or none of them.
   *
   * @returns `conflict` when an expectation did not hold; `over-quota` when it would hold more than the quota and more
   *   than before, so that taking away always works
   */
  change(
    drawer: Drawer,
    changes: readonly ItemChange[],
    quota: ItemQuota,
    atMs: number,
  ): Promise<"done" | "conflict" | "over-quota">;
}
