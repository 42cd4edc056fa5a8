/** The canonical built-ins that are no calls: resources, and the few of the asynchronous ABI that every engine imports. */
import type { PlanResource, PlanTrampoline } from "../../../core/component/index.ts";
import { HOST_CALL_COST } from "../../../core/metering/host/index.ts";
import { AbiTrap, trapIf } from "./abi-trap.ts";
import { WaitableSet } from "./async/waitable.ts";
import type { ComponentInstance } from "./component-instance.ts";
import type { Handle } from "./handles.ts";
import type { BorderMeter } from "./meter.ts";
import type { CoreFunction } from "./passage.ts";

/** Makes a built-in cost what every host call costs, before it acts. */
export function charged(meter: BorderMeter, builtin: CoreFunction): CoreFunction {
  return (...args) => {
    meter.charge(HOST_CALL_COST);
    meter.beforeGuest();
    return builtin(...args);
  };
}

/** `resource.new`, `resource.drop` and `resource.rep`. */
export function resourceBuiltin(
  what: PlanTrampoline["kind"],
  resource: number,
  instance: ComponentInstance,
  destroy: (handle: Handle) => void,
): CoreFunction {
  switch (what) {
    case "resource.new":
      return (representation) => {
        instance.requireLeave();
        const handle: Handle = {
          kind: "resource",
          resource,
          representation: Number(representation) | 0,
          isOwn: true,
          lends: 0,
          scope: undefined,
        };
        return instance.handles.add(handle);
      };
    case "resource.rep":
      return (index) => instance.handles.get(Number(index), resource).representation;
    default:
      return (index) => {
        instance.requireLeave();
        const handle = instance.handles.remove(Number(index), resource);
        if (handle.isOwn) destroy(handle);
        else if (handle.scope !== undefined) handle.scope.borrows -= 1;
      };
  }
}

/**
 * Ends what an owned handle stands for.
 *
 * @param destructor of a guest's resource
 */
export function destroyHandle(
  definition: PlanResource,
  handle: Handle,
  from: ComponentInstance,
  owner: ComponentInstance | undefined,
  destructor: CoreFunction | undefined,
): void {
  if (definition.kind === "imported") {
    disposeOf(handle.representation);
    return;
  }
  if (owner === undefined || destructor === undefined) return;
  if (owner === from) {
    destructor(handle.representation);
    return;
  }
  // Somebody else's: running its destructor is a call into it.
  const task = owner.enter();
  destructor(handle.representation);
  owner.leave(task);
}

/** Lets go of what a handle of the host's stood for. */
export function disposeOf(representation: unknown): void {
  if (typeof representation !== "object" || representation === null) return;
  const dispose: unknown = Reflect.get(representation, Symbol.dispose);
  if (typeof dispose === "function") dispose.call(representation);
}

/** `context.get` and `context.set`: two words of the call that is under way. */
export function contextBuiltin(
  what: "context.get" | "context.set",
  slot: number,
  instance: ComponentInstance,
): CoreFunction {
  trapIf(slot > 1, "no-such-context");
  const index = slot === 0 ? 0 : 1;
  if (what === "context.get") return () => instance.task.storage[index];
  return (value) => {
    instance.task.storage[index] = Number(value) | 0;
  };
}

/**
 * Built-ins of the asynchronous ABI in a component that has nothing asynchronous: engines import them all the same.
 * Nothing there starts a subtask, a stream or a future: what names one traps as a forged handle does, and waiting is
 * a deadlock.
 */
export function idleBuiltin(
  name: "task.return" | (PlanTrampoline & { kind: "task" })["name"],
  instance: ComponentInstance,
): CoreFunction {
  const { handles } = instance;
  // Backpressure calls nobody, so it may be changed even where nobody may be called, as in `post-return`.
  if (name.startsWith("backpressure.")) return () => undefined;
  return (index) => {
    instance.requireLeave();
    switch (name) {
      case "waitable-set.new":
        return handles.add(new WaitableSet());
      case "waitable-set.drop":
        requireSet(instance, Number(index));
        handles.release(Number(index));
        return undefined;
      case "waitable-set.poll":
        requireSet(instance, Number(index));
        return 0;
      case "waitable-set.wait":
        throw new AbiTrap("waits-for-nothing");
      case "thread.yield":
        return 0;
      case "task.return":
      case "task.cancel":
        throw new AbiTrap("task-is-not-asynchronous");
      default:
        throw new AbiTrap("unknown-handle");
    }
  };
}

function requireSet(instance: ComponentInstance, index: number): void {
  if (!(instance.handles.find(index) instanceof WaitableSet)) throw new AbiTrap("unknown-handle");
}
