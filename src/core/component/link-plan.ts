/**
 * A component's links as plain data: which core modules to instantiate in which order, from what their imports come,
 * and how values cross between them. All nesting is gone, all types and resources are numbers. Made by `plan.ts`,
 * carried out by the executor, and small enough to be stored beside the modules.
 */
import type { FlatType } from "./abi.ts";
import type { ValueKind } from "./nodes.ts";
import type { ChannelAction, StringEncoding, TaskBuiltin } from "./recipe.ts";

/** A value type; its parts are earlier entries of {@link LinkPlan.types}. */
export interface PlanType {
  readonly kind: ValueKind;
  /** Fields, cases or flags. */
  readonly labels: readonly string[];
  /** Payloads; `null` where a case or a result's side has none. */
  readonly items: readonly (number | null)[];
  /** The resource of a handle: an index of {@link LinkPlan.resources}. */
  readonly resource: number | null;
  readonly size: number;
  readonly alignment: number;
  /** `null` when the flat form is too long to travel outside memory. */
  readonly flat: readonly FlatType[] | null;
}

/** A function type over {@link LinkPlan.types}. */
export interface PlanSignature {
  readonly params: readonly { readonly name: string; readonly type: number }[];
  readonly result: number | null;
  readonly async: boolean;
}

/** A resource type. */
export type PlanResource =
  /** The host's: the class behind `resource` of the interface, or of the world itself. */
  | { readonly kind: "imported"; readonly interface: string | null; readonly name: string }
  /** A component instance's own; `destructor` is called with the representation of each dropped handle. */
  | { readonly kind: "defined"; readonly instance: number; readonly destructor: PlanCoreItem | null };

/** A core definition: an export of a core instance, or a trampoline. */
export type PlanCoreItem =
  | { readonly kind: "export"; readonly instance: number; readonly name: string }
  | { readonly kind: "trampoline"; readonly index: number };

/** How values cross a component's border in one place. */
export interface PlanOptions {
  /** The component instance whose handles, memory and permission to leave are meant. */
  readonly instance: number;
  readonly encoding: StringEncoding;
  readonly memory: PlanCoreItem | null;
  readonly realloc: PlanCoreItem | null;
  readonly postReturn: PlanCoreItem | null;
}

/** A component function. */
export type PlanFunction =
  | {
      readonly kind: "imported";
      readonly interface: string | null;
      readonly name: string;
      readonly signature: number;
    }
  | {
      readonly kind: "lifted";
      readonly core: PlanCoreItem;
      readonly signature: number;
      readonly options: PlanOptions;
      /** Lifted by the asynchronous ABI: its result comes by `task.return`. */
      readonly async: boolean;
      /** Of the asynchronous ABI: called with each event; null where the core function waits by itself. */
      readonly callback: PlanCoreItem | null;
    };

/** A core function that the linker makes. */
export type PlanTrampoline =
  | {
      readonly kind: "lower";
      readonly func: number;
      readonly options: PlanOptions;
      /** By the asynchronous ABI: gives back a subtask where the callee has not returned. */
      readonly async: boolean;
    }
  | {
      readonly kind: "resource.new" | "resource.drop" | "resource.rep";
      readonly resource: number;
      readonly instance: number;
    }
  | { readonly kind: "task.return"; readonly result: number | null; readonly options: PlanOptions }
  | { readonly kind: "context.get" | "context.set"; readonly slot: number; readonly instance: number }
  | {
      readonly kind: "task";
      readonly name: TaskBuiltin;
      readonly instance: number;
      /** See {@link CanonBuiltin}. */
      readonly flag: boolean;
      /** Where the payloads of an event are written. */
      readonly memory: PlanCoreItem | null;
    }
  | {
      readonly kind: "channel";
      readonly action: ChannelAction;
      /** A stream or a future, of {@link LinkPlan.types}. */
      readonly type: number;
      readonly options: PlanOptions;
      readonly async: boolean;
    };

/** A core instance, in the order of instantiation. */
export interface PlanCoreInstance {
  /** The component instance that it belongs to. */
  readonly instance: number;
  /** Index of {@link LinkPlan.modules}. */
  readonly module: number;
  /** What each import of the module is, in the module's own order. */
  readonly imports: readonly {
    readonly module: string;
    readonly name: string;
    readonly item: PlanCoreItem;
  }[];
}

/** A component, ready to be linked. */
export interface LinkPlan {
  readonly types: readonly PlanType[];
  readonly signatures: readonly PlanSignature[];
  readonly resources: readonly PlanResource[];
  readonly functions: readonly PlanFunction[];
  readonly trampolines: readonly PlanTrampoline[];
  /** The core modules that are instantiated, by their place in the binary. */
  readonly modules: readonly { readonly offset: number; readonly byteLength: number }[];
  readonly instances: readonly PlanCoreInstance[];
  /** Of each component instance: the one that made it, by its number; null for the outermost, which is the first. */
  readonly parents: readonly (number | null)[];
  /** Whether anything of it is asynchronous; if not, there is nothing that anybody could wait for but the host. */
  readonly async: boolean;
  readonly exports: readonly {
    readonly interface: string | null;
    readonly name: string;
    /** Index of {@link functions}. */
    readonly function: number;
  }[];
}
