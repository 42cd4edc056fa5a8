/** The form of an import interface's implementation, as `imports.ts` looks into it. */
import { lowerCamel } from "../../core/component/index.ts";

/**
 * A resource class: methods are called on its instances, static functions and the constructor on itself.
 *
 * INVARIANT: every method touches a `#private` field first. A guest's handle finds its own resource's object or none;
 * the private field is what still holds should the linker ever hand over another's.
 */
export type ResourceClass = new (...args: never[]) => object;

/** An implemented interface. Names are JavaScript's: functions lowerCamel, resources UpperCamel. */
export interface Binding {
  readonly functions: { readonly [name: string]: (...args: never[]) => unknown };
  readonly resources: { readonly [name: string]: ResourceClass };
}

/** The version of an interface, as the component spells it; empty where it has none. */
export function versionOf(name: string): string {
  const at = name.indexOf("@");
  return at < 0 ? "" : name.slice(at + 1);
}

/** The class's name of a resource: `output-stream` becomes `OutputStream`. */
export function upperCamel(name: string): string {
  const camel = lowerCamel(name);
  return camel.charAt(0).toUpperCase() + camel.slice(1);
}
