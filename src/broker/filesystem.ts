/**
 * `filesystem`: what stands behind mounts and volumes. A mount is a folder as it was when the gateway started; a
 * volume is items of the gateway's database, one for each file. No path of a guest ever reaches an operating system.
 *
 * One event for each function and path, counting; the digest of a mount stands in the event of its first look.
 */
import { z } from "zod";
import { type Grant, type Root, rootsOf } from "../core/policy/index.ts";
import type { Drawer, HostReply, ItemChange } from "../ports/index.ts";
import type { EventDraft } from "./book.ts";
import { type Capability, grantOf, OK, ProtocolViolation, parseArgs, type RunContext } from "./capability.ts";
import { visible } from "./egress/index.ts";
import { isPlainPath, type Mount } from "./mounts.ts";

const FILE_BYTES = 16 * 1024 * 1024;
/** Files and directories of one volume. */
const VOLUME_ITEMS = 10_000;
const PAGE = 1000;

const listArgs = z.strictObject({ root: z.int().nonnegative() });
const readArgs = z.strictObject({ root: z.int().nonnegative(), path: z.string() });
const writeArgs = z.strictObject({
  root: z.int().nonnegative(),
  changes: z.array(z.tuple([z.string(), z.int().nonnegative().nullable()])).max(16),
});

/** Makes the capability live for one run. */
export function createFilesystem(context: RunContext): Capability {
  const files = new Filesystem(context);
  return {
    calls: {
      "filesystem/list": (args) => files.list(parseArgs(listArgs, args).root),
      "filesystem/read": (args) => {
        const { root, path } = parseArgs(readArgs, args);
        return files.read(root, path);
      },
      "filesystem/over-quota": (args) => {
        files.denyQuota(parseArgs(listArgs, args).root);
        return OK;
      },
      "filesystem/write": (args, body) => {
        const { root, changes } = parseArgs(writeArgs, args);
        return files.write(root, changes, body);
      },
    },
  };
}

class Filesystem {
  readonly #context: RunContext;
  readonly #grant: Extract<Grant, { kind: "filesystem" }> | undefined;
  readonly #roots: readonly Root[];
  /** By their root's number. */
  readonly #mounts = new Map<number, Mount>();
  readonly #events = new Map<string, { readonly event: EventDraft; calls: number }>();
  /** Roots whose quota was found spent. */
  readonly #denied = new Set<number>();
  #operations = 0;

  constructor(context: RunContext) {
    this.#context = context;
    this.#grant = grantOf(context.grants, "filesystem");
    this.#roots = this.#grant === undefined ? [] : rootsOf(this.#grant);
    for (const [index, root] of this.#roots.entries()) {
      if (root.kind === "mount") this.#mounts.set(index, context.mount(root.name));
      if (root.kind === "volume" && context.keeping === undefined)
        throw new TypeError("Cannot open a run: it may keep files, and there is no place for them");
    }
  }

  async list(root: number): Promise<HostReply> {
    const found = this.#root(root);
    const event = this.#enter("preopens#get-directories", found, "");
    if (event === undefined) return this.#over();
    const mount = this.#mounts.get(root);
    if (mount !== undefined) {
      event.result = mount.digest;
      const entries = [...mount.entries.values()].map((entry) =>
        entry.kind === "file"
          ? [entry.path, entry.bytes.length, entry.modifiedAtMs]
          : [`${entry.path}/`, 0, entry.modifiedAtMs],
      );
      return { kind: "ok", value: entries };
    }
    const entries: [string, number, number][] = [];
    for (let after = ""; ; ) {
      const page = await this.#items().list(this.#drawer(), after, PAGE);
      entries.push(
        ...page.map(({ key, bytes, modifiedAtMs }): [string, number, number] => [key, bytes, modifiedAtMs]),
      );
      const last = page.at(-1);
      if (page.length < PAGE || last === undefined) break;
      after = last.key;
    }
    return { kind: "ok", value: entries };
  }

