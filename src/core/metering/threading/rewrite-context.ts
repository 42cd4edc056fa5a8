/**
 * What the rewriting of one module's code works on: made once by `instrument.ts`, read by everything behind it.
 */

import type { BodyHints, HintWriter } from "../binary/hints.ts";
import type { WasmModule } from "../binary/module.ts";
import type { Maxima } from "../placement/sizes.ts";
import type { Signatures } from "./signatures.ts";
import type { Wrappers } from "./wrappers.ts";

/** What all bodies of one module share. */
export interface InjectContext {
  readonly module: WasmModule;
  readonly maxima: Maxima;
  readonly signatures: Signatures;
  readonly wrappers: Wrappers;
  /** The refill hook is imported, behind the module's own imports. */
  readonly refill: boolean;
  /** The global that notes that a memory could not grow, where it is imported. */
  readonly refused: number | undefined;
  /** A global's index in the metered module. */
  readonly global: (index: number) => number;
  readonly hints: HintWriter;
  /** Functions that code refers to by ref.func: the metered module must declare them. */
  readonly references: Set<number>;
}

/** What rewriting the code needs beside what all bodies share. */
export interface RewriteContext extends InjectContext {
  /** Whether relaxed SIMD passes. */
  readonly relaxedSimd: boolean;
  /** The module's own hints, by function. */
  readonly ownHints: ReadonlyMap<number, BodyHints>;
}

/** What one body takes of the call depth, in frames. */
export interface BodyDepth {
  /** When it is entered; 0 where its callers did. */
  readonly own: number;
  /** When it makes a call by way of a table or a reference; 0 where the functions that these lead to take theirs. */
  readonly unknown: number;
}
