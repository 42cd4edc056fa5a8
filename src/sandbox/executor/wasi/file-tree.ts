/**
 * The files that one run sees: trees of directories and files in this process's memory, one for each root that was
 * granted. There is no operating system beneath: a path is a list of names looked up in maps, so no link, no case, no
 * race and no spelling leads anywhere else. What leaves here goes through {@link RootBacking}, and is judged again there.
 */
import { GuestError } from "../guard.ts";

/** A directory. */
export interface Directory {
  readonly kind: "directory";
  readonly id: number;
  readonly children: Map<string, Node>;
  modifiedMs: number;
}

/** A file. Its bytes are `store[0, length)`; undefined while nobody has opened it. */
export interface File {
  readonly kind: "file";
  readonly id: number;
  /** From the root; undefined once its name was taken away: then nothing of it is handed on. */
  path: string | undefined;
  store: Uint8Array | undefined;
  length: number;
  modifiedMs: number;
  /** Changed since it was last handed on. */
  dirty: boolean;
}

/** What a name can stand for. */
export type Node = Directory | File;

/** What a root is made of, and where its changes go. */
export interface RootBacking {
  readonly writable: boolean;
  /** Whether a directory can be renamed with what is in it. */
  readonly movesDirectories: boolean;
  /** Bytes that may be held; Infinity where others see to it. */
  readonly quotaBytes: number;
  /** What a file or directory costs of it beside its bytes. */
  readonly nodeBytes: number;
  /** What is there when the run begins: paths of files, and of directories with `/` at the end. */
  list(): Promise<readonly (readonly [path: string, bytes: number, modifiedMs: number])[]>;
  read(path: string): Promise<Uint8Array>;
  /** Hands a change on: null = gone. Resolves when it is durable; nothing comes of it in a scratch. */
  write(changes: readonly (readonly [path: string, bytes: Uint8Array | null])[]): Promise<void>;
  /** Told that something was refused because of `quotaBytes`. */
  overQuota(): void;
  /** Does it without anybody who waits; the run ends after it. */
  later(task: () => Promise<void>): void;
}

/** Where a path leads: the directory that holds it, its name, and what is there. */
export interface Place {
  readonly parent: Directory;
  readonly name: string;
  readonly node: Node | undefined;
  /** From the root. */
  readonly path: string;
  /** The path ends in `/`: only a directory will do. */
  readonly wantsDirectory: boolean;
}

const NAME_BYTES = 255;
const PATH_CHARACTERS = 4096;
/** Largest file, and bytes of all files of a run that are held here. */
export const FILE_BYTES = 16 * 1024 * 1024;
const HELD_BYTES = 64 * 1024 * 1024;

/** What the roots of one run hold together. */
export class Held {
  bytes = 0;
  #ids = 0;

  nextId(): number {
    this.#ids += 1;
    return this.#ids;
  }

  /** @throws {GuestError} `insufficient-memory` */
  take(bytes: number): void {
    if (this.bytes + bytes > HELD_BYTES) throw new GuestError("insufficient-memory");
    this.bytes += bytes;
  }
}

/** One root and everything below it. */
export class FileTree {
  readonly backing: RootBacking;
  readonly root: Directory;
  readonly #held: Held;
  readonly #nowMs: () => number;
  #used = 0;
  #loaded: Promise<void> | undefined;

  constructor(backing: RootBacking, held: Held, nowMs: () => number) {
    this.backing = backing;
    this.#held = held;
    this.#nowMs = nowMs;
    this.root = this.#directory();
  }

  /** Reads what the root holds, once, when it is first looked into. */
  load(): Promise<void> {
    this.#loaded ??= this.#fill();
    return this.#loaded;
  }

  /**
   * Looks a path up, from a directory that the guest holds and never above it.
   *
   * @throws {GuestError} in the interface's own words
   */
  find(base: Directory, basePath: string, path: string): Place {
    if (path.length > PATH_CHARACTERS) throw new GuestError("name-too-long");
    if (path === "") throw new GuestError("no-entry");
    if (path.includes("\0") || !path.isWellFormed()) throw new GuestError("illegal-byte-sequence");
    if (path.startsWith("/")) throw new GuestError("not-permitted");
    const names = path.split("/").filter((name) => name !== "" && name !== ".");
    const wantsDirectory = /(?:^|\/)\.{0,2}$/.test(path);
    const steps: { directory: Directory; path: string }[] = [{ directory: base, path: basePath }];
    for (const [index, name] of names.entries()) {
      const here = steps.at(-1);
      if (here === undefined) throw new GuestError("not-permitted");
      if (name === "..") {
        steps.pop();
        // Above what the guest holds there is nothing for it, even if the tree goes on.
        if (steps.length === 0) throw new GuestError("not-permitted");
        continue;
      }
      if (new TextEncoder().encode(name).length > NAME_BYTES) throw new GuestError("name-too-long");
      const node = here.directory.children.get(name);
      const full = here.path === "" ? name : `${here.path}/${name}`;
      if (index === names.length - 1)
        return { parent: here.directory, name, node, path: full, wantsDirectory };
      if (node === undefined) throw new GuestError("no-entry");
      if (node.kind !== "directory") throw new GuestError("not-directory");
      steps.push({ directory: node, path: full });
    }
    // The path ends in a directory that was passed: `.`, `a/..`.
    const last = steps.at(-1) ?? { directory: base, path: basePath };
    return { parent: last.directory, name: ".", node: last.directory, path: last.path, wantsDirectory: true };
  }

