import { getArguments, getEnvironment, initialCwd } from "wasi:cli/environment@0.2.12";
import { get, getAll } from "wasi:config/store@0.2.0-rc.1";
import { Cas, increment, swap } from "wasi:keyvalue/atomics@0.2.0-draft2";
import { deleteMany, getMany, setMany } from "wasi:keyvalue/batch@0.2.0-draft2";
import { open } from "wasi:keyvalue/store@0.2.0-draft2";
import { log } from "wasi:logging/logging@0.1.0-draft";

// This engine has no TextEncoder.
const bytes = (text) => Uint8Array.from(unescape(encodeURIComponent(text)), (char) => char.charCodeAt(0));
const text = (value) =>
  value === undefined || value === null ? "none" : decodeURIComponent(escape(String.fromCharCode(...value)));

/** What each operation does; keys of a batch are parted by commas. */
const OPERATIONS = {
  open: () => "open",
  get: (bucket, key) => text(bucket.get(key)),
  set: (bucket, key, value) => String(bucket.set(key, bytes(value))),
  "set-large": (bucket, key, value) => String(bucket.set(key, new Uint8Array(Number(value)))),
  delete: (bucket, key) => String(bucket.delete(key)),
  exists: (bucket, key) => String(bucket.exists(key)),
  list(bucket, after) {
    const { keys, cursor } = bucket.listKeys(after === "" ? undefined : after);
    return `${keys.length} ${keys.slice(0, 3)} ${cursor}`;
  },
  increment: (bucket, key, delta) => String(increment(bucket, key, Number(delta))),
  /** Swaps; with a value `a>b`, writes a in between, which must make the swap fail, and swaps again. */
  swap(bucket, key, value) {
    const [between, last = between] = value.split(">");
    const cas = Cas.new(bucket, key);
    const seen = text(cas.current());
    if (between !== last) bucket.set(key, bytes(between));
    try {
      swap(cas, bytes(last));
      return `swapped ${seen}`;
    } catch (error) {
      const failure = error.payload ?? error;
      if (failure.tag !== "cas-failed") throw error;
      const now = text(failure.val.current());
      swap(failure.val, bytes(last));
      return `failed on ${seen}, now ${now}`;
    }
  },
  "get-many": (bucket, keys) =>
    getMany(bucket, keys.split(","))
      .map(([key, value]) => `${key}=${text(value)}`)
      .join(" "),
  "set-many": (bucket, keys, value) =>
    String(
      setMany(
        bucket,
        keys.split(",").map((key) => [key, bytes(`${value}-${key}`)]),
      ),
    ),
  "delete-many": (bucket, keys) => String(deleteMany(bucket, keys.split(","))),
  /** Calls again and again, whatever is answered. */
  loop(bucket, key, times) {
    for (let n = 0; n < Number(times); n += 1) bucket.exists(key);
    return "done";
  },
};

export const reach = {
  startedWith: () => [getEnvironment(), getArguments(), initialCwd()],
  configured: (key) => [get(key), getAll()],
  keep(name, operation, key, value) {
    try {
      return OPERATIONS[operation](open(name), key, value);
    } catch (error) {
      const { tag, val = "" } = error.payload ?? error;
      throw `${tag} ${typeof val === "object" ? JSON.stringify(val) : val}`.trim();
    }
  },
  note: (level, context, message) => log(level, context, message),
};
