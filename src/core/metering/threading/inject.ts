/**
 * Writes a function body anew: charges and checks where the plan has them, the fuel word through every call,
 * charges by size, moved indices.
 *
 * The word lives in a local, the function's last parameter. Everything else is copied byte for byte. What is added
 * leaves the operand stack as it found it and uses only locals of its own, so it is valid wherever an operator is,
 * dead code included.
 */

import { refuseComponent } from "../../errors.ts";
import type { FunctionBody } from "../binary/body.ts";
import { UNLIKELY } from "../binary/hints.ts";
import { Reader } from "../binary/reader.ts";
import { OP, Walker } from "../binary/walker.ts";
import type { Writer } from "../binary/writer.ts";
import type { BodyPlan } from "../placement/plan.ts";
import type { ScannedBody } from "../placement/scan.ts";
import { sizeChargeOf } from "../placement/sizes.ts";
import { AddedLocals, nullableReference } from "./added-locals.ts";
import { Labels } from "./labels.ts";
import type { BodyDepth, InjectContext } from "./rewrite-context.ts";
import { writeRefusalNote, writeSizeCharge } from "./size-code.ts";
import { canWrap, closeTight, openTight, TIGHT_EXIT } from "./tight-loops.ts";
import { op, WordCode } from "./word-code.ts";

/**
 * Writes one metered body.
 *
 * @param depth what it and its calls take of the call depth
 * @param locals gets the declaration of locals
 * @param operators gets the code behind it
 */
export function injectBody(
  context: InjectContext,
  scanned: ScannedBody,
  plan: BodyPlan,
  depth: BodyDepth,
  locals: Writer,
  operators: Writer,
): void {
  locals.clear();
  operators.clear();
  const emitter = new Emitter(context, scanned, plan, depth, operators);
  emitter.body();
  emitter.locals(locals);
  context.hints.endFunction(context.wrappers.moved(scanned.body.index), locals.length);
}

class Emitter {
  readonly #context: InjectContext;
  readonly #body: FunctionBody;
  readonly #scanned: ScannedBody;
  /** The code, its indices moved. */
  readonly #bytes: Uint8Array;
  readonly #plan: BodyPlan;
  /** What the frame takes of the call depth at entry. */
  readonly #depth: number;
  /** What a call by way of a table or a reference takes. */
  readonly #unknown: number;
  readonly #writer: Writer;
  readonly #word: WordCode;
  readonly #locals: AddedLocals;
  readonly #labels = new Labels();
  /** Whether metering put the function's own label around the body: something branches there. */
  readonly #around: number;
  #copied: number;
  /** What the next operator that takes the word up charges of the region, and the frames that it gives back. */
  #waiting = 0;
  #givenFrames = 0;
  /** The next site. */
  #next: number;

  constructor(
    context: InjectContext,
    scanned: ScannedBody,
    plan: BodyPlan,
    depth: BodyDepth,
    writer: Writer,
  ) {
    const { body } = scanned;
    this.#context = context;
    this.#body = body;
    this.#scanned = scanned;
    this.#bytes = scanned.code.bytes;
    this.#plan = plan;
    this.#depth = depth.own;
    this.#unknown = depth.unknown;
    this.#writer = writer;
    // The word is the last parameter, so the declared locals stand one higher.
    this.#word = new WordCode(writer, body.type.params.count);
    this.#locals = new AddedLocals(body.type.params.count + 1 + body.declaredLocals);
    this.#copied = scanned.start;
    this.#around = plan.outerTargeted ? 1 : 0;
    this.#next = plan.firstSite;
  }

