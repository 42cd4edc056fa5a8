/**
 * Writes one function body with the events of `profile.ts` in it. Everything else is copied byte for byte.
 */

import type { FunctionBody } from "../binary/body.ts";
import { readBody } from "../binary/body.ts";
import type { WasmModule } from "../binary/module.ts";
import { Reader } from "../binary/reader.ts";
import { OP, Walker } from "../binary/walker.ts";
import type { Writer } from "../binary/writer.ts";
import { entryCost, OPERATOR_COSTS } from "../costs.ts";
import { i32, op } from "../threading/word-code.ts";

/** What all bodies of one module share. */
export interface ProfileContext {
  readonly module: WasmModule;
  /** A function's index in the profiled module. */
  readonly moved: (index: number) => number;
  /** Number of the module's function 0 among those of all modules. */
  readonly firstFunction: number;
  /** A block type with the results spelled at `start`. */
  readonly blockOf: (start: number, end: number, count: number) => Uint8Array;
}

const I32 = 0x7f;
const { simple, call } = OPERATOR_COSTS;
/** Two constants or locals, and the call: what `leave` and `resume` take. */
const BACK = simple + simple + call;

/** Writes one body, its locals included. */
export function writeProfiledBody(context: ProfileContext, position: number, out: Writer): void {
  const body = readBody(context.module, position);
  const { localGroups, localsStart, codeStart } = body;
  out.u32(localGroups + 1);
  out.copy(context.module.bytes, localsStart, codeStart);
  out.bytes(1, I32);
  new ProfiledBody(context, body, out).write();
}

class ProfiledBody {
  readonly #context: ProfileContext;
  readonly #body: FunctionBody;
  readonly #out: Writer;
  /** The local that holds the function's own frame. */
  readonly #frame: number;
  /** Where blocks begin on which exceptions land. */
  readonly #landings: ReadonlySet<number>;
  readonly #open: { readonly at: number; readonly opcode: number }[] = [];
  #copied: number;

  constructor(context: ProfileContext, body: FunctionBody, out: Writer) {
    this.#context = context;
    this.#body = body;
    this.#out = out;
    this.#frame = body.type.params.count + body.declaredLocals;
    this.#landings = findLandings(context.module, body);
    this.#copied = body.codeStart;
  }

  write(): void {
    const { declaredLocals, index, type } = this.#body;
    const out = this.#out;
    const own = entryCost(declaredLocals);
    const added = simple * 3 + call + simple + entryCost(declaredLocals + 1) - own;
    this.#enter(index, own, added);
    op(out, OP.localSet, this.#frame);
    out.byte(OP.block);
    out.copy(this.#context.blockOf(type.results.start, type.results.end, type.results.count));
    const walker = this.#walker();
    while (walker.next()) this.#operator(walker);
    this.#flush(this.#body.codeEnd);
    this.#back("leave");
    out.byte(OP.end);
  }

  #operator(walker: Walker): void {
    const { opcode, at, first } = walker;
    const behind = walker.reader.pos;
    switch (opcode) {
      case OP.block:
      case OP.loop:
      case OP.if:
      case OP.try:
      case OP.tryTable:
        this.#open.push({ at, opcode });
        if (opcode === OP.loop && this.#landings.has(at)) this.#backBehind(behind);
        return;
      case OP.end:
      case OP.delegate: {
        const block = this.#open.pop();
        if (block !== undefined && block.opcode !== OP.loop && this.#landings.has(block.at))
          this.#backBehind(behind);
        return;
      }
      case OP.catch:
      case OP.catchAll:
        this.#backBehind(behind);
        return;
      case OP.return:
      case OP.returnCallIndirect:
      case OP.returnCallRef:
        this.#flush(at);
        this.#back("leave");
        return;
      case OP.returnCall:
        this.#flush(at);
        this.#back("leave");
        this.#replace(walker);
        return;
      case OP.call:
        this.#flush(at);
        if (first < this.#context.module.importedFunctions) {
          this.#enter(first, 0, simple * 3 + call);
          this.#out.byte(0x1a); // drop
          this.#replace(walker);
          this.#back("resume");
        } else this.#replace(walker);
        return;
      case OP.refFunc:
        this.#flush(at);
        this.#replace(walker);
        return;
      default:
    }
  }

  #enter(index: number, own: number, added: number): void {
    const { firstFunction, module } = this.#context;
    i32(this.#out, firstFunction + index);
    i32(this.#out, own);
    i32(this.#out, added);
    op(this.#out, OP.call, module.importedFunctions);
  }

  #back(event: "leave" | "resume"): void {
    const { importedFunctions } = this.#context.module;
    op(this.#out, OP.localGet, this.#frame);
    i32(this.#out, BACK);
    op(this.#out, OP.call, importedFunctions + (event === "leave" ? 1 : 2));
  }

  #backBehind(behind: number): void {
    this.#flush(behind);
    this.#back("resume");
  }

  #replace(walker: Walker): void {
    op(this.#out, walker.opcode, this.#context.moved(walker.first));
    this.#copied = walker.reader.pos;
  }

  #flush(until: number): void {
    this.#out.copy(this.#context.module.bytes, this.#copied, until);
    this.#copied = until;
  }

  #walker(): Walker {
    const { codeStart, codeEnd } = this.#body;
    return new Walker(new Reader(this.#context.module.bytes, codeStart, codeEnd), true);
  }
}

/** The offsets of blocks that a `try_table` of the body names. The function's own label needs no event: it leaves. */
function findLandings(module: WasmModule, { codeStart, codeEnd }: FunctionBody): Set<number> {
  const landings = new Set<number>();
  const open: number[] = [];
  const walker = new Walker(new Reader(module.bytes, codeStart, codeEnd), true);
  while (walker.next()) {
    const { opcode, at, labels } = walker;
    if (opcode === OP.tryTable) {
      // Its labels are counted from outside of it.
      for (const label of labels) {
        const target = open[open.length - 1 - label];
        if (target !== undefined) landings.add(target);
      }
    }
    if (
      opcode === OP.block ||
      opcode === OP.loop ||
      opcode === OP.if ||
      opcode === OP.try ||
      opcode === OP.tryTable
    )
      open.push(at);
    else if (opcode === OP.end || opcode === OP.delegate) open.pop();
  }
  return landings;
}
