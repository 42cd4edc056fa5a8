/**
 * The import object of one run: built key by key from the component's decoded imports, out of null-prototype
 * objects, so that an import called `constructor` or `__proto__` finds exactly what was put there.
 */
import { lowerCamel, type WitFunction } from "../../core/component/index.ts";
import type { ImportBinding } from "../../ports/index.ts";
import { type Binding, upperCamel } from "./binding.ts";
import { bindInterface, withoutVersion } from "./bindings.ts";
import type { GuestContext } from "./context.ts";
import { refuse } from "./refusal.ts";

/** What jco's glue destructures. */
export interface ImportObject {
  [name: string]: unknown;
}

/**
 * @param imports the component's imports, each marked as served or not by the gateway
 * @returns an object for the glue's `instantiate`
 */
export function buildImports(imports: readonly ImportBinding[], context: GuestContext): ImportObject {
  const object = emptyObject();
  for (const entry of imports) {
    const binding = entry.served ? bindInterface(entry.name, context) : undefined;
    define(object, withoutVersion(entry.name), buildInterface(entry, binding, context));
  }
  return object;
}

function buildInterface(
  entry: ImportBinding,
  binding: Binding | undefined,
  context: GuestContext,
): ImportObject {
  const object = emptyObject();
  const standIns = new Map<string, StandIn>();
  for (const resource of entry.resources) {
    const name = upperCamel(resource);
    const implementation = own(binding?.resources, name);
    if (implementation === undefined) standIns.set(resource, createStandIn());
    define(object, name, implementation ?? standIns.get(resource));
  }
  for (const func of entry.functions) {
    const name = lowerCamel(memberName(func));
    if (func.resource === undefined) {
      define(object, name, own(binding?.functions, name) ?? refuse(entry.name, func, context));
      continue;
    }
    const standIn = standIns.get(func.resource);
    // An implemented class has all of its interface's functions: a test compares both.
    if (standIn === undefined) continue;
    const refusal = refuse(entry.name, func, context);
    if (func.kind === "static") define(standIn, name, refusal);
    else if (func.kind === "method") define(standIn.prototype, name, refusal);
    else standIn.construct = refusal;
  }
  return object;
}

/** A resource class that nothing stands behind: no instance of it ever exists. */
interface StandIn {
  (): unknown;
  readonly prototype: object;
  construct: () => unknown;
}

function createStandIn(): StandIn {
  const standIn: StandIn = Object.assign(
    // `new` on it runs the refusal, which throws or traps; were it to return, a primitive result would be
    // ignored by `new` and the glue would get an object without a brand, which no implementation accepts.
    function refused(): unknown {
      return standIn.construct();
    },
    { construct: (): unknown => undefined },
  );
  return standIn;
}

/** `[method]fields.get` becomes `get`. */
function memberName(func: WitFunction): string {
  return func.resource === undefined ? func.name : func.name.slice(func.name.indexOf(".") + 1);
}

function emptyObject(): ImportObject {
  return Object.create(null) as ImportObject; // A null prototype has no members, which is what the type says.
}

function define(object: object, name: string, value: unknown): void {
  // Not an assignment: `__proto__` must become an ordinary member.
  Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
}

function own<T>(object: { readonly [name: string]: T } | undefined, name: string): T | undefined {
  return object !== undefined && Object.hasOwn(object, name) ? object[name] : undefined;
}
