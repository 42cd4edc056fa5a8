/**
 * Core types at the level of components: of functions, and of modules, whose names go through the gate. Nothing
 * in a description depends on them.
 */
import { coreExternType, coreImport, coreValueType } from "./core-module.ts";
import type { Reader } from "./reader.ts";

/** Passes over a core type: a function type, or a module type, whose names go through the gate. */
export function readCoreType(reader: Reader): void {
  const start = reader.at;
  const opcode = reader.byte();
  if (opcode === 0x60) {
    reader.vector(() => coreValueType(reader));
    reader.vector(() => coreValueType(reader));
    return;
  }
  if (opcode !== 0x50) throw reader.refusal(`core type 0x${opcode.toString(16)} is not supported`, start);
  reader.vector(() => {
    const declaration = reader.oneOf([0x00, 0x01, 0x02, 0x03], "core declaration");
    if (declaration === 0x00) coreImport(reader);
    else if (declaration === 0x01) readCoreFuncType(reader);
    else if (declaration === 0x02) readCoreOuterAlias(reader);
    else {
      reader.name();
      coreExternType(reader);
    }
  }, 2);
}

function readCoreFuncType(reader: Reader): void {
  // Module types do not nest: without this check a hostile binary would recurse as deep as it is long.
  if (reader.peek() !== 0x60) throw reader.refusal("core type inside a module type is no function type");
  readCoreType(reader);
}

function readCoreOuterAlias(reader: Reader): void {
  reader.oneOf([0x10], "core sort");
  reader.oneOf([0x01], "core alias");
  reader.u32();
  reader.u32();
}
