/** Plans canonical definitions: the adapters between core functions and component functions, with their options. */
import { MAX_FLAT_ASYNC_PARAMS, MAX_FLAT_PARAMS, MAX_FLAT_RESULTS } from "./abi.ts";
import { at, type Frame, misfit } from "./frame.ts";
import type { Budget } from "./limits.ts";
import type { PlanCoreItem, PlanFunction, PlanOptions, PlanResource, PlanTrampoline } from "./link-plan.ts";
import type { FuncNode } from "./nodes.ts";
import { isAsyncPlan, planChannel, planTask } from "./plan-async.ts";
import {
  asyncSignature,
  CALLBACK,
  liftedSignature,
  postReturnSignature,
  REALLOC,
  requireSignature,
  type SignatureOf,
  trampolineSignature,
} from "./plan-signatures.ts";
import { PlanTypes } from "./plan-types.ts";
import type { CanonBuiltin, CanonOptions, Definition } from "./recipe.ts";

/** Of built-ins that pass no values. */
const NO_OPTIONS: CanonOptions = { encoding: "utf8", async: false };

/** What canonical definitions refer to and make, for the whole plan. */
export class CanonPlanner {
  readonly types: PlanTypes;
  readonly resources: PlanResource[] = [];
  readonly functions: PlanFunction[] = [];
  readonly trampolines: PlanTrampoline[] = [];

  readonly #signatureOf: SignatureOf;

  /** @param signatureOf for functions that core modules export */
  constructor(budget: Budget, signatureOf: SignatureOf) {
    this.types = new PlanTypes(budget);
    this.#signatureOf = signatureOf;
  }

  /** Whether anything of the plan is asynchronous. */
  get isAsync(): boolean {
    return isAsyncPlan(this.types.types, this.types.signatures, this.trampolines);
  }

  /** The type that a core function has, where it is known. */
  coreSignature(item: PlanCoreItem): string | undefined {
    if (item.kind === "export") return this.#signatureOf(item);
    const trampoline = at(this.trampolines, item.index, "trampoline");
    return trampolineSignature(trampoline, this.types.types, (func) => {
      const { signature } = at(this.functions, func, "function");
      return at(this.types.signatures, signature, "signature");
    });
  }

  /** The number of a function type, as it is in one component instance. */
  signature(type: FuncNode, frame: Frame): number {
    return this.types.signature(type, frame.resourceOf, frame.memo);
  }

  /** Plans `canon lift`. @returns the function's number */
  lift({ core, type, options }: Definition & { op: "lift" }, frame: Frame): number {
    const signature = this.signature(type, frame);
    const resolved = this.#options(options, frame);
    const { params, result } = at(this.types.signatures, signature, "signature");
    const taken = params.map((param) => param.type);
    // An asynchronous function's result comes through `task.return`, which has options of its own.
    const given = result === null || options.async ? [] : [result];
    this.#requireOptions("canon lift", taken, given, resolved, "lift");
    const callback =
      options.callback === undefined ? null : at(frame.core.func, options.callback, "core function");
    if (options.async && !type.async) throw misfit("canon lift is async, of a function type that is not");
    if (options.async && resolved.postReturn !== null)
      throw misfit("canon lift async has a post-return, which only other lifts can have");
    if (!options.async && callback !== null) throw misfit("canon lift has a callback and is not async");
    const { types, signatures } = this.types;
    const wanted = at(signatures, signature, "signature");
    const func = at(frame.core.func, core, "core function");
    const inside = options.async
      ? asyncSignature(types, wanted, callback !== null)
      : liftedSignature(types, wanted);
    requireSignature("what canon lift names", this.coreSignature(func), inside);
    if (callback !== null) requireSignature("the callback", this.coreSignature(callback), CALLBACK);
    if (resolved.postReturn !== null) {
      const found = this.coreSignature(resolved.postReturn);
      requireSignature("the post-return", found, postReturnSignature(types, wanted));
    }
    return (
      this.functions.push({
        kind: "lifted",
        core: func,
        signature,
        options: resolved,
        async: options.async,
        callback,
      }) - 1
    );
  }

