import { getArguments, getEnvironment, initialCwd } from "wasi:cli/environment@0.2.12";
import { get, getAll } from "wasi:config/store@0.2.0-rc.1";
import { getDirectories } from "wasi:filesystem/preopens@0.2.12";
import { Cas, increment, swap } from "wasi:keyvalue/atomics@0.2.0-draft2";
import { deleteMany, getMany, setMany } from "wasi:keyvalue/batch@0.2.0-draft2";
import { open } from "wasi:keyvalue/store@0.2.0-draft2";
import { log } from "wasi:logging/logging@0.1.0-draft";
import { reveal } from "writ:host/reveal@0.1.0";
import { get as getSecret } from "writ:host/secrets@0.1.0";
import { hmacSha256, sign } from "writ:host/signing@0.1.0";

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

const READ = { read: true };
const WRITE = { write: true };

/** What each operation does with a preopened directory; a value `a>b` names two. */
const FILES = {
  read: (root, path) => text(root.openAt({}, path, {}, READ).read(65536, 0)[0]),
  "read-stream"(root, path) {
    const stream = root.openAt({}, path, {}, READ).readViaStream(0);
    let found = "";
    for (;;) {
      try {
        found += text(stream.blockingRead(5));
      } catch {
        return found;
      }
    }
  },
  write(root, path, value) {
    const file = root.openAt({}, path, { create: true, truncate: true }, WRITE);
    return String(file.write(bytes(value), 0));
  },
  "write-unsynced"(root, path, value) {
    globalThis.kept = root.openAt({}, path, { create: true }, WRITE);
    return String(globalThis.kept.write(bytes(value), 0));
  },
  "write-new": (root, path) =>
    String(root.openAt({}, path, { create: true, exclusive: true }, WRITE).getType()),
  append(root, path, value) {
    const stream = root.openAt({}, path, { create: true }, WRITE).appendViaStream();
    for (const part of value.split(",")) stream.blockingWriteAndFlush(bytes(part));
    return "appended";
  },
  "write-far"(root, path, offset) {
    const file = root.openAt({}, path, { create: true }, WRITE);
    return String(file.write(bytes("x"), Number(offset)));
  },
  resize(root, path, size) {
    const file = root.openAt({}, path, { create: true }, { read: true, write: true });
    file.setSize(Number(size));
    const [found, end] = file.read(65536, 0);
    return `${found.length} ${end} ${found.every((byte) => byte === 0)}`;
  },
  "write-synced"(root, path, value) {
    const file = root.openAt({}, path, { create: true, truncate: true }, WRITE);
    file.write(new Uint8Array(Number(value)), 0);
    return String(file.sync());
  },
  "read-without-right": (root, path) => text(root.openAt({}, path, {}, WRITE).read(10, 0)[0]),
  mkdir: (root, path) => String(root.createDirectoryAt(path)),
  rmdir: (root, path) => String(root.removeDirectoryAt(path)),
  unlink: (root, path) => String(root.unlinkFileAt(path)),
  "write-after-unlink"(root, path) {
    const file = root.openAt({}, path, { create: true }, WRITE);
    root.unlinkFileAt(path);
    file.write(bytes("ghost"), 0);
    return String(file.sync());
  },
  rename: (root, path, to) => String(root.renameAt(path, root, to)),
  "rename-into": (root, path, to) => String(root.renameAt(path, open_(to), path)),
  link: (root, path, to) => String(root.linkAt({}, path, root, to)),
  symlink: (root, path, to) => String(root.symlinkAt(to, path)),
  readlink: (root, path) => root.readlinkAt(path),
  stat(root, path) {
    const { type, size } = root.statAt({}, path);
    return `${type} ${size}`;
  },
  list(root, path) {
    const stream = (path === "" ? root : root.openAt({}, path, { directory: true }, READ)).readDirectory();
    const names = [];
    for (let entry = stream.readDirectoryEntry(); entry; entry = stream.readDirectoryEntry())
      names.push(`${entry.name}:${entry.type}`);
    return names.sort().join(" ");
  },
  /** Opens a directory below, and from there asks for a path of its own. */
  below: (root, path, inner) =>
    text(root.openAt({}, path, { directory: true }, READ).openAt({}, inner, {}, READ).read(65536, 0)[0]),
  same: (root, path, other) =>
    String(root.openAt({}, path, {}, READ).isSameObject(root.openAt({}, other, {}, READ))),
};

const open_ = (path) => getDirectories().find(([, name]) => name === path)[0];

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
  roots: () => getDirectories().map(([, path]) => path),
  file(root, operation, path, value) {
    try {
      return FILES[operation](open_(root), path, value);
    } catch (error) {
      throw String(error.payload ?? error);
    }
  },
  secret(name, operation, value) {
    const hex = (found) => Array.from(found, (byte) => byte.toString(16).padStart(2, "0")).join("");
    try {
      const handle = getSecret(name);
      if (operation === "hmac") return hex(hmacSha256(handle, "", [bytes(value)]));
      if (operation === "sign") return hex(sign(handle, bytes(value)));
      return operation === "leak" ? reveal(handle) : String(reveal(handle).length);
    } catch (error) {
      throw (error.payload ?? error).tag;
    }
  },
  note: (level, context, message) => log(level, context, message),
};
