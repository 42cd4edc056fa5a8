/**
 * Canonical built-ins of the asynchronous ABI: what follows their opcode in the binary. Threads and error contexts are
 * read to find where they end, and known by name; a component that needs one is refused when its links are planned.
 *
 * @see https://github.com/WebAssembly/component-model/blob/main/design/mvp/Binary.md#canonical-definitions
 */
import type { ValueNode } from "./nodes.ts";
import type { Reader } from "./reader.ts";
import type { CanonBuiltin, CanonOptions, ChannelAction, TaskBuiltin } from "./recipe.ts";
import type { Scope } from "./scope.ts";

/** Built-ins over a stream or a future, from the opcode of the first; futures follow streams in the same order. */
const ACTIONS: readonly ChannelAction[] = [
  "new",
  "read",
  "write",
  "cancel-read",
  "cancel-write",
  "drop-readable",
  "drop-writable",
];
const FIRST_STREAM = 0x0e;
const FIRST_FUTURE = 0x15;

/** Built-ins over tasks and what they wait for; `flag`: an `async` or `cancellable` byte; `memory`: an index. */
const TASKS: ReadonlyMap<number, readonly [name: TaskBuiltin, flag?: "flag", memory?: "memory"]> = new Map<
  number,
  readonly [name: TaskBuiltin, flag?: "flag", memory?: "memory"]
>([
  [0x05, ["task.cancel"]],
  [0x06, ["subtask.cancel", "flag"]],
  [0x08, ["backpressure.set"]],
  [0x0c, ["thread.yield", "flag"]],
  [0x0d, ["subtask.drop"]],
  [0x1f, ["waitable-set.new"]],
  [0x20, ["waitable-set.wait", "flag", "memory"]],
  [0x21, ["waitable-set.poll", "flag", "memory"]],
  [0x22, ["waitable-set.drop"]],
  [0x23, ["waitable.join"]],
  [0x24, ["backpressure.inc"]],
  [0x25, ["backpressure.dec"]],
]);

/** Immediates of what is not supported: `u` an index, `o` options, `b` a flag byte. */
const OTHERS: ReadonlyMap<number, readonly [name: string, immediates: string]> = new Map([
  [0x07, ["resource.drop async", "u"]],
  [0x1c, ["error-context.new", "o"]],
  [0x1d, ["error-context.debug-message", "o"]],
  [0x1e, ["error-context.drop", ""]],
  [0x26, ["thread.index", ""]],
  [0x27, ["thread.new-indirect", "uu"]],
  [0x28, ["thread.resume-later", ""]],
  [0x29, ["thread.suspend", "b"]],
  [0x2a, ["thread.suspend-then-resume", "b"]],
  [0x2b, ["thread.yield-then-resume", "b"]],
  [0x2c, ["thread.suspend-then-promote", "b"]],
  [0x2d, ["thread.yield-then-promote", "b"]],
]);

/** Those of threads that share memory, which nothing here offers whatever follows them. */
const SHARED_THREADS: ReadonlyMap<number, string> = new Map([
  [0x40, "thread.spawn-ref"],
  [0x41, "thread.spawn-indirect"],
  [0x42, "thread.available-parallelism"],
]);

/**
 * Reads what follows the opcode of such a built-in.
 *
 * @param start where the opcode stands, for messages
 * @param readOptions reads a list of canonical options
 * @throws GatewayError `component-refused` for an opcode that nobody knows
 */
export function readAsyncBuiltin(
  opcode: number,
  start: number,
  reader: Reader,
  scope: Scope,
  readOptions: (reader: Reader) => CanonOptions,
): CanonBuiltin {
  const task = TASKS.get(opcode);
  if (task !== undefined) {
    const [name, flag, memory] = task;
    return {
      what: "task",
      name,
      flag: flag !== undefined && readFlag(reader),
      memory: memory === undefined ? undefined : reader.u32(),
    };
  }
  const first = opcode < FIRST_FUTURE ? FIRST_STREAM : FIRST_FUTURE;
  const action = ACTIONS[opcode - first];
  if (action !== undefined)
    return readChannel(first === FIRST_STREAM ? "stream" : "future", action, reader, scope, readOptions);
  return { what: "other", name: readOther(opcode, start, reader, readOptions) };
}

function readChannel(
  channel: "stream" | "future",
  action: ChannelAction,
  reader: Reader,
  scope: Scope,
  readOptions: (reader: Reader) => CanonOptions,
): CanonBuiltin {
  const type = readChannelType(channel, reader, scope);
  if (action === "read" || action === "write") {
    const options = readOptions(reader);
    return { what: "channel", action, type, options, async: options.async };
  }
  const async = action.startsWith("cancel-") && readFlag(reader);
  return { what: "channel", action, type, options: undefined, async };
}

function readChannelType(channel: "stream" | "future", reader: Reader, scope: Scope): ValueNode {
  const start = reader.at;
  const type = scope.readType(reader);
  if (type.what === "value" && type.kind === channel) return type;
  throw reader.refusal(`expected a ${channel} type, found another`, start);
}

function readFlag(reader: Reader): boolean {
  return reader.oneOf([0x00, 0x01], "flag") === 0x01;
}

function readOther(
  opcode: number,
  start: number,
  reader: Reader,
  readOptions: (reader: Reader) => CanonOptions,
): string {
  const found = OTHERS.get(opcode);
  if (found === undefined) {
    const threads = SHARED_THREADS.get(opcode);
    if (threads !== undefined)
      throw reader.refusal(`${threads} is not supported; build the component without threads`, start);
    throw reader.refusal(`canonical built-in 0x${opcode.toString(16)} is not supported`, start);
  }
  const [name, immediates] = found;
  for (const immediate of immediates) {
    if (immediate === "u") reader.u32();
    else if (immediate === "b") readFlag(reader);
    else readOptions(reader);
  }
  return name;
}
