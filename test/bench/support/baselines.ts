/**
 * Two other ways to count fuel, to measure ours against. Both charge by our cost table at the end of every basic
 * block and check at function entries and loop headers; they differ in where the count lives. It is a global of
 * the module itself, the cheapest place that either can have. Sizes of bulk operators are not charged, call depth
 * is not counted, maxima are not written: all of that would only make them slower.
 */

import { fixedCost, readBody } from "../../../src/core/metering/binary/body.ts";
import { readModule, SECTION, type WasmModule } from "../../../src/core/metering/binary/module.ts";
import { Reader } from "../../../src/core/metering/binary/reader.ts";
import { OP, Walker } from "../../../src/core/metering/binary/walker.ts";
import { Writer } from "../../../src/core/metering/binary/writer.ts";
import { entryCost } from "../../../src/core/metering/costs.ts";

/**
 * - `global`: every block decrements the global. What block-counting meters do.
 * - `local`: the count is in a local of each function, written back before calls and exits, read again behind calls.
 *   What wasmtime does (crates/cranelift/src/func_environ.rs, `fuel_*`).
 */
export type Baseline = "global" | "local";

/** The order that the format asks of sections. */
const ORDER = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];

/** Operators at which what has been counted so far must be charged: control may go elsewhere. */
const ENDS_BLOCK: ReadonlySet<number> = new Set([
  ...[OP.unreachable, OP.loop, OP.if, OP.else, OP.end, OP.br, OP.brIf, OP.brTable, OP.return],
  ...[OP.call, OP.callIndirect, OP.callRef, OP.returnCall, OP.returnCallIndirect, OP.returnCallRef],
  ...[OP.brOnNull, OP.brOnNonNull, OP.brOnCast, OP.brOnCastFail, OP.throw, OP.throwRef, OP.rethrow],
]);

/** Meters a valid module one of the other ways, with all fuel there is. */
export function meterLike(baseline: Baseline, wasm: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const module = readModule(wasm);
  const counter = module.importedGlobals + module.definedGlobals;
  const writer = new Writer(wasm.length * 2);
  writer.copy(wasm, 0, 8);
  for (const id of ORDER) {
    const section = module.sections.find((each) => each.id === id);
    const content = new Writer();
    if (id === SECTION.global) {
      content.u32(module.definedGlobals + 1);
      if (section !== undefined) {
        const reader = new Reader(wasm, section.start, section.end);
        reader.u32();
        content.copy(wasm, reader.pos, section.end);
      }
      content.bytes(0x7e, 0x01, OP.i64Const);
      content.signed(2 ** 52);
      content.byte(OP.end);
    } else if (section === undefined) continue;
    else if (id === SECTION.code) {
      content.u32(module.bodies.length);
      module.bodies.forEach((_, position) => {
        content.sized(writeBody(module, position, baseline, counter));
      });
    } else content.copy(wasm, section.start, section.end);
    writer.section(id, content);
  }
  return writer.toBytes();
}

function writeBody(module: WasmModule, position: number, baseline: Baseline, counter: number): Writer {
  const body = readBody(module, position);
  const out = new Writer();
  const isLocal = baseline === "local";
  const place = isLocal ? body.type.params.count + body.declaredLocals : counter;
  const [get, set] = isLocal ? [OP.localGet, OP.localSet] : [OP.globalGet, OP.globalSet];
  const operator = (opcode: number, index: number): void => {
    out.byte(opcode);
    out.u32(index);
  };
  const charge = (units: number): void => {
    if (units === 0) return;
    operator(get, place);
    out.byte(OP.i64Const);
    out.signed(units);
    out.byte(0x7d); // i64.sub
    operator(set, place);
  };
  const check = (): void => {
    operator(get, place);
    out.bytes(OP.i64Const, 0, 0x53, OP.if, 0x40, OP.unreachable, OP.end); // i64.lt_s
  };
  const save = (): void => {
    if (!isLocal) return;
    operator(OP.localGet, place);
    operator(OP.globalSet, counter);
  };
  const load = (): void => {
    if (!isLocal) return;
    operator(OP.globalGet, counter);
    operator(OP.localSet, place);
  };
  out.u32(body.localGroups + (isLocal ? 1 : 0));
  out.copy(module.bytes, body.localsStart, body.codeStart);
  if (isLocal) out.bytes(1, 0x7e);
  load();
  check();
  const walker = new Walker(new Reader(module.bytes, body.codeStart, body.codeEnd), true);
  let pending = entryCost(body.declaredLocals);
  let depth = 1;
  while (walker.next()) {
    const { opcode } = walker;
    pending += fixedCost(module, walker);
    if (ENDS_BLOCK.has(opcode)) {
      charge(pending);
      pending = 0;
    }
    if (OPENS.has(opcode)) depth += 1;
    if (opcode === OP.end || opcode === OP.delegate) depth -= 1;
    if (leaves(walker, depth)) save();
    out.copy(module.bytes, walker.at, walker.reader.pos);
    if (opcode === OP.loop) check();
    if (CALLS.has(opcode)) load();
  }
  return out;
}

const OPENS: ReadonlySet<number> = new Set([OP.block, OP.loop, OP.if, OP.try, OP.tryTable]);
const CALLS: ReadonlySet<number> = new Set([OP.call, OP.callIndirect, OP.callRef]);
const ALWAYS: ReadonlySet<number> = new Set([
  ...[...CALLS, OP.return, OP.returnCall, OP.returnCallIndirect, OP.returnCallRef],
  ...[OP.throw, OP.throwRef, OP.rethrow],
]);

/** Whether the operator may leave the function, so that the count has to be where others look for it. */
function leaves({ opcode, first, labels }: Walker, depth: number): boolean {
  const outermost = depth - 1;
  if (ALWAYS.has(opcode)) return true;
  if (opcode === OP.end) return depth === 0;
  if (opcode === OP.brTable || opcode === OP.brOnCast || opcode === OP.brOnCastFail) {
    return labels.includes(outermost);
  }
  return (
    (opcode === OP.br || opcode === OP.brIf || opcode === OP.brOnNull || opcode === OP.brOnNonNull) &&
    first === outermost
  );
}
