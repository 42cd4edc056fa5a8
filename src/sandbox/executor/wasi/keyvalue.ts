/**
 * `wasi:keyvalue`: store, atomics and batch, in the two drafts that are in use. Everything is kept by the broker; what
 * is here is which bucket a handle means, and the value that a compare-and-swap began from.
 */

import { joinBytes } from "../../../core/bytes.ts";
import type { JsonValue } from "../../../core/policy/index.ts";
import type { Binding } from "../binding.ts";
import type { GuestContext } from "../context.ts";
import { GuestError } from "../guard.ts";

/** In the first draft a cursor is a number and a counter has no sign; in the second a text, and it has. */
const FIRST_DRAFT = "@0.2.0-draft";

/** Resource `bucket`. */
export class Bucket {
  readonly #state: {
    readonly context: GuestContext;
    readonly name: string;
    /** The last key of each page that was given, for cursors that are numbers. */
    readonly pages: string[];
    readonly numbers: boolean;
  };

  constructor(context: GuestContext, name: string, numbers: boolean) {
    this.#state = { context, name, pages: [], numbers };
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await Bucket.read(this, key)).value;
  }

  async set(key: string, value: Uint8Array): Promise<void> {
    await Bucket.ask(this, "set", { key }, value);
  }

  async delete(key: string): Promise<void> {
    await Bucket.ask(this, "delete", { key });
  }

  async exists(key: string): Promise<boolean> {
    return (await Bucket.ask(this, "exists", { key })).value === true;
  }

  async listKeys(cursor: bigint | string | undefined): Promise<object> {
    const { pages, numbers } = this.#state;
    const after = typeof cursor === "bigint" ? pages[Number(cursor)] : (cursor ?? "");
    if (after === undefined) throw new GuestError({ tag: "other", val: "there is no such cursor" });
    const { value } = await Bucket.ask(this, "list", { after });
    // From the broker, which is ours.
    const { keys, more } = value as { readonly keys: readonly string[]; readonly more: boolean };
    const last = keys.at(-1);
    if (!more || last === undefined) return { keys, cursor: undefined };
    return { keys, cursor: numbers ? BigInt(pages.push(last) - 1) : last };
  }

  /** Asks the broker about this bucket. */
  static ask(bucket: Bucket, verb: string, args: Record<string, JsonValue>, body?: Uint8Array) {
    const { context, name } = bucket.#state;
    return context.call(`keyvalue/${verb}`, { bucket: name, ...args }, body);
  }

  /** The value of a key, with the version that it has; version 0 = there is none. */
  static async read(
    bucket: Bucket,
    key: string,
  ): Promise<{ version: number; value: Uint8Array | undefined }> {
    const { value, body } = await Bucket.ask(bucket, "get", { key });
    const { version } = value as { readonly version: number }; // From the broker, which is ours.
    return { version, value: version === 0 ? undefined : body };
  }
}

/** Resource `cas`: what a key held at some moment. */
export class Cas {
  readonly #seen: {
    readonly bucket: Bucket;
    readonly key: string;
    readonly version: number;
    readonly value: Uint8Array | undefined;
  };

  constructor(bucket: Bucket, key: string, seen: { version: number; value: Uint8Array | undefined }) {
    this.#seen = { bucket, key, ...seen };
  }

  static async new(bucket: Bucket, key: string): Promise<Cas> {
    return new Cas(bucket, key, await Bucket.read(bucket, key));
  }

  current(): Uint8Array | undefined {
    return this.#seen.value;
  }

  /** Writes where nothing was written since; otherwise fails with a handle on what is there now. */
  static async swap(cas: Cas, value: Uint8Array): Promise<void> {
    const { bucket, key, version } = cas.#seen;
    try {
      await Bucket.ask(bucket, "swap", { key, version }, value);
    } catch (error) {
      if (!(error instanceof GuestError)) throw error;
      if (tagOf(error.payload) !== "cas-failed")
        throw new GuestError({ tag: "store-error", val: error.payload });
      throw new GuestError({ tag: "cas-failed", val: await Cas.new(bucket, key) });
    }
  }
}

/** Binding of `wasi:keyvalue/store`. */
export function createKeyvalueStore(context: GuestContext, name: string): Binding {
  return {
    resources: { Bucket },
    functions: {
      async open(identifier: string): Promise<Bucket> {
        await context.call("keyvalue/open", { bucket: identifier });
        return new Bucket(context, identifier, name.endsWith(FIRST_DRAFT));
      },
    },
  };
}

/** Binding of `wasi:keyvalue/atomics`. */
export function createKeyvalueAtomics(_context: GuestContext, name: string): Binding {
  const signed = !name.endsWith(FIRST_DRAFT);
  return {
    resources: { Cas },
    functions: {
      async increment(bucket: Bucket, key: string, delta: bigint): Promise<bigint> {
        const { value } = await Bucket.ask(bucket, "increment", { key, delta: String(delta), signed });
        return BigInt(String(value));
      },
      swap: (cas: Cas, value: Uint8Array) => Cas.swap(cas, value),
    },
  };
}

/** Binding of `wasi:keyvalue/batch`. */
export function createKeyvalueBatch(_context: GuestContext, name: string): Binding {
  const bare = name.endsWith(FIRST_DRAFT);
  return {
    resources: {},
    functions: {
      async getMany(bucket: Bucket, keys: readonly string[]): Promise<readonly unknown[]> {
        const { value, body } = await Bucket.ask(bucket, "get-many", { keys: [...keys] });
        const lengths = value as readonly (number | null)[]; // From the broker, which is ours.
        let offset = 0;
        return keys.map((key, index) => {
          const length = lengths[index] ?? null;
          if (length === null) return bare ? undefined : [key, undefined];
          offset += length;
          return [key, body.subarray(offset - length, offset)];
        });
      },
      async setMany(bucket: Bucket, pairs: readonly (readonly [string, Uint8Array])[]): Promise<void> {
        const items = pairs.map(([key, value]) => [key, value.length]);
        const values = pairs.map(([, value]) => value);
        const total = values.reduce((sum, value) => sum + value.length, 0);
        await Bucket.ask(bucket, "set-many", { items }, joinBytes(values, total));
      },
      async deleteMany(bucket: Bucket, keys: readonly string[]): Promise<void> {
        await Bucket.ask(bucket, "delete-many", { keys: [...keys] });
      },
    },
  };
}

function tagOf(payload: unknown): unknown {
  return typeof payload === "object" && payload !== null && "tag" in payload ? payload.tag : undefined;
}
