/** The statements about tools' items; see `queries.ts`. Keys and bucket names are guests' texts, and parameters. */
import { sql } from "kysely";
import type { Drawer } from "../ports/index.ts";
import { db } from "./queries.ts";

/** What a range holds, and how often it was changed. */
export interface Usage {
  readonly bytes: number;
  readonly items: number;
  readonly version: number;
}

const HEAD = ["key", sql<number>`length(value)`.as("bytes"), "version", "modified_at_ms"] as const;

/** An item with its bytes. */
export function selectItem(drawer: Drawer, key: string) {
  return inDrawer(drawer)
    .select([...HEAD, "value"])
    .where("key", "=", key)
    .compile();
}

/** An item without its bytes. */
export function selectHead(drawer: Drawer, key: string) {
  return inDrawer(drawer).select(HEAD).where("key", "=", key).compile();
}

/** The items after a key, in the order of their bytes. */
export function selectHeads(drawer: Drawer, after: string, limit: number) {
  return inDrawer(drawer).select(HEAD).where("key", ">", after).orderBy("key").limit(limit).compile();
}

/** Writes an item, whether it is there or not. */
export function putItem(
  { tenant, tool, kind, bucket }: Drawer,
  key: string,
  value: Uint8Array,
  version: number,
  atMs: number,
) {
  const changed = { value, version, modified_at_ms: atMs };
  return db
    .insertInto("items")
    .values({ tenant, tool, kind, bucket, key, ...changed })
    .onConflict((row) => row.columns(["tenant", "tool", "kind", "bucket", "key"]).doUpdateSet(changed))
    .compile();
}

/** Takes an item away; none is no fault. */
export function deleteItem({ tenant, tool, kind, bucket }: Drawer, key: string) {
  return db
    .deleteFrom("items")
    .where("tenant", "=", tenant)
    .where("tool", "=", tool)
    .where("kind", "=", kind)
    .where("bucket", "=", bucket)
    .where("key", "=", key)
    .compile();
}

/** What the drawer's range holds; no row while nothing was ever kept there. */
export function selectUsage({ tenant, tool, kind }: Drawer) {
  return db
    .selectFrom("item_usage")
    .select(["bytes", "items", "version"])
    .where("tenant", "=", tenant)
    .where("tool", "=", tool)
    .where("kind", "=", kind)
    .compile();
}

/** Writes what the drawer's range holds now. */
export function putUsage({ tenant, tool, kind }: Drawer, usage: Usage) {
  return db
    .insertInto("item_usage")
    .values({ tenant, tool, kind, ...usage })
    .onConflict((row) => row.columns(["tenant", "tool", "kind"]).doUpdateSet({ ...usage }))
    .compile();
}

function inDrawer({ tenant, tool, kind, bucket }: Drawer) {
  return db
    .selectFrom("items")
    .where("tenant", "=", tenant)
    .where("tool", "=", tool)
    .where("kind", "=", kind)
    .where("bucket", "=", bucket);
}
