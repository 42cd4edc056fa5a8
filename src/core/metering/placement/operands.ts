/**
 * How many operands a body has on its stack at most: what an engine's frame has to hold of them. Counted while the code
 * is scanned: operators that always change the stack alike by `stack-effects.ts`, the others and the labels here.
 *
 * Behind a branch or a trap, where nothing comes, the count may be wrong either way until the next label says what is
 * there: engines make no code of that.
 */

import type { WasmModule } from "../binary/module.ts";
import { functionType } from "../binary/module.ts";
import { Reader } from "../binary/reader.ts";
import { effectOf } from "../binary/stack-effects.ts";
import type { FunctionType } from "../binary/types.ts";
import type { Walker } from "../binary/walker.ts";
import { OP } from "../binary/walker.ts";

/** A label: operands beneath its block, and what the block's type says. */
interface Label {
  beneath: number;
  params: number;
  results: number;
}

/** Counts the operands of one body after the other. */
export class OperandCount {
  readonly #module: WasmModule;
  /** The first `#depth` are open, the innermost last; the function's own is not among them. */
  readonly #labels: Label[] = [];
  #depth = 0;

  constructor(module: WasmModule) {
    this.#module = module;
  }

  /** Begins with the next body. */
  start(): void {
    this.#depth = 0;
  }

  /**
   * Opens a block whose type is one byte: none, a value, or the index of a function type.
   *
   * @param height operands in front of it, those that it takes among them
   */
  open(code: number, height: number): void {
    if (code < 0x40) this.#openTyped(functionType(this.#module, code), height);
    else this.#push(height, 0, code === 0x40 ? 0 : 1);
  }

  /** Comes to an `else`. @returns operands behind it */
  otherwise(): number {
    const label = this.#labels[this.#depth - 1];
    return label === undefined ? 0 : label.beneath + label.params;
  }

  /** Comes to an `end`. @returns operands behind it */
  close(): number {
    this.#depth -= 1;
    const label = this.#labels[this.#depth];
    if (label !== undefined) return label.beneath + label.results;
    this.#depth = 0;
    return 0;
  }

  /** Comes to the walker's operator, whatever it is. @returns operands behind it @param height those in front of it */
  step(walker: Walker, height: number): number {
    const { opcode, first } = walker;
    const rest = height + effectOf(opcode);
    switch (opcode) {
      case OP.block:
      case OP.loop:
      case OP.if:
      case OP.try:
      case OP.tryTable:
        this.#openWalked(walker, rest);
        return rest;
      case OP.else:
        return this.otherwise();
      case OP.catch:
        return this.#caught(this.#typeOf(this.#module.tags[first]).params.count);
      case OP.catchAll:
        return this.#caught(0);
      case OP.end:
      case OP.delegate:
        return this.close();
      case OP.call:
        return called(this.#typeOf(this.#module.functions[first]), rest);
      case OP.callIndirect:
      case OP.callRef:
        return called(this.#typeOf(first), rest);
      case OP.structNew: {
        const type = this.#module.types[first];
        return type?.kind === "struct" ? rest - type.fields : rest;
      }
      case OP.arrayNewFixed:
        return rest - walker.second;
      default:
        return rest;
    }
  }

  #openWalked({ reader: { bytes }, blockTypeStart, blockTypeEnd }: Walker, height: number): void {
    const code = bytes[blockTypeStart] ?? 0;
    if (blockTypeEnd - blockTypeStart === 1) this.open(code, height);
    else if (code === 0x63 || code === 0x64) this.#push(height, 0, 1);
    else this.#openTyped(this.#typeOf(new Reader(bytes, blockTypeStart, blockTypeEnd).s33()), height);
  }

  #openTyped({ params, results }: FunctionType, height: number): void {
    this.#push(height - params.count, params.count, results.count);
  }

  #push(beneath: number, params: number, results: number): void {
    const label = this.#labels[this.#depth];
    this.#depth += 1;
    if (label === undefined) {
      this.#labels.push({ beneath, params, results });
      return;
    }
    label.beneath = beneath;
    label.params = params;
    label.results = results;
  }

  #caught(values: number): number {
    return (this.#labels[this.#depth - 1]?.beneath ?? 0) + values;
  }

  #typeOf(index: number | undefined): FunctionType {
    return functionType(this.#module, index ?? -1);
  }
}

function called({ params, results }: FunctionType, height: number): number {
  return height - params.count + results.count;
}
