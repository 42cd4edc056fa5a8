/**
 * `{}` is not empty. A component that imports an instance called `constructor` was given `Object`, and with it
 * `Function`, by a host whose import object was an ordinary one.
 */
import { describe, expect, it } from "vitest";
import type { WitFunction } from "../../src/core/component/index.ts";
import type { ImportBinding } from "../../src/ports/index.ts";
import { bindInterface, waitingFunctions } from "../../src/sandbox/executor/bindings.ts";
import type { GuestContext } from "../../src/sandbox/executor/context.ts";
import { createGuard } from "../../src/sandbox/executor/guard.ts";
import { buildImports } from "../../src/sandbox/executor/imports.ts";
import { componentOf } from "../support/components.ts";

/** Members of objects, functions, promises and modules, as they are. */
const MEMBERS = [
  ...new Set(
    [Object.prototype, Function.prototype, Promise.prototype, Array.prototype].flatMap(
      Object.getOwnPropertyNames,
    ),
  ),
  "prototype",
  "then",
  "default",
  "eval",
  "process",
  "globalThis",
  "import",
  "require",
];
/** As a WIT label would have to spell them: `hasOwnProperty` is `has-own-property`. Not all of them can be spelled. */
const LABELS = MEMBERS.filter((name) => /^[a-z][a-zA-Z]*$/.test(name)).map((name) =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`),
);

const SHAPES: Readonly<Record<string, (label: string) => string>> = {
  "an interface": (label) => `(import "${label}" (instance (export "constructor" (func))))`,
  "an interface of a package": (label) =>
    `(import "wasi:${label}/${label}@0.2.12" (instance (export "run" (func))))`,
  "a function of an interface that is offered": (label) =>
    `(import "wasi:random/random@0.2.12" (instance (export "${label}" (func))))`,
  "a function of the world": (label) => `(import "${label}" (func))`,
  "a resource": (label) =>
    `(import "wasi:random/random@0.2.12" (instance (export "${label}" (type (sub resource)))))`,
};

describe.each(Object.entries(SHAPES))("intake of %s", (_what, shape) => {
  it("refuses every name that JavaScript's own objects have", async () => {
    expect(LABELS.length).toBeGreaterThan(40);
    const passed: string[] = [];
    for (const label of LABELS) {
      const failure = await componentOf(`(component ${shape(label)})`).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (!(failure instanceof Error) || Reflect.get(failure, "code") !== "component-refused")
        passed.push(`${label}: ${failure}`);
    }
    expect(passed).toEqual([]);
  });

  it.each(["__proto__", "hasOwnProperty", "__defineGetter__", "toString"])(
    "can not even be given the name %s: it is no name of the component model",
    async (name) => {
      await expect(componentOf(`(component ${shape(name)})`)).rejects.toThrow();
    },
  );
});

describe("buildImports()", () => {
  const guard = createGuard(10);
  const context = { guard, send: () => undefined } as unknown as GuestContext; // What a refusal needs of it.
  const plain = (name: string): WitFunction => ({ name, kind: "free", params: [], async: false });
  const all = [...MEMBERS, ...LABELS];

  it("gives objects without a prototype, whose members are what was imported and nothing else", () => {
    const imports: ImportBinding[] = all.map((name) => ({
      name,
      served: true,
      functions: all.map(plain),
      resources: all,
    }));
    const object = buildImports(imports, context);
    expect(Object.getPrototypeOf(object)).toBeNull();
    expect(Object.keys(object).sort()).toEqual([...new Set(all)].sort());
    for (const name of all) {
      const scope: unknown = Object.getOwnPropertyDescriptor(object, name)?.value;
      if (typeof scope !== "object" || scope === null) throw new TypeError(`no ${name}`);
      expect(Object.getPrototypeOf(scope)).toBeNull();
      for (const [member, value] of Object.entries(scope)) {
        expect(typeof value, member).toBe("function");
        // A refusal or a stand-in: never anything that the engine made.
        expect(/\[native code\]/.test(Function.prototype.toString.call(value)), member).toBe(false);
      }
    }
  });

  it("finds no implementation under such a name", () => {
    for (const name of all) {
      expect(bindInterface(name, context)).toBeUndefined();
      expect(waitingFunctions(name)).toEqual([]);
    }
  });
});
