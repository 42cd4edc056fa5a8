/** One run: a fresh instance, one call, one end. Nothing of it outlives this function. */
import {
  answerFromGuest,
  type GuestAnswer,
  lowerCamel,
  OutputTooLarge,
  toGuestArguments,
  type WitFunction,
} from "../../core/component/index.ts";
import type { InputTrace } from "../../core/journal/index.ts";
import type { ExecutorHost, ImportBinding } from "../../ports/index.ts";
import type { GuestEnd, RunCommand } from "../pipe/messages.ts";
import { withoutVersion } from "./bindings.ts";
import { createContext, type RunPowers } from "./context.ts";
import { createCoreLinker } from "./core-linker.ts";
import type { Glue } from "./glue.ts";
import { createGuard, type RunGuard, type Stop } from "./guard.ts";
import { buildImports } from "./imports.ts";
import { createInputs, createNotedInputs, createReplayedInputs, type Inputs } from "./inputs.ts";
import { createLiftDoors } from "./lift-guard.ts";
import { liftedTypes, objectsPerRead } from "./lift-weight.ts";

/** What allocators grow by at once: a chunk of a megabyte, and what rounding adds. */
const ORDINARY_GROWTH_BYTES = 1024 * 1024 + 65_536;

/** A component that this process has compiled. */
export interface LoadedComponent {
  readonly glue: Glue;
  readonly modules: ReadonlyMap<string, WebAssembly.Module>;
  readonly imports: readonly ImportBinding[];
  /** What the memories that each module defines may grow to, in bytes. */
  readonly memoryMaxima: ReadonlyMap<WebAssembly.Module, number>;
  /** Units for segments and tables, charged before anything is instantiated. */
  readonly instantiationFuel: number;
}

/** How a run ended, and what it used. `stop` is present when the broker ended it and knows why itself. */
export interface RunReport {
  readonly end: GuestEnd;
  readonly fuelUsed: number;
  readonly memoryPeakBytes: number;
}

/** A run under way. */
export interface RunUnderWay {
  readonly report: Promise<RunReport>;
  /** Fuel spent so far; read whenever the guest is suspended. */
  fuelUsed(): number;
  /** Ends it by a trap, as soon as its code stands still. */
  stop(): void;
  /** What reached the guest since this was last asked; undefined unless the run is noted. */
  takeTrace(): InputTrace | undefined;
}

/**
 * Starts a run.
 *
 * @param pipe what it is given of the pipe
 */
