/**
 * Bounds what is lifted out of guest memory, before it is lifted.
 *
 * A guest of two megabytes can describe two gigabytes: a list of two thousand pointers to one list of a
 * megabyte. jco's glue copies each of them into host memory. All of its reads go through four doors: a
 * `DataView`, a `TextDecoder`, typed arrays, and `slice` on a memory's buffer. The glue is given guarded
 * versions of them, which charge each byte to one budget and stop the run when it is spent.
 */
import type { RunGuard } from "./guard.ts";

/** Host memory that one read of a scalar may turn into: a slot in an array that doubles, a bigint, a text of one character. */
const SCALAR_COST = 48;
/** A record, tuple or variant with its slots. */
const OBJECT_COST = 64;
/** A text, beside its characters: two bytes each, for one of them may need as many. */
const TEXT_COST = 32;
/** A typed array and the buffer beneath it, beside their bytes. An empty one costs no less. */
const BUFFER_COST = 512;

/** Every way in which a DataView reads. */
const READERS = [
  "getInt8",
  "getUint8",
  "getInt16",
  "getUint16",
  "getInt32",
  "getUint32",
  "getBigInt64",
  "getBigUint64",
  "getFloat32",
  "getFloat64",
] as const;

/** What is shadowed in the glue's scope. */
export interface LiftDoors {
  readonly DataView: new (buffer: ArrayBuffer) => DataView;
  readonly TextDecoder: typeof TextDecoder;
  /** Guards the buffer of a memory that the glue is about to see. */
  guardMemory(memory: WebAssembly.Memory): void;
}

/**
 * @param guard the run's guard
 * @param limitBytes bytes that may be lifted during the whole run
 * @param objects objects that may come with one read, at most; see `lift-weight.ts`
 */
export function createLiftDoors(guard: RunGuard, limitBytes: number, objects: number): LiftDoors {
  const readCost = SCALAR_COST + Math.ceil(OBJECT_COST * objects);
  let left = limitBytes;

  function charge(bytes: number): void {
    left -= bytes;
    if (left >= 0) return;
    guard.stop({ kind: "exhausted", budget: "lifted_bytes" });
    guard.trap();
  }

  class GuardedView extends (DataView as new (buffer: ArrayBuffer) => DataView) {}
  for (const name of READERS) {
    const read = DataView.prototype[name] as (offset: number, little?: boolean) => unknown;
    Object.defineProperty(GuardedView.prototype, name, {
      value(this: DataView, offset: number, little?: boolean) {
        charge(readCost);
        return read.call(this, offset, little);
      },
    });
  }

  class GuardedDecoder extends TextDecoder {
    constructor(label?: string) {
      // `fatal`: the canonical ABI traps on bytes that are not UTF-8, where jco would put U+FFFD in their place.
      super(label, { fatal: true, ignoreBOM: true });
    }
    override decode(input?: AllowSharedBufferSource): string {
      charge(TEXT_COST + 2 * (input?.byteLength ?? 0));
      return super.decode(input);
    }
  }

  const guarded = new WeakSet<ArrayBuffer>();
  const bufferOf = Object.getOwnPropertyDescriptor(WebAssembly.Memory.prototype, "buffer")?.get;
  if (bufferOf === undefined) throw new TypeError("WebAssembly.Memory has no buffer getter");

  function guardMemory(memory: WebAssembly.Memory): void {
    if (Object.hasOwn(memory, "buffer")) return;
    Object.defineProperty(memory, "buffer", {
      get() {
        const buffer = bufferOf?.call(memory) as ArrayBuffer; // The built-in getter returns nothing else.
        if (!guarded.has(buffer)) {
          guarded.add(buffer);
          Object.defineProperty(buffer, "slice", {
            value(start: number, end: number): ArrayBuffer {
              charge(BUFFER_COST + Math.max(0, end - start));
              // The canonical ABI traps here; `slice` alone would give the guest's reader a shorter list.
              if (end > buffer.byteLength)
                throw new RangeError("Cannot lift a list: it ends outside the memory");
              return ArrayBuffer.prototype.slice.call(buffer, start, end);
            },
          });
        }
        return buffer;
      },
    });
  }

  return { DataView: GuardedView, TextDecoder: GuardedDecoder, guardMemory };
}
