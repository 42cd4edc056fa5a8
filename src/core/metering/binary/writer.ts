/**
 * Writes the primitive encodings of the WebAssembly binary format into a buffer that grows.
 *
 * Integers are written in their shortest form. A writer is meant to be reused (`clear`), because a pass over a
 * large module writes tens of thousands of function bodies.
 */

const utf8 = new TextEncoder();

/** A growing byte buffer with the encodings of the binary format. */
export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  /** @param capacity bytes to reserve at first; default 256 */
  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(Math.max(16, capacity));
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** What has been written, as a view that the next write invalidates. */
  get view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets what has been written and keeps the buffer. */
  clear(): void {
    this.#length = 0;
  }

  /** Forgets what was written from `length` on. */
  truncate(length: number): void {
    if (length > this.#length)
      throw new RangeError(`Cannot truncate to ${length}: ${this.#length} are written`);
    this.#length = length;
  }

  /** Writes one byte. */
  byte(value: number): void {
    if (this.#length === this.#bytes.length) this.#reserve(1);
    this.#bytes[this.#length] = value;
    this.#length += 1;
  }

  /** Writes one byte over one that is written. */
  put(offset: number, value: number): void {
    if (offset >= this.#length) throw new RangeError(`Cannot put at ${offset}: ${this.#length} are written`);
    this.#bytes[offset] = value;
  }

  /** Writes an opcode of one byte, and an index behind it. */
  op(opcode: number, index: number): void {
    const at = this.#length;
    if (index >= 0x80 || at + 2 > this.#bytes.length) {
      this.byte(opcode);
      this.u32(index);
      return;
    }
    this.#bytes[at] = opcode;
    this.#bytes[at + 1] = index;
    this.#length = at + 2;
  }

  /** Makes room for bytes that the caller writes at once. @returns the offset of the first; they are in {@link buffer} */
  extend(count: number): number {
    const at = this.#length;
    if (at + count > this.#bytes.length) this.#reserve(count);
    this.#length = at + count;
    return at;
  }

  /** The bytes written so far and room behind them, until more is written. */
  get buffer(): Uint8Array {
    return this.#bytes;
  }

  /** Writes the given bytes. */
  bytes(...values: readonly number[]): void {
    for (const value of values) this.byte(value);
  }

  /** Copies `source` from `start` up to `end`. */
  copy(source: Uint8Array, start = 0, end = source.length): void {
    const count = end - start;
    if (count <= 0) return;
    if (this.#length + count > this.#bytes.length) this.#reserve(count);
    const length = this.#length;
    if (count < 64) {
      const bytes = this.#bytes; // a short run is copied sooner than a view of it is made
      for (let i = 0; i < count; i += 1) bytes[length + i] = source[start + i] ?? 0;
    } else {
      this.#bytes.set(source.subarray(start, end), length);
    }
    this.#length = length + count;
  }

  /** Writes an unsigned integer below 2^32. */
  u32(value: number): void {
    if (value < 0x80) {
      this.byte(value); // nearly always
      return;
    }
    let rest = value;
    while (rest >= 0x80) {
      this.byte((rest % 0x80) | 0x80);
      rest = Math.floor(rest / 0x80);
    }
    this.byte(rest);
  }

  /** Writes an unsigned integer below 2^64. */
  u64(value: bigint): void {
    let rest = value;
    while (rest >= 0x80n) {
      this.byte(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.byte(Number(rest));
  }

  /** Writes a signed integer of at most 53 bits. */
  signed(value: number): void {
    if (value >= -0x40 && value < 0x40) {
      this.byte(value & 0x7f);
      return;
    }
    let rest = value;
    for (;;) {
      const low = ((rest % 0x80) + 0x80) % 0x80;
      rest = Math.floor(rest / 0x80);
      if ((rest === 0 && low < 0x40) || (rest === -1 && low >= 0x40)) {
        this.byte(low);
        return;
      }
      this.byte(low | 0x80);
    }
  }

  /** Writes a name: length-prefixed UTF-8. */
  name(value: string): void {
    const encoded = utf8.encode(value);
    this.u32(encoded.length);
    this.copy(encoded);
  }

  /** Writes what `content` holds. */
  append(content: Writer): void {
    this.copy(content.#bytes, 0, content.#length);
  }

  /** Writes what `content` holds, behind its length. */
  sized(content: Writer): void {
    this.u32(content.length);
    this.append(content);
  }

  /** Writes one section: its id, its length, its content. */
  section(id: number, content: Writer): void {
    this.byte(id);
    this.sized(content);
  }

  /** Gives the memory back, at once. The writer is not used again. */
  release(): void {
    this.#bytes.buffer.transfer(0);
  }

  /** A copy of what has been written. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(count: number): void {
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.view);
    this.#bytes = grown;
  }
}
