/**
 * Writes a function body anew: charges and checks where the plan has them, the fuel word through every call,
 * charges by size, moved indices.
 *
 * The word lives in a local, the function's last parameter. Everything else is copied byte for byte. What is added
 * leaves the operand stack as it found it and uses only locals of its own, so it is valid wherever an operator is,
 * dead code included.
 */

import { refuseComponent } from "../errors.ts";
import { AddedLocals, nullableReference } from "./added-locals.ts";
import { Reader } from "./binary/reader.ts";
import type { Writer } from "./binary/writer.ts";
import type { FunctionBody } from "./body.ts";
import type { WasmModule } from "./module.ts";
import type { BodyPlan } from "./plan.ts";
import type { Signatures } from "./signatures.ts";
import { pushUnits } from "./size-code.ts";
import type { Maxima } from "./sizes.ts";
import { sizeChargeOf } from "./sizes.ts";
import { OP, Walker } from "./walker.ts";
import { DEPTH_GUARD, inWord } from "./word.ts";
import type { Counters } from "./word-code.ts";
import { i32, i64, op, WordCode } from "./word-code.ts";
import type { Wrappers } from "./wrappers.ts";

/** What all bodies of one module share. */
export interface InjectContext {
  readonly module: WasmModule;
  readonly maxima: Maxima;
  readonly relaxedSimd: boolean;
  readonly signatures: Signatures;
  readonly wrappers: Wrappers;
  readonly counters: Counters;
  /** A global's index in the metered module. */
  readonly global: (index: number) => number;
  /** Functions that code refers to by ref.func: the metered module must declare them. */
  readonly references: Set<number>;
}

const I32 = 0x7f;
const I64 = 0x7e;
const EMPTY = 0x40;

/**
 * Writes one metered body (locals and code, no size prefix) to `out`.
 *
 * @param depth what the frame takes of the call depth; 0 for leaves
 */
export function injectBody(
  context: InjectContext,
  body: FunctionBody,
  plan: BodyPlan,
  depth: number,
  out: Writer,
  scratch: Writer,
): void {
  scratch.clear();
  const emitter = new Emitter(context, body, plan, depth, scratch);
  emitter.body();
  emitter.locals(out);
  out.copy(scratch.view);
}

class Emitter {
  readonly #context: InjectContext;
  readonly #body: FunctionBody;
  readonly #plan: BodyPlan;
  readonly #depth: number;
  readonly #writer: Writer;
  readonly #word: WordCode;
  readonly #locals: AddedLocals;
  /** Labels around the operator: for each, whether an exception may land there. */
  readonly #labels: { readonly landing: boolean; readonly loop: boolean }[] = [];
  /** Labels that metering put around the body: the one to stop at, and the function's own. */
  readonly #stops: boolean;
  readonly #around: number;
  #copied: number;

  constructor(context: InjectContext, body: FunctionBody, plan: BodyPlan, depth: number, writer: Writer) {
    this.#context = context;
    this.#body = body;
    this.#plan = plan;
    this.#depth = depth;
    this.#writer = writer;
    // The word is the last parameter, so the declared locals stand one higher.
    this.#word = new WordCode(writer, context.counters, body.type.params.count);
    this.#locals = new AddedLocals(body.type.params.count + 1 + body.declaredLocals);
    this.#copied = body.codeStart;
    this.#stops = plan.checks.includes(true) || plan.sized;
    this.#around = plan.outerTargeted ? 1 : 0;
  }

