/**
 * Everything of a link plan that is different where a component is asynchronous: its trampolines, its lifted functions,
 * its start functions. One of them for each run.
 */
import type { PlanFunction, PlanOptions, PlanTrampoline } from "../../../../core/component/index.ts";
import { AbiTrap } from "../abi-trap.ts";
import { disposeOf } from "../builtins.ts";
import { type ComponentFunction, promising } from "../call.ts";
import type { CompiledPlan, Signature } from "../compile.ts";
import type { ComponentInstance } from "../component-instance.ts";
import type { CoreFunction, Passage } from "../passage.ts";
import { contextBuiltin, taskBuiltin, taskReturn, WAITING_BUILTINS } from "./builtins.ts";
import { channelBuiltin, mayWait } from "./channel-builtins.ts";
import { liftedAsync, runWithin } from "./lift.ts";
import { hostCallee, loweredAsync } from "./lower.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Callee, Resolution, TaskKind } from "./task.ts";

/** What the linker does for it. */
export interface MachineParts {
  readonly compiled: CompiledPlan;
  readonly scheduler: Scheduler;
  readonly instanceOf: (index: number) => ComponentInstance;
  readonly passageOf: (options: PlanOptions) => Passage;
  readonly functionItem: (item: NonNullable<PlanOptions["realloc"]>) => CoreFunction;
  /** The same for a function that may be suspended. */
  readonly enterable: (item: NonNullable<PlanOptions["realloc"]>) => CoreFunction;
  readonly hostFunction: (scope: string | null, name: string) => ComponentFunction;
}

/** A core function, and whether it may have to wait. */
export interface MadeTrampoline {
  readonly core: CoreFunction;
  readonly waits: "never" | "for-the-world" | "for-others";
}

/** The asynchronous part of a linked component. */
export class Machine {
  readonly #parts: MachineParts;
  readonly #callees = new Map<number, Callee>();

  constructor(parts: MachineParts) {
    this.#parts = parts;
  }

  /** Makes the core function of a canonical definition; undefined where it is as in any other component. */
  trampoline(trampoline: PlanTrampoline): MadeTrampoline | undefined {
    const { compiled, scheduler, instanceOf, passageOf } = this.#parts;
    switch (trampoline.kind) {
      case "lower":
        return this.#lower(trampoline);
      case "resource.drop":
        return this.#dropResource(trampoline.resource, instanceOf(trampoline.instance));
      case "task.return": {
        const { result, options } = trampoline;
        const signature = compiled.returnSignature(
          result === null ? undefined : there(compiled.codecs[result]),
        );
        // Without a memory nothing is read that the options would be for.
        const lift = options.memory === null ? undefined : liftOptionsOf(options);
        return never(taskReturn(passageOf(options), result, lift, signature, scheduler));
      }
      case "context.get":
      case "context.set": {
        const instance = instanceOf(trampoline.instance);
        return never(contextBuiltin(trampoline.kind, trampoline.slot, instance, scheduler));
      }
      case "task": {
        const { name, flag, instance, memory } = trampoline;
        const passage = passageOf({ instance, encoding: "utf8", memory, realloc: null, postReturn: null });
        const core = taskBuiltin(name, flag, passage, scheduler);
        return { core, waits: WAITING_BUILTINS.has(name) ? "for-others" : "never" };
      }
      case "channel": {
        const { action, type, async, options } = trampoline;
        const { kind, items } = there(compiled.plan.types[type]);
        const element = items[0] ?? null;
        const channel = kind === "stream" ? "stream" : "future";
        const codec = element === null ? undefined : there(compiled.codecs[element]);
        const of = { channel, element } as const;
        const core = channelBuiltin(action, of, codec, async, passageOf(options), scheduler);
        return { core, waits: mayWait(action, async) ? "for-others" : "never" };
      }
      default:
        return undefined;
    }
  }

