/**
 * `keyvalue`: `wasi:keyvalue`, kept in the gateway's database, apart for each tenant and tool.
 *
 * A bucket is named anew in every call and judged anew, so there is no handle to forge. One event per function and
 * bucket counts its calls and bytes: a guest that calls in a loop leaves one line, and every effect is in it.
 */
import { z } from "zod";
import type { JsonValue, KeyvalueClause } from "../core/policy/index.ts";
import type { Drawer, HostReply, ItemChange, ItemStore } from "../ports/index.ts";
import type { EventDraft } from "./book.ts";
import {
  type CallHandler,
  type Capability,
  grantOf,
  type Keeping,
  OK,
  parseArgs,
  type RunContext,
} from "./capability.ts";
import { visible } from "./egress/index.ts";

/** Longest key in UTF-8 bytes. */
const KEY_BYTES = 1024;
/** Largest value, and what one batch may carry. */
const VALUE_BYTES = 4 * 1024 * 1024;
const BATCH_BYTES = 16 * 1024 * 1024;
const BATCH_KEYS = 1000;
const PAGE_KEYS = 500;
/** Attempts of one increment against others of the same key; each attempt is one more that won. */
const MOST_ATTEMPTS = 1000;

const bucketArgs = z.strictObject({ bucket: z.string() });
const keyArgs = z.strictObject({ bucket: z.string(), key: z.string() });
const listArgs = z.strictObject({ bucket: z.string(), after: z.string() });
const swapArgs = z.strictObject({ bucket: z.string(), key: z.string(), version: z.int().nonnegative() });
const keysArgs = z.strictObject({ bucket: z.string(), keys: z.array(z.string()) });
const itemsArgs = z.strictObject({
  bucket: z.string(),
  items: z.array(z.tuple([z.string(), z.int().nonnegative()])),
});
const incrementArgs = z.strictObject({
  bucket: z.string(),
  key: z.string(),
  delta: z.string().regex(/^-?[0-9]{1,20}$/),
  signed: z.boolean(),
});

/** Makes the capability live for one run. */
export function createKeyvalue(context: RunContext): Capability {
  const store = new Keyvalue(context);
  const calls: Record<string, CallHandler> = {
    "keyvalue/open": (args) => {
      const { bucket } = parseArgs(bucketArgs, args);
      return store.serve("store#open", bucket, [], async () => OK);
    },
    "keyvalue/get": (args) => {
      const { bucket, key } = parseArgs(keyArgs, args);
      return store.serve("store#[method]bucket.get", bucket, [key], (drawer, event) =>
        store.get(drawer, key, event),
      );
    },
    "keyvalue/exists": (args) => {
      const { bucket, key } = parseArgs(keyArgs, args);
      return store.serve("store#[method]bucket.exists", bucket, [key], async (drawer) => {
        return { kind: "ok", value: (await store.items.get(drawer, key)) !== undefined };
      });
    },
    "keyvalue/set": (args, body) => {
      const { bucket, key } = parseArgs(keyArgs, args);
      return store.serve("store#[method]bucket.set", bucket, [key], (drawer, event) =>
        store.change(drawer, [{ key, value: body }], event),
      );
    },
    "keyvalue/delete": (args) => {
      const { bucket, key } = parseArgs(keyArgs, args);
      return store.serve("store#[method]bucket.delete", bucket, [key], (drawer, event) =>
        store.change(drawer, [{ key, value: null }], event),
      );
    },
    "keyvalue/list": (args) => {
      const { bucket, after } = parseArgs(listArgs, args);
      return store.serve("store#[method]bucket.list-keys", bucket, [], async (drawer) => {
        const heads = await store.items.list(drawer, after, PAGE_KEYS + 1);
        const keys = heads.slice(0, PAGE_KEYS).map(({ key }) => key);
        return { kind: "ok", value: { keys, more: heads.length > PAGE_KEYS } };
      });
    },
    "keyvalue/swap": (args, body) => {
      const { bucket, key, version } = parseArgs(swapArgs, args);
      return store.serve("atomics#swap", bucket, [key], (drawer, event) =>
        store.change(drawer, [{ key, value: body, expected: version }], event),
      );
    },
    "keyvalue/increment": (args) => {
      const { bucket, key, delta, signed } = parseArgs(incrementArgs, args);
      return store.serve("atomics#increment", bucket, [key], (drawer, event) =>
        store.increment(drawer, key, BigInt(delta), signed, event),
      );
    },
    "keyvalue/get-many": (args) => {
      const { bucket, keys } = parseArgs(keysArgs, args);
      return store.serve("batch#get-many", bucket, keys, (drawer, event) =>
        store.getMany(drawer, keys, event),
      );
    },
    "keyvalue/set-many": (args, body) => {
      const { bucket, items } = parseArgs(itemsArgs, args);
      let offset = 0;
      const changes = items.map(([key, length]) => {
        offset += length;
        return { key, value: body.subarray(offset - length, offset) };
      });
      return store.serve(
        "batch#set-many",
        bucket,
        items.map(([key]) => key),
        (drawer, event) => store.change(drawer, changes, event),
      );
    },
    "keyvalue/delete-many": (args) => {
      const { bucket, keys } = parseArgs(keysArgs, args);
      return store.serve("batch#delete-many", bucket, keys, (drawer, event) =>
        store.change(
          drawer,
          keys.map((key) => ({ key, value: null })),
          event,
        ),
      );
    },
  };
  return { calls };
}

