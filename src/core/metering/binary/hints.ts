/**
 * Branch hints: which way a branch is likely to go. A check hardly ever finds the slice spent, and engines that know
 * it keep what that costs out of the hot path; a module's own hints move along with their branches.
 *
 * Hints change no meaning, and engines ignore them where they are wrong or not understood. So a section that does not
 * decode is dropped rather than refused.
 *
 * @see https://github.com/WebAssembly/branch-hinting/blob/main/proposals/branch-hinting/Overview.md
 */

import type { WasmModule } from "./module.ts";
import { SECTION } from "./module.ts";
import { Reader } from "./reader.ts";
import { Writer } from "./writer.ts";

/** The section's name. It stands in front of the code section. */
export const HINT_SECTION = "metadata.code.branch_hint";

/** The hint of a branch that is hardly ever taken. */
export const UNLIKELY = 0;

/** Hints of one function by the offset of their operator, in the order of the body. */
export type BodyHints = ReadonlyMap<number, number>;

/** Reads a module's own hints. @returns by function index; offsets count from the module's first byte */
export function readHints(module: WasmModule): ReadonlyMap<number, BodyHints> {
  const hints = new Map<number, BodyHints>();
  const section = module.sections.find(({ id, name }) => id === SECTION.custom && name === HINT_SECTION);
  if (section === undefined) return hints;
  try {
    const reader = new Reader(module.bytes, section.start, section.end);
    for (let functions = reader.u32(); functions > 0; functions -= 1) {
      const index = reader.u32();
      const start = module.bodies[index - module.importedFunctions]?.start ?? 0;
      const own = new Map<number, number>();
      for (let count = reader.u32(); count > 0; count -= 1) {
        const offset = reader.u32();
        const size = reader.u32();
        own.set(start + offset, reader.byte());
        reader.skip(size - 1);
      }
      hints.set(index, own);
    }
  } catch {
    return new Map();
  }
  return hints;
}

/** Collects the hints of the metered module, function by function in rising order. */
export class HintWriter {
  readonly #functions = new Writer(4096);
  readonly #branches = new Writer(256);
  #functionCount = 0;
  #branchCount = 0;

  /** Hints at a branch of the current function. @param offset of its opcode, from its first operator; rising */
  add(offset: number, hint: number): void {
    this.#branches.u32(offset);
    this.#branches.byte(1);
    this.#branches.byte(hint);
    this.#branchCount += 1;
  }

  /**
   * Ends the current function.
   *
   * @param index its index in the metered module
   * @param offset of its first operator from the beginning of its body
   */
  endFunction(index: number, offset: number): void {
    if (this.#branchCount > 0) {
      this.#functions.u32(index);
      this.#functions.u32(this.#branchCount);
      const reader = new Reader(this.#branches.view);
      while (!reader.done) {
        this.#functions.u32(reader.u32() + offset);
        this.#functions.byte(reader.byte());
        this.#functions.byte(reader.byte());
      }
      this.#functionCount += 1;
    }
    this.#branches.clear();
    this.#branchCount = 0;
  }

  /** The section's content, its name included; undefined where there are no hints. */
  write(): Writer | undefined {
    if (this.#functionCount === 0) return undefined;
    const writer = new Writer(this.#functions.length + 64);
    writer.name(HINT_SECTION);
    writer.u32(this.#functionCount);
    writer.copy(this.#functions.view);
    return writer;
  }
}