export function startRun(
  component: LoadedComponent,
  command: RunCommand,
  pipe: RunPowers,
  host: ExecutorHost,
): RunUnderWay {
  const { limits } = command;
  const guard = createGuard(limits.hostCalls, pipe.pause);
  const lifted = liftedTypes(
    component.imports.flatMap(({ functions }) => functions),
    command.function,
  );
  const doors = createLiftDoors(guard, limits.liftedBytes, objectsPerRead(lifted));
  const linker = createCoreLinker(guard, doors, {
    fuel: limits.fuel - component.instantiationFuel,
    memoryBytes: limits.memoryBytes,
    memoryMaximumOf: (module) => component.memoryMaxima.get(module) ?? 0,
  });
  const inputs = openInputs(command, guard, host);
  const context = createContext({
    guard,
    pipe,
    inputs,
    startWallMs: command.wallMs,
    random: host.randomStream(fromHex(command.seed)),
    endOfExit: (code) => endOfExit(command, code),
    settings: command.settings,
    charge: (units) => linker.charge(units),
    info: {
      run: command.run,
      function: command.function.name,
      fuel: limits.fuel,
      timeToLiveMs: command.timeToLiveMs,
      ...command.info,
    },
  });

  // The counter goes below zero at the check that found it spent; what was used is never more than was granted.
  const fuelUsed = () => {
    const left = linker.fuelLeft();
    return left < 0n ? limits.fuel : limits.fuel - Number(left);
  };

  async function call(): Promise<GuestEnd> {
    if (linker.fuelLeft() < 0n) return { kind: "exhausted", budget: "fuel" };
    try {
      const instantiate = component.glue({
        WebAssembly: linker.webAssembly,
        DataView: doors.DataView,
        TextDecoder: doors.TextDecoder,
      });
      const imports = buildImports(component.imports, context);
      const made = instantiate((name) => moduleOf(component, name), imports, linker.instantiate);
      // Awaited only if it is a promise: a component may export a function called `then`.
      const exports = made instanceof Promise ? await made : made;
      const target = findExport(exports, command.interface, command.function);
      const returned = await target(...toGuestArguments(command.function, command.input));
      return answer(command, { returned });
    } catch (error) {
      if (linker.fuelLeft() < 0n) return { kind: "exhausted", budget: "fuel" };
      if (linker.depthExceeded()) return { kind: "exhausted", budget: "call_depth" };
      const end = endOf(command, error);
      return end.kind === "trapped" && ranOutOfMemory() ? { kind: "exhausted", budget: "memory_bytes" } : end;
    }
  }

  /**
   * A refused growth can not be seen from here. What can: the guest trapped after its memory had grown so near to
   * the cap that the next growth of an ordinary allocator is refused. A guest that holds so much and traps for
   * another reason is told the same; the number in the manifest shows how near it was.
   */
  function ranOutOfMemory(): boolean {
    const bytes = linker.memoryBytes();
    const next = Math.min(ORDINARY_GROWTH_BYTES, limits.memoryBytes / 32);
    return bytes > linker.initialMemoryBytes() && bytes + next > limits.memoryBytes;
  }

  async function finish(): Promise<RunReport> {
    const stuck = inputs.stuck?.then((why) => guard.stop({ kind: "trapped", reason: why }));
    const end = (await orStuck(call(), stuck)) ?? { kind: "trapped", reason: "replay-ended" };
    // What was written to stdout without waiting may yet turn out to be over a budget.
    await orStuck(context.finished(), stuck);
    const stopped = guard.stopped;
    return {
      end: stopped === undefined ? end : endOfStop(stopped),
      fuelUsed: fuelUsed(),
      memoryPeakBytes: linker.memoryBytes(),
    };
  }

  return { report: finish(), fuelUsed, stop: () => context.stop(), takeTrace: inputs.take };
}

function openInputs(command: RunCommand, guard: RunGuard, host: ExecutorHost): Inputs {
  const startedAt = host.monotonicMs();
  const elapsedMs = () => Math.floor(host.monotonicMs() - startedAt);
  switch (command.inputs?.kind) {
    case undefined:
      return createInputs({ elapsedMs });
    case "note":
      return createNotedInputs({ elapsedMs });
    case "replay":
      return createReplayedInputs(command.inputs.trace, command.inputs.lenient, {
        end(why) {
          guard.stop({ kind: "trapped", reason: why });
          return guard.trap();
        },
      });
  }
}

/** @returns undefined when a replay got stuck first */
function orStuck<T>(work: Promise<T>, stuck: Promise<void> | undefined): Promise<T | undefined> {
  return stuck === undefined ? work : Promise.race([work, stuck.then(() => undefined)]);
}

function answer(command: RunCommand, value: GuestAnswer): GuestEnd {
  const output = answerFromGuest(command.function, value, command.limits.outputBytes);
  return { kind: "returned" in value ? "completed" : "failed", output };
}

function endOf(command: RunCommand, error: unknown): GuestEnd {
  const failure = command.function.result?.kind === "result" ? payloadOf(error) : undefined;
  if (failure === undefined) return endOfThrown(error);
  try {
    return answer(command, { failed: failure.payload });
  } catch (cause) {
    return endOfThrown(cause);
  }
}