  /** Makes an empty file. */
  createFile(place: Place): File {
    this.#charge(this.backing.nodeBytes);
    const file: File = {
      kind: "file",
      id: this.#held.nextId(),
      path: place.path,
      store: new Uint8Array(0),
      length: 0,
      modifiedMs: this.#nowMs(),
      dirty: true,
    };
    this.#put(place, file);
    return file;
  }

  /** Makes a directory. */
  createDirectory(place: Place): Directory {
    this.#charge(this.backing.nodeBytes);
    const directory = this.#directory();
    this.#put(place, directory);
    return directory;
  }

  /** Takes a name away. Whoever holds the file still reads it; its bytes no longer count. */
  remove(place: Place): void {
    const { node, parent, name } = place;
    if (node === undefined) throw new GuestError("no-entry");
    this.#used -= this.backing.nodeBytes + (node.kind === "file" ? node.length : 0);
    parent.children.delete(name);
    parent.modifiedMs = this.#nowMs();
    if (node.kind === "file") node.path = undefined;
  }

  /** Puts what stands at one place at another of this tree, in place of what stood there. */
  move(from: Place, to: Place): void {
    if (from.node === undefined) throw new GuestError("no-entry");
    if (to.node !== undefined) this.remove(to);
    from.parent.children.delete(from.name);
    this.#put(to, from.node);
    if (from.node.kind === "file") from.node.path = to.path;
  }

  /** Brings a file's bytes here. */
  async open(file: File): Promise<void> {
    if (file.store !== undefined || file.path === undefined) return;
    const bytes = await this.backing.read(file.path);
    if (file.store !== undefined) return;
    this.#held.take(bytes.length);
    this.#used += bytes.length - file.length;
    file.store = bytes;
    file.length = bytes.length;
  }

  /** Reads; less than `length` at the end. */
  read(file: File, length: number, offset: number): Uint8Array {
    return (file.store ?? new Uint8Array(0)).subarray(offset, Math.min(offset + length, file.length));
  }

  /** Writes, with zeroes where nothing was. */
  write(file: File, bytes: Uint8Array, offset: number): void {
    this.resize(file, Math.max(file.length, offset + bytes.length));
    file.store?.set(bytes, offset);
  }

  /** Makes a file longer, with zeroes, or shorter. */
  resize(file: File, length: number): void {
    if (length > FILE_BYTES) throw new GuestError("file-too-large");
    const store = file.store ?? new Uint8Array(0);
    this.#charge(length - file.length);
    if (length > store.length) {
      // Doubled, so that a file that grows by small writes is not copied for each of them.
      const capacity = Math.min(FILE_BYTES, Math.max(length, store.length * 2));
      this.#held.take(capacity - store.length);
      const grown = new Uint8Array(capacity);
      grown.set(store.subarray(0, file.length));
      file.store = grown;
    } else {
      store.fill(0, length, file.length);
      file.store = store;
    }
    file.length = length;
    file.modifiedMs = this.#nowMs();
    file.dirty = true;
  }

  /** Hands a file on, if it was changed. */
  async keep(file: File): Promise<void> {
    if (!file.dirty || file.path === undefined) return;
    file.dirty = false;
    await this.backing.write([[file.path, this.read(file, file.length, 0).slice()]]);
  }

  /** Hands on every file that was changed. */
  async keepAll(directory = this.root): Promise<void> {
    for (const node of directory.children.values()) {
      if (node.kind === "directory") await this.keepAll(node);
      else await this.keep(node);
    }
  }

  async #fill(): Promise<void> {
    for (const [path, bytes, modifiedMs] of await this.backing.list()) {
      const names = path.split("/").filter((name) => name !== "");
      const isDirectory = path.endsWith("/");
      let here = this.root;
      for (const [index, name] of names.entries()) {
        const last = index === names.length - 1;
        const known = here.children.get(name);
        const node: Node =
          known ??
          (last && !isDirectory
            ? {
                kind: "file",
                id: this.#held.nextId(),
                path,
                store: undefined,
                length: bytes,
                modifiedMs,
                dirty: false,
              }
            : this.#directory());
        if (known === undefined) {
          here.children.set(name, node);
          this.#used += this.backing.nodeBytes + (node.kind === "file" ? node.length : 0);
        }
        if (node.kind !== "directory") break;
        here = node;
      }
    }
  }

  #put({ parent, name }: Place, node: Node): void {
    parent.children.set(name, node);
    parent.modifiedMs = this.#nowMs();
  }

  #charge(bytes: number): void {
    if (bytes > 0 && this.#used + bytes > this.backing.quotaBytes) {
      this.backing.overQuota();
      throw new GuestError("quota");
    }
    this.#used += bytes;
  }

  #directory(): Directory {
    return { kind: "directory", id: this.#held.nextId(), children: new Map(), modifiedMs: this.#nowMs() };
  }
}