  /** The declaration of locals; after the body, which asks for them. */
  locals(out: Writer): void {
    const { localGroups, localsStart, codeStart } = this.#body;
    out.u32(localGroups + this.#locals.count);
    out.copy(this.#context.module.bytes, localsStart, codeStart);
    this.#locals.write(out);
  }

  body(): void {
    const { module } = this.#context;
    const { code, start, end, firstStop, stopsEnd, hints } = this.#scanned;
    const { sites } = code;
    const plan = this.#plan;
    const writer = this.#writer;
    const walker = new Walker(new Reader(this.#bytes, start, end), true);
    if (plan.outerTargeted) {
      writer.byte(OP.block);
      writer.copy(this.#context.signatures.resultBlockType(module.functions[this.#body.index] ?? 0));
    }
    this.#labels.open(plan.outerLanding, false, false);
    const isPlain = plan.landings.size === 0 && !plan.outerLanding && hints === undefined;
    let ended = false;
    for (let stop = firstStop; stop < stopsEnd; stop += 1) {
      const at = code.offsetOf(stop);
      for (; this.#next < plan.sitesEnd; this.#next += 1) {
        const offset = sites.offsetOf(this.#next);
        if (offset > at) break;
        this.#flush(offset);
        this.#site(this.#next);
      }
      if (isPlain && this.#labels.passes(this.#bytes, at, plan.tightLoops)) continue;
      if (this.#bytes[at] === OP.call) {
        walker.reader.pos = at + 1;
        this.#callByName(OP.call, walker.reader.u32(), at, walker.reader.pos);
        continue;
      }
      walker.reader.pos = at;
      walker.next();
      const hint = hints?.get(at);
      if (hint !== undefined) this.#moveHint(walker, hint);
      this.#operator(walker);
      ended = walker.opcode === OP.end && this.#labels.count === 0 && walker.reader.pos === end;
    }
    // No valid module gets here; one that nobody validated is refused like any other that is not understood.
    if (!ended) throw refuseComponent(`Cannot meter wasm function ${this.#body.index}: it does not end`);
    for (; this.#next < plan.sitesEnd; this.#next += 1) this.#site(this.#next);
    this.#leave();
    writer.byte(OP.end);
  }

  #moveHint({ opcode, at, first }: Walker, hint: number): void {
    if (opcode !== OP.if && opcode !== OP.brIf) return;
    if (opcode === OP.brIf && this.#labels.lands(first)) this.#spill(at);
    this.#flush(at);
    this.#context.hints.add(this.#writer.length, hint);
  }

  #operator(walker: Walker): void {
    const { opcode, at } = walker;
    switch (opcode) {
      case OP.block:
      case OP.loop:
      case OP.if:
      case OP.try:
      case OP.tryTable: {
        const landing = this.#plan.landings.has(at);
        const bytes = this.#bytes;
        const tight = this.#plan.tightLoops.has(at) && canWrap(bytes, walker);
        if (tight) {
          this.#flush(at);
          openTight(this.#writer, bytes, walker);
        }
        if (landing && (opcode === OP.loop || opcode === OP.if)) this.#spill(at);
        this.#blockType(walker);
        this.#labels.open(landing, opcode === OP.loop, tight);
        if (landing && opcode === OP.loop) this.#reload(walker.reader.pos);
        return;
      }
      case OP.end:
      case OP.delegate: {
        const label = this.#labels.pop();
        const landing = label?.landing === true && !label.loop;
        if (landing) this.#spill(at);
        if (this.#labels.count === 0 && this.#around === 0) {
          this.#flush(at); // the body's own end is written last
          this.#copied = walker.reader.pos;
          return;
        }
        this.#flush(walker.reader.pos);
        if (label?.tight === true) {
          const more = this.#context.wrappers.helper("more");
          closeTight(this.#writer, this.#word, more, label.headerUnits ?? 0);
        }
        if (landing) this.#reload(walker.reader.pos);
        return;
      }
      case OP.else:
      case OP.catch:
      case OP.catchAll:
        if (this.#labels.innermost?.landing) this.#spill(at);
        if (opcode !== OP.else) this.#reload(walker.reader.pos);
        return;
      case OP.br:
      case OP.brIf:
      case OP.brOnNull:
      case OP.brOnNonNull:
        if (this.#labels.lands(walker.first)) this.#spill(at);
        if (this.#labels.moved(walker.first) !== walker.first)
          this.#replace(walker, this.#labels.moved(walker.first));
        return;
      case OP.brTable:
      case OP.brOnCast:
      case OP.brOnCastFail:
        if (this.#labels.landsAny(walker.labels)) this.#spill(at);
        if (opcode === OP.brTable && this.#labels.movesAny(walker.labels)) this.#branchTable(walker);
        return;
      case OP.unreachable:
      case OP.throw:
      case OP.throwRef:
      case OP.rethrow:
        this.#flush(at);
        this.#takeWaiting(0);
        this.#word.move();
        op(this.#writer, OP.call, this.#context.wrappers.helper("leave"));
        return;
      case OP.return:
        this.#flush(at);
        this.#leave();
        return;
      case OP.refFunc: {
        const index = this.#context.wrappers.inside(walker.first);
        this.#context.references.add(index);
        this.#replace(walker, index);
        return;
      }
      case OP.call:
      case OP.returnCall:
        this.#callByName(opcode, walker.first, at, walker.reader.pos);
        return;
      case OP.callIndirect:
      case OP.callRef:
      case OP.returnCallIndirect:
      case OP.returnCallRef:
        this.#callUnknown(walker);
        return;
      default:
        this.#sized(walker);
    }
  }

  #callByName(opcode: number, index: number, at: number, behind: number): void {
    const tail = opcode === OP.returnCall;
    this.#flush(at);
    this.#takeForCall(tail, 0);
    op(this.#writer, opcode, this.#context.wrappers.inside(index));
    this.#copied = behind;
    if (!tail) this.#word.set();
  }

  /** By way of a table or a reference. */
  #callUnknown(walker: Walker): void {
    const { opcode, at, first, second } = walker;
    const writer = this.#writer;
    this.#flush(at);
    const tail = opcode === OP.returnCallIndirect || opcode === OP.returnCallRef;
    // What says whom to call is on top of the stack, the word belongs beneath it.
    const isReference = opcode === OP.callRef || opcode === OP.returnCallRef;
    const callee = isReference
      ? this.#locals.of(nullableReference(first))
      : this.#locals.ofSize(this.#context.module.tables[second]?.is64 ?? false);
    op(writer, OP.localSet, callee);
    this.#takeForCall(tail, this.#unknown);
    op(writer, OP.localGet, callee);
    this.#flush(walker.reader.pos);
    if (tail) return;
    this.#giveFrames(this.#unknown, walker.reader.pos);
    this.#word.set();
  }

  /** Pushes the word for a call, which takes `frames` of the depth where it is not made in the function's own stead. */
  #takeForCall(tail: boolean, frames: number): void {
    const word = this.#word;
    if (tail || frames === 0) {
      this.#takeWaiting(tail ? this.#depth : 0);
      if (tail) word.move();
      else word.get();
      return;
    }
    // Where an exception may land the local keeps its depth, for that is what counts there.
    const inLocal = !this.#scanned.facts.exceptions;
    this.#takeWaiting(inLocal ? -frames : 0);
    const more = this.#context.wrappers.helper("more");
    const hint = inLocal ? word.askDepth(more) : word.askFrames(frames, more);
    this.#context.hints.add(hint, UNLIKELY);
  }

  /** Gives them back, to the word on the stack; or with the next charge, where that stands right behind. */
  #giveFrames(frames: number, behind: number): void {
    if (frames === 0) return;
    const isCharged =
      this.#next < this.#plan.sitesEnd && this.#scanned.code.sites.offsetOf(this.#next) === behind;
    if (isCharged && !this.#scanned.facts.exceptions) this.#givenFrames = frames;
    else this.#word.giveFrames(frames);
  }

  #sized(walker: Walker): void {
    const { module, maxima, refused, hints, wrappers } = this.#context;
    const charge = sizeChargeOf(module, maxima, walker);
    if (charge === undefined) return;
    this.#flush(walker.at);
    const size = this.#locals.ofSize(charge.wide);
    writeSizeCharge(this.#writer, this.#word, charge, size, wrappers.helper("pay"));
    if (refused === undefined || charge.growth?.capped !== true) return;
    this.#flush(walker.reader.pos);
    hints.add(writeRefusalNote(this.#writer, charge, charge.growth.kind, size, refused), UNLIKELY);
  }

  /** What is charged and checked at a site. */
  #site(site: number): void {
    const { sites } = this.#scanned.code;
    const isFirst = site === this.#plan.firstSite;
    // The frame's depth is taken at entry whatever waits.
    if (sites.waitsAt(site) && !(isFirst && this.#depth > 0)) this.#waiting += sites.unitsOf(site);
    else this.#charge(sites.unitsOf(site), sites.checksAt(site), isFirst);
  }

  /** Charges what waits, and gives frames back where the function is left. */
  #takeWaiting(frames: number): void {
    this.#word.take(this.#waiting, -this.#givenFrames - frames);
    this.#waiting = 0;
    this.#givenFrames = 0;
  }

  /** Takes units (and at entry the frame's depth), and asks for more where nothing is left. */
  #charge(units: number, check: boolean, entry: boolean): void {
    const depth = entry ? this.#depth : 0;
    this.#word.take(this.#waiting + units, depth - this.#givenFrames);
    this.#waiting = 0;
    this.#givenFrames = 0;
    if (!check && depth === 0) return;
    const label = this.#labels.innermost;
    if (label?.tight === true && label.headerUnits === undefined) {
      this.#word.test("units");
      this.#context.hints.add(this.#writer.length, UNLIKELY);
      op(this.#writer, OP.brIf, TIGHT_EXIT);
      label.headerUnits = units;
      return;
    }
    this.#context.hints.add(
      this.#word.ask(depth > 0 ? "both" : "units", this.#context.wrappers.helper("more")),
      UNLIKELY,
    );
  }

  /** Leaves the frame: its depth is given back, the word is the last result. */
  #leave(): void {
    this.#takeWaiting(this.#depth);
    this.#word.move();
  }

  #branchTable(walker: Walker): void {
    this.#flush(walker.at);
    op(this.#writer, OP.brTable, walker.labels.length - 1);
    for (const label of walker.labels) this.#writer.u32(this.#labels.moved(label));
    this.#copied = walker.reader.pos;
  }

  /** Gives the units to the host's counter where control may go to an exception's landing, which looks there. */
  #spill(at: number): void {
    this.#flush(at);
    this.#word.through(this.#context.wrappers.helper("spill"));
  }

  /** Takes a slice at a landing: the local may be as old as the call that threw, so its units mean nothing. */
  #reload(behind: number): void {
    this.#flush(behind);
    this.#word.through(this.#context.wrappers.helper("draw"));
  }

  #replace(walker: Walker, index: number): void {
    this.#flush(walker.at);
    op(this.#writer, walker.opcode, index);
    this.#copied = walker.reader.pos;
  }

  /** A block type given by type index means the type as it was. */
  #blockType(walker: Walker): void {
    const { signatures } = this.#context;
    const code = this.#bytes[walker.blockTypeStart] ?? 0;
    if (code >= 0x40 && code < 0x80) return;
    const typeIndex = new Reader(this.#bytes, walker.blockTypeStart, walker.blockTypeEnd).s33();
    this.#flush(walker.blockTypeStart);
    this.#writer.signed(signatures.plainOf(typeIndex));
    this.#copied = walker.blockTypeEnd;
  }

  #flush(until: number): void {
    if (until > this.#copied) {
      this.#writer.copy(this.#bytes, this.#copied, until);
      this.#copied = until;
    }
  }
}
