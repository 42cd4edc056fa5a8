/**
 * The items of tools. What a range holds is counted beside it, in the transaction of every change, so that a quota costs
 * no reading of what is there.
 */
import type { Drawer, Item, ItemChange, ItemHead, ItemQuota, ItemStore } from "../ports/index.ts";
import { all, type Database, type Lock, run, type Steps } from "./database.ts";
import * as queries from "./item-queries.ts";

/** Items in a database, beside the runs. */
export function createItems(database: Database): ItemStore {
  return {
    async get(drawer, key) {
      const [row] = await database.read(queries.selectItem(drawer, key));
      if (row === undefined) return undefined;
      // A copy: what the driver gives may be a view of its own memory.
      const item: Item = { ...headOf(row), value: Uint8Array.from(row.value) };
      return item;
    },
    async list(drawer, after, limit) {
      return (await database.read(queries.selectHeads(drawer, after, limit))).map(headOf);
    },
    change: (drawer, changes, quota, atMs) =>
      database.write(() => changeAll(drawer, changes, quota, atMs), [rangeOf(drawer)]),
  };
}

/** What is counted together: whoever changes anything of it takes this lock. */
function rangeOf({ tenant, tool, kind }: Drawer): Lock {
  return { name: JSON.stringify(["items", tenant, tool, kind]) };
}

/** Checked whole before anything is written, so that a refusal needs no way back. */
function* changeAll(
  drawer: Drawer,
  changes: readonly ItemChange[],
  quota: ItemQuota,
  atMs: number,
): Steps<"done" | "conflict" | "over-quota"> {
  const [before = { bytes: 0, items: 0, version: 0 }] = yield* all(queries.selectUsage(drawer));
  const held = new Map<string, ItemHead | undefined>();
  for (const { key, expected } of changes) {
    const head = (yield* all(queries.selectHead(drawer, key))).map(headOf)[0];
    held.set(key, head);
    if (expected !== undefined && expected !== (head?.version ?? 0)) return "conflict";
  }
  const last = new Map(changes.map(({ key, value }) => [key, value]));
  let { bytes, items } = before;
  for (const [key, value] of last) {
    const head = held.get(key);
    const keyBytes = new TextEncoder().encode(key).length;
    if (head !== undefined) bytes -= head.bytes + keyBytes;
    if (value !== null) bytes += value.length + keyBytes;
    items += (value === null ? 0 : 1) - (head === undefined ? 0 : 1);
  }
  const isMore = bytes > before.bytes || items > before.items;
  if (isMore && (bytes > quota.bytes || items > quota.items)) return "over-quota";

  let { version } = before;
  for (const [key, value] of last) {
    version += 1;
    if (value === null) yield* run(queries.deleteItem(drawer, key));
    else yield* run(queries.putItem(drawer, key, value, version, atMs));
  }
  yield* run(queries.putUsage(drawer, { bytes, items, version }));
  return "done";
}

function headOf(row: { key: string; bytes: number; version: number; modified_at_ms: number }): ItemHead {
  return { key: row.key, bytes: row.bytes, version: row.version, modifiedAtMs: row.modified_at_ms };
}
