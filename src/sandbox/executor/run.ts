/** One run: a fresh instance, one call, one end. Nothing of it outlives this function. */
import {
  answerFromGuest,
  type GuestAnswer,
  OutputTooLarge,
  toGuestArguments,
} from "../../core/component/index.ts";
import type { InputTrace } from "../../core/journal/index.ts";
import type { ProfileNode } from "../../core/metering/host/index.ts";
import type { ExecutorHost, ImportBinding } from "../../ports/index.ts";
import type { GuestEnd, RunCommand } from "../pipe/messages.ts";
import { withoutVersion } from "./bindings.ts";
import { createContext, type RunPowers } from "./context.ts";
import { createGuard, isOutOfMemory, OUT_OF_MEMORY, type RunGuard, type Stop } from "./guard.ts";
import { bindImports } from "./imports.ts";
import { createInputs, createNotedInputs, createReplayedInputs, type Inputs } from "./inputs.ts";
import type { KeptInstances } from "./kept-instances.ts";
import {
  AbiTrap,
  type CompiledPlan,
  type LinkedModule,
  linkComponent,
  type RefillHooks,
} from "./linker/index.ts";
import type { MemoryPool } from "./memory-pool.ts";

/** A component that this process has compiled. */
export interface LoadedComponent {
  readonly compiled: CompiledPlan;
  /** By their place in the plan. */
  readonly modules: readonly LinkedModule[];
  readonly memories: MemoryPool;
  readonly hooks: RefillHooks;
  readonly instances: KeptInstances;
  readonly imports: readonly ImportBinding[];
  /** Units for code, segments and tables, charged before anything is instantiated. */
  readonly instantiationFuel: number;
}

/** How a run ended, and what it used. `stop` is present when the broker ended it and knows why itself. */
export interface RunReport {
  readonly end: GuestEnd;
  readonly fuelUsed: number;
  readonly memoryPeakBytes: number;
  /** Call paths and their fuel; empty unless the run is profiled. */
  readonly profile: readonly ProfileNode[];
  /**
   * Whether this process can not say that all of the run is over: something of it is still suspended, or it ended by an
   * error that has no name here. Its executor takes no other run.
   */
  readonly doubtful: boolean;
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
  /** Lets later runs have what this one no longer needs; called when its report is on its way. */
  giveBack(): void;
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
  const inputs = openInputs(command, guard, host, () => linked.isAside());
  const context = createContext({
    guard,
    pipe,
    inputs,
    startWallMs: command.wallMs,
    random: host.randomStream(fromHex(command.seed)),
    endOfExit: (code) => endOfExit(command, code),
    settings: command.settings,
    work: { underWay: (work, done, failed) => linked.hostWork.underWay(work, done, failed) },
    charge(units) {
      linked.meter.charge(units);
      linked.meter.settle();
    },
    info: {
      run: command.run,
      function: command.function.name,
      fuel: limits.fuel,
      timeToLiveMs: command.timeToLiveMs,
      ...command.info,
    },
  });

  const taken: [module: number, memory: WebAssembly.Memory][] = [];
  let hasReturned = false;
  let unexplained = false;
  const fuel = limits.fuel - component.instantiationFuel;
  // A profiled run has instances of its own: where its fuel went begins with instantiating them.
  const kept = command.profiled ? undefined : component.instances.take(fuel);
  const linked = linkComponent(component.compiled, {
    guard,
    fuel: kept?.fuel ?? fuel,
    ...(kept && { kept: kept.state }),
    liftedBytes: limits.liftedBytes,
    modules: component.modules,
    profiled: command.profiled,
    turn: pipe.turn,
    hooks: component.hooks,
    memoryFor(module) {
      const memory = component.memories.take(module);
      if (memory !== undefined) taken.push([module, memory]);
      return memory;
    },
    hostFunction: bindImports(component.imports, context),
  });

  // The counter goes below zero at the check that found it spent; what was used is never more than was granted.
  const fuelUsed = () => {
    const left = linked.fuelLeft();
    return left < 0n ? limits.fuel : limits.fuel - Number(left);
  };

  async function call(): Promise<GuestEnd> {
    if (linked.fuelLeft() < 0n) return { kind: "exhausted", budget: "fuel" };
    try {
      const started = linked.instantiate();
      if (started instanceof Promise) await started;
      if (kept === undefined && linked.core !== undefined)
        component.instances.begun(linked.core, fuel - Number(linked.fuelLeft()));
      const target = linked.exported(command.interface, command.function.name);
      const returned = await target(toGuestArguments(command.function, command.input));
      linked.meter.settle();
      const end = answer(command, returned);
      // An asynchronous guest may have something left to do, and its run lasts until it has done it.
      await linked.goOn();
      linked.meter.settle();
      hasReturned = true;
      return end;
    } catch (error) {
      if (linked.fuelLeft() < 0n) return { kind: "exhausted", budget: "fuel" };
      if (linked.depthExceeded()) return { kind: "exhausted", budget: "call_depth" };
      const end = endOfThrown(error);
      unexplained = end === UNEXPLAINED || end === STACK_OVERFLOW || end === OUT_OF_MEMORY;
      // A guest that was refused room and traps has most likely been ended by its own allocator. One that went on without,
      // and traps for another reason, is told the same.
      const refused = end.kind === "trapped" ? linked.growthRefused() : undefined;
      return refused === undefined ? end : { kind: "exhausted", budget: GROWTH_BUDGETS[refused] };
    }
  }

