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
  const scopes = new Map<string, Scope>();
  const standIns = new Map<string, StandIn>();
  for (const entry of imports) {
    // One scope for all versions of an interface: the glue looks for both under one name, and a component composed
    // of two vendors' parts imports two, each with the items that it uses.
    const name = withoutVersion(entry.name);
    const scope = scopes.get(name) ?? {
      object: emptyObject(),
      binding: entry.served ? bindInterface(entry.name, context) : undefined,
      // One class for all interfaces of a package: `wasi:sockets/instance-network` returns the `network` of another.
      standInOf: (resource) => standInOf(standIns, `${name.split("/", 1)[0]}#${resource}`),
    };
    scopes.set(name, scope);
    fillScope(scope, entry, context);
    define(object, name, scope.object);
  }
  return object;
}

/** What stands behind one name in the import object. */
interface Scope {
  readonly object: ImportObject;
  readonly binding: Binding | undefined;
  /** The class of a resource without implementation, by its name in WIT. */
  readonly standInOf: (resource: string) => StandIn;
}

function fillScope({ object, binding, standInOf }: Scope, entry: ImportBinding, context: GuestContext): void {
  const implemented = (resource: string) => own(binding?.resources, upperCamel(resource));
  for (const resource of entry.resources)
    define(object, upperCamel(resource), implemented(resource) ?? standInOf(resource));
  for (const func of entry.functions) {
    const name = lowerCamel(memberName(func));
    const refusal = () => refuse(entry.name, func, context, (resource) => standInOf(resource).prototype);
    if (func.resource === undefined) {
      define(object, name, own(binding?.functions, name) ?? refusal());
      continue;
    }
    // An implemented class has all of its interface's functions: a test compares both.
    if (implemented(func.resource) !== undefined) continue;
    const standIn = standInOf(func.resource);
    if (func.kind === "static") define(standIn, name, refusal());
    else if (func.kind === "method") define(standIn.prototype, name, refusal());
    else standIn.construct = refusal();
  }
}

function standInOf(standIns: Map<string, StandIn>, key: string): StandIn {
  const standIn = standIns.get(key) ?? createStandIn();
  standIns.set(key, standIn);
  return standIn;
}

/** A resource class that nothing stands behind: whatever is called on an instance of it is refused. */
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