class Keyvalue {
  readonly #context: RunContext;
  readonly #grant: KeyvalueClause | undefined;
  readonly #events = new Map<string, { readonly event: EventDraft; calls: number }>();
  /** Functions and buckets for which the quota was found spent: one denial each. */
  readonly #refused = new Set<string>();
  #operations = 0;

  constructor(context: RunContext) {
    this.#context = context;
    this.#grant = grantOf(context.grants, "keyvalue");
    if (this.#grant !== undefined && context.keeping === undefined)
      throw new TypeError("Cannot open a run: it may keep items, and there is no place for them");
  }

  get #keeping(): Keeping {
    const { keeping } = this.#context;
    if (keeping === undefined) throw new TypeError("Cannot keep items: there is no place for them");
    return keeping;
  }

  get items(): ItemStore {
    return this.#keeping.items;
  }

  /** Judges a call, counts it, and acts. */
  async serve(
    name: string,
    bucket: string,
    keys: readonly string[],
    act: (drawer: Drawer, event: EventDraft) => Promise<HostReply>,
  ): Promise<HostReply> {
    const { book } = this.#context;
    const grant = this.#grant;
    const target = visible(bucket.slice(0, 64)).slice(0, 200);
    if (grant === undefined || !grant.buckets.includes(bucket)) {
      const clause = grant === undefined ? "keyvalue" : "keyvalue.buckets";
      this.#note(`denied ${name} ${target}`, {
        import: `wasi:keyvalue/${name}`,
        effect: "denied",
        target,
        clause,
      });
      return { kind: "error", error: { tag: "access-denied" } };
    }
    this.#operations += Math.max(1, keys.length);
    if (this.#operations > grant.operations) return book.stop({ kind: "exhausted", budget: "host_calls" });
    const event = this.#note(`${name} ${target}`, {
      import: `wasi:keyvalue/${name}`,
      effect: "allowed",
      target,
      clause: "keyvalue",
    });
    if (event === undefined) return book.stop({ kind: "revoked", reason: "closed" });
    if (keys.length > BATCH_KEYS) return other(`a batch has at most ${BATCH_KEYS} keys`);
    if (keys.some((key) => key === "" || new TextEncoder().encode(key).length > KEY_BYTES))
      return other(`a key has 1 to ${KEY_BYTES} bytes`);
    return act({ ...this.#keeping.owner, kind: "keyvalue", bucket }, event);
  }

  async get(drawer: Drawer, key: string, event: EventDraft): Promise<HostReply> {
    const item = await this.items.get(drawer, key);
    if (item === undefined) return { kind: "ok", value: { version: 0 } };
    event.bytes_in = (event.bytes_in ?? 0) + item.bytes;
    return { kind: "ok", value: { version: item.version }, body: item.value };
  }

  async getMany(drawer: Drawer, keys: readonly string[], event: EventDraft): Promise<HostReply> {
    const lengths: JsonValue[] = [];
    const values: Uint8Array[] = [];
    let total = 0;
    for (const key of keys) {
      const item = await this.items.get(drawer, key);
      lengths.push(item === undefined ? null : item.bytes);
      if (item === undefined) continue;
      total += item.bytes;
      if (total > BATCH_BYTES) return other(`the values of a batch have at most ${BATCH_BYTES} bytes`);
      values.push(item.value);
    }
    event.bytes_in = (event.bytes_in ?? 0) + total;
    const body = new Uint8Array(total);
    let offset = 0;
    for (const value of values) {
      body.set(value, offset);
      offset += value.length;
    }
    return { kind: "ok", value: lengths, body };
  }

  async change(drawer: Drawer, changes: readonly ItemChange[], event: EventDraft): Promise<HostReply> {
    const bytes = changes.reduce((sum, { value }) => sum + (value?.length ?? 0), 0);
    if (changes.some(({ value }) => (value?.length ?? 0) > VALUE_BYTES))
      return other(`a value has at most ${VALUE_BYTES} bytes`);
    if (bytes > BATCH_BYTES) return other(`the values of a batch have at most ${BATCH_BYTES} bytes`);
    const made = await this.#write(drawer, changes);
    if (made === "conflict") return { kind: "error", error: { tag: "cas-failed" } };
    if (made === "over-quota") return this.#overQuota(drawer, event);
    event.bytes_out = (event.bytes_out ?? 0) + bytes;
    return OK;
  }

  async increment(
    drawer: Drawer,
    key: string,
    delta: bigint,
    signed: boolean,
    event: EventDraft,
  ): Promise<HostReply> {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
      const item = await this.items.get(drawer, key);
      const text = item === undefined ? "0" : new TextDecoder().decode(item.value);
      if (!/^-?[0-9]{1,20}$/.test(text)) return other("the value is not a number in decimal text");
      const next = BigInt(text) + delta;
      const fits = signed ? BigInt.asIntN(64, next) === next : BigInt.asUintN(64, next) === next;
      if (!fits) return other("the number would not fit into 64 bits");
      const value = new TextEncoder().encode(String(next));
      const made = await this.#write(drawer, [{ key, value, expected: item?.version ?? 0 }]);
      if (made === "over-quota") return this.#overQuota(drawer, event);
      if (made === "done") {
        event.bytes_out = (event.bytes_out ?? 0) + value.length;
        return { kind: "ok", value: String(next) };
      }
    }
    return other("too many others write this key");
  }

  #write(drawer: Drawer, changes: readonly ItemChange[]) {
    const { bytes = 0, items = 0 } = this.#grant ?? {};
    return this.items.change(drawer, changes, { bytes, items }, this.#context.nowMs());
  }

  /** A denial of its own, beside the event that counts the calls of this kind: some of them may have been allowed. */
  #overQuota({ bucket: target }: Drawer, { import: name }: EventDraft): HostReply {
    const { bytes = 0, items = 0 } = this.#grant ?? {};
    const kind = `${name} ${target}`;
    if (!this.#refused.has(kind)) {
      this.#refused.add(kind);
      const result = `over quota: more than ${bytes} bytes or ${items} items`;
      const visibleTarget = visible(target.slice(0, 64)).slice(0, 200);
      this.#context.book.write({
        import: name,
        effect: "denied",
        target: visibleTarget,
        clause: "keyvalue.bytes",
        result,
      });
    }
    return other("the quota is spent");
  }

  /** @returns the event of calls of this kind, counted; undefined when the book has no room for another */
  #note(kind: string, start: Parameters<RunContext["book"]["write"]>[0]): EventDraft | undefined {
    const known = this.#events.get(kind);
    if (known !== undefined) {
      known.calls += 1;
      known.event.result = `${known.calls} calls`;
      return known.event;
    }
    const event = this.#context.book.write({ ...start, result: "1 call" });
    if (event !== undefined) this.#events.set(kind, { event, calls: 1 });
    return event;
  }
}

/** The interface has one word for everything else, with a text beside it. */
function other(text: string): HostReply {
  return { kind: "error", error: { tag: "other", val: text } };
}
