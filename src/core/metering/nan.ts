/**
 * Makes the bits of every NaN that an operator produces the canonical ones, for runs that must repeat to the bit.
 *
 * WebAssembly leaves open which NaN arithmetic gives; processors and compiler tiers differ in its sign and payload.
 * This is the specification's deterministic profile: a NaN that comes out of one of the operators of `nan-operators.ts`
 * is replaced by the positive canonical one. Operators that only move bits (loads, reinterpretations, neg, abs,
 * copysign, pseudo-minimum and -maximum) have no choice and are left alone.
 *
 * It is a pass of its own over a metered module, behind charge placement, so what it adds takes no fuel: a run takes
 * the same units with and without. Behind an operator whose result it replaces stands, for f64:
 *
 *     local.tee $t  f64.const nan  local.get $t  local.get $t  f64.eq  select
 *
 * Nothing is added where the next operator takes the result off the stack and does the same whichever NaN it is:
 * arithmetic of the same type, comparisons, conversions to integers. In `a * b + c` only the sum is looked at.
 *
 * What comes from outside (arguments, results of imports, bytes the host writes) is the host's to make canonical.
 *
 * @see https://webassembly.github.io/spec/core/appendix/profiles.html#deterministic-profile-small-mathrm-det
 */

import { refuseComponent } from "../errors.ts";
import { readBody } from "./binary/body.ts";
import type { BodyHints } from "./binary/hints.ts";
import { HINT_SECTION, HintWriter, readHints } from "./binary/hints.ts";
import type { WasmModule } from "./binary/module.ts";
import { readModule, SECTION } from "./binary/module.ts";
import { Reader } from "./binary/reader.ts";
import { OP, Walker } from "./binary/walker.ts";
import { Writer } from "./binary/writer.ts";
import { MAX_BODY_BYTES } from "./limits.ts";
import type { FloatShape } from "./nan-operators.ts";
import { ignoresNanBits, nanOf } from "./nan-operators.ts";
import { AddedLocals } from "./threading/added-locals.ts";
import { op } from "./threading/word-code.ts";

/**
 * Rewrites all bodies of a module so that operators produce canonical NaNs only.
 *
 * @param wasm a valid core module
 * @returns the module with nothing changed but its code, and its branch hints moved along
 * @throws `GatewayError` component-refused for what is not understood, or when a body grows beyond what engines take
 */
export function canonicaliseNans(wasm: Uint8Array): Uint8Array<ArrayBuffer> {
  const module = readModule(wasm);
  const writer = new Writer(wasm.length * 1.1);
  writer.copy(wasm, 0, 8);
  const hints = new HintWriter();
  const code = new Writer(wasm.length * 1.1);
  rewriteBodies(module, hints, code);
  for (const { id, start, end, name } of module.sections) {
    if (id === SECTION.code) writer.section(id, code);
    else if (id === SECTION.custom && name === HINT_SECTION) {
      const moved = hints.write();
      if (moved !== undefined) writer.section(id, moved);
    } else {
      const content = new Writer(end - start + 16);
      if (id === SECTION.custom) content.name(name);
      content.copy(wasm, start, end);
      writer.section(id, content);
    }
  }
  return writer.toBytes();
}

function rewriteBodies(module: WasmModule, hints: HintWriter, content: Writer): void {
  const ownHints = readHints(module);
  const body = new Writer(65_536);
  const code = new Writer(65_536);
  content.u32(module.bodies.length);
  module.bodies.forEach((_, position) => {
    body.clear();
    code.clear();
    const index = module.importedFunctions + position;
    hints.endFunction(index, rewriteBody(module, position, ownHints.get(index), hints, code, body));
    content.sized(body);
  });
}

/** @returns where the first operator stands in the body */
function rewriteBody(
  module: WasmModule,
  position: number,
  ownHints: BodyHints | undefined,
  hints: HintWriter,
  code: Writer,
  out: Writer,
): number {
  const { bytes } = module;
  const { index, type, localGroups, localsStart, declaredLocals, codeStart, codeEnd } = readBody(
    module,
    position,
  );
  const locals = new AddedLocals(type.params.count + declaredLocals);
  const walker = new Walker(new Reader(bytes, codeStart, codeEnd), true);
  let copied = codeStart;
  let pending: FloatShape | undefined;
  while (walker.next()) {
    const { opcode, at } = walker;
    if (pending !== undefined && !ignoresNanBits(opcode, pending)) {
      code.copy(bytes, copied, at);
      copied = at;
      writeCanonical(code, pending, locals);
    }
    const hint = ownHints?.get(at);
    if (hint !== undefined) hints.add(code.length + at - copied, hint);
    pending = nanOf(opcode);
  }
  code.copy(bytes, copied, codeEnd);
  out.u32(localGroups + locals.count);
  out.copy(bytes, localsStart, codeStart);
  locals.write(out);
  const start = out.length;
  out.copy(code.view);
  if (out.length <= MAX_BODY_BYTES) return start;
  throw refuseComponent(
    `Cannot make the NaNs of wasm function ${index} canonical: ${out.length} bytes exceed the limit of ${MAX_BODY_BYTES}`,
  );
}

/** How a value of each shape is spelled: its type, the canonical NaN, the comparison with itself, the choice. */
const SPELLED: Readonly<
  Record<
    FloatShape,
    {
      readonly type: number;
      readonly nan: readonly number[];
      readonly equal: readonly number[];
      readonly choose: readonly number[];
    }
  >
> = {
  f32: { type: 0x7d, nan: [0x43, ...f32Nan()], equal: [0x5b], choose: [0x1b] },
  f64: { type: 0x7c, nan: [0x44, ...f64Nan()], equal: [0x61], choose: [0x1b] },
  f32x4: {
    type: 0x7b,
    nan: [0xfd, 0x0c, ...f32Nan(), ...f32Nan(), ...f32Nan(), ...f32Nan()],
    equal: [0xfd, 0x41],
    choose: [0xfd, 0x52], // v128.bitselect
  },
  f64x2: {
    type: 0x7b,
    nan: [0xfd, 0x0c, ...f64Nan(), ...f64Nan()],
    equal: [0xfd, 0x47],
    choose: [0xfd, 0x52],
  },
};

/** Replaces the value on top of the stack where (for vectors: in each lane where) it is a NaN. */
function writeCanonical(writer: Writer, shape: FloatShape, locals: AddedLocals): void {
  const { type, nan, equal, choose } = SPELLED[shape];
  const local = locals.of([type]);
  op(writer, OP.localTee, local);
  writer.bytes(...nan);
  op(writer, OP.localGet, local);
  op(writer, OP.localGet, local);
  writer.bytes(...equal, ...choose);
}

function f32Nan(): readonly number[] {
  return [0x00, 0x00, 0xc0, 0x7f];
}

function f64Nan(): readonly number[] {
  return [0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xf8, 0x7f];
}
