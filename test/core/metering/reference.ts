/**
 * An independent, slow fuel counter: every operator is charged by itself, right before it runs.
 *
 * It shares the operator and cost tables with metering and nothing of where charges go, so that a fault in charge
 * placement shows as a difference. Its counter is a global of the module, exported as {@link REFERENCE_EXPORT}.
 */

import { fixedCost, readBody } from "../../../src/core/metering/binary/body.ts";
import type { WasmModule } from "../../../src/core/metering/binary/module.ts";
import { readModule, SECTION } from "../../../src/core/metering/binary/module.ts";
import { Reader } from "../../../src/core/metering/binary/reader.ts";
import { Walker } from "../../../src/core/metering/binary/walker.ts";
import { Writer } from "../../../src/core/metering/binary/writer.ts";
import { entryCost, LARGEST_SIZE } from "../../../src/core/metering/costs.ts";
import type { SizeCharge } from "../../../src/core/metering/placement/sizes.ts";
import { sizeChargeOf } from "../../../src/core/metering/placement/sizes.ts";

/** The exported global that holds the units used. */
export const REFERENCE_EXPORT = "reference:used";

/** Rewrites a module so that it counts its fuel operator by operator. Growth limits are not written. */
export function countByOperator(wasm: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const module = readModule(wasm);
  const counter = module.importedGlobals + countOf(module, SECTION.global);
  const maxima = {
    memories: module.memories.map(({ maximum, is64 }) => maximum ?? (is64 ? 262_144n : 65_536n)),
    tables: module.tables.map(({ maximum }) => maximum ?? 10_000_000n),
  };
  const writer = new Writer(wasm.length * 8);
  writer.copy(wasm, 0, 8);
  const order = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
  const present = new Set(module.sections.map(({ id }) => id));
  for (const id of order) {
    const section = module.sections.find((each) => each.id === id);
    if (id === SECTION.global || id === SECTION.export) {
      const content = new Writer();
      content.u32(countOf(module, id) + 1);
      if (section !== undefined) {
        const reader = new Reader(wasm, section.start, section.end);
        reader.u32();
        content.copy(wasm, reader.pos, section.end);
      }
      if (id === SECTION.global) content.bytes(0x7e, 0x01, 0x42, 0x00, 0x0b);
      else {
        content.name(REFERENCE_EXPORT);
        content.byte(3);
        content.u32(counter);
      }
      writer.section(id, content);
    } else if (id === SECTION.code && present.has(id)) {
      const content = new Writer(wasm.length * 8);
      content.u32(module.bodies.length);
      module.bodies.forEach((_, position) => {
        const body = new Writer();
        countBody(position, body);
        content.sized(body);
      });
      writer.section(id, content);
    } else if (section !== undefined) {
      writer.byte(id);
      writer.u32(section.end - section.start);
      writer.copy(wasm, section.start, section.end);
    }
  }
  return writer.toBytes();

  function countBody(position: number, out: Writer): void {
    const body = readBody(module, position);
    const wide = body.type.params.count + body.declaredLocals;
    out.u32(body.localGroups + 2);
    out.copy(wasm, body.localsStart, body.codeStart);
    out.bytes(1, 0x7e, 1, 0x7f);
    charge(out, entryCost(body.declaredLocals));
    const walker = new Walker(new Reader(wasm, body.codeStart, body.codeEnd), true);
    while (walker.next()) {
      charge(out, fixedCost(module, walker));
      const size = sizeChargeOf(module, maxima, walker);
      if (size !== undefined) chargeSize(out, size, size.wide ? wide : wide + 1);
      out.copy(wasm, walker.at, walker.reader.pos);
    }
  }

  function charge(out: Writer, units: number): void {
    if (units === 0) return;
    out.byte(0x42);
    out.signed(units);
    add(out);
  }

  /** Adds the i64 on the stack to the counter. */
  function add(out: Writer): void {
    out.byte(0x23);
    out.u32(counter);
    out.bytes(0x7c, 0x24);
    out.u32(counter);
  }

  function chargeSize(out: Writer, size: SizeCharge, local: number): void {
    out.byte(0x22); // local.tee
    out.u32(local);
    const push = (): void => {
      out.byte(0x20);
      out.u32(local);
      if (!size.wide) {
        out.byte(0xad);
        return;
      }
      out.byte(0x42);
      out.signed(LARGEST_SIZE);
      out.byte(0x20);
      out.u32(local);
      out.byte(0x42);
      out.signed(LARGEST_SIZE);
      out.bytes(0x54, 0x1b); // lt_u, select
    };
    const { growth } = size;
    if (growth !== undefined) {
      push();
      out.byte(0x42);
      out.signed(Number(growth.maximum));
      out.bytes(...(growth.kind === "memory" ? [0x3f] : [0xfc, 0x10]));
      out.u32(growth.index);
      if (!size.wide) out.byte(0xad);
      out.bytes(0x7d, 0x58, 0x04, 0x40); // sub, le_u, if: what fails costs nothing
    }
    push();
    out.byte(0x42);
    out.signed(size.itemsPerUnit);
    out.byte(0x80); // div_u
    out.byte(0x42);
    out.signed(size.unitsPerItem);
    out.byte(0x7e);
    add(out);
    if (growth !== undefined) out.byte(0x0b);
  }
}

function countOf(module: WasmModule, id: number): number {
  const section = module.sections.find((each) => each.id === id);
  return section === undefined ? 0 : new Reader(module.bytes, section.start, section.end).u32();
}
