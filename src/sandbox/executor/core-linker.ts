/**
 * Instantiates the core modules of one run: gives each the shared fuel counter, and puts the guard around every
 * trampoline that the glue hands to them.
 */
import { FUEL_IMPORT } from "../../core/metering/index.ts";
import type { RunGuard, Trampoline } from "./guard.ts";
import type { LiftDoors } from "./lift-guard.ts";

/** The core instances of one run. */
export interface CoreLinker {
  /** jco's `instantiateCore`. */
  instantiate(module: WebAssembly.Module, imports?: object): { readonly exports: WebAssembly.Exports };
  /** `WebAssembly` as the glue sees it: suspending imports pass the guard too. */
  readonly webAssembly: object;
  /** Units left; negative once fuel was exhausted. */
  fuelLeft(): bigint;
  /** Takes units from the guest, which is inside an import call: what somebody else spent on its behalf. */
  charge(units: number): void;
  /** Whether the call depth limit stopped the guest. */
  depthExceeded(): boolean;
  /**
   * Bytes of all memories. A memory never shrinks, so at the end this is the peak. One that its module does not
   * export can not be seen, and is not in it; the cap holds for it all the same.
   */
  memoryBytes(): number;
  /** The same, as they were before the guest ran. */
  initialMemoryBytes(): number;
}

/** Bounds of one run, all core modules together. */
export interface CoreLimits {
  /** Units that the run may spend. */
  readonly fuel: number;
  /** What the memories of all instances may grow to. */
  readonly memoryBytes: number;
  /** What the memories of one instance of a module may grow to, as the preparer wrote it in. */
  memoryMaximumOf(module: WebAssembly.Module): number;
}

/** Links the core modules of one run. */
export function createCoreLinker(guard: RunGuard, doors: LiftDoors, limits: CoreLimits): CoreLinker {
  const left = new WebAssembly.Global({ value: "i64", mutable: true }, BigInt(limits.fuel));
  let promisedBytes = 0;
  let initialBytes = 0;
  const depth = new WebAssembly.Global({ value: "i32", mutable: true }, 0);
  const memories = new Set<WebAssembly.Memory>();
  /** Functions that are wasm's own. A JavaScript wrapper around one would stand in the way of suspension. */
  const wasmFunctions = new WeakSet<object>();

  /** Not in TypeScript's library yet. */
  const suspending: new (call: Trampoline) => object = Reflect.get(WebAssembly, "Suspending");

  /** `new Suspending(call)` as the glue writes it; what wasm is given is the real thing, around the guard. */
  function GuardedSuspending(call: Trampoline): object {
    return new suspending(guard.wrapWaiting(call));
  }

  function instantiate(module: WebAssembly.Module, imports: object = {}) {
    const linked: Record<string, WebAssembly.ModuleImports> = Object.create(null);
    for (const [moduleName, members] of Object.entries(imports)) {
      const guardedMembers: WebAssembly.ModuleImports = Object.create(null);
      for (const [name, member] of Object.entries(members as object)) {
        guardedMembers[name] = isTrampoline(member)
          ? keepMarks(member, guard.wrap(`${moduleName} ${name}`, member))
          : member;
      }
      linked[moduleName] = guardedMembers;
    }
    // Last, so that no name of the guest's can take its place; the metering pass refuses such imports anyway.
    linked[FUEL_IMPORT.module] = { [FUEL_IMPORT.left.name]: left, [FUEL_IMPORT.depth.name]: depth };
    // The preparer shared the cap among modules; a component that makes several instances of one asks for more.
    promisedBytes += limits.memoryMaximumOf(module);
    if (promisedBytes > limits.memoryBytes) {
      guard.stop({ kind: "exhausted", budget: "memory_bytes" });
      guard.trap();
    }
    const { exports } = new WebAssembly.Instance(module, linked);
    for (const value of Object.values(exports)) {
      if (typeof value === "function") wasmFunctions.add(value);
      if (value instanceof WebAssembly.Memory) {
        if (!memories.has(value)) initialBytes += value.buffer.byteLength;
        memories.add(value);
        doors.guardMemory(value);
      }
    }
    return { exports };
  }

  function isTrampoline(member: unknown): member is Trampoline {
    return typeof member === "function" && !wasmFunctions.has(member);
  }

  return {
    instantiate,
    webAssembly: Object.freeze({
      ...pick(WebAssembly, [
        "Module",
        "Instance",
        "Memory",
        "Table",
        "Global",
        "Tag",
        "Exception",
        "RuntimeError",
      ]),
      ...pick(WebAssembly, ["CompileError", "LinkError", "SuspendError", "promising"]),
      Suspending: GuardedSuspending,
    }),
    fuelLeft: () => left.value,
    charge(units) {
      left.value -= BigInt(units);
      if (left.value < 0n) guard.stop({ kind: "exhausted", budget: "fuel" });
    },
    depthExceeded: () => depth.value < 0,
    memoryBytes() {
      let bytes = 0;
      for (const memory of memories) bytes += memory.buffer.byteLength;
      return bytes;
    },
    initialMemoryBytes: () => initialBytes,
  };
}

/** jco marks some trampolines with own properties and looks for them later. */
function keepMarks(from: Trampoline, to: Trampoline): Trampoline {
  return Object.assign(to, from);
}

function pick(source: object, names: readonly string[]): object {
  return Object.fromEntries(names.map((name) => [name, Reflect.get(source, name)]));
}
