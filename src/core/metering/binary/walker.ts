/**
 * Walks a function body operator by operator.
 *
 * The walker reads immediates only as far as metering looks at them: indices and branch labels. It refuses every
 * operator that the table does not hold, so that nothing runs unmetered.
 */

import { refuseComponent } from "../../errors.ts";
import { costOf, opcodeOf, RELAXED_SIMD, refusalOf, SHAPE, shapeOf } from "./operators.ts";
import type { Reader } from "./reader.ts";
import { skipHeapType, skipValueType } from "./types.ts";

/** Opcodes that metering treats specially, numbered by `opcodeOf`. */
export const OP = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  try: 0x06,
  catch: 0x07,
  throw: 0x08,
  rethrow: 0x09,
  throwRef: 0x0a,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  returnCall: 0x12,
  returnCallIndirect: 0x13,
  callRef: 0x14,
  returnCallRef: 0x15,
  delegate: 0x18,
  catchAll: 0x19,
  tryTable: 0x1f,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  tableSet: 0x26,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  i64Const: 0x42,
  refFunc: 0xd2,
  brOnNull: 0xd5,
  brOnNonNull: 0xd6,
  structNew: 0xfb000,
  structNewDefault: 0xfb001,
  arrayNew: 0xfb006,
  arrayNewDefault: 0xfb007,
  arrayNewFixed: 0xfb008,
  arrayNewData: 0xfb009,
  arrayNewElem: 0xfb00a,
  arrayFill: 0xfb010,
  arrayCopy: 0xfb011,
  arrayInitData: 0xfb012,
  arrayInitElem: 0xfb013,
  brOnCast: 0xfb018,
  brOnCastFail: 0xfb019,
  memoryInit: 0xfc008,
  dataDrop: 0xfc009,
  memoryCopy: 0xfc00a,
  memoryFill: 0xfc00b,
  tableInit: 0xfc00c,
  elemDrop: 0xfc00d,
  tableCopy: 0xfc00e,
  tableGrow: 0xfc00f,
  tableSize: 0xfc010,
  tableFill: 0xfc011,
} as const;

/** A cursor that stands on one operator at a time. */
export class Walker {
  readonly reader: Reader;
  readonly #relaxedSimd: boolean;
  /** Offset of the current operator's opcode. */
  at = 0;
  /** The current operator, numbered by `opcodeOf`. */
  opcode = 0;
  /** Its fixed cost, before what its immediates add. */
  cost = 0;
  /** Its first and second index immediates: local, global, function, type, memory, table, segment, tag, label. */
  first = 0;
  second = 0;
  /** The labels of branches, and of try_table's catches. */
  readonly labels: number[] = [];
  /** Where the block type of block, loop, if, try and try_table begins. It ends at `blockTypeEnd`. */
  blockTypeStart = 0;
  blockTypeEnd = 0;

  /**
   * @param reader stands on the first operator and ends behind the body's last
   * @param relaxedSimd whether relaxed SIMD passes; its results differ between machines
   */
  constructor(reader: Reader, relaxedSimd: boolean) {
    this.reader = reader;
    this.#relaxedSimd = relaxedSimd;
  }

  /** Steps onto the next operator. @returns false at the end of the body */
  next(): boolean {
    const { reader } = this;
    const { bytes, pos } = reader;
    if (pos >= reader.end) return false;
    this.at = pos;
    reader.pos = pos + 1;
    let opcode = bytes[pos] ?? 0;
    if (opcode >= 0xfb && opcode <= 0xfe) opcode = this.#prefixed(opcode);
    this.opcode = opcode;
    this.cost = costOf(opcode);
    const shape = shapeOf(opcode);
    if (shape === SHAPE.none) return true;
    const next = bytes[pos + 1] ?? 0xff;
    if (
      (shape === SHAPE.u32 || shape === SHAPE.label) &&
      opcode < 0xfb &&
      next < 0x80 &&
      pos + 2 <= reader.end
    ) {
      this.first = next; // nearly always an index takes one byte
      this.labels[0] = next;
      if (this.labels.length !== 1) this.labels.length = 1;
      reader.pos = pos + 2;
    } else this.#immediates(shape);
    return true;
  }

  #prefixed(prefix: number): number {
    const sub = this.reader.u32();
    if (sub >= 0x1000) throw this.#refuse(`the unknown operator 0x${prefix.toString(16)} ${sub}`);
    const opcode = opcodeOf(prefix, sub);
    this.opcode = opcode;
    if (opcode >= RELAXED_SIMD && shapeOf(opcode) !== SHAPE.refused && !this.#relaxedSimd) {
      throw this.#refuse("a relaxed SIMD operator");
    }
    return opcode;
  }

  #immediates(shape: number): void {
    const { reader } = this;
    switch (shape) {
      case SHAPE.block:
        this.#blockType();
        return;
      case SHAPE.label:
        this.first = reader.u32();
        this.labels[0] = this.first;
        if (this.labels.length !== 1) this.labels.length = 1;
        return;
      case SHAPE.u32:
        this.first = reader.u32();
        return;
      case SHAPE["u32-u32"]:
        this.first = reader.u32();
        this.second = reader.u32();
        return;
      case SHAPE.leb:
        reader.skipLeb();
        return;
      case SHAPE.memarg:
        this.#memarg();
        return;
      case SHAPE["memarg-lane"]:
        this.#memarg();
        reader.skip(1);
        return;
      case SHAPE.lane:
        reader.skip(1);
        return;
      case SHAPE["bytes-4"]:
        reader.skip(4);
        return;
      case SHAPE["bytes-8"]:
        reader.skip(8);
        return;
      case SHAPE["bytes-16"]:
        reader.skip(16);
        return;
      case SHAPE["heap-type"]:
        skipHeapType(reader);
        return;
      case SHAPE["value-types"]:
        for (let count = reader.u32(); count > 0; count -= 1) skipValueType(reader);
        return;
      case SHAPE.labels:
        this.labels.length = 0;
        for (let count = reader.u32() + 1; count > 0; count -= 1) this.labels.push(reader.u32());
        return;
      case SHAPE["cast-branch"]:
        reader.skip(1);
        this.labels.length = 0;
        this.labels.push(reader.u32());
        skipHeapType(reader);
        skipHeapType(reader);
        return;
      case SHAPE["try-table"]:
        this.#tryTable();
        return;
      default:
        throw this.#refuse(refusalOf(this.opcode));
    }
  }

  #memarg(): void {
    const alignment = this.reader.u32();
    if (alignment & 0x40) this.reader.u32();
    this.reader.skipLeb();
  }

  #blockType(): void {
    const { reader } = this;
    this.blockTypeStart = reader.pos;
    const code = reader.bytes[reader.pos] ?? 0;
    if (code === 0x40) reader.pos += 1;
    else if (code >= 0x63 && code <= 0x7f) skipValueType(reader);
    else reader.s33();
    this.blockTypeEnd = reader.pos;
  }

  #tryTable(): void {
    const { reader } = this;
    this.#blockType();
    this.labels.length = 0;
    for (let count = reader.u32(); count > 0; count -= 1) {
      const kind = reader.byte();
      if (kind < 2) reader.u32(); // catch, catch_ref name a tag
      this.labels.push(reader.u32());
    }
  }

  #refuse(what: string): Error {
    return refuseComponent(`Cannot meter wasm module: ${what} (0x${this.opcode.toString(16)}) at ${this.at}`);
  }
}