  /** The declaration of locals; after the body, which asks for them. */
  locals(out: Writer): void {
    const { localGroups, localsStart, codeStart } = this.#body;
    out.u32(localGroups + this.#locals.count);
    out.copy(this.#context.module.bytes, localsStart, codeStart);
    this.#locals.write(out);
  }

  body(): void {
    const { module, relaxedSimd } = this.#context;
    const { codeStart, codeEnd } = this.#body;
    const plan = this.#plan;
    const writer = this.#writer;
    const walker = new Walker(new Reader(module.bytes, codeStart, codeEnd), relaxedSimd);
    if (this.#stops) writer.bytes(OP.block, EMPTY);
    if (plan.outerTargeted) {
      writer.byte(OP.block);
      writer.copy(this.#context.signatures.resultBlockType(module.functions[this.#body.index] ?? 0));
    }
    this.#labels.push({ landing: plan.outerLanding, loop: false });
    let next = 0;
    let ended = false;
    while (walker.next()) {
      while (plan.offsets[next] === walker.at) {
        this.#flush(walker.at);
        this.#charge(plan.units[next] ?? 0, plan.checks[next] ?? false, next === 0);
        next += 1;
      }
      this.#operator(walker);
      ended = walker.opcode === OP.end && this.#labels.length === 0;
    }
    // No valid module gets here; one that nobody validated is refused like any other that is not understood.
    if (!ended) throw refuseComponent(`Cannot meter wasm function ${this.#body.index}: it does not end`);
    while (next < plan.offsets.length) {
      this.#charge(plan.units[next] ?? 0, plan.checks[next] ?? false, false);
      next += 1;
    }
    this.#leave();
    if (this.#stops) {
      writer.bytes(OP.return, OP.end);
      this.#word.get();
      op(writer, OP.call, this.#context.wrappers.stop);
      writer.byte(OP.unreachable);
    }
    writer.byte(OP.end);
  }

  #operator(walker: Walker): void {
    const { opcode, at } = walker;
    switch (opcode) {
      case OP.block:
      case OP.loop:
      case OP.if:
      case OP.try:
      case OP.tryTable: {
        const landing = this.#plan.landings.has(at);
        if (landing && (opcode === OP.loop || opcode === OP.if)) this.#spill(at);
        this.#blockType(walker);
        this.#labels.push({ landing, loop: opcode === OP.loop });
        if (landing && opcode === OP.loop) this.#reload(walker.reader.pos);
        return;
      }
      case OP.end:
      case OP.delegate: {
        const label = this.#labels.pop();
        const landing = label?.landing === true && !label.loop;
        if (landing) this.#spill(at);
        if (this.#labels.length === 0 && this.#around === 0) {
          this.#flush(at); // the body's own end is written last
          this.#copied = walker.reader.pos;
          return;
        }
        this.#flush(walker.reader.pos);
        if (landing) this.#reload(walker.reader.pos);
        return;
      }
      case OP.else:
        if (this.#labels[this.#labels.length - 1]?.landing) this.#spill(at);
        return;
      case OP.catch:
      case OP.catchAll:
        if (this.#labels[this.#labels.length - 1]?.landing) this.#spill(at);
        this.#reload(walker.reader.pos);
        return;
      case OP.br:
      case OP.brIf:
      case OP.brOnNull:
      case OP.brOnNonNull:
        if (this.#lands(walker.first)) this.#spill(at);
        return;
      case OP.brTable:
      case OP.brOnCast:
      case OP.brOnCastFail:
        if (walker.labels.some((label) => this.#lands(label))) this.#spill(at);
        return;
      case OP.throw:
      case OP.throwRef:
      case OP.rethrow:
        this.#spill(at);
        return;
      case OP.return:
        this.#flush(at);
        this.#leave();
        return;
      case OP.unreachable:
        this.#flush(at);
        this.#word.show();
        return;
      case OP.localGet:
      case OP.localSet:
      case OP.localTee:
        if (walker.first < this.#word.local) return;
        this.#replace(walker, walker.first + 1);
        return;
      case OP.globalGet:
      case OP.globalSet:
        this.#replace(walker, this.#context.global(walker.first));
        return;
      case OP.refFunc: {
        const index = this.#context.wrappers.inside(walker.first);
        this.#context.references.add(index);
        this.#replace(walker, index);
        return;
      }
      case OP.call:
      case OP.callIndirect:
      case OP.callRef:
      case OP.returnCall:
      case OP.returnCallIndirect:
      case OP.returnCallRef:
        this.#call(walker);
        return;
      default:
        if (opcode < 0xfb000 && opcode !== OP.memoryGrow) return;
        this.#sized(walker);
        return;
    }
  }

  #call(walker: Walker): void {
    const { opcode, at, first } = walker;
    const { module, wrappers } = this.#context;
    const writer = this.#writer;
    this.#flush(at);
    const tail = opcode === OP.returnCall || opcode === OP.returnCallIndirect || opcode === OP.returnCallRef;
    if (tail) this.#word.take(-this.#depth);
    if (opcode === OP.call || opcode === OP.returnCall) {
      if (tail) this.#word.move();
      else this.#word.get();
      op(writer, opcode, wrappers.inside(first));
      this.#copied = walker.reader.pos;
    } else {
      // What says whom to call is on top of the stack, the word belongs beneath it.
      const callee =
        opcode === OP.callRef || opcode === OP.returnCallRef
          ? this.#locals.of(nullableReference(first))
          : this.#locals.of([module.tables[walker.second]?.is64 ? I64 : I32]);
      op(writer, OP.localSet, callee);
      this.#word.get();
      op(writer, OP.localGet, callee);
    }
    this.#flush(walker.reader.pos);
    if (!tail) this.#word.set();
  }

  #sized(walker: Walker): void {
    const { module, maxima } = this.#context;
    const charge = sizeChargeOf(module, maxima, walker);
    if (charge === undefined) return;
    const writer = this.#writer;
    this.#flush(walker.at);
    const size = this.#locals.of([charge.wide ? I64 : I32]);
    op(writer, OP.localSet, size);
    this.#word.get();
    pushUnits(writer, charge, size);
    i64(writer, inWord(1));
    writer.bytes(0x7e, 0x7d); // i64.mul, i64.sub
    this.#word.set();
    this.#check();
    op(writer, OP.localGet, size);
  }

  /** Takes units (and at entry the frame's depth), and compares with zero. */
  #charge(units: number, check: boolean, entry: boolean): void {
    this.#word.take(inWord(units) + (entry ? this.#depth : 0));
    if (check) this.#check();
    if (entry && this.#depth > 0) {
      this.#word.get();
      this.#writer.byte(0xa7); // i32.wrap_i64
      i32(this.#writer, DEPTH_GUARD);
      this.#writer.byte(0x71); // i32.and
      op(this.#writer, OP.brIf, this.#stopLabel());
    }
  }

  #check(): void {
    this.#word.isNegative();
    op(this.#writer, OP.brIf, this.#stopLabel());
    this.#word.show();
  }

  /** The label behind which the guest is stopped, seen from here. */
  #stopLabel(): number {
    // Around the body stand its own label, only if something branches there, and the one to stop at.
    return this.#labels.length - 1 + this.#around;
  }

  /** Leaves the frame: its depth is given back, the word is the last result. */
  #leave(): void {
    this.#word.take(-this.#depth);
    this.#word.move();
  }

  #lands(label: number): boolean {
    return this.#labels[this.#labels.length - 1 - label]?.landing ?? false;
  }

  /** Brings the host's counter up to date where control may go to an exception's landing. */
  #spill(at: number): void {
    this.#flush(at);
    this.#word.spill();
    this.#word.reload();
  }

  #reload(behind: number): void {
    this.#flush(behind);
    this.#word.reload();
  }

  #replace(walker: Walker, index: number): void {
    this.#flush(walker.at);
    op(this.#writer, walker.opcode, index);
    this.#copied = walker.reader.pos;
  }

  /** A block type given by type index means the type as it was. */
  #blockType(walker: Walker): void {
    const { module, signatures } = this.#context;
    const code = module.bytes[walker.blockTypeStart] ?? 0;
    if (code >= 0x40 && code < 0x80) return;
    const typeIndex = new Reader(module.bytes, walker.blockTypeStart, walker.blockTypeEnd).s33();
    this.#flush(walker.blockTypeStart);
    this.#writer.signed(signatures.plainOf(typeIndex));
    this.#copied = walker.blockTypeEnd;
  }

  #flush(until: number): void {
    if (until > this.#copied) {
      this.#writer.copy(this.#context.module.bytes, this.#copied, until);
      this.#copied = until;
    }
  }
}
