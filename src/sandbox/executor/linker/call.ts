/**
 * Calls across a component's border: out of a guest through `canon lower`, into one through `canon lift`.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#canon-lift
 */
import { HOST_CALL_COST } from "../../../core/metering/host/index.ts";
import type { Signature } from "./compile.ts";
import type { CoreFunction, Passage } from "./passage.ts";

/** A component function as JavaScript calls it: values in, a value out; a promise where it waits. */
export type ComponentFunction = (args: readonly unknown[]) => unknown;

/**
 * Makes the core function of `canon lower`.
 *
 * @param passage the caller's
 * @param callee an import, or a function lifted from another component instance
 */
export function lowered(passage: Passage, signature: Signature, callee: ComponentFunction): CoreFunction {
  const { instance } = passage;

  function finish(value: unknown, flat: readonly unknown[]): unknown {
    const result = lowerResult(passage, signature, value, flat);
    instance.returnLent();
    passage.meter.settle();
    return result;
  }

  return (...flat) => {
    instance.requireLeave();
    passage.meter.charge(HOST_CALL_COST);
    const args = liftParams(passage, signature, flat);
    // Before the effect: what can not be paid for does not happen.
    passage.meter.settle();
    const value = callee(args);
    if (!(value instanceof Promise)) return finish(value, flat);
    instance.waiting += 1;
    return value
      .finally(() => {
        instance.waiting -= 1;
      })
      .then((settled) => {
        // It may have come to its end while it waited.
        passage.meter.beforeGuest();
        return finish(settled, flat);
      });
  };
}

/** A core function with what its calls need. */
export interface Lifted {
  readonly passage: Passage;
  readonly signature: Signature;
  readonly core: () => CoreFunction;
  readonly postReturn: () => CoreFunction | undefined;
  /** Whether calls have to be suspended. */
  readonly waits: boolean;
}

/** Makes the component function of `canon lift`. */
export function lifted(parts: Lifted): ComponentFunction {
  const { passage, signature, waits } = parts;
  const { instance } = passage;

  return (args) => {
    const task = instance.enter();
    const flat = lowerParams(passage, signature, args);
    const core = parts.core();
    return then((waits ? promising(core) : core)(...flat), (result) => {
      const value = liftResult(passage, signature, result);
      runPostReturn(passage, signature, parts.postReturn(), result);
      instance.leave(task);
      return value;
    });
  };
}

/** Lets the guest free what its result lay in, once that was read. */
export function runPostReturn(
  { instance, meter }: Passage,
  signature: Signature,
  postReturn: CoreFunction | undefined,
  result: unknown,
): void {
  if (postReturn === undefined) return;
  instance.mayLeave = false;
  meter.beforeGuest();
  if (signature.result === undefined) postReturn();
  else postReturn(result);
  instance.mayLeave = true;
}

/** Goes on with a value now, or once it is there. */
function then(value: unknown, next: (value: unknown) => unknown): unknown {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Makes a call of a core function one that can be suspended. Not in TypeScript's library yet. */
export const promising: (core: CoreFunction) => CoreFunction = Reflect.get(WebAssembly, "promising");

/**
 * Reads the arguments of an import.
 *
 * @param flat the core function's own
 */
export function liftParams(
  passage: Passage,
  signature: Signature,
  flat: readonly unknown[],
): readonly unknown[] {
  const { params, spilledParams, paramValues } = signature;
  passage.refresh();
  passage.meter.lift(0, paramValues, 0);
  if (spilledParams !== undefined) {
    const at = Number(flat[0]) >>> 0;
    passage.require(at, spilledParams.type.size, spilledParams.type.alignment);
    passage.meter.lift(spilledParams.type.size, 0, 0);
    // The codec of a tuple, whose values are arrays.
    return spilledParams.load(passage, at) as readonly unknown[];
  }
  let at = 0;
  return params.map((codec) => {
    const value = codec.lift(passage, flat, at);
    at += codec.type.flat?.length ?? 0;
    return value;
  });
}

/** Writes the arguments of an export. @returns those of its core function */
export function lowerParams(passage: Passage, signature: Signature, args: readonly unknown[]): unknown[] {
  const { params, spilledParams, paramValues } = signature;
  passage.refresh();
  passage.meter.lower(0, paramValues);
  const flat: unknown[] = [];
  if (spilledParams !== undefined) {
    const { size, alignment } = spilledParams.type;
    passage.meter.lower(size, 0);
    const at = passage.allocate(alignment, size);
    spilledParams.store(passage, args, at);
    flat.push(at);
  } else {
    for (const [index, codec] of params.entries()) codec.lower(passage, args[index], flat);
  }
  passage.meter.beforeGuest();
  return flat;
}

/** Reads the result of an export. @param core the core function's own */
export function liftResult(passage: Passage, signature: Signature, core: unknown): unknown {
  const { result, spillsResult, resultValues } = signature;
  if (result === undefined) return undefined;
  passage.refresh();
  passage.meter.lift(0, resultValues, result.hostBytes);
  if (!spillsResult) return result.lift(passage, [core], 0);
  const at = Number(core) >>> 0;
  passage.require(at, result.type.size, result.type.alignment);
  passage.meter.lift(result.type.size, 0, 0);
  return result.load(passage, at);
}

/** Writes the result of an import. @param flat the arguments, of which the last may say where it goes */
export function lowerResult(
  passage: Passage,
  signature: Signature,
  value: unknown,
  flat: readonly unknown[],
): unknown {
  const { result, spillsResult, resultValues } = signature;
  if (result === undefined) return undefined;
  passage.refresh();
  passage.meter.lower(spillsResult ? result.type.size : 0, resultValues);
  if (!spillsResult) {
    const out: unknown[] = [];
    result.lower(passage, value, out);
    return out[0];
  }
  // The pointer is the last parameter, behind those of the function itself.
  const at = Number(flat.at(-1)) >>> 0;
  passage.require(at, result.type.size, result.type.alignment);
  result.store(passage, value, at);
  return undefined;
}

/** Lifts what an asynchronous export gives to `task.return`: flat like parameters. */
export function liftReturned(passage: Passage, signature: Signature, flat: readonly unknown[]): unknown {
  return liftParams(passage, signature, flat)[0];
}
