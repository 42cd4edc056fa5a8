/**
 * Resources `descriptor` and `directory-entry-stream` of `wasi:filesystem/types`. Every failure is one of the
 * interface's own words. There are no links here, so none can be made, read or followed.
 */
import { GuestError } from "../guard.ts";
import type { Directory, File, FileTree, Node, Place } from "./file-tree.ts";
import { FILE_BYTES } from "./file-tree.ts";
import { CHUNK_BYTES, InputStream, OutputStream } from "./streams.ts";

interface Flags {
  readonly read?: boolean;
  readonly write?: boolean;
  readonly mutateDirectory?: boolean;
}
interface OpenFlags {
  readonly create?: boolean;
  readonly directory?: boolean;
  readonly exclusive?: boolean;
  readonly truncate?: boolean;
}
type NewTimestamp = { readonly tag: string; readonly val?: { readonly seconds: bigint } };

/** Resource `descriptor`. A forged handle lacks `#open`, so its first use throws. */
export class Descriptor {
  readonly #open: {
    readonly tree: FileTree;
    readonly node: Node;
    readonly path: string;
    readonly flags: Flags;
  };

  constructor(tree: FileTree, node: Node, path: string, flags: Flags) {
    this.#open = { tree, node, path, flags };
  }

  /** The descriptor of a whole root. */
  static ofRoot(tree: FileTree): Descriptor {
    return new Descriptor(tree, tree.root, "", { read: true, mutateDirectory: tree.backing.writable });
  }

  readViaStream(offset: bigint): InputStream {
    const { tree, flags } = this.#open;
    const file = this.#file();
    if (flags.read !== true) throw new GuestError("bad-descriptor");
    let at = position(offset);
    return new InputStream({
      async read(limit) {
        const bytes = tree.read(file, limit, at).slice();
        at += bytes.length;
        return bytes.length === 0 ? undefined : bytes;
      },
    });
  }

  writeViaStream(offset: bigint): OutputStream {
    const start = position(offset);
    return this.#stream((written) => start + written);
  }

  appendViaStream(): OutputStream {
    const file = this.#file();
    return this.#stream(() => file.length);
  }

  advise(): void {
    this.#file();
  }

  syncData(): Promise<void> {
    return this.sync();
  }

  async sync(): Promise<void> {
    const { tree, node } = this.#open;
    if (node.kind === "file") await tree.keep(node);
  }

  getFlags(): Flags {
    return this.#open.flags;
  }

  getType(): string {
    return typeOf(this.#open.node);
  }

  setSize(size: bigint): void {
    this.#open.tree.resize(this.#writableFile(), position(size));
  }

  setTimes(_access: NewTimestamp, modified: NewTimestamp): void {
    const { node } = this.#open;
    this.#requireWritableTree();
    setTime(node, modified);
  }

  read(length: bigint, offset: bigint): [Uint8Array, boolean] {
    const { tree, flags } = this.#open;
    const file = this.#file();
    if (flags.read !== true) throw new GuestError("bad-descriptor");
    const at = position(offset);
    const bytes = tree.read(file, Number(length > BigInt(CHUNK_BYTES) ? CHUNK_BYTES : length), at).slice();
    return [bytes, at + bytes.length >= file.length];
  }

  write(bytes: Uint8Array, offset: bigint): bigint {
    this.#open.tree.write(this.#writableFile(), bytes, position(offset));
    return BigInt(bytes.length);
  }

  async readDirectory(): Promise<DirectoryEntryStream> {
    const directory = this.#directory();
    await this.#open.tree.load();
    return new DirectoryEntryStream(
      [...directory.children].map(([name, node]) => ({ type: typeOf(node), name })),
    );
  }

  async createDirectoryAt(path: string): Promise<void> {
    const { tree } = this.#open;
    const place = await this.#find(path);
    this.#requireMutable();
    if (place.node !== undefined) throw new GuestError("exist");
    tree.createDirectory(place);
    await tree.backing.write([[`${place.path}/`, new Uint8Array(0)]]);
  }

  async stat(): Promise<object> {
    const { tree, node } = this.#open;
    if (node.kind === "directory") await tree.load();
    return statOf(node);
  }

  async statAt(_flags: unknown, path: string): Promise<object> {
    return statOf(present(await this.#find(path)));
  }

  async setTimesAt(
    _flags: unknown,
    path: string,
    _access: NewTimestamp,
    modified: NewTimestamp,
  ): Promise<void> {
    const node = present(await this.#find(path));
    this.#requireWritableTree();
    setTime(node, modified);
  }

  linkAt(): void {
    this.#directory();
    throw new GuestError("not-permitted");
  }

  async openAt(_flags: unknown, path: string, how: OpenFlags, wanted: Flags): Promise<Descriptor> {
    const { tree, flags } = this.#open;
    const place = await this.#find(path);
    const changes = how.create === true || how.truncate === true || wanted.write === true;
    if ((changes || wanted.mutateDirectory === true) && !tree.backing.writable)
      throw new GuestError("read-only");
    if (changes && flags.mutateDirectory !== true) throw new GuestError("not-permitted");
    let { node } = place;
    if (node !== undefined && how.create === true && how.exclusive === true) throw new GuestError("exist");
    if (node === undefined) {
      if (how.create !== true) throw new GuestError("no-entry");
      if (how.directory === true || place.wantsDirectory) throw new GuestError("invalid");
      node = tree.createFile(place);
    }
    if (node.kind === "directory") {
      if (wanted.write === true || how.truncate === true) throw new GuestError("is-directory");
      const mutateDirectory = flags.mutateDirectory === true && wanted.mutateDirectory === true;
      return new Descriptor(tree, node, place.path, { ...wanted, mutateDirectory });
    }
    if (how.directory === true || place.wantsDirectory) throw new GuestError("not-directory");
    if (how.truncate === true) {
      node.store ??= new Uint8Array(0);
      tree.resize(node, 0);
    } else await tree.open(node);
    return new Descriptor(tree, node, place.path, wanted);
  }

  async readlinkAt(path: string): Promise<string> {
    present(await this.#find(path));
    throw new GuestError("invalid");
  }

  async removeDirectoryAt(path: string): Promise<void> {
    const { tree } = this.#open;
    const place = await this.#find(path);
    this.#requireMutable();
    const node = present(place);
    if (node.kind !== "directory") throw new GuestError("not-directory");
    if (place.name === ".") throw new GuestError("invalid");
    if (node.children.size > 0) throw new GuestError("not-empty");
    tree.remove(place);
    await tree.backing.write([[`${place.path}/`, null]]);
  }

  async renameAt(oldPath: string, target: Descriptor, newPath: string): Promise<void> {
    const { tree } = this.#open;
    if (target.#open.tree !== tree) throw new GuestError("cross-device");
    const from = await this.#find(oldPath);
    const to = await target.#find(newPath);
    this.#requireMutable();
    target.#requireMutable();
    const node = present(from);
    if (from.name === "." || to.name === ".") throw new GuestError("invalid");
    if (from.path === to.path) return;
    if (to.node?.kind === "directory" && node.kind === "file") throw new GuestError("is-directory");
    if (to.node?.kind === "file" && node.kind === "directory") throw new GuestError("not-directory");
    if (to.node?.kind === "directory" && to.node.children.size > 0) throw new GuestError("not-empty");
    // A directory cannot go below itself: it would hang from nothing.
    if (node.kind === "directory" && to.path.startsWith(`${from.path}/`)) throw new GuestError("invalid");
    // What a renamed directory of a volume holds would have to be brought here and sent back, all of it.
    const isEmpty = node.kind === "directory" && node.children.size === 0;
    if (node.kind === "directory" && !isEmpty && !tree.backing.movesDirectories)
      throw new GuestError("unsupported");
    if (node.kind === "file") await tree.open(node);
    tree.move(from, to);
    const suffix = node.kind === "directory" ? "/" : "";
    const bytes = node.kind === "file" ? tree.read(node, node.length, 0).slice() : new Uint8Array(0);
    await tree.backing.write([
      [`${from.path}${suffix}`, null],
      [`${to.path}${suffix}`, bytes],
    ]);
    if (node.kind === "file") node.dirty = false;
  }

  symlinkAt(): void {
    this.#directory();
    throw new GuestError("not-permitted");
  }

  async unlinkFileAt(path: string): Promise<void> {
    const { tree } = this.#open;
    const place = await this.#find(path);
    this.#requireMutable();
    const node = present(place);
    if (node.kind === "directory") throw new GuestError("is-directory");
    if (place.wantsDirectory) throw new GuestError("not-directory");
    tree.remove(place);
    node.dirty = false;
    await tree.backing.write([[place.path, null]]);
  }

  isSameObject(other: Descriptor): boolean {
    return this.#open.node === other.#open.node;
  }

  async metadataHash(): Promise<object> {
    return hashOf(this.#open.node);
  }

  async metadataHashAt(_flags: unknown, path: string): Promise<object> {
    return hashOf(present(await this.#find(path)));
  }

  /** Closed: what was written is handed on, without anybody who waits for it. */
  [Symbol.dispose](): void {
    const { tree, node, flags } = this.#open;
    if (node.kind === "file" && flags.write === true) tree.backing.later(() => tree.keep(node));
  }

  async #find(path: string): Promise<Place> {
    const { tree, path: basePath } = this.#open;
    const directory = this.#directory();
    await tree.load();
    return tree.find(directory, basePath, path);
  }

  #directory(): Directory {
    const { node } = this.#open;
    if (node.kind !== "directory") throw new GuestError("not-directory");
    return node;
  }

  #file(): File {
    const { node } = this.#open;
    if (node.kind !== "file") throw new GuestError("is-directory");
    return node;
  }

  #writableFile(): File {
    const file = this.#file();
    if (this.#open.flags.write !== true) throw new GuestError("bad-descriptor");
    return file;
  }

  #requireMutable(): void {
    this.#requireWritableTree();
    if (this.#open.flags.mutateDirectory !== true) throw new GuestError("not-permitted");
  }

  #requireWritableTree(): void {
    if (!this.#open.tree.backing.writable) throw new GuestError("read-only");
  }

  #stream(offsetOf: (written: number) => number): OutputStream {
    const { tree } = this.#open;
    const file = this.#writableFile();
    let written = 0;
    return new OutputStream({
      room: () => CHUNK_BYTES,
      write(bytes) {
        tree.write(file, bytes, offsetOf(written));
        written += bytes.length;
      },
      flush: () => Promise.resolve(),
    });
  }
}

/** Resource `directory-entry-stream`: the names that were there when it was asked for. */
export class DirectoryEntryStream {
  readonly #left: { readonly type: string; readonly name: string }[];

  constructor(entries: { readonly type: string; readonly name: string }[]) {
    this.#left = entries;
  }

  readDirectoryEntry(): object | undefined {
    return this.#left.shift();
  }

  /** All that were not read yet. */
  rest(): readonly { readonly type: string; readonly name: string }[] {
    return this.#left;
  }
}

function present({ node, wantsDirectory }: Place): Node {
  if (node === undefined) throw new GuestError("no-entry");
  if (wantsDirectory && node.kind !== "directory") throw new GuestError("not-directory");
  return node;
}

function position(value: bigint): number {
  // Beyond every file: a write there is refused, a read is at the end.
  return Number(value > BigInt(FILE_BYTES) ? FILE_BYTES + 1 : value);
}

function typeOf(node: Node): string {
  return node.kind === "directory" ? "directory" : "regular-file";
}

function statOf(node: Node): object {
  const modified = toDatetime(node.modifiedMs);
  return {
    type: typeOf(node),
    linkCount: 1n,
    size: BigInt(node.kind === "file" ? node.length : 0),
    dataAccessTimestamp: undefined,
    dataModificationTimestamp: modified,
    statusChangeTimestamp: modified,
  };
}

function toDatetime(ms: number): object {
  return { seconds: BigInt(Math.floor(ms / 1000)), nanoseconds: (ms % 1000) * 1_000_000 };
}

function setTime(node: Node, modified: NewTimestamp): void {
  // `now` needs nothing: only a volume keeps times, and it takes that of the write.
  if (modified.tag === "timestamp" && modified.val !== undefined)
    node.modifiedMs = Number(modified.val.seconds) * 1000;
}

function hashOf(node: Node): object {
  return {
    lower: BigInt(node.id),
    upper: BigInt(Math.floor(node.modifiedMs)) ^ BigInt(node.kind === "file" ? node.length : 0),
  };
}
