/**
 * Instantiates a component for one run, as its plan says: core modules in order, trampolines between them. All that
 * is made here belongs to the run; nothing of it is in reach of another. The core instances alone may be lent to a later
 * run, by whoever makes them what they were: see `kept-instances.ts`.
 */
import type { LinkPlan, PlanCoreItem, PlanOptions, PlanTrampoline } from "../../../core/component/index.ts";
import {
  createProfiler,
  FUEL_IMPORT,
  PROFILE_IMPORT,
  type Profiler,
} from "../../../core/metering/host/index.ts";
import type { RunGuard, Trampoline } from "../guard.ts";
import { MEMORY_IMPORT, START_EXPORT } from "../image.ts";
import { AbiTrap } from "./abi-trap.ts";
import { Machine, type MadeTrampoline } from "./async/machine.ts";
import { type HostWork, Scheduler } from "./async/scheduler.ts";
import { charged, contextBuiltin, destroyHandle, idleBuiltin, resourceBuiltin } from "./builtins.ts";
import { type ComponentFunction, lifted, lowered, promising } from "./call.ts";
import type { CompiledPlan } from "./compile.ts";
import { ComponentInstance } from "./component-instance.ts";
import { type CoreState, createCoreState } from "./core-state.ts";
import { HandleQuota } from "./handles.ts";
import { BorderMeter } from "./meter.ts";
import { type Growth, Pace } from "./pace.ts";
import { type CoreFunction, Passage } from "./passage.ts";
import type { RefillHooks } from "./refill-hook.ts";

/** What a run brings along. */
export interface LinkPowers {
  readonly guard: RunGuard;
  /** Units that the run may spend. */
  readonly fuel: number;
  /** Host memory that may be made out of guest memory, about, in bytes. */
  readonly liftedBytes: number;
  /** Compiled modules, by their place in the plan. */
  readonly modules: readonly LinkedModule[];
  /** Whether the modules were prepared to tell which function they are in. */
  readonly profiled: boolean;
  /** The memory for a new instance of a module that imports its own. */
  readonly memoryFor: (module: number) => WebAssembly.Memory | undefined;
  /** The host's function behind an import. */
  readonly hostFunction: (scope: string | null, name: string) => ComponentFunction;
  /**
   * Asked every so many units, where the guest can be suspended: undefined while it may go on, else what it waits for.
   * Default: it always may.
   */
  readonly turn?: () => Promise<void> | undefined;
  readonly hooks: RefillHooks;
  /** Core instances that are as good as new; absent = they are made. */
  readonly kept?: CoreState;
}

/** A compiled core module. */
export interface LinkedModule {
  readonly module: WebAssembly.Module;
  /** Whether it exports its start function instead of having one. */
  readonly start: boolean;
}

/** A component instance that can be called once. */
export interface LinkedComponent {
  readonly meter: BorderMeter;
  /** Of a profiled run. */
  readonly profiler: Profiler | undefined;
  /** Takes work of the host's that an asynchronous guest may wait for. */
  readonly hostWork: HostWork;
  /** Instantiates all core modules. @returns a promise when a start function may wait */
  instantiate(): void | Promise<void>;
  /** @throws TypeError when there is no such export */
  exported(scope: string | null, name: string): ComponentFunction;
  /** Goes on after an export has returned, until it has nothing more to do or nothing can go on. */
  goOn(): Promise<void>;
  /** Unwinds whatever still stands somewhere; the run is over. */
  endAll(): Promise<void>;
  /** Whether the guest is suspended because it is another run's turn. */
  isAside(): boolean;
  /** Lets later runs have what this one no longer needs; only where it is at rest. */
  release(): void;
  /** Whether nothing of it is suspended, so that nothing can run or be written in it again by itself. */
  isAtRest(): boolean;
  /** Units left; negative once fuel was exhausted. */
  fuelLeft(): bigint;
  /** Whether the call depth limit stopped the guest. */
  depthExceeded(): boolean;
  /** Bytes of all memories. A memory never shrinks, so at the end this is the peak. */
  memoryBytes(): number;
  /** See `Pace.refusedGrowth`. */
  growthRefused(): Growth | undefined;
  /** Its core instances; undefined when they could not be lent to another run. */
  readonly core: CoreState | undefined;
}

