/**
 * How indices move, and the constant expressions that name them.
 */

import { nextConstant } from "./entities.ts";
import { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** How indices of the original module translate. */
export interface IndexMap {
  /** A global, anywhere. */
  readonly global: (index: number) => number;
  /** A function taken as a reference: ref.func and element segments. */
  readonly reference: (index: number) => number;
  /** A function exported to the host. */
  readonly export: (index: number) => number;
}

/** Copies a constant expression, its end included, with the indices in it translated. */
export function copyExpression(reader: Reader, writer: Writer, map: IndexMap): void {
  for (;;) {
    const start = reader.pos;
    const code = nextConstant(reader);
    if (code === 0x23 || code === 0xd2) {
      const index = new Reader(reader.bytes, start + 1, reader.pos).u32();
      writer.byte(code);
      writer.u32(code === 0x23 ? map.global(index) : map.reference(index));
    } else {
      writer.copy(reader.bytes, start, reader.pos);
    }
    if (code === 0x0b) return;
  }
}
