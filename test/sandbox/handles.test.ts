/**
 * Forged and dropped handles. A handle is an index into a table of the linker's, so a forged one finds nothing. Behind
 * that the private field that every method touches first still throws: a host that made an object from the bare
 * prototype for a forged handle, with public fields, answered `fields.get` from `undefined`.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lowerCamel, type WitFunction, type WitType } from "../../src/core/component/index.ts";
import type { SandboxComponent } from "../../src/ports/index.ts";
import { upperCamel } from "../../src/sandbox/executor/binding.ts";
import { bindInterface } from "../../src/sandbox/executor/bindings.ts";
import type { GuestContext } from "../../src/sandbox/executor/context.ts";
import { buildOfferGuest, type CoreFunction } from "../support/offer-guest.ts";
import { openSandbox, type TestSandbox } from "../support/sandbox.ts";

/** Aligned, in bounds as a pointer, and never given as a handle. */
const FORGED = 1000;

/** Pushes one argument per parameter: every 32-bit one is the forged handle. */
const forgedArguments = ({ params }: CoreFunction) =>
  params.map((type) => (type === "i32" ? `i32.const ${FORGED}` : `${type}.const 0`)).join("\n");
const dropped = ({ results }: CoreFunction) => results.map(() => "drop").join("\n");

let box: TestSandbox;
let everything: SandboxComponent;
let functions: readonly CoreFunction[];
let staleCases: readonly { readonly what: string; readonly body: string }[];
beforeAll(async () => {
  box = await openSandbox({ inProcess: true });
  everything = await buildOfferGuest((imports) => {
    functions = imports;
    const forged = imports.map((entry) => `${forgedArguments(entry)}\n${entry.call}\n${dropped(entry)}`);
    staleCases = readStaleCases(imports);
    return [...forged, ...staleCases.map(({ body }) => body)];
  });
});
afterAll(() => box.close());

function isImplemented(name: string, func: WitFunction): boolean {
  const binding = bindInterface(name, {} as GuestContext); // Only asked what there is.
  return func.resource === undefined
    ? Object.hasOwn(binding?.functions ?? {}, lowerCamel(func.name))
    : Object.hasOwn(binding?.resources ?? {}, upperCamel(func.resource));
}

function namesHandle(type: WitType | undefined): boolean {
  switch (type?.kind) {
    case "own":
    case "borrow":
      return true;
    case "list":
      return namesHandle(type.element);
    case "option":
      return namesHandle(type.some);
    case "tuple":
      return type.items.some(namesHandle);
    default:
      return false;
  }
}

describe("run() of a guest that forges handles", () => {
  it("ends at every function that takes a handle, without an effect and without a result", async () => {
    const wrong: string[] = [];
    let tried = 0;
    for (const [index, { module, name }] of functions.entries()) {
      const binding = everything.imports.find((entry) => entry.name.startsWith(module));
      if (binding === undefined) throw new TypeError(`no import ${module}`);
      const func = binding.functions.find((entry) => entry.name === name);
      // What nothing implements is refused in its own words, or has nothing to give; see refusals.test.ts.
      if (!binding.served || func === undefined || !isImplemented(binding.name, func)) continue;
      if (!func.params.some(({ type }) => namesHandle(type))) continue;
      tried += 1;
      const end = await box.call(everything, `call-${index}`, {});
      const effects = end.host.calls.filter((call) => call.name !== "refused/called");
      if (end.outcome.kind !== "trapped" || effects.length > 0 || end.output !== undefined)
        wrong.push(`${module} ${name}: ${JSON.stringify(end.outcome)} ${effects.map((call) => call.name)}`);
    }
    expect(wrong).toEqual([]);
    expect(tried).toBeGreaterThan(50);
  });
});

