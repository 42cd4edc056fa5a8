/**
 * `{}` is not empty. A component that imports an instance called `constructor` was given `Object`, and with it
 * `Function`, by a host that looked its name up in an ordinary object.
 */
import { describe, expect, it } from "vitest";
import type { WitFunction } from "../../src/core/component/index.ts";
import type { ImportBinding } from "../../src/ports/index.ts";
import { bindInterface, waitingFunctions } from "../../src/sandbox/executor/bindings.ts";
import type { GuestContext } from "../../src/sandbox/executor/context.ts";
import { createGuard } from "../../src/sandbox/executor/guard.ts";
import { bindImports } from "../../src/sandbox/executor/imports.ts";
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

/** What `wasi:http/types` really has under a name that JavaScript's own objects have too. */
const IMPLEMENTED = new Set(["entries"].flatMap((name) => [`[method]fields.${name}`]));

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

describe("bindImports()", () => {
  const guard = createGuard(10);
  let refused = 0;
  // What a refusal needs of it.
  const context = { guard, send: () => void refused++ } as unknown as GuestContext;
  const all = [...MEMBERS, ...LABELS];
  /** A function of each kind that could be looked up where JavaScript keeps members of its own. */
  const kinds = (name: string): readonly WitFunction[] => [
    { name, kind: "free", params: [], async: false },
    ...["fields", name].flatMap((resource): WitFunction[] => [
      { name: `[method]${resource}.${name}`, kind: "method", resource, params: [], async: false },
      { name: `[static]${resource}.${name}`, kind: "static", resource, params: [], async: false },
    ]),
    { name: `[constructor]${name}`, kind: "constructor", resource: name, params: [], async: false },
  ];

  it.each(["an interface of its own name", "wasi:http/types@0.2.12", "wasi:random/random@0.2.12"])(
    "refuses every such name in %s, and finds nothing of JavaScript's own",
    (scope) => {
      for (const name of all) {
        const functions = kinds(name);
        const interfaceName = scope.includes(":") ? scope : name;
        const imports: ImportBinding[] = [
          { name: interfaceName, served: true, functions, resources: ["fields", name] },
        ];
        const bound = bindImports(imports, context);
        for (const func of functions) {
          // A binding's own: `fields.entries` and `fields.has` are what the interface has under these names.
          if (scope.startsWith("wasi:http") && IMPLEMENTED.has(func.name)) continue;
          const before = refused;
          expect(() => bound(interfaceName, func.name)([]), func.name).toThrow(WebAssembly.RuntimeError);
          expect(refused, func.name).toBe(before + 1);
        }
      }
    },
  );

  it("binds nothing that was not imported", () => {
    for (const name of all) {
      expect(() => bindImports([], context)(name, name)).toThrow(TypeError);
      expect(() => bindImports([], context)(null, name)).toThrow(TypeError);
    }
  });

  it("finds no implementation under such a name", () => {
    for (const name of all) {
      expect(bindInterface(name, context)).toBeUndefined();
      expect(waitingFunctions(name)).toEqual([]);
    }
  });
});
