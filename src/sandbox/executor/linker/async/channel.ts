/**
 * Streams and futures between two ends of the guest's own. Nothing is held in between: values go from the writer's
 * memory into the reader's, when both are there.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#stream-state
 */
import { trapIf } from "../abi-trap.ts";
import type { ComponentInstance } from "../component-instance.ts";

/** How a copy ended. */
export const COPY = { completed: 0, dropped: 1, cancelled: 2 } as const;

/** One of {@link COPY}. */
export type CopyResult = (typeof COPY)[keyof typeof COPY];

/** Values on their way: their number where they have no payload, a typed array or an array where they have one. */
export type Values = number | ArrayLike<unknown>;

/** Where values come from. */
export interface ReadableBuffer {
  readonly remain: number;
  /** Whether it was made for no values at all: to learn whether the other side is there. */
  readonly isZeroLength: boolean;
  /** @param count at most `remain` */
  read(count: number): Values;
}

/** Where values go to. */
export interface WritableBuffer {
  readonly remain: number;
  readonly isZeroLength: boolean;
  /** @param values at most `remain` */
  write(values: Values): void;
}

/** Told that values were copied while the buffer waits for more; it is given up by calling what is handed over. */
export type OnCopy = (giveUp: () => void) => void;
/** Told that a copy has ended. */
export type OnDone = (result: CopyResult) => void;

/** Something that can be read: a stream or a future, of the guest's or of the host's. */
export interface Readable {
  /** @param instance who reads; undefined for the host */
  read(instance: ComponentInstance | undefined, into: WritableBuffer, onCopy: OnCopy, onDone: OnDone): void;
  /** Ends the read that is under way. */
  cancel(): void;
  /** Nobody will read any more. */
  drop(): void;
}

/** Something that can be read and written. */
export interface Channel extends Readable {
  write(instance: ComponentInstance, from: ReadableBuffer, onCopy: OnCopy, onDone: OnDone): void;
}

interface Pending<Buffer> {
  readonly instance: ComponentInstance | undefined;
  readonly buffer: Buffer;
  readonly onCopy: OnCopy;
  readonly onDone: OnDone;
}

/** Where the two ends of a stream or a future meet: whoever comes first waits here for the other. */
abstract class Meeting implements Channel {
  /** Whether both ends may be one instance's: so only where values are copied without its help. */
  protected readonly isPlain: boolean;
  protected reader: Pending<WritableBuffer> | undefined;
  protected writer: Pending<ReadableBuffer> | undefined;
  protected isDropped = false;

  /** @param isPlain whether its values are numbers, or none */
  constructor(isPlain: boolean) {
    this.isPlain = isPlain;
  }

  abstract read(...args: Parameters<Channel["read"]>): void;
  abstract write(...args: Parameters<Channel["write"]>): void;

  cancel(): void {
    this.end(COPY.cancelled);
  }

  drop(): void {
    if (this.isDropped) return;
    this.isDropped = true;
    this.end(COPY.dropped);
  }

  /** Ends the copy that waits. */
  protected end(result: CopyResult): void {
    const pending = this.reader ?? this.writer;
    this.forget();
    pending?.onDone(result);
  }

  protected forget(): void {
    this.reader = undefined;
    this.writer = undefined;
  }
}

/** A stream. */
export class Stream extends Meeting {
  read(instance: ComponentInstance | undefined, into: WritableBuffer, onCopy: OnCopy, onDone: OnDone): void {
    const writer = this.writer;
    const reader = { instance, buffer: into, onCopy, onDone };
    if (this.isDropped) {
      onDone(COPY.dropped);
      return;
    }
    if (writer === undefined) {
      this.reader = reader;
      return;
    }
    trapIf(instance === writer.instance && !this.isPlain, "stream-within-one-instance");
    if (writer.buffer.remain === 0) {
      this.end(COPY.completed);
      this.reader = reader;
      return;
    }
    if (into.remain > 0) {
      into.write(writer.buffer.read(Math.min(into.remain, writer.buffer.remain)));
      writer.onCopy(() => this.forget());
    }
    onDone(COPY.completed);
  }

  write(instance: ComponentInstance, from: ReadableBuffer, onCopy: OnCopy, onDone: OnDone): void {
    const reader = this.reader;
    const writer = { instance, buffer: from, onCopy, onDone };
    if (this.isDropped) {
      onDone(COPY.dropped);
      return;
    }
    if (reader === undefined) {
      this.writer = writer;
      return;
    }
    trapIf(instance === reader.instance && !this.isPlain, "stream-within-one-instance");
    if (reader.buffer.remain > 0) {
      if (from.remain > 0) {
        reader.buffer.write(from.read(Math.min(reader.buffer.remain, from.remain)));
        reader.onCopy(() => this.forget());
      }
      onDone(COPY.completed);
      return;
    }
    // Each asks whether the other is there: the writer is told, so that one of them goes on.
    if (from.isZeroLength && reader.buffer.isZeroLength) {
      onDone(COPY.completed);
      return;
    }
    this.end(COPY.completed);
    this.writer = writer;
  }
}

/** A future: one value, once. */
export class Future extends Meeting {
  read(instance: ComponentInstance | undefined, into: WritableBuffer, onCopy: OnCopy, onDone: OnDone): void {
    const writer = this.writer;
    if (writer === undefined) {
      this.reader = { instance, buffer: into, onCopy, onDone };
      return;
    }
    trapIf(instance === writer.instance && !this.isPlain, "future-within-one-instance");
    into.write(writer.buffer.read(1));
    this.end(COPY.completed);
    onDone(COPY.completed);
  }

  write(instance: ComponentInstance, from: ReadableBuffer, onCopy: OnCopy, onDone: OnDone): void {
    const reader = this.reader;
    if (this.isDropped) {
      onDone(COPY.dropped);
      return;
    }
    if (reader === undefined) {
      this.writer = { instance, buffer: from, onCopy, onDone };
      return;
    }
    trapIf(instance === reader.instance && !this.isPlain, "future-within-one-instance");
    reader.buffer.write(from.read(1));
    this.end(COPY.completed);
    onDone(COPY.completed);
  }
}
