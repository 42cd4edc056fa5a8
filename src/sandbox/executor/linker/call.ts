/**
 * Calls across a component's border: out of a guest through `canon lower`, into one through `canon lift`.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#canon-lift
 */
import { HOST_CALL_COST } from "../../../core/metering/index.ts";
import { AbiTrap } from "./abi-trap.ts";
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
  /** Index of the result's type in the plan. */
  readonly result: number | null;
  readonly core: () => CoreFunction;
  readonly postReturn: () => CoreFunction | undefined;
  /** Of an asynchronous export: called again until the guest says that it is done. */
  readonly callback: (() => CoreFunction) | undefined;
  /** Whether calls have to be suspended. */
  readonly waits: boolean;
}

/** Makes the component function of `canon lift`. */
export function lifted(parts: Lifted): ComponentFunction {
  const { passage, signature, callback, waits } = parts;
  const { instance, meter } = passage;
  const enterCore = (core: CoreFunction): CoreFunction => (waits ? promising(core) : core);

  return (args) => {
    const task = instance.enter(parts.result);
    const flat = lowerParams(passage, signature, args);
    const core = enterCore(parts.core());
    if (callback !== undefined) {
      const turn = enterCore(callback());
      return then(runTurns(then(core(...flat), asCode), turn), () => {
        instance.leave(task);
        if (task.returned === undefined) throw new AbiTrap("returned-nothing");
        return task.returned.value;
      });
    }
    return then(core(...flat), (result) => {
      const value = liftResult(passage, signature, result);
      const postReturn = parts.postReturn();
      if (postReturn !== undefined) {
        instance.mayLeave = false;
        meter.beforeGuest();
        if (signature.result === undefined) postReturn();
        else postReturn(result);
        instance.mayLeave = true;
      }
      instance.leave(task);
      return value;
    });
  };

  /** A guest that yields is called again at once; one that waits has nothing here that could ever wake it. */
  function runTurns(code: unknown, turn: CoreFunction): unknown {
    return then(code, (value) => {
      const event = Number(value) & 0xf;
      if (event === 0) return undefined;
      if (event !== 1) throw new AbiTrap("waits-for-nothing");
      meter.charge(HOST_CALL_COST);
      meter.beforeGuest();
      return runTurns(then(turn(0, 0, 0), asCode), turn);
    });
  }
}

const asCode = (value: unknown): number => Number(value) >>> 0;

/** Goes on with a value now, or once it is there. */
function then(value: unknown, next: (value: unknown) => unknown): unknown {
  return value instanceof Promise ? value.then(next) : next(value);
}

/** Makes a call of a core function one that can be suspended. Not in TypeScript's library yet. */
export const promising: (core: CoreFunction) => CoreFunction = Reflect.get(WebAssembly, "promising");

function liftParams(passage: Passage, signature: Signature, flat: readonly unknown[]): readonly unknown[] {
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

function lowerParams(passage: Passage, signature: Signature, args: readonly unknown[]): unknown[] {
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

function liftResult(passage: Passage, signature: Signature, core: unknown): unknown {
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

function lowerResult(
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