  async read(root: number, path: string): Promise<HostReply> {
    const found = this.#root(root);
    this.#requirePlain(path);
    const event = this.#enter("types#[method]descriptor.open-at", found, path);
    if (event === undefined) return this.#over();
    const mount = this.#mounts.get(root);
    const entry = mount?.entries.get(path);
    const bytes =
      mount === undefined
        ? (await this.#items().get(this.#drawer(), path))?.value
        : entry?.kind === "file"
          ? entry.bytes
          : undefined;
    if (bytes === undefined) return this.#fail(event, "no-entry");
    if (bytes.length > FILE_BYTES) return this.#fail(event, "file-too-large");
    event.bytes_in = (event.bytes_in ?? 0) + bytes.length;
    return { kind: "ok", value: null, body: bytes };
  }

  async write(
    root: number,
    wanted: readonly (readonly [path: string, length: number | null])[],
    body: Uint8Array,
  ): Promise<HostReply> {
    const found = this.#root(root);
    let offset = 0;
    const changes: ItemChange[] = [];
    const events: EventDraft[] = [];
    for (const [path, length] of wanted) {
      this.#requirePlain(path.endsWith("/") ? path.slice(0, -1) : path);
      const name = `types#[method]descriptor.${length === null ? "unlink-file-at" : "write"}`;
      const event = this.#enter(name, found, path);
      if (event === undefined) return this.#over();
      events.push(event);
      if (found.kind !== "volume") return this.#fail(event, "read-only");
      const value = length === null ? null : body.subarray(offset, offset + length);
      if ((value?.length ?? 0) > FILE_BYTES) return this.#fail(event, "file-too-large");
      offset += length ?? 0;
      changes.push({ key: path, value });
    }
    if (found.kind !== "volume") return OK;
    const quota = { bytes: found.bytes, items: VOLUME_ITEMS };
    const made = await this.#items().change(this.#drawer(), changes, quota, this.#context.nowMs());
    if (made !== "done") this.denyQuota(root);
    for (const [index, event] of events.entries()) {
      if (made !== "done") this.#fail(event, "quota");
      else event.bytes_out = (event.bytes_out ?? 0) + (changes[index]?.value?.length ?? 0);
    }
    return made === "done" ? OK : { kind: "error", error: "quota" };
  }

  /** Says once for each root that its quota stood in the way. Of a scratch the executor alone knows it. */
  denyQuota(index: number): void {
    const root = this.#roots[index];
    if (root === undefined || root.kind === "mount")
      throw new ProtocolViolation(`Cannot use root ${index}: this run was given no such root`);
    if (this.#denied.has(index)) return;
    this.#denied.add(index);
    this.#context.book.write({
      import: "wasi:filesystem/types#[method]descriptor.write",
      effect: "denied",
      target: root.path,
      clause: root.kind === "scratch" ? "filesystem.scratch_bytes" : "filesystem.volume.bytes",
      result: `over quota: more than ${root.bytes} bytes`,
    });
  }

  /** INVARIANT: a root that was not granted, and the scratch, which lives elsewhere, are never asked for by our executor. */
  #root(index: number): Exclude<Root, { kind: "scratch" }> {
    const root = this.#roots[index];
    if (root === undefined || root.kind === "scratch")
      throw new ProtocolViolation(`Cannot use root ${index}: this run was given no such root`);
    return root;
  }

  #requirePlain(path: string): void {
    if (!isPlainPath(path)) throw new ProtocolViolation("Cannot use a path: it is not plain");
  }

  /** Counts a call. @returns its event; undefined when the run is over for it */
  #enter(name: string, root: Root, path: string): EventDraft | undefined {
    const { book } = this.#context;
    this.#operations += 1;
    if (this.#operations > (this.#grant?.operations ?? 0)) {
      book.stop({ kind: "exhausted", budget: "host_calls" });
      return undefined;
    }
    const target = visible(`${root.path}/${path}`.slice(0, 200)).slice(0, 200);
    const known = this.#events.get(`${name} ${target}`);
    if (known !== undefined) {
      known.calls += 1;
      known.event.result = `${known.calls} calls`;
      return known.event;
    }
    const clause = root.kind === "mount" ? "filesystem.mounts" : "filesystem.volume";
    const event = book.write({ import: `wasi:filesystem/${name}`, effect: "allowed", target, clause });
    if (event !== undefined) this.#events.set(`${name} ${target}`, { event, calls: 1 });
    return event;
  }

  #fail(event: EventDraft, word: string): HostReply {
    event.effect = "failed";
    event.result = word;
    return { kind: "error", error: word };
  }

  #over(): HostReply {
    const { book } = this.#context;
    return book.stopped ?? book.stop({ kind: "revoked", reason: "closed" });
  }

  #items() {
    const { keeping } = this.#context;
    if (keeping === undefined) throw new TypeError("Cannot keep files: there is no place for them");
    return keeping.items;
  }

  #drawer(): Drawer {
    const { keeping } = this.#context;
    if (keeping === undefined) throw new TypeError("Cannot keep files: there is no place for them");
    return { ...keeping.owner, kind: "volume", bucket: "" };
  }
}
