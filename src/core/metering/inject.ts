/**
 * Writes a function body anew: charges in front of regions and of sized operators, call depth, moved indices.
 *
 * Everything else is copied byte for byte. What is added leaves the operand stack as it found it and uses only
 * locals of its own, so it is valid wherever an operator is, dead code included.
 */

import { Reader } from "./binary/reader.ts";
import type { Writer } from "./binary/writer.ts";
import type { FunctionBody } from "./body.ts";
import type { WasmModule } from "./module.ts";
import { planCharges } from "./regions.ts";
import type { Maxima, SizeCharge } from "./sizes.ts";
import { sizeChargeOf } from "./sizes.ts";
import { OP, Walker } from "./walker.ts";

/** What all bodies of one module share. */
export interface InjectContext {
  readonly module: WasmModule;
  readonly maxima: Maxima;
  readonly relaxedSimd: boolean;
  readonly maxCallDepth: number;
  /** Indices of the imported globals in the metered module. */
  readonly leftGlobal: number;
  readonly depthGlobal: number;
  readonly global: (index: number) => number;
  /** The block type of a block with the given function's results, spelled out. */
  readonly resultBlockType: (body: FunctionBody) => Uint8Array;
}

/** Locals that one unit of call depth covers: a frame with many takes several, as it takes more native stack. */
const LOCALS_PER_DEPTH = 16;

const I32 = 0x7f;
const I64 = 0x7e;
const EMPTY = 0x40;

/** Writes the metered body (locals and code, no size prefix) to `writer`. @returns the number of charges */
export function injectBody(context: InjectContext, body: FunctionBody, writer: Writer): number {
  const { module } = context;
  const plan = planCharges(module, body, walk(context, body));
  const emit = new Emitter(context, body, writer);
  emit.locals();
  emit.enter();
  writer.byte(OP.block);
  writer.copy(context.resultBlockType(body));
  const walker = walk(context, body);
  let copied = body.codeStart;
  let charge = 0;
  let landing = 0;
  const flush = (until: number): void => {
    writer.copy(module.bytes, copied, until);
    copied = until;
  };
  while (walker.next()) {
    const { at, opcode } = walker;
    if (plan.landings[landing] === at) {
      flush(at);
      landing += 1;
      emit.resume();
    }
    if (plan.offsets[charge] === at) {
      flush(at);
      emit.charge(plan.units[charge] ?? 0);
      charge += 1;
    }
    if (opcode === OP.globalGet || opcode === OP.globalSet) {
      flush(at);
      writer.byte(opcode);
      writer.u32(context.global(walker.first));
      copied = walker.reader.pos;
    } else if (leaves(opcode)) {
      flush(at);
      emit.leave();
    } else if (opcode >= 0xfb000 || opcode === OP.memoryGrow) {
      const size = sizeChargeOf(module, context.maxima, walker);
      if (size !== undefined) {
        flush(at);
        emit.sizeCharge(size);
      }
    }
  }
  flush(body.codeEnd); // its last byte, `end`, closes the block around the body
  emit.leave();
  writer.byte(OP.end);
  return plan.offsets.length;
}

function walk(context: InjectContext, body: FunctionBody): Walker {
  return new Walker(new Reader(context.module.bytes, body.codeStart, body.codeEnd), context.relaxedSimd);
}

function leaves(opcode: number): boolean {
  return (
    opcode === OP.return ||
    opcode === OP.returnCall ||
    opcode === OP.returnCallIndirect ||
    opcode === OP.returnCallRef
  );
}

/** Spells the operators that metering adds to one body. */
class Emitter {
  readonly #context: InjectContext;
  readonly #body: FunctionBody;
  readonly #writer: Writer;
  /** Locals of our own, behind the function's: units of a sized operator, sizes, depth. */
  readonly #units: number;
  readonly #wideSize: number;
  readonly #size: number;
  readonly #depth: number;
  readonly #frameDepth: number;

  constructor(context: InjectContext, body: FunctionBody, writer: Writer) {
    this.#context = context;
    this.#body = body;
    this.#writer = writer;
    const first = body.type.params.count + body.declaredLocals;
    this.#units = first;
    this.#wideSize = first + 1;
    this.#size = first + 2;
    this.#depth = first + 3;
    this.#frameDepth = 1 + Math.floor(first / LOCALS_PER_DEPTH);
  }

  /** The declaration of locals. */
  locals(): void {
    const { localGroups, localsStart, codeStart } = this.#body;
    this.#writer.u32(localGroups + 2);
    this.#writer.copy(this.#context.module.bytes, localsStart, codeStart);
    this.#writer.bytes(2, I64, 2, I32);
  }