  /** Plans a canonical definition that makes a core function. */
  trampoline(builtin: CanonBuiltin, frame: Frame): PlanCoreItem {
    const made = this.#makeTrampoline(builtin, frame);
    return { kind: "trampoline", index: this.trampolines.push(made) - 1 };
  }

  #makeTrampoline(builtin: CanonBuiltin, frame: Frame): PlanTrampoline {
    switch (builtin.what) {
      case "lower": {
        const func = at(frame.funcs, builtin.func, "function");
        const options = this.#options(builtin.options, frame);
        if (options.postReturn !== null || builtin.options.callback !== undefined)
          throw misfit("canon lower has a callback or a post-return, which only a lift can have");
        const { signature } = at(this.functions, func, "function");
        const { params, result, async: isAsync } = at(this.types.signatures, signature, "signature");
        const { async } = builtin.options;
        if (async && !isAsync) throw misfit("canon lower is async, of a function type that is not");
        const taken = params.map((param) => param.type);
        const given = result === null ? [] : [result];
        this.#requireOptions("canon lower", taken, given, options, "lower", async);
        return { kind: "lower", func, options, async };
      }
      case "resource.new":
      case "resource.rep":
      case "resource.drop": {
        const resource = frame.resourceOf(builtin.resource);
        const definition = at(this.resources, resource, "resource");
        const isOwn = definition.kind === "defined" && definition.instance === frame.id;
        // Only whoever defines a resource makes it and sees what is behind it.
        if (builtin.what !== "resource.drop" && !isOwn)
          throw misfit(`canon ${builtin.what} names a resource of another component`);
        return { kind: builtin.what, resource, instance: frame.id };
      }
      case "task.return": {
        const { result } = builtin;
        const type = result === undefined ? null : this.types.number(result, frame.resourceOf, frame.memo);
        const options = this.#options(builtin.options, frame);
        // The guest hands its result over as a caller hands over parameters.
        this.#requireOptions("canon task.return", type === null ? [] : [type], [], options, "lower");
        return { kind: "task.return", result: type, options };
      }
      case "context.get":
      case "context.set":
        return { kind: builtin.what, slot: builtin.slot, instance: frame.id };
      case "channel":
        return planChannel(builtin, {
          types: this.types.types,
          typeNumber: () => this.types.number(builtin.type, frame.resourceOf, frame.memo),
          options: () => this.#options(builtin.options ?? NO_OPTIONS, frame),
          requireOptions: (what, element, direction) => {
            const options = this.#options(builtin.options ?? NO_OPTIONS, frame);
            this.#requireOptions(what, [element], [], options, direction);
          },
        });
      case "task":
        return planTask(builtin, frame);
      case "other":
        throw misfit(
          `it uses ${builtin.name}, which is not supported; build it with bindings that do without`,
        );
    }
  }

  #options(options: CanonOptions, frame: Frame): PlanOptions {
    const find = (space: readonly PlanCoreItem[], index: number | undefined, what: string) =>
      index === undefined ? null : at(space, index, what);
    const realloc = find(frame.core.func, options.realloc, "core function");
    if (realloc !== null) requireSignature("the realloc", this.coreSignature(realloc), REALLOC);
    return {
      instance: frame.id,
      encoding: options.encoding,
      memory: find(frame.core.memory, options.memory, "core memory"),
      realloc,
      postReturn: find(frame.core.func, options.postReturn, "core function"),
    };
  }

  /** What goes through memory needs one, and what is written into a guest needs room from it. */
  #requireOptions(
    what: string,
    params: readonly number[],
    results: readonly number[],
    options: PlanOptions,
    direction: "lift" | "lower",
    async = false,
  ): void {
    const takes = this.types.passage(params, async ? MAX_FLAT_ASYNC_PARAMS : MAX_FLAT_PARAMS);
    const gives = this.types.passage(results, async ? 0 : MAX_FLAT_RESULTS);
    const written = direction === "lift" ? takes.pointers || takes.spilled : gives.pointers;
    const through = takes.pointers || takes.spilled || gives.pointers || gives.spilled;
    if (through && options.memory === null)
      throw misfit(`${what} passes values through memory and names none`);
    if (written && options.realloc === null) throw misfit(`${what} writes into memory and names no realloc`);
  }
}
