/**
 * Carries the name section over: indices of functions, globals and locals move, all other names stay,
 * but for those of labels, which are numbered by position among blocks that metering adds to.
 *
 * A name section is for people, and engines ignore a broken one; so a part that does not decode is dropped
 * rather than refused.
 *
 * @see https://webassembly.github.io/spec/core/appendix/custom.html#name-section
 */

import type { Section, WasmModule } from "../binary/module.ts";
import { Reader } from "../binary/reader.ts";
import { Writer } from "../binary/writer.ts";

/** How names' indices translate. */
export interface NameMap {
  readonly function: (index: number) => number;
  readonly global: (index: number) => number;
  /** A local of a function, by both their original indices. */
  readonly local: (functionIndex: number, index: number) => number;
}

const FUNCTIONS = 1;
const LOCALS = 2;
const LABELS = 3;
const GLOBALS = 7;

/** @returns the content of the name section behind its own name */
export function writeNames(module: WasmModule, section: Section, map: NameMap): Writer {
  const reader = new Reader(module.bytes, section.start, section.end);
  const writer = new Writer(section.end - section.start + 64);
  try {
    while (!reader.done) {
      const id = reader.byte();
      const size = reader.u32();
      const start = reader.pos;
      reader.skip(size);
      const content = new Writer(size + 16);
      const inner = new Reader(module.bytes, start, reader.pos);
      if (id === GLOBALS) copyNames(inner, content, map.global);
      else if (id === FUNCTIONS) copyNames(inner, content, map.function);
      else if (id === LOCALS) copyLocals(inner, content, map);
      else if (id === LABELS) continue;
      else content.copy(module.bytes, start, reader.pos);
      writer.section(id, content);
    }
  } catch {
    // INVARIANT: nothing half-written is in `writer`; a subsection is written whole or not at all.
  }
  return writer;
}

function copyLocals(reader: Reader, writer: Writer, map: NameMap): void {
  const count = reader.u32();
  writer.u32(count);
  for (let i = 0; i < count; i += 1) {
    const functionIndex = reader.u32();
    writer.u32(map.function(functionIndex));
    copyNames(reader, writer, (index) => map.local(functionIndex, index));
  }
}

function copyNames(reader: Reader, writer: Writer, map: (index: number) => number): void {
  const count = reader.u32();
  writer.u32(count);
  for (let i = 0; i < count; i += 1) {
    writer.u32(map(reader.u32()));
    const start = reader.pos;
    reader.skip(reader.u32());
    writer.copy(reader.bytes, start, reader.pos);
  }
}