  /** A function of the component's own, as the host calls it. */
  exported(index: number): ComponentFunction {
    const { scheduler } = this.#parts;
    return async (args) => {
      let resolution: Resolution | undefined;
      const resolve = (ended: Resolution): void => {
        resolution = ended;
      };
      await this.#calleeOf(index)({ caller: undefined, start: () => args, resolve });
      const isResolved = () => resolution !== undefined;
      if (!(await scheduler.goOnUntil(isResolved))) throw new AbiTrap("deadlock");
      if (resolution?.kind !== "returned") throw new AbiTrap("cancelled-without-being-asked");
      return resolution.value;
    };
  }

  /** Runs a core module's start function. */
  start(instance: ComponentInstance, core: CoreFunction): Promise<void> {
    return runWithin(this.#parts.scheduler, instance, undefined, promising(core));
  }

  #lower({ func, options, async }: PlanTrampoline & { kind: "lower" }): MadeTrampoline {
    const { compiled, scheduler, passageOf } = this.#parts;
    const target = there(compiled.plan.functions[func]);
    const passage = passageOf(options);
    const signature = async
      ? compiled.asyncSignature(target.signature)
      : there(compiled.signatures[target.signature]);
    if (target.kind === "lifted")
      return {
        core: loweredAsync(passage, signature, this.#calleeOf(func), async, scheduler),
        waits: "for-others",
      };
    const isAsync = there(compiled.plan.signatures[target.signature]).async;
    const host = this.#parts.hostFunction(target.interface, target.name);
    const callee = hostCallee(host, isAsync, passage, scheduler);
    const core = loweredAsync(passage, signature, callee, async, scheduler);
    if (!isAsync) return { core, waits: compiled.waits[func] === true ? "for-the-world" : "never" };
    return { core, waits: async ? "never" : "for-others" };
  }

  #calleeOf(index: number): Callee {
    const known = this.#callees.get(index);
    if (known !== undefined) return known;
    const func = there(this.#parts.compiled.plan.functions[index]);
    if (func.kind !== "lifted") throw new TypeError("Cannot lift an import");
    const made = this.#lift(func);
    this.#callees.set(index, made);
    return made;
  }

  #lift(func: PlanFunction & { kind: "lifted" }): Callee {
    const { compiled, scheduler, passageOf, functionItem, enterable } = this.#parts;
    const { options, callback } = func;
    const { async, result } = there(compiled.plan.signatures[func.signature]);
    const signature: Signature = there(compiled.signatures[func.signature]);
    const kind: TaskKind = {
      isAsync: async,
      returnsByItself: func.async,
      hasCallback: callback !== null,
      result,
      liftOptions: liftOptionsOf(options),
    };
    return liftedAsync(
      {
        passage: passageOf(options),
        signature,
        kind,
        core: () => enterable(func.core),
        postReturn: () => (options.postReturn === null ? undefined : functionItem(options.postReturn)),
        callback: callback === null ? undefined : () => enterable(callback),
      },
      scheduler,
    );
  }

  #dropResource(resource: number, from: ComponentInstance): MadeTrampoline {
    const { compiled, scheduler, instanceOf, enterable } = this.#parts;
    const definition = there(compiled.plan.resources[resource]);
    const isOwn = definition.kind === "defined";
    const core: CoreFunction = (index) => {
      from.requireLeave();
      const { isOwn: owns, scope, representation } = from.handles.remove(Number(index), resource);
      if (!owns) {
        if (scope !== undefined) scope.borrows -= 1;
        return undefined;
      }
      if (!isOwn) return disposeOf(representation);
      const { destructor, instance } = definition;
      if (destructor === null) return undefined;
      return runWithin(scheduler, instanceOf(instance), from, () => enterable(destructor)(representation));
    };
    return { core, waits: isOwn && definition.destructor !== null ? "for-others" : "never" };
  }
}

function never(core: CoreFunction): MadeTrampoline {
  return { core, waits: "never" };
}

/** What `task.return` and the lift of its function must have in common. */
function liftOptionsOf({ encoding, memory }: PlanOptions): string {
  return JSON.stringify([encoding, memory]);
}

/** What a plan refers to is there, or the preparer made no plan. */
function there<T>(part: T | undefined): T {
  if (part === undefined) throw new TypeError("Cannot link: the plan refers to what is not in it");
  return part;
}
