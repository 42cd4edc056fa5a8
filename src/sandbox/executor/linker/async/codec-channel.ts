/**
 * Codecs of streams and futures. What crosses is the end that is read: the instance that gives it away loses it. In
 * JavaScript it is what both ends share, so a stream of the host's looks like one of a guest's.
 */
import type { PlanType } from "../../../../core/component/index.ts";
import { AbiTrap, trapIf } from "../abi-trap.ts";
import { BorderMismatch, type Codec, OBJECT_BYTES } from "../codec.ts";
import type { Passage } from "../passage.ts";
import type { Readable } from "./channel.ts";
import { type ChannelKind, endAt, ReadableEnd } from "./ends.ts";

/** Makes the codec of a stream's or a future's type. */
export function channelCodec(type: PlanType, kind: ChannelKind): Codec {
  function take({ instance }: Passage, index: number): Readable {
    const end = endAt(instance, index, "readable", kind);
    if (!(end instanceof ReadableEnd)) throw new AbiTrap("handle-of-another-type");
    trapIf(end.state !== "idle", "given-away-while-used");
    trapIf(end.isInSet, "given-away-while-in-set");
    instance.handles.release(index);
    return end.shared;
  }

  function give({ instance }: Passage, value: unknown): number {
    if (!isReadable(value)) throw new BorderMismatch(kind.channel);
    return instance.handles.add(new ReadableEnd(kind, value));
  }

  return {
    type,
    hostBytes: OBJECT_BYTES,
    values: 1,
    load: (passage, at) => take(passage, passage.view.getUint32(at, true)),
    store: (passage, value, at) => passage.view.setUint32(at, give(passage, value), true),
    lift: (passage, flat, at) => take(passage, Number(flat[at]) >>> 0),
    lower: (passage, value, flat) => void flat.push(give(passage, value)),
  };
}

function isReadable(value: unknown): value is Readable {
  return typeof value === "object" && value !== null && "read" in value && "drop" in value;
}
