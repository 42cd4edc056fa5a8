/**
 * Rewrites the element and data sections, and measures what instantiation does for them.
 */

import type { IndexMap } from "../binary/index-map.ts";
import { copyExpression } from "../binary/index-map.ts";
import type { Section, WasmModule } from "../binary/module.ts";
import { sectionReader } from "../binary/module.ts";
import { skipValueType } from "../binary/types.ts";
import { Writer } from "../binary/writer.ts";

/**
 * Element section with offsets and elements translated, and how many elements instantiation writes.
 *
 * @param declared functions that code refers to: declared by a segment of their own behind the module's segments
 */
export function writeElements(
  module: WasmModule,
  section: Section | undefined,
  map: IndexMap,
  declared: ReadonlySet<number>,
): { readonly content: Writer; readonly elements: number } {
  const reader = sectionReader(module, section);
  const writer = new Writer((reader.end - reader.pos) * 2 + declared.size * 5 + 16);
  const count = section === undefined ? 0 : reader.u32();
  writer.u32(count + (declared.size > 0 ? 1 : 0));
  let active = 0;
  for (let i = 0; i < count; i += 1) {
    const flags = reader.u32();
    writer.u32(flags);
    const isActive = (flags & 1) === 0;
    if (isActive && flags & 2) writer.u32(reader.u32()); // table
    if (isActive) copyExpression(reader, writer, map);
    if (flags & 3) {
      const start = reader.pos;
      if (flags & 4) skipValueType(reader);
      else reader.byte(); // element kind: function
      writer.copy(module.bytes, start, reader.pos);
    }
    const size = reader.u32();
    writer.u32(size);
    for (let j = 0; j < size; j += 1) {
      if (flags & 4) copyExpression(reader, writer, map);
      else writer.u32(map.reference(reader.u32()));
    }
    if (isActive) active += size;
  }
  if (declared.size > 0) {
    writer.bytes(0x03, 0x00); // declarative, function indices
    writer.u32(declared.size);
    for (const index of declared) writer.u32(index);
  }
  return { content: writer, elements: active };
}

/** Data section with offsets translated, and how many bytes instantiation copies. */
export function writeData(
  module: WasmModule,
  section: Section,
  map: IndexMap,
): { readonly content: Writer; readonly dataBytes: number } {
  const reader = sectionReader(module, section);
  const writer = new Writer(section.end - section.start + 16);
  const count = reader.u32();
  writer.u32(count);
  let active = 0;
  for (let i = 0; i < count; i += 1) {
    const flags = reader.u32();
    writer.u32(flags);
    if (flags === 2) writer.u32(reader.u32()); // memory
    if (flags !== 1) copyExpression(reader, writer, map);
    const start = reader.pos;
    const size = reader.u32();
    reader.skip(size);
    writer.copy(module.bytes, start, reader.pos);
    if (flags !== 1) active += size;
  }
  return { content: writer, dataBytes: active };
}
