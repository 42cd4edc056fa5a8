/**
 * The gate for every name in a component, core or not. Names end up in messages, manifests, terminals and pages, and in
 * code wherever somebody generates it: generators for components paste names into JavaScript without escaping them,
 * so that a core export called `x']; steal(); ['` is code in their host. The gate is a small alphabet. No name that a
 * toolchain emits is lost.
 */

/** Characters that end a quoted JavaScript string or start an escape in one. */
const forbidden = /['"`\\]/;
/** Sequences that leave a template literal or a block comment, should a name ever be pasted into one. */
const forbiddenSequence = /\$\{|\*\//;
/** Printable ASCII, space included: no control characters, no line separators, no look-alikes. */
const printable = /^[\x20-\x7e]*$/;

/**
 * Says what is wrong with a name, if anything.
 *
 * @returns the rest of a sentence that begins with the quoted name, or `undefined` when the name may pass
 * @example
 * ```ts
 * import { nameFault } from "./name-gate.ts";
 * if (nameFault("wasi:io/streams@0.2.6") !== undefined) throw new Error("refused a good name");
 * if (nameFault("x']; steal(); ['") === undefined) throw new Error("passed a hostile name");
 * ```
 */
export function nameFault(name: string): string | undefined {
  if (!printable.test(name)) return "holds a character outside printable ASCII";
  if (forbidden.test(name)) return "holds a quote or a backslash";
  if (forbiddenSequence.test(name)) return 'holds "${" or "*/"';
  return undefined;
}
