/**
 * What stands behind the component's imports in one run: the binding's own function, or a refusal. Found by what was
 * imported and decoded, never by looking a guest's name up in an object that has other members too: an import called
 * `constructor` or `toString` finds what a binding put there under that name, and nothing else.
 */
import { lowerCamel, type WitFunction } from "../../core/component/index.ts";
import type { ImportBinding } from "../../ports/index.ts";
import { type Binding, upperCamel } from "./binding.ts";
import { bindInterface } from "./bindings.ts";
import type { GuestContext } from "./context.ts";
import { GuestError } from "./guard.ts";
import type { ComponentFunction } from "./linker/index.ts";
import { refuse } from "./refusal.ts";

/** Finds the function behind an import, by interface as the component spells it and name as in WIT. */
export type HostFunctions = (scope: string | null, name: string) => ComponentFunction;

/**
 * @param imports the component's imports, each marked as served or not by the gateway
 * @returns functions of one run
 */
export function bindImports(imports: readonly ImportBinding[], context: GuestContext): HostFunctions {
  const entries = new Map(imports.map((entry) => [entry.name, entry]));
  const bindings = new Map<string, Binding | undefined>();

  function bindingOf(entry: ImportBinding): Binding | undefined {
    if (!entry.served) return undefined;
    if (!bindings.has(entry.name)) bindings.set(entry.name, bindInterface(entry.name, context));
    return bindings.get(entry.name);
  }

  return (scope, name) => {
    const entry = scope === null ? undefined : entries.get(scope);
    const func = entry?.functions.find((it) => it.name === name);
    // Intake admits no component that imports what is not listed.
    if (entry === undefined || func === undefined)
      throw new TypeError(`Cannot bind "${scope ?? "$root"}" "${name}": it is not among the imports`);
    const found = implementation(bindingOf(entry), func);
    return answering(func, found ?? refuse(entry.name, func, context));
  };
}

type Call = (...args: readonly unknown[]) => unknown;

function implementation(binding: Binding | undefined, func: WitFunction): Call | undefined {
  if (binding === undefined) return undefined;
  const member = lowerCamel(memberName(func));
  if (func.resource === undefined) {
    // What a binding's function takes is what its interface says, and so is what the linker lifts.
    return own(binding.functions, member) as Call | undefined;
  }
  const resource = own(binding.resources, upperCamel(func.resource));
  if (resource === undefined) return undefined;
  switch (func.kind) {
    case "constructor":
      return (...args) => Reflect.construct(resource, [...args]);
    case "static":
      return bound(resource, inherited(resource, member, Function.prototype));
    default: {
      const method = inherited(resource.prototype, member, Object.prototype);
      return method && ((receiver, ...args) => Reflect.apply(method, receiver, args));
    }
  }
}

/**
 * A declared `result` is a value for the guest: what a binding returns is its `ok`, and a {@link GuestError} its `err`,
 * thrown or returned. What ends every stream is returned: to throw costs as much as a small read.
 */
function answering(func: WitFunction, call: Call): ComponentFunction {
  if (func.result?.kind !== "result") return (args) => call(...args);
  const ok = (val: unknown) =>
    val instanceof GuestError ? { tag: "err", val: val.payload } : { tag: "ok", val };
  const err = (error: unknown) => {
    if (error instanceof GuestError) return { tag: "err", val: error.payload };
    throw error;
  };
  return (args) => {
    try {
      const value = call(...args);
      return value instanceof Promise ? value.then(ok, err) : ok(value);
    } catch (error) {
      return err(error);
    }
  };
}

/** `[method]fields.get` becomes `get`. */
function memberName(func: WitFunction): string {
  return func.resource === undefined ? func.name : func.name.slice(func.name.indexOf(".") + 1);
}

function own<T>(object: { readonly [name: string]: T }, name: string): T | undefined {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function bound(receiver: object, method: Call | undefined): Call | undefined {
  return method && ((...args) => Reflect.apply(method, receiver, args));
}

/** A member of a class or its prototype, or of one that it extends, but not of JavaScript's own at the end. */
function inherited(holder: object, name: string, end: object): Call | undefined {
  for (let at: object | null = holder; at !== null && at !== end; at = Object.getPrototypeOf(at)) {
    const value: unknown = Object.getOwnPropertyDescriptor(at, name)?.value;
    if (typeof value === "function" && name !== "constructor") return value as Call; // A function, checked here.
  }
  return undefined;
}