/** Not in TypeScript's library yet. */
const Suspending: new (call: Trampoline) => CoreFunction = Reflect.get(WebAssembly, "Suspending");

/** Links a component for one run. */
export function linkComponent(compiled: CompiledPlan, powers: LinkPowers): LinkedComponent {
  const { plan, signatures, waits } = compiled;
  const { guard } = powers;
  const core = powers.kept ?? createCoreState(powers.hooks);
  const { memories } = core;
  core.enter = enter;
  const pace = new Pace({ guard, units: powers.fuel, counters: core.counters, turn: powers.turn });
  const { fuel, depth } = pace;
  const meter = new BorderMeter(guard, fuel, powers.liftedBytes);
  const profiler = powers.profiled
    ? createProfiler({ left: () => fuel.left, giveBack: (units) => fuel.give(units) })
    : undefined;
  const quota = new HandleQuota(guard);
  const instances: ComponentInstance[] = [];
  // Parents come before what lies in them.
  for (const parent of plan.parents)
    instances.push(
      new ComponentInstance(instances.length, parent === null ? undefined : instances[parent], quota),
    );
  /** As we call them ourselves: what core modules are given may be no function. */
  const plainTrampolines: (CoreFunction | undefined)[] = [];
  const functions: (ComponentFunction | undefined)[] = [];
  const scheduler = new Scheduler({
    guard,
    meter,
    swapFrames: (frames) => profiler?.swapFrames(frames) ?? frames,
    resetDepth() {
      depth.value = 0;
    },
  });
  const machine = plan.async
    ? new Machine({
        compiled,
        scheduler,
        instanceOf,
        passageOf,
        functionItem: (item) => pace.plain(functionItem(item)),
        // Only code of the guest's can be suspended, and needs to be.
        enterable: (item) => (item.kind === "export" ? promising(functionItem(item)) : functionItem(item)),
        hostFunction: powers.hostFunction,
      })
    : undefined;

  function itemOf(item: PlanCoreItem): unknown {
    if (item.kind === "trampoline") {
      core.doors[item.index] ??= makeDoor(item.index);
      return core.doors[item.index];
    }
    return core.cores[item.instance]?.exports[item.name];
  }

  function functionItem(item: PlanCoreItem): CoreFunction {
    const found = item.kind === "trampoline" ? enter(item.index) : itemOf(item);
    if (typeof found !== "function") throw new TypeError("Cannot link: a core function is not there");
    return found as CoreFunction; // A function, checked above; wasm checks what it is called with.
  }

  function memoryItem(item: PlanCoreItem): WebAssembly.Memory {
    const found = itemOf(item);
    if (!(found instanceof WebAssembly.Memory))
      throw new TypeError("Cannot link: a core memory is not there");
    return found;
  }

  function passageOf(options: PlanOptions): Passage {
    const { memory, realloc } = options;
    return new Passage(instanceOf(options.instance), meter, options.encoding, {
      memory: () => (memory === null ? undefined : memoryItem(memory)),
      realloc: () => (realloc === null ? undefined : pace.plain(functionItem(realloc))),
    });
  }

  /** This run's trampoline, made when it is called for the first time: an engine imports many more than a run calls. */
  function enter(index: number): CoreFunction {
    const known = plainTrampolines[index];
    if (known !== undefined) return known;
    const made = guardedTrampoline(planned(plan.trampolines[index])).core;
    plainTrampolines[index] = made;
    return made;
  }

  function makeDoor(index: number): CoreFunction {
    const trampoline = planned(plan.trampolines[index]);
    if (machine !== undefined) {
      const { core: made, waits: kind } = guardedTrampoline(trampoline);
      plainTrampolines[index] = made;
      return kind === "never" ? made : new Suspending(made);
    }
    const door: CoreFunction = (...args) => {
      core.asked = true;
      return core.enter(index)(...args);
    };
    return waitsForWorld(trampoline) ? new Suspending(door) : door;
  }

  function waitsForWorld(trampoline: PlanTrampoline): boolean {
    return trampoline.kind === "lower" && !isWithinKin(trampoline) && waits[trampoline.func] === true;
  }

  function guardedTrampoline(trampoline: PlanTrampoline): MadeTrampoline {
    const name = nameOf(trampoline);
    if (isWithinKin(trampoline))
      return { core: guard.wrap(name, refuseKin(trampoline.options.instance)), waits: "never" };
    const asynchronous = machine?.trampoline(trampoline);
    const made = asynchronous?.core ?? coreFunctionOf(trampoline);
    // A lowered function charges for itself, when it knows what for.
    const paid = trampoline.kind === "lower" ? made : charged(meter, made);
    const kind = asynchronous?.waits ?? (waitsForWorld(trampoline) ? "for-the-world" : "never");
    switch (kind) {
      case "for-others":
        return { core: guard.wrapSwitching(name, paid), waits: kind };
      case "for-the-world":
        return { core: guard.wrapWaiting(name, paid), waits: kind };
      case "never":
        return { core: guard.wrap(name, paid), waits: kind };
    }
  }

  /** The specification forbids it for now, whether or not the other is under way. */
  function isWithinKin(trampoline: PlanTrampoline): trampoline is PlanTrampoline & { kind: "lower" } {
    if (trampoline.kind !== "lower") return false;
    const target = planned(plan.functions[trampoline.func]);
    return target.kind === "lifted" && isOwnKin(plan, trampoline.options.instance, target.options.instance);
  }

  function refuseKin(instance: number): CoreFunction {
    return () => {
      instanceOf(instance).requireLeave();
      throw new AbiTrap("cannot-enter-instance");
    };
  }

  function nameOf(trampoline: PlanTrampoline): string {
    if (trampoline.kind === "task") return trampoline.name;
    if (trampoline.kind === "channel")
      return `${planned(plan.types[trampoline.type]).kind}.${trampoline.action}`;
    if (trampoline.kind !== "lower") return trampoline.kind;
    const func = planned(plan.functions[trampoline.func]);
    return func.kind === "imported" ? `${func.interface ?? "$root"}#${func.name}` : "(component)";
  }

  function coreFunctionOf(trampoline: PlanTrampoline): CoreFunction {
    switch (trampoline.kind) {
      case "lower": {
        const target = planned(plan.functions[trampoline.func]);
        const callee = functionOf(trampoline.func);
        return lowered(passageOf(trampoline.options), planned(signatures[target.signature]), callee);
      }
      case "resource.new":
      case "resource.drop":
      case "resource.rep": {
        const definition = planned(plan.resources[trampoline.resource]);
        const from = instanceOf(trampoline.instance);
        return resourceBuiltin(trampoline.kind, trampoline.resource, from, (handle) => {
          const own = definition.kind === "defined" ? definition : undefined;
          const destructor = own?.destructor;
          destroyHandle(
            definition,
            handle,
            from,
            own === undefined ? undefined : instanceOf(own.instance),
            destructor === undefined || destructor === null
              ? undefined
              : pace.plain(functionItem(destructor)),
          );
        });
      }
      case "task.return":
        return idleBuiltin("task.return", instanceOf(trampoline.options.instance));
      case "context.get":
      case "context.set":
        return contextBuiltin(trampoline.kind, trampoline.slot, instanceOf(trampoline.instance));
      case "task":
        return idleBuiltin(trampoline.name, instanceOf(trampoline.instance));
      case "channel":
        throw new TypeError("Cannot link: a plan with streams is not said to be asynchronous");
    }
  }

  function functionOf(index: number): ComponentFunction {
    const known = functions[index];
    if (known !== undefined) return known;
    const func = planned(plan.functions[index]);
    const made =
      func.kind === "imported"
        ? powers.hostFunction(func.interface, func.name)
        : liftedOf(index, waits[index] === true);
    functions[index] = made;
    return made;
  }

  /** @param suspends whether calls of it may be suspended */
  function liftedOf(index: number, suspends: boolean): ComponentFunction {
    const func = planned(plan.functions[index]);
    if (func.kind !== "lifted") throw new TypeError("Cannot lift an import");
    const { options } = func;
    // A trampoline is ours, and waits by itself.
    const isGuest = suspends && func.core.kind === "export";
    return lifted({
      passage: passageOf(options),
      signature: planned(signatures[func.signature]),
      core: () => (isGuest ? functionItem(func.core) : pace.plain(functionItem(func.core))),
      postReturn: () =>
        options.postReturn === null ? undefined : pace.plain(functionItem(options.postReturn)),
      waits: isGuest,
    });
  }

  function instanceOf(index: number): ComponentInstance {
    return planned(instances[index]);
  }

  function instantiateCore(index: number): unknown {
    // Before its segments are written, and its start function runs.
    meter.beforeGuest();
    const { module, imports, instance } = planned(plan.instances[index]);
    const { module: compiledModule, start } = planned(powers.modules[module]);
    const given: Record<string, Record<string, unknown>> = Object.create(null);
    for (const { module: from, name, item } of imports) {
      given[from] ??= Object.create(null);
      planned(given[from])[name] = itemOf(item);
    }
    // Last, so that no name of the guest's can take its place; the metering pass refuses such imports anyway.
    given[FUEL_IMPORT.module] = pace.imports;
    // INVARIANT: given to modules only that the profile's pass has made, which refuses a guest that imports it by
    // itself: it could give itself fuel back.
    if (profiler !== undefined) given[PROFILE_IMPORT.module] = { ...profiler.imports };
    const memory = powers.memoryFor(module);
    if (memory !== undefined) {
      planned(given[MEMORY_IMPORT.module])[MEMORY_IMPORT.name] = memory;
      memories.add(memory);
    }
    // Some start functions are the engine's to call. Imports are checked by the engine, item by item.
    const { exports } = pace.plainly(
      () => new WebAssembly.Instance(compiledModule, given as WebAssembly.Imports),
    );
    core.cores[index] = { module, exports };
    for (const value of Object.values(exports)) {
      if (value instanceof WebAssembly.Memory) memories.add(value);
    }
    if (!start) return undefined;
    const run = functionItem({ kind: "export", instance: index, name: START_EXPORT });
    if (machine !== undefined) return machine.start(instanceOf(instance), run);
    return promising(run)();
  }

  /** From one core instance on; suspended where a start function waits. */
  function instantiateFrom(first: number): void | Promise<void> {
    for (let index = first; index < plan.instances.length; index++) {
      const started = instantiateCore(index);
      if (started instanceof Promise) return started.then(() => instantiateFrom(index + 1));
    }
  }

  return {
    meter,
    profiler,
    hostWork: scheduler,
    async goOn() {
      await scheduler.goOnUntil(() => scheduler.isIdle);
    },
    endAll: () => scheduler.endAll(),
    isAside: () => pace.isAside,
    release: () => powers.hooks.give(core.counters.hook),
    instantiate: () => (powers.kept === undefined ? instantiateFrom(0) : undefined),
    isAtRest: () => scheduler.isIdle && !pace.isAside && instances.every(({ waiting }) => waiting === 0),
    exported(scope, name) {
      const found = plan.exports.find((it) => it.interface === scope && it.name === name);
      if (found === undefined) throw new TypeError(`Cannot find the export "${name}" in the plan`);
      if (machine !== undefined) return machine.exported(found.function);
      const func = planned(plan.functions[found.function]);
      // Whoever calls from outside can wait: this is where a guest is suspended that computes for long.
      return func.kind === "lifted" ? liftedOf(found.function, true) : functionOf(found.function);
    },
    fuelLeft: () => meter.left(),
    depthExceeded: () => depth.value < 0,
    memoryBytes() {
      let bytes = 0;
      for (const memory of memories) bytes += memory.buffer.byteLength;
      return bytes;
    },
    growthRefused: () => pace.refusedGrowth,
    // An asynchronous plan's doors, and a profiler's, lead to one run alone.
    core: machine === undefined && profiler === undefined ? core : undefined,
  };
}

/** Whether one of two component instances is the other, or has made it, or has made what made it. */
function isOwnKin({ parents }: LinkPlan, a: number, b: number): boolean {
  const isWithin = (inner: number, outer: number) => {
    for (let at: number | null = inner; at !== null; at = planned(parents[at])) if (at === outer) return true;
    return false;
  };
  return isWithin(a, b) || isWithin(b, a);
}

/** What a plan refers to is there, or the preparer made no plan. */
function planned<T>(part: T | undefined): T {
  if (part === undefined) throw new TypeError("Cannot link: the plan refers to what is not in it");
  return part;
}
