/**
 * `canon lower` where a component is asynchronous: a call may outlast the core function that makes it.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#canon-lower
 */
import { HOST_CALL_COST } from "../../../../core/metering/host/index.ts";
import { disposeOf } from "../builtins.ts";
import { type ComponentFunction, liftParams, lowerResult } from "../call.ts";
import type { Signature } from "../compile.ts";
import type { CoreFunction, Passage } from "../passage.ts";
import type { Scheduler } from "./scheduler.ts";
import { Subtask } from "./subtask.ts";
import type { Call, Callee } from "./task.ts";
import { EVENT } from "./waitable.ts";

/**
 * Makes the core function of `canon lower`.
 *
 * @param passage the caller's
 * @param signature as it is lowered: the asynchronous ABI has fewer core values
 * @param isAsync whether it gives back a subtask instead of waiting
 */
export function loweredAsync(
  passage: Passage,
  signature: Signature,
  callee: Callee,
  isAsync: boolean,
  scheduler: Scheduler,
): CoreFunction {
  const { instance, meter } = passage;

  return (...flat) => {
    instance.requireLeave();
    meter.charge(HOST_CALL_COST);
    const subtask = new Subtask();
    let tell = (): void => undefined;
    const call: Call = {
      caller: instance,
      start() {
        const args = liftParams(passage, signature, flat);
        subtask.start(instance.takeLent());
        // Before the effect: what can not be paid for does not happen.
        meter.settle();
        tell();
        return args;
      },
      resolve(resolution) {
        if (resolution.kind === "returned")
          subtask.flatResult = lowerResult(passage, signature, resolution.value, flat);
        meter.settle();
        subtask.resolve(resolution);
        tell();
      },
    };
    return after(callee(call), (cancel) => {
      subtask.cancel = cancel;
      return isAsync ? handOver() : wait();
    });

    function handOver(): number {
      if (subtask.isResolved) {
        subtask.deliver();
        return subtask.state;
      }
      const index = instance.handles.add(subtask);
      tell = () =>
        subtask.setEvent(() => {
          if (subtask.isResolved) subtask.deliver();
          return [EVENT.subtask, index, subtask.state];
        });
      return subtask.state + index * 16;
    }

    function wait(): unknown {
      if (subtask.isResolved) return end();
      return after(
        scheduler.waitUntil(() => subtask.isResolved, false),
        end,
      );
    }

    function end(): unknown {
      subtask.deliver();
      return subtask.flatResult;
    }
  };
}

/**
 * A function of the host's as callers see it.
 *
 * @param isAsync whether its type is: then its caller goes on while it works; else nothing of the run does
 */
export function hostCallee(
  call: ComponentFunction,
  isAsync: boolean,
  passage: Passage,
  scheduler: Scheduler,
): Callee {
  const { meter, instance } = passage;
  const finished = (): void => undefined;
  return ({ start, resolve }) => {
    const value = call(start());
    if (!(value instanceof Promise)) {
      resolve({ kind: "returned", value });
      return finished;
    }
    if (!isAsync) {
      instance.waiting += 1;
      return value
        .finally(() => {
          instance.waiting -= 1;
        })
        .then((settled) => {
          // It may have come to its end while it waited.
          meter.beforeGuest();
          resolve({ kind: "returned", value: settled });
          return finished;
        });
    }
    let isCancelled = false;
    scheduler.underWay(value, (settled) => {
      if (isCancelled) letGo(settled);
      else resolve({ kind: "returned", value: settled });
    });
    return () => {
      isCancelled = true;
      resolve({ kind: "cancelled" });
    };
  };
}

/** Nobody will have what came: a resource of the host's is let go, in a result or by itself. */
function letGo(value: unknown): void {
  disposeOf(value);
  if (typeof value === "object" && value !== null && "val" in value) disposeOf(value.val);
}

function after<T>(value: T | Promise<T>, next: (value: T) => unknown): unknown {
  return value instanceof Promise ? value.then(next) : next(value);
}