describe("run() of a guest that uses a handle after its drop", () => {
  it("ends at every method, without an effect and without a result", async () => {
    const wrong: string[] = [];
    for (const [index, { what }] of staleCases.entries()) {
      const end = await box.call(everything, `call-${functions.length + index}`, {});
      if (end.outcome.kind !== "trapped" || end.host.calls.length > 0 || end.output !== undefined)
        wrong.push(`${what}: ${JSON.stringify(end.outcome)} ${end.host.calls.map((call) => call.name)}`);
    }
    expect(wrong).toEqual([]);
    expect(staleCases.length).toBeGreaterThan(25);
  });
});

/** Ways to come by a handle without waiting for anybody. */
const MAKERS = [
  ["wasi:cli/stdin", "get-stdin", "input-stream"],
  ["wasi:cli/stdout", "get-stdout", "output-stream"],
  ["wasi:clocks/monotonic-clock", "subscribe-duration", "pollable"],
  ["wasi:http/types", "[constructor]fields", "fields"],
  ["wasi:http/types", "[constructor]request-options", "request-options"],
] as const;

/** Makes a handle, drops it, and calls one method with it: each method of each resource that can be made. */
function readStaleCases(imports: readonly CoreFunction[]) {
  const HANDLE = 64;
  return MAKERS.flatMap(([module, name, resource]) => {
    const maker = imports.find((entry) => entry.module.startsWith(module) && entry.name === name);
    const drop = imports.find((entry) => entry.name === `${resource}_drop`);
    if (maker === undefined || drop === undefined) throw new TypeError(`Cannot find ${name}`);
    const make = maker.params.map((type) => `${type}.const 0`).join(" ");
    return imports
      .filter((entry) => entry.name.startsWith(`[method]${resource}.`))
      .map((entry) => ({
        what: `${entry.module} ${entry.name}`,
        body: `i32.const ${HANDLE} ${make} ${maker.call} i32.store
          (i32.load (i32.const ${HANDLE})) ${drop.call}
          (i32.load (i32.const ${HANDLE})) ${entry.params
            .slice(1)
            .map((type) => `${type}.const ${type === "i32" ? FORGED : 0}`)
            .join(" ")}
          ${entry.call} ${dropped(entry)}`,
      }));
  });
}

describe("bindInterface()", () => {
  it("implements resources whose every member refuses an object that no constructor made", async () => {
    let members = 0;
    for (const { name, resources } of everything.imports) {
      const binding = bindInterface(name, {} as GuestContext); // Never reached: no member gets past its brand.
      for (const resource of resources) {
        const implementation = binding?.resources[upperCamel(resource)];
        if (implementation === undefined) continue;
        const forged: object = Object.create(implementation.prototype);
        for (const [method, value] of methodsOf(implementation.prototype)) {
          if (method === "constructor" || typeof value !== "function") continue;
          members += 1;
          const call = async () => value.call(forged, ...Array.from({ length: value.length }, () => 0n));
          await expect(call(), `${name} ${resource}.${method}`).rejects.toThrow(TypeError);
        }
      }
    }
    expect(members).toBeGreaterThan(40);
  });

  it("implements every function and method of a resource that it implements at all", () => {
    const missing: string[] = [];
    for (const { name, functions: wanted, served } of everything.imports) {
      if (!served) continue;
      const binding = bindInterface(name, {} as GuestContext); // Only asked what there is.
      for (const func of wanted) {
        if (func.resource === undefined) continue;
        const implementation = binding?.resources[upperCamel(func.resource)];
        if (implementation === undefined) continue;
        const [, member = ""] = func.name.split(".");
        const camel = member.replace(/-([a-z0-9])/g, (_all, letter: string) => letter.toUpperCase());
        const holder = func.kind === "method" ? implementation.prototype : implementation;
        if (func.kind !== "constructor" && !(camel in holder)) missing.push(`${name} ${func.name}`);
      }
    }
    expect(missing).toEqual([]);
  });
});

/** Methods of a class, inherited ones too. */
function methodsOf(prototype: object): [string, unknown][] {
  if (prototype === Object.prototype) return [];
  const own = Object.entries(Object.getOwnPropertyDescriptors(prototype)).map(
    ([name, { value }]): [string, unknown] => [name, value],
  );
  return [...own, ...methodsOf(Object.getPrototypeOf(prototype))];
}
