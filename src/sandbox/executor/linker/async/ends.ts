/**
 * The ends of streams and futures in an instance's table, and the built-ins that copy through them.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#-canon-streamfutureread-write
 */
import { AbiTrap, trapIf } from "../abi-trap.ts";
import type { ComponentInstance } from "../component-instance.ts";
import {
  type Channel,
  COPY,
  type CopyResult,
  type Readable,
  type ReadableBuffer,
  type WritableBuffer,
} from "./channel.ts";
import { EVENT, Waitable } from "./waitable.ts";

/** What an end is of: streams and futures of the same element are of one kind, whoever made them. */
export interface ChannelKind {
  readonly channel: "stream" | "future";
  /** Index of the element's type in the plan; null where there is no payload. */
  readonly element: number | null;
}

/** One end. */
export type End = ReadableEnd | WritableEnd;

abstract class CopyEnd extends Waitable {
  readonly kind = "end";
  readonly of: ChannelKind;
  state: "idle" | "copying" | "cancelling" | "done" = "idle";
  /** Of a copy under way: whether some values were copied, and more would be. */
  isPartial = false;

  constructor(of: ChannelKind) {
    super();
    this.of = of;
  }

  get isCopying(): boolean {
    return this.state === "copying" || this.state === "cancelling";
  }
}

/** The end that is read. */
export class ReadableEnd extends CopyEnd {
  readonly side = "readable";
  readonly shared: Readable;

  constructor(of: ChannelKind, shared: Readable) {
    super(of);
    this.shared = shared;
  }
}

/** The end that is written. */
export class WritableEnd extends CopyEnd {
  readonly side = "writable";
  readonly shared: Channel;

  constructor(of: ChannelKind, shared: Channel) {
    super(of);
    this.shared = shared;
  }
}

/** What a built-in gives where it would have to wait and must not. */
export const BLOCKED = -1;

/**
 * Finds an end.
 *
 * @throws AbiTrap when there is none of that kind and side at the index
 */
export function endAt(instance: ComponentInstance, index: number, side: End["side"], kind: ChannelKind): End {
  const found = instance.handles.find(index);
  if (!(found instanceof ReadableEnd || found instanceof WritableEnd)) throw new AbiTrap("unknown-handle");
  const isRight =
    found.side === side && found.of.channel === kind.channel && found.of.element === kind.element;
  trapIf(!isRight, "handle-of-another-type");
  return found;
}

/** A buffer of the guest's, and how far it was filled or emptied. */
export type GuestBuffer = ReadableBuffer & WritableBuffer & { readonly progress: number };

/**
 * Begins to copy.
 *
 * @param index the end's own, which its event names
 */
export function beginCopy(instance: ComponentInstance, end: End, index: number, buffer: GuestBuffer): void {
  const { channel } = end.of;
  const code = EVENT_CODES[channel][end.side];
  const note = (result: CopyResult, giveUp?: () => void) =>
    end.setEvent(() => {
      giveUp?.();
      end.isPartial = false;
      const isOver = result === COPY.dropped || (channel === "future" && result === COPY.completed);
      end.state = isOver ? "done" : "idle";
      return [code, index, channel === "stream" ? result + buffer.progress * 16 : result];
    });
  end.state = "copying";
  const copied = (giveUp: () => void) => {
    end.isPartial = buffer.remain > 0;
    note(COPY.completed, giveUp);
  };
  const ended = (result: CopyResult) => {
    end.isPartial = false;
    note(result);
  };
  if (end.side === "readable") end.shared.read(instance, buffer, copied, ended);
  else end.shared.write(instance, buffer, copied, ended);
}

/** Asks that the copy under way ends. */
export function cancelCopy(end: End): void {
  end.state = "cancelling";
  if (!end.hasEvent || end.isPartial) end.shared.cancel();
}

/** Gives up an end. @throws AbiTrap while it copies, or when a future was promised and not written */
export function dropEnd(end: End): void {
  trapIf(end.isCopying, "dropped-while-copying");
  trapIf(
    end.side === "writable" && end.of.channel === "future" && end.state !== "done",
    "future-not-written",
  );
  end.shared.drop();
  end.join(undefined);
}

const EVENT_CODES = {
  stream: { readable: EVENT.streamRead, writable: EVENT.streamWrite },
  future: { readable: EVENT.futureRead, writable: EVENT.futureWrite },
} as const;
