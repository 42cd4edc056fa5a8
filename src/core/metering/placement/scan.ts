/**
 * Reads all code of a module once: writes it down with the indices of locals and globals moved, notes the operators
 * that metering has to look at again (stops) with the cost of what stands between them, and what the call graph needs.
 *
 * Most operators are plain: they cost something, and are copied. So everything behind this step goes from stop to stop,
 * and this loop is the only one that touches every operator of a module that may have 64 MB of them.
 */

import { refuseComponent } from "../../errors.ts";
import type { FunctionBody } from "../binary/body.ts";
import { fixedCost } from "../binary/body.ts";
import type { BodyHints } from "../binary/hints.ts";
import type { WasmModule } from "../binary/module.ts";
import { costOf, SHAPE, shapeOf } from "../binary/operators.ts";
import { Reader } from "../binary/reader.ts";
import { EFFECTS } from "../binary/stack-effects.ts";
import { OP, Walker } from "../binary/walker.ts";
import { Writer } from "../binary/writer.ts";
import { entryCost } from "../costs.ts";
import type { FunctionFacts } from "./callgraph.ts";
import { FactsCollector } from "./callgraph.ts";
import { OperandCount } from "./operands.ts";
import { Sites } from "./sites.ts";

/** How the indices of one body move. */
export interface Moves {
  /** Locals from this one on stand one higher: the fuel word is before them. */
  readonly locals: number;
  /** A global's index in the metered module. */
  readonly global: (index: number) => number;
}

/** One body as scanning leaves it. */
export interface ScannedBody {
  /** What it is a part of: its offsets are in there. */
  readonly code: ScannedCode;
  readonly body: FunctionBody;
  readonly facts: FunctionFacts;
  /** Its first operator in the scanned code, and one past its last. */
  readonly start: number;
  readonly end: number;
  /** Its stops. */
  readonly firstStop: number;
  readonly stopsEnd: number;
  /** Operands that it has on its stack at most, in slots of eight bytes. */
  readonly operandSlots: number;
  /** The module's own branch hints, by offset in the scanned code. */
  readonly hints: BodyHints | undefined;
}

/**
 * The code of bodies that follow each other, the stops in it, and the sites that planning notes there. A large module is
 * many of these: each is given back when its bodies are written, so that not all code is held twice.
 */
export class ScannedCode {
  /** Where its bodies are charged. */
  readonly sites = new Sites();
  readonly #module: WasmModule;
  readonly #facts: FactsCollector;
  readonly #operands: OperandCount;
  readonly #code: Writer;
  #view: Uint8Array | undefined;
  /** Two numbers for each stop: its offset, and the run in front of it. */
  #stops = new Int32Array(1024);
  #count = 0;
  /**
   * Whether any of the code changes a table, or lets go of a segment: what an instance holds beside its memories and
   * its globals is what it began with, unless it does.
   */
  changesTables = false;

  /** @param capacity bytes of code that are expected */
  constructor(module: WasmModule, capacity: number) {
    this.#module = module;
    this.#facts = new FactsCollector(module);
    this.#operands = new OperandCount(module);
    this.#code = new Writer(capacity);
  }

  /** Bytes of code so far. */
  get length(): number {
    return this.#code.length;
  }

  /** The code, until more is scanned. */
  get bytes(): Uint8Array {
    this.#view ??= this.#code.view;
    return this.#view;
  }

  /** Gives the memory back, at once: the engine's collector may not come by before the next large step needs as much. */
  release(): void {
    this.#code.release();
    this.#stops.buffer.transfer(0);
    this.sites.release();
  }

  /** Offset of a stop's operator. */
  offsetOf(stop: number): number {
    return this.#stops[stop * 2] ?? 0;
  }

