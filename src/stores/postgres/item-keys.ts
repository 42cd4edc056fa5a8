/**
 * Keys of items, which are guests' texts: PostgreSQL's texts can not hold U+0000, and guests' can. So two characters are
 * written as two each, in a way that keeps every key apart from every other and all of them in the order of their bytes.
 */
import type { ItemStore } from "../../ports/index.ts";

/** Items whose keys may be any text, over items whose keys may not. A written key's bytes are what a quota counts. */
export function withAnyKey(items: ItemStore): ItemStore {
  return {
    async get(drawer, key) {
      const item = await items.get(drawer, writeKey(key));
      return item && { ...item, key };
    },
    async list(drawer, after, limit) {
      const heads = await items.list(drawer, writeKey(after), limit);
      return heads.map((head) => ({ ...head, key: readKey(head.key) }));
    },
    change: (drawer, changes, quota, atMs) =>
      items.change(
        drawer,
        changes.map((change) => ({ ...change, key: writeKey(change.key) })),
        quota,
        atMs,
      ),
  };
}

function writeKey(key: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these two are what it is about
  return key.replace(/[\u0000\u0001]/g, (character) =>
    character === "\u0000" ? "\u0001\u0001" : "\u0001\u0002",
  );
}

function readKey(written: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these two are what it is about
  return written.replace(/\u0001[\u0001\u0002]/g, (pair) => (pair === "\u0001\u0001" ? "\u0000" : "\u0001"));
}
