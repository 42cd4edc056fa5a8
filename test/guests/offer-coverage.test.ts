/**
 * Every function of every interface that the offer serves is implemented. One that is missing would be a refusing
 * stub, or for a resource a TypeError, in a component that intake had admitted.
 */
import { describe, expect, it } from "vitest";
import { runtime } from "#runtime";
import { decode, lowerCamel, type WitFunction, type WitInterface } from "../../src/core/component/index.ts";
import { capabilityOf } from "../../src/core/policy/index.ts";
import { upperCamel } from "../../src/sandbox/executor/binding.ts";
import { bindInterface, waitingFunctions, withoutVersion } from "../../src/sandbox/executor/bindings.ts";
import type { GuestContext } from "../../src/sandbox/executor/context.ts";

const bytes = await runtime.files.read("wit/offer.wasm");
if (bytes === undefined) throw new TypeError("Cannot read wit/offer.wasm");
const offered = decode(bytes).imports.interfaces;
const served = offered.filter(({ name }) => capabilityOf(name)?.served === true);
const refused = offered.filter(({ name }) => capabilityOf(name)?.served === false);

/** Refused in interfaces that are served: what stands in the binding's place refuses each call. */
const REFUSED: readonly string[] = ["wasi:sockets/types#udp-socket"];
const isRefused = (name: string, resource: string | undefined) =>
  REFUSED.includes(`${withoutVersion(name)}#${resource}`);

const bindingOf = (name: string) => bindInterface(name, {} as GuestContext); // Only asked what there is.

/** Whether the linker would find the function. */
function isImplemented({ name }: WitInterface, func: WitFunction): boolean {
  const binding = bindingOf(name);
  if (isRefused(name, func.resource))
    return !Object.hasOwn(binding?.resources ?? {}, upperCamel(func.resource ?? ""));
  const member = lowerCamel(func.name.slice(func.name.indexOf(".") + 1));
  if (func.resource === undefined) return Object.hasOwn(binding?.functions ?? {}, lowerCamel(func.name));
  const resource = Reflect.get(binding?.resources ?? {}, upperCamel(func.resource));
  if (typeof resource !== "function") return false;
  if (func.kind === "constructor") return true;
  return typeof Reflect.get(func.kind === "static" ? resource : resource.prototype, member) === "function";
}

describe("bindInterface()", () => {
  it("has interfaces to serve and interfaces to refuse", () => {
    expect(served.length).toBeGreaterThan(15);
    expect(refused.length).toBeGreaterThan(1);
  });

  it.each(served.map((it) => [it.name, it] as const))("implements all of %s", (_name, wanted) => {
    expect(bindingOf(wanted.name)).toBeDefined();
    expect(wanted.functions.filter((func) => !isImplemented(wanted, func)).map(({ name }) => name)).toEqual(
      [],
    );
  });

  it.each(served.map((it) => [it.name, it] as const))(
    "has a class for each own resource of %s",
    (name, wanted) => {
      const own = wanted.resources.filter((it) => it.alias === undefined && !isRefused(name, it.name));
      const classes = bindingOf(name)?.resources ?? {};
      expect(own.filter((resource) => !Object.hasOwn(classes, upperCamel(resource.name)))).toEqual([]);
    },
  );

  it.each(refused.map(({ name }) => [name]))("implements nothing of %s", (name) => {
    expect(bindingOf(name)).toBeUndefined();
  });

  it.each(served.map((it) => [it.name, it] as const))(
    "waits only in functions that %s has",
    (name, wanted) => {
      // Drafts of one interface share a row; a function that waits is in one of them.
      const drafts = served.filter((it) => withoutVersion(it.name) === withoutVersion(name));
      const names = [wanted, ...drafts].flatMap(({ functions }) => functions.map((func) => func.name));
      expect(waitingFunctions(name).filter((waiting) => !names.includes(waiting))).toEqual([]);
    },
  );
});
