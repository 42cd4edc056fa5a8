/**
 * The canonical built-ins over streams and futures.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#-canon-streamfuturenew
 */
import type { ChannelAction } from "../../../../core/component/index.ts";
import { trapIf } from "../abi-trap.ts";
import type { Codec } from "../codec.ts";
import { rangeCodec } from "../codec-list.ts";
import type { CoreFunction, Passage } from "../passage.ts";
import { waitForOne } from "./builtins.ts";
import { Future, Stream } from "./channel.ts";
import {
  BLOCKED,
  beginCopy,
  type ChannelKind,
  cancelCopy,
  dropEnd,
  type End,
  endAt,
  ReadableEnd,
  WritableEnd,
} from "./ends.ts";
import { guestBuffer } from "./guest-buffer.ts";
import type { Scheduler } from "./scheduler.ts";

/** Types whose values a writer and a reader of one instance may pass: copying them calls nobody. */
const PLAIN: ReadonlySet<string> = new Set([
  "u8",
  "u16",
  "u32",
  "u64",
  "s8",
  "s16",
  "s32",
  "s64",
  "f32",
  "f64",
]);

/**
 * Makes a built-in.
 *
 * @param element codec of the payload, if there is one
 * @param isAsync answers that it is blocked instead of waiting
 */
export function channelBuiltin(
  action: ChannelAction,
  kind: ChannelKind,
  element: Codec | undefined,
  isAsync: boolean,
  passage: Passage,
  scheduler: Scheduler,
): CoreFunction {
  const { instance } = passage;
  const act = builtinOf(action, kind, element, isAsync, passage, scheduler);
  return (...args) => {
    instance.requireLeave();
    return act(...args);
  };
}

/** Whether a built-in may have to wait. */
export function mayWait(action: ChannelAction, isAsync: boolean): boolean {
  return !isAsync && ["read", "write", "cancel-read", "cancel-write"].includes(action);
}

function builtinOf(
  action: ChannelAction,
  kind: ChannelKind,
  element: Codec | undefined,
  isAsync: boolean,
  passage: Passage,
  scheduler: Scheduler,
): CoreFunction {
  const { instance } = passage;
  const { handles } = instance;
  const side = action.endsWith("read") || action === "drop-readable" ? "readable" : "writable";
  const find = (index: unknown) => endAt(instance, Number(index), side, kind);
  switch (action) {
    case "new": {
      const isPlain = element === undefined || PLAIN.has(element.type.kind);
      return () => {
        const shared = kind.channel === "stream" ? new Stream(isPlain) : new Future(isPlain);
        const readable = handles.add(new ReadableEnd(kind, shared));
        const writable = handles.add(new WritableEnd(kind, shared));
        return BigInt(readable) | (BigInt(writable) << 32n);
      };
    }
    case "read":
    case "write": {
      const range = element === undefined ? undefined : rangeCodec(element);
      const place =
        element === undefined || range === undefined
          ? undefined
          : { size: element.type.size, alignment: element.type.alignment, range };
      return (index, at, length = 1) => {
        const end = find(index);
        trapIf(end.state !== "idle", end.state === "done" ? "used-after-its-end" : "used-while-copying");
        trapIf(end.isInSet && !isAsync, "waitable-is-in-set");
        const buffer = guestBuffer(passage, place, Number(at) >>> 0, Number(length) >>> 0);
        beginCopy(instance, end, Number(index) >>> 0, buffer);
        return outcome(end, isAsync, scheduler);
      };
    }
    case "cancel-read":
    case "cancel-write":
      return (index) => {
        const end = find(index);
        trapIf(end.state !== "copying" || end.hasSyncWaiter, "nothing-to-cancel");
        trapIf(end.isInSet && !isAsync, "waitable-is-in-set");
        cancelCopy(end);
        return outcome(end, isAsync, scheduler);
      };
    case "drop-readable":
    case "drop-writable":
      return (index) => {
        dropEnd(find(index));
        handles.release(Number(index));
      };
  }
}

function outcome(end: End, isAsync: boolean, scheduler: Scheduler): number | Promise<number> {
  if (end.hasEvent) return end.takeEvent()[2];
  if (isAsync) return BLOCKED;
  return waitForOne(end, scheduler).then(() => end.takeEvent()[2]);
}