function endOfThrown(error: unknown): GuestEnd {
  if (error instanceof OutputTooLarge) return { kind: "exhausted", budget: "output_bytes" };
  // V8's own stack, should it end before the deterministic limit does.
  if (error instanceof RangeError && error.message.includes("call stack"))
    return { kind: "exhausted", budget: "call_depth" };
  if (error instanceof WebAssembly.RuntimeError)
    return { kind: "trapped", reason: trapReason(error.message) };
  if (isWasmException(error)) return { kind: "trapped", reason: "uncaught-exception" };
  if (error instanceof WebAssembly.LinkError) return { kind: "trapped", reason: "link-error" };
  return { kind: "trapped", reason: "invalid-value" };
}

/**
 * A command's `run` has no result but its exit code, so exit is how it returns. Everywhere else the caller waits
 * for a value that now never comes.
 */
function endOfExit(command: RunCommand, code: number): GuestEnd {
  if (withoutVersion(command.interface ?? "") !== "wasi:cli/run")
    return { kind: "trapped", reason: `exited-with-code-${code}` };
  return code === 0 ? { kind: "completed", output: { ok: null } } : { kind: "failed", output: { err: null } };
}

function endOfStop(stop: Stop): GuestEnd {
  // Both recorded their own reason; the gateway prefers that to anything said here.
  if (stop.kind === "stopped-by-broker" || stop.kind === "stopped-by-gateway")
    return { kind: "trapped", reason: stop.kind };
  return stop;
}

/** V8's sentences for traps, to the specification's words. Anything else is just a trap. */
const TRAP_REASONS: readonly (readonly [part: string, reason: string])[] = [
  ["unreachable", "unreachable"],
  ["memory access out of bounds", "out-of-bounds-memory-access"],
  ["divide by zero", "integer-divide-by-zero"],
  ["remainder by zero", "integer-divide-by-zero"],
  ["divide result unrepresentable", "integer-overflow"],
  ["float unrepresentable", "invalid-conversion-to-integer"],
  ["table index is out of bounds", "undefined-element"],
  ["null function or function signature mismatch", "indirect-call-type-mismatch"],
  ["data segment", "out-of-bounds-memory-access"],
  ["cannot block a synchronous task", "blocked-in-synchronous-task"],
];

function trapReason(message: string): string {
  return TRAP_REASONS.find(([part]) => message.includes(part))?.[1] ?? "trap";
}

/** The `err` of a top-level result: jco throws it bare from a suspending export, and as a `payload` otherwise. */
function payloadOf(error: unknown): { readonly payload: unknown } | undefined {
  if (isWasmException(error)) return undefined;
  if (!(error instanceof Error)) return { payload: error };
  return Object.hasOwn(error, "payload") ? { payload: Reflect.get(error, "payload") } : undefined;
}

/** A guest's own exception that nobody caught. The constructor is not in every TypeScript library. */
function isWasmException(error: unknown): boolean {
  const Exception: unknown = Reflect.get(WebAssembly, "Exception");
  return typeof Exception === "function" && error instanceof Exception;
}

function findExport(
  exports: unknown,
  interfaceName: string | null,
  func: WitFunction,
): (...args: unknown[]) => unknown {
  const scope = interfaceName === null ? exports : memberOf(exports, interfaceName);
  const target = memberOf(scope, lowerCamel(func.name));
  if (typeof target !== "function") throw new TypeError(`Cannot find the export "${func.name}" in the glue`);
  return target as (...args: unknown[]) => unknown; // A function, checked above; its types are the component's.
}

function memberOf(object: unknown, name: string): never {
  if (typeof object !== "object" || object === null) return undefined as never;
  return (Object.hasOwn(object, name) ? Reflect.get(object, name) : undefined) as never;
}

function moduleOf(component: LoadedComponent, name: string): WebAssembly.Module {
  const module = component.modules.get(name);
  if (module === undefined)
    throw new TypeError(`Cannot instantiate "${name}": the prepared component has no such module`);
  return module;
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