  /** Takes the frame's depth, or traps where it would pass the limit. */
  enter(): void {
    const { depthGlobal, maxCallDepth } = this.#context;
    this.#op(OP.globalGet, depthGlobal);
    this.#i32(this.#frameDepth);
    this.#writer.byte(0x6a); // i32.add
    this.#op(OP.localTee, this.#depth);
    this.#i32(maxCallDepth);
    this.#writer.bytes(0x4a, OP.if, EMPTY); // i32.gt_s
    this.#i32(-1);
    this.#op(OP.globalSet, depthGlobal);
    this.#writer.bytes(OP.unreachable, OP.end);
    this.resume();
  }

  /** Control is in this frame again: its depth counts. */
  resume(): void {
    this.#op(OP.localGet, this.#depth);
    this.#op(OP.globalSet, this.#context.depthGlobal);
  }

  /** Gives the frame's depth back. */
  leave(): void {
    this.#op(OP.localGet, this.#depth);
    this.#i32(this.#frameDepth);
    this.#writer.byte(0x6b); // i32.sub
    this.#op(OP.globalSet, this.#context.depthGlobal);
  }

  /** Takes a fixed number of units, or traps before anything of the region runs. */
  charge(units: number): void {
    this.#take(() => this.#i64(units));
  }

  /** Takes the units of a sized operator, whose size is on top of the stack and stays there. */
  sizeCharge(charge: SizeCharge): void {
    const size = charge.wide ? this.#wideSize : this.#size;
    this.#op(OP.localSet, size);
    this.#unitsOf(charge, size);
    this.#op(OP.localSet, this.#units);
    this.#take(() => this.#op(OP.localGet, this.#units));
    this.#op(OP.localGet, size);
  }

  #take(units: () => void): void {
    const { leftGlobal } = this.#context;
    this.#op(OP.globalGet, leftGlobal);
    units();
    this.#writer.bytes(0x53, OP.if, EMPTY); // i64.lt_s
    this.#i64(-1);
    this.#op(OP.globalSet, leftGlobal);
    this.#writer.bytes(OP.unreachable, OP.end);
    this.#op(OP.globalGet, leftGlobal);
    units();
    this.#writer.byte(0x7d); // i64.sub
    this.#op(OP.globalSet, leftGlobal);
  }

  /** Pushes the units for the size in a local. */
  #unitsOf(charge: SizeCharge, size: number): void {
    const writer = this.#writer;
    this.#wide(charge, size);
    if (charge.itemsPerUnit > 1) {
      this.#i64(Math.log2(charge.itemsPerUnit));
      writer.byte(0x88); // i64.shr_u: below 2^61, so no size overflows the counter
      return;
    }
    // A size no engine can serve fails or traps after the charge; clamping it keeps the product from wrapping.
    this.#i64(2 ** 40);
    this.#wide(charge, size);
    this.#i64(2 ** 40);
    writer.bytes(0x54, 0x1b); // i64.lt_u, select
    this.#i64(charge.unitsPerItem);
    writer.byte(0x7e); // i64.mul
    if (charge.growth === undefined) return;
    this.#i64(0);
    this.#room(charge, charge.growth);
    this.#wide(charge, size);
    writer.bytes(0x5a, 0x1b); // i64.ge_u, select: growth past the maximum fails and takes nothing
  }

  /** Pushes how much room a memory or table has left to grow. */
  #room(charge: SizeCharge, { kind, index, maximum }: NonNullable<SizeCharge["growth"]>): void {
    const writer = this.#writer;
    this.#i64(Number(maximum));
    if (kind === "memory") writer.byte(OP.memorySize);
    else writer.bytes(0xfc, 0x10); // table.size
    writer.u32(index);
    if (!charge.wide) writer.byte(0xad); // i64.extend_i32_u
    writer.byte(0x7d); // i64.sub
  }

  #wide(charge: SizeCharge, size: number): void {
    this.#op(OP.localGet, size);
    if (!charge.wide) this.#writer.byte(0xad); // i64.extend_i32_u
  }

  #op(opcode: number, index: number): void {
    this.#writer.byte(opcode);
    this.#writer.u32(index);
  }

  #i32(value: number): void {
    this.#writer.byte(OP.i32Const);
    this.#writer.signed(value);
  }

  #i64(value: number): void {
    this.#writer.byte(OP.i64Const);
    this.#writer.signed(value);
  }
}
