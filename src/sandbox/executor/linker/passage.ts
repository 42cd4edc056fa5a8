/** One place where values cross a component's border: its memory, its allocator, its text encoding, its handles. */
import type { PlanOptions } from "../../../core/component/index.ts";
import { AbiTrap, trapIf } from "./abi-trap.ts";
import type { ComponentInstance } from "./component-instance.ts";
import type { BorderMeter } from "./meter.ts";

/** A core function. */
export type CoreFunction = (...args: unknown[]) => unknown;

/** Where a passage finds what its options name; by then it has been instantiated. */
export interface PassageParts {
  readonly memory: () => WebAssembly.Memory | undefined;
  readonly realloc: () => CoreFunction | undefined;
}

const NO_BYTES = new ArrayBuffer(0);

/** Access to one component instance's memory, for one run. */
export class Passage {
  readonly instance: ComponentInstance;
  readonly meter: BorderMeter;
  readonly encoding: PlanOptions["encoding"];
  /** Valid after {@link refresh}, until guest code runs: growth replaces the buffer. */
  view = new DataView(NO_BYTES);
  /** As {@link view}. */
  bytes = new Uint8Array(NO_BYTES);
  readonly #parts: PassageParts;
  #memory: WebAssembly.Memory | undefined;
  #realloc: CoreFunction | undefined;

  constructor(
    instance: ComponentInstance,
    meter: BorderMeter,
    encoding: PlanOptions["encoding"],
    parts: PassageParts,
  ) {
    this.instance = instance;
    this.meter = meter;
    this.encoding = encoding;
    this.#parts = parts;
  }

  /** Looks at the memory as it is now. Called whenever guest code may have run. */
  refresh(): void {
    this.#memory ??= this.#parts.memory();
    // Not shared: the metering pass refuses shared memories.
    const buffer = (this.#memory?.buffer ?? NO_BYTES) as ArrayBuffer;
    if (this.bytes.buffer === buffer && this.bytes.byteLength === buffer.byteLength) return;
    this.bytes = new Uint8Array(buffer);
    this.view = new DataView(buffer);
  }

  /** @throws AbiTrap when `length` bytes at `at` are not all in memory, or not aligned */
  require(at: number, length: number, alignment: number): void {
    if (at % alignment !== 0) throw new AbiTrap("misaligned-pointer");
    if (at + length > this.bytes.byteLength) throw new AbiTrap("pointer-out-of-bounds");
  }

  /** Asks the guest for room, which runs guest code. @returns a checked pointer */
  allocate(alignment: number, size: number): number {
    return this.reallocate(0, 0, alignment, size);
  }

  /** {@link allocate} for what was allocated before. */
  reallocate(old: number, oldSize: number, alignment: number, size: number): number {
    this.#realloc ??= this.#parts.realloc();
    if (this.#realloc === undefined) throw new AbiTrap("no-realloc");
    const { instance } = this;
    this.meter.beforeGuest();
    trapIf(!instance.mayLeave, "cannot-leave-instance");
    instance.mayLeave = false;
    const at = Number(this.#realloc(old, oldSize, alignment, size)) >>> 0;
    instance.mayLeave = true;
    this.refresh();
    this.require(at, size, alignment);
    return at;
  }
}