  /** Units of the plain operators between the stop before (or the body's start) and this one. */
  unitsBefore(stop: number): number {
    return (this.#stops[stop * 2 + 1] ?? 0) >> 1;
  }

  /** Whether one of them takes long: a loop that holds it is not tight. */
  isLooseBefore(stop: number): boolean {
    return ((this.#stops[stop * 2 + 1] ?? 0) & 1) !== 0;
  }

  /**
   * Scans the next body.
   *
   * @param hints the module's own, by offset in the module
   * @throws `GatewayError` component-refused for operators that are not metered, by name
   */
  scan(body: FunctionBody, moves: Moves, relaxedSimd: boolean, hints?: BodyHints): ScannedBody {
    const module = this.#module;
    const { bytes } = module;
    const code = this.#code;
    const { codeStart, codeEnd } = body;
    const walker = new Walker(new Reader(bytes, codeStart, codeEnd), relaxedSimd);
    const facts = this.#facts;
    facts.start();
    const operands = this.#operands;
    operands.start();
    const movedHints = hints === undefined ? undefined : new Map<number, number>();
    const start = code.length;
    this.#view = undefined;
    const firstStop = this.#count;
    // Nearly always an index takes one byte and goes on to: so all is copied, and such bytes are written over. From the
    // first that does not, code is copied piece by piece.
    code.copy(bytes, codeStart, codeEnd);
    let isInPlace = true;
    const copy = code.buffer;
    let copied = codeEnd;
    /** How far an operator is moved in the scanned code. */
    let shift = start - codeStart;
    let pos = codeStart;
    let total = entryCost(body.declaredLocals);
    let units = 0;
    let loose = 0;
    let height = 0;
    let most = 0;
    let vectors = module.vectors || body.slots > body.type.params.count + body.declaredLocals;
    while (pos < codeEnd) {
      if (height > most) most = height;
      const opcode = bytes[pos] ?? 0;
      const step = STEPS[opcode] ?? OTHER;
      if (step === LOCAL && isInPlace) {
        const index = bytes[pos + 1] ?? 0;
        if (index < 0x7f) {
          units += COSTS[opcode] ?? 0;
          height += EFFECTS[opcode] ?? 0;
          if (index >= moves.locals) copy[pos + 1 + shift] = index + 1;
          pos += 2;
          continue;
        }
      }
      if (step <= EIGHT) {
        units += COSTS[opcode] ?? 0;
        height += EFFECTS[opcode] ?? 0;
        pos += step;
        continue;
      }
      if (step === LEB || (step === MEMARG && (bytes[pos + 1] ?? 0) < 0x40)) {
        units += COSTS[opcode] ?? 0;
        height += EFFECTS[opcode] ?? 0;
        pos += step === LEB ? 1 : 2;
        while ((bytes[pos] ?? 0) >= 0x80) pos += 1;
        pos += 1;
        continue;
      }
      if (step === LOCAL || step === GLOBAL) {
        units += COSTS[opcode] ?? 0;
        height += EFFECTS[opcode] ?? 0;
        pos += 1;
        const low = bytes[pos] ?? 0;
        let index = low;
        let behind = pos + 1;
        if (low >= 0x80) {
          walker.reader.pos = pos;
          index = walker.reader.u32();
          behind = walker.reader.pos;
        }
        const moved = step === GLOBAL ? moves.global(index) : index < moves.locals ? index : index + 1;
        if (moved !== index) {
          if (isInPlace && moved < 0x80 && low < 0x80) code.put(pos + shift, moved);
          else {
            if (isInPlace) code.truncate(pos + shift);
            else code.copy(bytes, copied, pos);
            isInPlace = false;
            code.u32(moved);
            copied = behind;
            shift = code.length - behind;
          }
        }
        pos = behind;
        continue;
      }
      const next = bytes[pos + 1] ?? 0;
      if (step === SHORT_STOP || (step === TYPED_STOP && next < 0x80 && next !== 0x63 && next !== 0x64)) {
        this.#add(pos + shift, units * 2 + loose);
        if (hints !== undefined) moveHint(hints, movedHints, pos, shift);
        total += units + (COSTS[opcode] ?? 0);
        units = 0;
        loose = 0;
        if (opcode === OP.end) height = operands.close();
        else if (opcode === OP.else) height = operands.otherwise();
        else {
          height += EFFECTS[opcode] ?? 0;
          if (opcode === OP.block || opcode === OP.if) operands.open(next, height);
        }
        pos += step === SHORT_STOP ? 1 : 2;
        continue;
      }
      walker.reader.pos = pos;
      walker.next();
      if (isChanging(walker.opcode)) this.changesTables = true;
      const cost = fixedCost(module, walker);
      height = operands.step(walker, height);
      vectors ||= walker.opcode >= 0xfd000;
      if (step === STOP || step === TYPED_STOP || isPrefixedStop(walker.opcode)) {
        this.#add(pos + shift, units * 2 + loose);
        if (hints !== undefined) moveHint(hints, movedHints, pos, shift);
        facts.stop(walker);
        total += units + cost;
        units = 0;
        loose = 0;
      } else {
        units += cost;
        if (walker.opcode >= 0xfb000) loose = 1;
      }
      pos = walker.reader.pos;
    }
    // No valid module gets here; one that nobody validated is refused like any other that is not understood.
    if (pos > codeEnd) throw refuseComponent(`Cannot meter wasm function ${body.index}: it does not end`);
    code.copy(bytes, copied, codeEnd);
    const stopsEnd = this.#count;
    const end = code.length;
    return {
      code: this,
      body,
      facts: facts.done(total + units, codeEnd),
      start,
      end,
      firstStop,
      stopsEnd,
      operandSlots: vectors ? most * 2 : most,
      hints: movedHints,
    };
  }

  #add(offset: number, run: number): void {
    const at = this.#count * 2;
    if (at === this.#stops.length) this.#stops = new Int32Array(this.#stops.buffer.transfer(at * 8));
    this.#stops[at] = offset;
    this.#stops[at + 1] = run;
    this.#count += 1;
  }
}

function moveHint(
  hints: BodyHints,
  moved: Map<number, number> | undefined,
  pos: number,
  shift: number,
): void {
  const hint = hints.get(pos);
  if (hint !== undefined) moved?.set(pos + shift, hint);
}

/** How the scan goes on behind an opcode: by that many bytes up to {@link EIGHT}, or in a way of its own. */
const EIGHT = 9;
const LEB = 10;
const MEMARG = 11;
const LOCAL = 12;
const GLOBAL = 13;
const STOP = 14;
/** A stop of one byte; of an opcode and a label or a block type, usually of one byte as well. */
const SHORT_STOP = 15;
const TYPED_STOP = 16;
/** Rare, or refused: the walker knows. */
const OTHER = 17;

const STEPS = Uint8Array.from({ length: 256 }, (_, opcode) => stepOf(opcode));
const COSTS = Uint16Array.from({ length: 256 }, (_, opcode) => costOf(opcode));

/** An operator that changes a table or drops a segment; one that reads one, or copies from it elsewhere, changes nothing. */
function isChanging(opcode: number): boolean {
  switch (opcode) {
    case OP.tableSet:
    case OP.dataDrop:
    case OP.tableInit:
    case OP.elemDrop:
    case OP.tableCopy:
    case OP.tableGrow:
    case OP.tableFill:
      return true;
    default:
      return false;
  }
}

function stepOf(opcode: number): number {
  if (opcode >= OP.localGet && opcode <= OP.localTee) return LOCAL;
  if (opcode === OP.globalGet || opcode === OP.globalSet) return GLOBAL;
  const isControl = opcode <= OP.tryTable && opcode !== 0x01 && opcode !== 0x1a && opcode !== 0x1b;
  if (opcode === OP.memoryGrow || opcode === OP.refFunc) return STOP;
  if (opcode === OP.tableSet) return OTHER;
  if (opcode === OP.else || opcode === OP.end) return SHORT_STOP;
  if (opcode === OP.block || opcode === OP.if || opcode === OP.br || opcode === OP.brIf) return TYPED_STOP;
  switch (shapeOf(opcode)) {
    case SHAPE.none:
      return isControl ? STOP : 1;
    case SHAPE["bytes-4"]:
      return 5;
    case SHAPE["bytes-8"]:
      return EIGHT;
    case SHAPE.leb:
    case SHAPE.u32:
      return isControl ? STOP : LEB;
    case SHAPE.memarg:
      return MEMARG;
    case SHAPE.refused:
    case SHAPE["value-types"]:
    case SHAPE["heap-type"]:
      return OTHER;
    default:
      return STOP;
  }
}

/** Operators on objects and in bulk: all but the saturating conversions, which are plain like vectors are. */
function isPrefixedStop(opcode: number): boolean {
  return opcode >= 0xfb000 && opcode < 0xfd000 && !(opcode >= 0xfc000 && opcode < 0xfc008);
}
