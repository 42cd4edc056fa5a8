/**
 * Plans the built-ins of the asynchronous ABI, and says what of a plan makes it asynchronous.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/CanonicalABI.md#canonopt-validation
 */
import { signatureText } from "./core-signatures.ts";
import { at, type Frame, misfit } from "./frame.ts";
import type { PlanOptions, PlanSignature, PlanTrampoline, PlanType } from "./link-plan.ts";
import type { CanonBuiltin, ChannelAction, TaskBuiltin } from "./recipe.ts";

/** What the planner of canonical definitions does for its built-ins. */
export interface AsyncPlanning {
  readonly types: readonly PlanType[];
  readonly typeNumber: () => number;
  readonly options: () => PlanOptions;
  /** @throws GatewayError `component-refused` where what goes through memory has none, or no room there */
  readonly requireOptions: (what: string, element: number, direction: "lift" | "lower") => void;
}

/** Plans a built-in over a stream or a future. */
export function planChannel(
  builtin: CanonBuiltin & { what: "channel" },
  { types, typeNumber, options, requireOptions }: AsyncPlanning,
): PlanTrampoline {
  const { action, async } = builtin;
  const type = typeNumber();
  const { kind, items } = at(types, type, "type");
  const element = items[0] ?? null;
  if (builtin.options !== undefined && element !== null) {
    const what = `canon ${kind}.${action}`;
    if (builtin.options.memory === undefined) throw misfit(`${what} passes values and names no memory`);
    requireOptions(what, element, action === "read" ? "lift" : "lower");
  }
  if (builtin.options?.callback !== undefined || builtin.options?.postReturn !== undefined)
    throw misfit(`canon ${kind}.${action} has a callback or a post-return, which only a lift can have`);
  return { kind: "channel", action, type, async, options: options() };
}

/** Plans a built-in over tasks and what they wait for. */
export function planTask(builtin: CanonBuiltin & { what: "task" }, frame: Frame): PlanTrampoline {
  const { name, flag, memory } = builtin;
  return {
    kind: "task",
    name,
    flag,
    instance: frame.id,
    memory: memory === undefined ? null : at(frame.core.memory, memory, "core memory"),
  };
}

/** Whether a plan needs tasks, and what they wait for, at all. */
export function isAsyncPlan(
  types: readonly PlanType[],
  signatures: readonly PlanSignature[],
  trampolines: readonly PlanTrampoline[],
): boolean {
  return (
    signatures.some(({ async }) => async) ||
    types.some(({ kind }) => kind === "stream" || kind === "future") ||
    trampolines.some(({ kind }) => kind === "channel")
  );
}

const TASK_SIGNATURES: Readonly<Record<TaskBuiltin, string>> = {
  "task.cancel": signatureText([], []),
  "subtask.cancel": signatureText(["i32"], ["i32"]),
  "subtask.drop": signatureText(["i32"], []),
  "waitable-set.new": signatureText([], ["i32"]),
  "waitable-set.wait": signatureText(["i32", "i32"], ["i32"]),
  "waitable-set.poll": signatureText(["i32", "i32"], ["i32"]),
  "waitable-set.drop": signatureText(["i32"], []),
  "waitable.join": signatureText(["i32", "i32"], []),
  "backpressure.set": signatureText(["i32"], []),
  "backpressure.inc": signatureText([], []),
  "backpressure.dec": signatureText([], []),
  "thread.yield": signatureText([], ["i32"]),
};

/** How a task's built-in looks from inside. */
export function taskSignature(name: TaskBuiltin): string {
  return TASK_SIGNATURES[name];
}

/** How a stream's or a future's built-in looks from inside. */
export function channelSignature(action: ChannelAction, kind: PlanType["kind"]): string {
  switch (action) {
    case "new":
      return signatureText([], ["i64"]);
    case "read":
    case "write":
      return signatureText(kind === "stream" ? ["i32", "i32", "i32"] : ["i32", "i32"], ["i32"]);
    case "cancel-read":
    case "cancel-write":
      return signatureText(["i32"], ["i32"]);
    case "drop-readable":
    case "drop-writable":
      return signatureText(["i32"], []);
  }
}
