/**
 * Reads all code of a module once: writes it down with the indices of locals and globals moved, notes the operators
 * that metering has to look at again (stops) with the cost of what stands between them, and what the call graph needs.
 *
 * Most operators are plain: they cost something, and are copied. So everything behind this step goes from stop to stop,
 * and this loop is the only one that touches every operator of a module that may have 64 MB of them.
 */

import { refuseComponent } from "../errors.ts";
import { Reader } from "./binary/reader.ts";
import { Writer } from "./binary/writer.ts";
import type { FunctionBody } from "./body.ts";
import { fixedCost } from "./body.ts";
import type { FunctionFacts } from "./callgraph.ts";
import { FactsCollector } from "./callgraph.ts";
import { entryCost } from "./costs.ts";
import type { BodyHints } from "./hints.ts";
import type { WasmModule } from "./module.ts";
import { costOf, SHAPE, shapeOf } from "./operators.ts";
import { OP, Walker } from "./walker.ts";

/** How the indices of one body move. */
export interface Moves {
  /** Locals from this one on stand one higher: the fuel word is before them. */
  readonly locals: number;
  /** A global's index in the metered module. */
  readonly global: (index: number) => number;
}

/** One body as scanning leaves it. */
export interface ScannedBody {
  readonly body: FunctionBody;
  readonly facts: FunctionFacts;
  /** Its first operator in the scanned code, and one past its last. */
  readonly start: number;
  readonly end: number;
  /** Its stops. */
  readonly firstStop: number;
  readonly stopsEnd: number;
  /** The module's own branch hints, by offset in the scanned code. */
  readonly hints: BodyHints | undefined;
}

/** The code of all bodies, and the stops in it. */
export class ScannedCode {
  readonly #code: Writer;
  /** Two numbers for each stop: its offset, and the run in front of it. */
  #stops = new Int32Array(1024);
  #count = 0;

  /** @param capacity bytes of code that are expected */
  constructor(capacity: number) {
    this.#code = new Writer(capacity);
  }

  /** The code, until more is scanned. */
  get bytes(): Uint8Array {
    return this.#code.view;
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
  scan(
    module: WasmModule,
    body: FunctionBody,
    moves: Moves,
    relaxedSimd: boolean,
    hints?: BodyHints,
  ): ScannedBody {
    const { bytes } = module;
    const code = this.#code;
    const { codeStart, codeEnd } = body;
    const walker = new Walker(new Reader(bytes, codeStart, codeEnd), relaxedSimd);
    const facts = new FactsCollector(module, entryCost(body.declaredLocals));
    const movedHints = hints === undefined ? undefined : new Map<number, number>();
    const start = code.length;
    const firstStop = this.#count;
    let pos = codeStart;
    let copied = codeStart;
    let units = 0;
    let loose = 0;
    while (pos < codeEnd) {
      const opcode = bytes[pos] ?? 0;
      const step = STEPS[opcode] ?? OTHER;
      if (step <= EIGHT) {
        units += COSTS[opcode] ?? 0;
        pos += step;
        continue;
      }
      if (step === LEB || (step === MEMARG && (bytes[pos + 1] ?? 0) < 0x40)) {
        units += COSTS[opcode] ?? 0;
        pos += step === LEB ? 1 : 2;
        while ((bytes[pos] ?? 0) >= 0x80) pos += 1;
        pos += 1;
        continue;
      }
      if (step === LOCAL || step === GLOBAL) {
        units += COSTS[opcode] ?? 0;
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
          code.copy(bytes, copied, pos);
          code.u32(moved);
          copied = behind;
        }
        pos = behind;
        continue;
      }
      walker.reader.pos = pos;
      walker.next();
      const cost = fixedCost(module, walker);
      if (step === STOP || isPrefixedStop(walker.opcode)) {
        const offset = code.length + pos - copied;
        this.#add(offset, units * 2 + loose);
        facts.stop(walker, units + cost);
        const hint = hints?.get(pos);
        if (hint !== undefined) movedHints?.set(offset, hint);
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
    return {
      body,
      facts: facts.done(),
      start,
      end: code.length,
      firstStop,
      stopsEnd: this.#count,
      hints: movedHints,
    };
  }

  #add(offset: number, run: number): void {
    const at = this.#count * 2;
    if (at === this.#stops.length) {
      const grown = new Int32Array(at * 2);
      grown.set(this.#stops);
      this.#stops = grown;
    }
    this.#stops[at] = offset;
    this.#stops[at + 1] = run;
    this.#count += 1;
  }
}

/** How the scan goes on behind an opcode: by that many bytes up to {@link EIGHT}, or in a way of its own. */
const EIGHT = 9;
const LEB = 10;
const MEMARG = 11;
const LOCAL = 12;
const GLOBAL = 13;
const STOP = 14;
/** Rare, or refused: the walker knows. */
const OTHER = 15;

const STEPS = Uint8Array.from({ length: 256 }, (_, opcode) => stepOf(opcode));
const COSTS = Uint16Array.from({ length: 256 }, (_, opcode) => costOf(opcode));

function stepOf(opcode: number): number {
  if (opcode >= OP.localGet && opcode <= OP.localTee) return LOCAL;
  if (opcode === OP.globalGet || opcode === OP.globalSet) return GLOBAL;
  const isControl = opcode <= OP.tryTable && opcode !== 0x01 && opcode !== 0x1a && opcode !== 0x1b;
  if (opcode === OP.memoryGrow || opcode === OP.refFunc) return STOP;
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
