/**
 * Metered modules with a part of the scheme taken out again, to see what each part costs: the checks, or the charges as
 * well, so that the word only travels. What is left counts wrong; it is for measuring alone.
 *
 * Nothing of the guest's is touched: the word lives in a local that no operator of the guest names, so what reads and writes
 * it is the meter's.
 */
import { readBody } from "../../../src/core/metering/binary/body.ts";
import { HINT_SECTION } from "../../../src/core/metering/binary/hints.ts";
import type { WasmModule } from "../../../src/core/metering/binary/module.ts";
import { readModule, SECTION } from "../../../src/core/metering/binary/module.ts";
import { Reader } from "../../../src/core/metering/binary/reader.ts";
import { OP, Walker } from "../../../src/core/metering/binary/walker.ts";
import { Writer } from "../../../src/core/metering/binary/writer.ts";

/** What is taken out. */
export interface Without {
  readonly checks: boolean;
  readonly charges: boolean;
}

/**
 * Takes parts out of a metered module.
 *
 * @param metered what `instrument` made of it
 * @param own how many functions the module defined itself: those behind them are the meter's
 */
export function takeOut(metered: Uint8Array, own: number, without: Without): Uint8Array<ArrayBuffer> {
  const module = readModule(metered);
  const writer = new Writer(metered.length);
  writer.copy(metered, 0, 8);
  for (const { id, start, end, name } of module.sections) {
    if (name === HINT_SECTION) continue; // hints point at checks, by offset
    const content = new Writer(end - start + 16);
    if (id === SECTION.custom) content.name(name);
    if (id !== SECTION.code) content.copy(metered, start, end);
    else {
      content.u32(module.bodies.length);
      module.bodies.forEach((body, position) => {
        const bytes = new Writer(body.end - body.start);
        if (position < own) new Stripper(module, position, bytes, without).run();
        else bytes.copy(metered, body.start, body.end);
        content.sized(bytes);
      });
    }
    writer.section(id, content);
  }
  return writer.toBytes();
}

const WRAP = 0xa7;
const LT_I32 = 0x48;
const LT_I64 = 0x53;
const SUB = 0x7d;
const SHL = 0x86;
const OR = 0x84;
const ASKS = [OP.if, OP.localGet, OP.call, OP.localSet, OP.end];
/** What stands behind the word where it is asked for: units in a tight loop, units, units and depth. */
const CHECKS = [
  [WRAP, OP.i32Const, LT_I32, OP.brIf],
  [WRAP, OP.i32Const, LT_I32, ...ASKS],
  [OP.localGet, OP.i64Const, SHL, OR, OP.i64Const, LT_I64, ...ASKS],
];
const CALLS: ReadonlySet<number> = new Set([OP.call, OP.callIndirect, OP.callRef]);

/** One body. */
class Stripper {
  readonly #module: WasmModule;
  readonly #out: Writer;
  readonly #without: Without;
  readonly #word: number;
  readonly #opcodes: number[] = [];
  readonly #indices: number[] = [];
  /** Where operators begin, and where the last one ends. */
  readonly #offsets: number[] = [];
  /** The last operator written only pushes the word. */
  #pushed = false;

  constructor(module: WasmModule, position: number, out: Writer, without: Without) {
    const body = readBody(module, position);
    this.#module = module;
    this.#out = out;
    this.#without = without;
    this.#word = body.type.params.count - 1;
    out.u32(body.localGroups);
    out.copy(module.bytes, body.localsStart, body.codeStart);
    const walker = new Walker(new Reader(module.bytes, body.codeStart, body.codeEnd), true);
    while (walker.next()) {
      this.#opcodes.push(walker.opcode);
      this.#indices.push(walker.first);
      this.#offsets.push(walker.at);
    }
    this.#offsets.push(body.codeEnd);
  }

  run(): void {
    for (let at = 0; at < this.#opcodes.length; ) at += this.#step(at);
  }

  /** Writes what is left of the operators from one on. @returns how many these were */
  #step(at: number): number {
    const { checks, charges } = this.#without;
    const isTee = this.#isWord(OP.localTee, at);
    if (checks && (isTee || this.#isWord(OP.localGet, at))) {
      const check = CHECKS.find((opcodes) => this.#follow(at + 1, opcodes));
      if (check !== undefined) {
        if (isTee) this.#set();
        return 1 + check.length;
      }
    }
    if (charges && this.#isCharge(at)) return 2;
    if (charges && this.#pushed && (isTee || this.#isWord(OP.localSet, at))) {
      if (!isTee) this.#set();
      return 1;
    }
    this.#pushed = false;
    const start = this.#out.length;
    this.#out.copy(this.#module.bytes, this.#offsets[at], this.#offsets[at + 1]);
    this.#pushed = this.#isWord(OP.localGet, at) && this.#out.length > start;
    return 1;
  }

  /** Units taken from the word: where it was pushed, where a call gave it, or where it goes. */
  #isCharge(at: number): boolean {
    if (!this.#follow(at, [OP.i64Const, SUB])) return false;
    const isSet = this.#isWord(OP.localSet, at + 2) || this.#isWord(OP.localTee, at + 2);
    return this.#isWord(OP.localGet, at - 1) || isSet || CALLS.has(this.#opcodes[at - 1] ?? 0);
  }

  /** Writes that the word is set, unless it was only just read. */
  #set(): void {
    if (this.#pushed)
      this.#out.truncate(this.#out.length - (this.#word < 0x80 ? 2 : this.#word < 0x4000 ? 3 : 4));
    else this.#out.op(OP.localSet, this.#word);
    this.#pushed = false;
  }

  #isWord(opcode: number, at: number): boolean {
    return this.#opcodes[at] === opcode && this.#indices[at] === this.#word;
  }

  #follow(at: number, opcodes: readonly number[]): boolean {
    return opcodes.every((opcode, i) => this.#opcodes[at + i] === opcode);
  }
}
