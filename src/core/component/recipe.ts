/**
 * What a component does when it is instantiated, definition by definition, in the order of the binary. The decoder
 * notes it beside the types; `plan.ts` carries it out on paper. Never leaves this room.
 *
 * Indices are claims of the binary: the planner checks each against the index space as it is at that place.
 */
import type { Extern, FuncNode, InstanceNode, ResourceNode, Sort, TypeNode, ValueNode } from "./nodes.ts";
import type { CoreKind } from "./wit.ts";

/** One component's definitions. */
export interface Recipe {
  readonly definitions: Definition[];
}

/** Something named by its sort and its index in that sort's space. */
export interface Reference {
  readonly sort: Exclude<Sort, "core">;
  readonly index: number;
  /** What a reference of the sort `type` refers to. */
  readonly type?: TypeNode;
}

/** {@link Reference} with the name that it is passed or exported under. */
export interface NamedReference extends Reference {
  readonly name: string;
}

/** Something named by its core sort and index, with the name that it gets in an instance. */
export interface CoreReference {
  readonly name: string;
  readonly sort: CoreKind;
  readonly index: number;
}

/** Text encodings of the canonical ABI. */
export type StringEncoding = "utf8" | "utf16" | "latin1+utf16";

/** Options of a canonical definition; indices are of the core spaces. */
export interface CanonOptions {
  readonly encoding: StringEncoding;
  readonly memory?: number;
  readonly realloc?: number;
  readonly postReturn?: number;
  /** Lifted or lowered by the asynchronous ABI. */
  readonly async: boolean;
  readonly callback?: number;
}

/** What a built-in does with a stream or a future. */
export type ChannelAction =
  | "new"
  | "read"
  | "write"
  | "cancel-read"
  | "cancel-write"
  | "drop-readable"
  | "drop-writable";

/** Built-ins over tasks and what they wait for. Engines import them all, even for exports that are not asynchronous. */
export type TaskBuiltin =
  | "task.cancel"
  | "subtask.cancel"
  | "subtask.drop"
  | "waitable-set.new"
  | "waitable-set.wait"
  | "waitable-set.poll"
  | "waitable-set.drop"
  | "waitable.join"
  | "backpressure.set"
  | "backpressure.inc"
  | "backpressure.dec"
  | "thread.yield";

/** Canonical definitions that make a core function. */
export type CanonBuiltin =
  | { readonly what: "lower"; readonly func: number; readonly options: CanonOptions }
  | { readonly what: "resource.new" | "resource.drop" | "resource.rep"; readonly resource: ResourceNode }
  | {
      readonly what: "task.return";
      readonly result: ValueNode | undefined;
      readonly options: CanonOptions;
    }
  | { readonly what: "context.get" | "context.set"; readonly slot: number }
  | {
      readonly what: "channel";
      readonly action: ChannelAction;
      /** A stream or a future. */
      readonly type: ValueNode;
      /** Of a read or a write. */
      readonly options: CanonOptions | undefined;
      /** Answers at once, that it is blocked, where it would have to wait. */
      readonly async: boolean;
    }
  | {
      readonly what: "task";
      readonly name: TaskBuiltin;
      /** Of `subtask.cancel`: does not wait; of the others that have one: a cancellation ends the wait. */
      readonly flag: boolean;
      /** Where an event's payloads go. */
      readonly memory: number | undefined;
    }
  /** Everything else: known by name, and refused when a plan needs it. */
  | { readonly what: "other"; readonly name: string };

/** One definition. */
export type Definition =
  /** A core module; `module` counts all modules of the binary. */
  | { readonly op: "core-module"; readonly module: number }
  | {
      readonly op: "core-instantiate";
      readonly module: number;
      readonly args: readonly (readonly [name: string, instance: number])[];
    }
  | { readonly op: "core-bag"; readonly items: readonly CoreReference[] }
  | {
      readonly op: "core-alias";
      readonly sort: CoreKind;
      readonly instance: number;
      readonly name: string;
    }
  | { readonly op: "component"; readonly recipe: Recipe }
  | {
      readonly op: "instantiate";
      readonly component: number;
      readonly args: readonly NamedReference[];
      /** The instance as the decoder sees it, with resources of its own. */
      readonly made: InstanceNode;
    }
  | { readonly op: "bag"; readonly items: readonly NamedReference[] }
  | {
      readonly op: "alias";
      readonly sort: Exclude<Sort, "core">;
      readonly instance: number;
      readonly name: string;
    }
  | {
      readonly op: "outer";
      readonly sort: "component" | "module";
      readonly up: number;
      readonly index: number;
    }
  | { readonly op: "resource"; readonly node: ResourceNode; readonly destructor: number | undefined }
  | { readonly op: "canon"; readonly builtin: CanonBuiltin }
  | {
      readonly op: "lift";
      readonly core: number;
      readonly type: FuncNode;
      readonly options: CanonOptions;
    }
  | { readonly op: "import"; readonly name: string; readonly extern: Extern }
  | {
      readonly op: "export";
      readonly name: string;
      readonly reference: Reference;
      /** What the export is said to be; new resources in it stand for those behind the reference. */
      readonly extern: Extern;
    };