  async function finish(): Promise<RunReport> {
    const stuck = inputs.stuck?.then((why) => guard.stop({ kind: "trapped", reason: why }));
    const end = (await orStuck(call(), stuck)) ?? { kind: "trapped", reason: "replay-ended" };
    guard.close();
    // What it has begun and never ended: nothing of it outlives the run.
    await orStuck(linked.endAll(), stuck);
    // What was written to stdout without waiting may yet turn out to be over a budget.
    await orStuck(context.finished(), stuck);
    const stopped = guard.stopped();
    return {
      end: stopped === undefined ? end : endOfStop(stopped),
      fuelUsed: fuelUsed(),
      memoryPeakBytes: linked.memoryBytes(),
      profile: linked.profiler?.finish(BigInt(limits.fuel - fuelUsed())) ?? [],
      doubtful: unexplained || guard.isUnexplained() || !linked.isAtRest(),
    };
  }

  /** Only of a guest that came to its own end: of any other, something may yet be under way that writes. */
  function giveBack(): void {
    if (!hasReturned || !linked.isAtRest()) return;
    if (linked.core !== undefined && component.instances.give(linked.core)) return;
    linked.release();
    for (const [module, memory] of taken) component.memories.give(module, memory);
  }

  // Not at once: the guest may call the broker before it ever waits, and whoever serves that asks for `fuelUsed`.
  const report = Promise.resolve().then(finish);
  return { report, fuelUsed, stop: () => context.stop(), takeTrace: inputs.take, giveBack };
}

function openInputs(
  command: RunCommand,
  guard: RunGuard,
  host: ExecutorHost,
  isAside: () => boolean,
): Inputs {
  const startedAt = host.monotonicMs();
  const elapsedMs = () => Math.floor(host.monotonicMs() - startedAt);
  switch (command.inputs?.kind) {
    case undefined:
      return createInputs({ elapsedMs });
    case "note":
      return createNotedInputs({ elapsedMs, isAside });
    case "replay":
      return createReplayedInputs(command.inputs.trace, command.inputs.lenient, {
        isAside,
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

function answer(command: RunCommand, returned: unknown): GuestEnd {
  const value = answerOf(command, returned);
  const output = answerFromGuest(command.function, value, command.limits.outputBytes);
  return { kind: "returned" in value ? "completed" : "failed", output };
}

/** A result on top is the tool's own word for success or failure, everything else is success. */
function answerOf(command: RunCommand, returned: unknown): GuestAnswer {
  if (command.function.result?.kind !== "result") return { returned };
  const { tag, val } = returned as { readonly tag: unknown; readonly val?: unknown }; // Lifted as a result.
  return tag === "ok" ? { returned: val } : { failed: val };
}

/** The budgets that end the growth of what a guest has. */
const GROWTH_BUDGETS = { memory: "memory_bytes", table: "table_elements" } as const;
/** V8's own stack, should it end before the deterministic limit does: it may have ended in the middle of our own code. */
const STACK_OVERFLOW: GuestEnd = Object.freeze({ kind: "exhausted", budget: "call_depth" });
/** Nothing that a guest is known to be able to cause: a bug of ours, or memory that the engine could not get. */
const UNEXPLAINED: GuestEnd = Object.freeze({ kind: "trapped", reason: "invalid-value" });

function endOfThrown(error: unknown): GuestEnd {
  if (error instanceof OutputTooLarge) return { kind: "exhausted", budget: "output_bytes" };
  if (error instanceof RangeError && error.message.includes("call stack")) return STACK_OVERFLOW;
  if (isOutOfMemory(error)) return OUT_OF_MEMORY;
  if (error instanceof AbiTrap) return { kind: "trapped", reason: error.reason };
  if (error instanceof WebAssembly.RuntimeError)
    return { kind: "trapped", reason: trapReason(error.message) };
  if (isWasmException(error)) return { kind: "trapped", reason: "uncaught-exception" };
  if (isSuspendError(error)) return { kind: "trapped", reason: "blocked-in-synchronous-task" };
  if (error instanceof WebAssembly.LinkError) return { kind: "trapped", reason: "link-error" };
  return UNEXPLAINED;
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
];

function trapReason(message: string): string {
  return TRAP_REASONS.find(([part]) => message.includes(part))?.[1] ?? "trap";
}

/** A guest's own exception that nobody caught. The constructor is not in every TypeScript library. */
function isWasmException(error: unknown): boolean {
  const Exception: unknown = Reflect.get(WebAssembly, "Exception");
  return typeof Exception === "function" && error instanceof Exception;
}

/** Waited where nothing can be suspended. Not in TypeScript's library yet. */
function isSuspendError(error: unknown): boolean {
  const SuspendError: unknown = Reflect.get(WebAssembly, "SuspendError");
  return typeof SuspendError === "function" && error instanceof SuspendError;
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}
