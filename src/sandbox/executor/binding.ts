/** The form of an import interface's implementation, as jco's glue wants it. */
import { lowerCamel } from "../../core/component/index.ts";

/**
 * A resource class: jco calls methods on its instances, static functions and the constructor on itself.
 *
 * INVARIANT: every method touches a `#private` field first. For a forged or dropped handle jco makes an object
 * from the bare prototype, and that access is what throws.
 */
export type ResourceClass = new (...args: never[]) => object;

/** An implemented interface. Names are jco's: functions lowerCamel, resources UpperCamel. */
export interface Binding {
  readonly functions: { readonly [name: string]: (...args: never[]) => unknown };
  readonly resources: { readonly [name: string]: ResourceClass };
}

/** jco's spelling of a resource's name: `output-stream` becomes `OutputStream`. */
export function upperCamel(name: string): string {
  const camel = lowerCamel(name);
  return camel.charAt(0).toUpperCase() + camel.slice(1);
}
