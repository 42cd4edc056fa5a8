/**
 * Canonical definitions: the adapters between core functions and component functions. Only `canon lift` makes
 * something that a description needs, a component function with a type; all others make core functions and are
 * read to find where they end.
 */
import { coreValueType } from "./core-module.ts";
import type { Reader } from "./reader.ts";

/** What follows the opcode: `u` an index, `o` options, `r` a result list, `b` a flag byte, `c` a core type. */
type Immediates = string;

/** @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md#canonical-definitions */
const immediatesOf: ReadonlyMap<number, Immediates> = new Map([
  [0x02, "u"], // resource.new
  [0x03, "u"], // resource.drop
  [0x04, "u"], // resource.rep
  [0x05, ""], // task.cancel
  [0x06, "b"], // subtask.cancel
  [0x07, "u"], // resource.drop async
  [0x08, ""], // backpressure.set
  [0x09, "ro"], // task.return
  [0x0a, "cu"], // context.get
  [0x0b, "cu"], // context.set
  [0x0c, "b"], // thread.yield
  [0x0d, ""], // subtask.drop
  [0x0e, "u"], // stream.new
  [0x0f, "uo"], // stream.read
  [0x10, "uo"], // stream.write
  [0x11, "ub"], // stream.cancel-read
  [0x12, "ub"], // stream.cancel-write
  [0x13, "u"], // stream.drop-readable
  [0x14, "u"], // stream.drop-writable
  [0x15, "u"], // future.new
  [0x16, "uo"], // future.read
  [0x17, "uo"], // future.write
  [0x18, "ub"], // future.cancel-read
  [0x19, "ub"], // future.cancel-write
  [0x1a, "u"], // future.drop-readable
  [0x1b, "u"], // future.drop-writable
  [0x1c, "o"], // error-context.new
  [0x1d, "o"], // error-context.debug-message
  [0x1e, ""], // error-context.drop
  [0x1f, ""], // waitable-set.new
  [0x20, "bu"], // waitable-set.wait
  [0x21, "bu"], // waitable-set.poll
  [0x22, ""], // waitable-set.drop
  [0x23, ""], // waitable.join
  [0x24, ""], // backpressure.inc
  [0x25, ""], // backpressure.dec
  [0x26, ""], // thread.index
  [0x27, "uu"], // thread.new-indirect
  [0x28, ""], // thread.resume-later
  [0x29, "b"], // thread.suspend
  [0x2a, "b"], // thread.suspend-then-resume
  [0x2b, "b"], // thread.yield-then-resume
  [0x2c, "b"], // thread.suspend-then-promote
  [0x2d, "b"], // thread.yield-then-promote
]);

/** What a reader of canonical definitions needs from the type index space. */
export interface CanonTypes {
  /** Passes over a value type. */
  readonly valueType: (reader: Reader) => void;
}

/**
 * Reads one canonical definition.
 *
 * @returns the index of the lifted function's type, or `undefined` for all but `canon lift`
 * @throws GatewayError `component-refused`
 */
export function readCanon(reader: Reader, types: CanonTypes): number | undefined {
  const start = reader.at;
  const opcode = reader.byte();
  if (opcode === 0x00 || opcode === 0x01) {
    reader.oneOf([0x00], "sort after canon lift or lower");
    reader.u32();
    options(reader);
    return opcode === 0x00 ? reader.u32() : undefined;
  }
  const immediates = immediatesOf.get(opcode);
  if (immediates === undefined) {
    throw reader.refusal(`canonical built-in 0x${opcode.toString(16)} is not supported`, start);
  }
  for (const immediate of immediates) {
    if (immediate === "u") reader.u32();
    else if (immediate === "b") reader.oneOf([0x00, 0x01], "flag");
    else if (immediate === "c") coreValueType(reader);
    else if (immediate === "o") options(reader);
    else resultList(reader, types);
  }
  return undefined;
}

function options(reader: Reader): void {
  reader.vector(() => {
    const option = reader.oneOf([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "canonical option");
    // memory, realloc, post-return, callback and core-type name an index; the rest stand alone.
    if ([3, 4, 5, 7, 8].includes(option)) reader.u32();
  });
}

function resultList(reader: Reader, types: CanonTypes): void {
  if (reader.oneOf([0x00, 0x01], "result list") === 0x00) types.valueType(reader);
  else reader.oneOf([0x00], "named results (an old form; rebuild the component)");
}
