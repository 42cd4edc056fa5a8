/**
 * Resource `descriptor` of `wasi:filesystem/types` 0.3: the descriptor of 0.2 behind what is different, which is that
 * contents and listings are streams, and that words of the interface are cases of variants.
 */
import { GuestError } from "../guard.ts";
import type { HostWork, Readable } from "../linker/index.ts";
import type { Descriptor as Older } from "../wasi/descriptor.ts";
import { drain, HostFuture, HostStream } from "./streams.ts";

type StreamAndResult = readonly [HostStream, HostFuture];
type Parameters<Name extends keyof Older> = Older[Name] extends (...args: infer Args) => unknown
  ? Args
  : never;

/** Resource `descriptor`. */
export class Descriptor {
  readonly #older: Older;
  readonly #work: HostWork;

  constructor(older: Older, work: HostWork) {
    this.#older = older;
    this.#work = work;
  }

  readViaStream(offset: bigint): StreamAndResult {
    const older = this.#older;
    let at = offset;
    return this.#streamed(async (limit) => {
      const [bytes] = older.read(BigInt(limit), at);
      at += BigInt(bytes.length);
      return bytes;
    });
  }

  writeViaStream(data: Readable, offset: bigint): HostFuture {
    return this.#written(data, () => this.#older.writeViaStream(offset));
  }

  appendViaStream(data: Readable): HostFuture {
    return this.#written(data, () => this.#older.appendViaStream());
  }

  advise(): Promise<void> {
    return inVariants(() => this.#older.advise());
  }

  syncData(): Promise<void> {
    return inVariants(() => this.#older.syncData());
  }

  getFlags(): Promise<object> {
    return inVariants(() => this.#older.getFlags());
  }

  getType(): Promise<object> {
    return inVariants(() => ({ tag: this.#older.getType() }));
  }

  setSize(size: bigint): Promise<void> {
    return inVariants(() => this.#older.setSize(size));
  }

  setTimes(...args: Parameters<"setTimes">): Promise<void> {
    return inVariants(() => this.#older.setTimes(...args));
  }

  readDirectory(): StreamAndResult {
    const older = this.#older;
    let isListed = false;
    return this.#streamed(async () => {
      if (isListed) return [];
      isListed = true;
      const stream = await older.readDirectory();
      return [...stream.rest()].map(({ type, name }) => ({ type: { tag: type }, name }));
    });
  }

  sync(): Promise<void> {
    return inVariants(() => this.#older.sync());
  }

  createDirectoryAt(path: string): Promise<void> {
    return inVariants(() => this.#older.createDirectoryAt(path));
  }

  stat(): Promise<object> {
    return inVariants(async () => withVariant(await this.#older.stat()));
  }

  statAt(...args: Parameters<"statAt">): Promise<object> {
    return inVariants(async () => withVariant(await this.#older.statAt(...args)));
  }

  setTimesAt(...args: Parameters<"setTimesAt">): Promise<void> {
    return inVariants(() => this.#older.setTimesAt(...args));
  }

  linkAt(): Promise<void> {
    return inVariants(() => this.#older.linkAt());
  }

  openAt(...args: Parameters<"openAt">): Promise<Descriptor> {
    return inVariants(async () => new Descriptor(await this.#older.openAt(...args), this.#work));
  }

  readlinkAt(path: string): Promise<string> {
    return inVariants(() => this.#older.readlinkAt(path));
  }

  removeDirectoryAt(path: string): Promise<void> {
    return inVariants(() => this.#older.removeDirectoryAt(path));
  }

  renameAt(oldPath: string, target: Descriptor, newPath: string): Promise<void> {
    return inVariants(() => this.#older.renameAt(oldPath, target.#older, newPath));
  }

  symlinkAt(): Promise<void> {
    return inVariants(() => this.#older.symlinkAt());
  }

  unlinkFileAt(path: string): Promise<void> {
    return inVariants(() => this.#older.unlinkFileAt(path));
  }

  async isSameObject(other: Descriptor): Promise<boolean> {
    return this.#older.isSameObject(other.#older);
  }

  metadataHash(): Promise<object> {
    return inVariants(() => this.#older.metadataHash());
  }

  metadataHashAt(...args: Parameters<"metadataHashAt">): Promise<object> {
    return inVariants(() => this.#older.metadataHashAt(...args));
  }

  [Symbol.dispose](): void {
    this.#older[Symbol.dispose]();
  }

  /** @param next gives what comes next, and nothing at the end */
  #streamed(next: (limit: number) => Promise<Uint8Array | readonly unknown[]>): StreamAndResult {
    const result = new HostFuture();
    const source = {
      async read(limit: number) {
        const values = await inVariants(() => next(limit));
        return values.length === 0 ? undefined : values;
      },
    };
    const stream = new HostStream(this.#work, source, (failure) => result.settle(resultOf(failure)));
    return [stream, result];
  }

  #written(data: Readable, open: () => { write(bytes: Uint8Array): void }): HostFuture {
    const result = new HostFuture();
    let output: ReturnType<typeof open> | undefined;
    const take = (bytes: Uint8Array) =>
      inVariants(() => {
        output ??= open();
        output.write(bytes);
      });
    drain(data, this.#work, take, (failure) => result.settle(resultOf(failure)));
    return result;
  }
}

function resultOf(failure: GuestError | undefined): object {
  return failure === undefined ? { tag: "ok" } : { tag: "err", val: failure.payload };
}

/** Does something of 0.2, whose errors are words, for 0.3, where they are cases. */
async function inVariants<T>(act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof GuestError) throw new GuestError({ tag: error.payload });
    throw error;
  }
}

function withVariant(stat: object): object {
  return { ...stat, type: { tag: Reflect.get(stat, "type") } };
}
