import { describe, expect, it } from "vitest";
import {
  type ComponentDescription,
  checkImports,
  decode,
  formatDefinition,
  formatFunction,
  type WitInterface,
  type WitType,
} from "../../../src/core/component/index.ts";
import { component, decodeOrRefusal, fromWat, fromWit, refusal, wasiPackages } from "./support.ts";

const tour = `package a:b@1.2.3;
interface types {
  record point { x: s32, is-XML: bool }
  flags access { read-it, to-string }
  variant shape { none-at, circle(f64), named(option<string>) }
  enum colour { red, green }
  type pair = tuple<u8, list<u64>>;
}
interface canvas {
  use types.{point, shape};
  resource brush { constructor(width: u32); draw: func(at: point) -> result<_, shape>; best: static func() -> brush; }
  paint: func(%with: borrow<brush>, other: own<brush>) -> list<point>;
}
interface api {
  use types.{point, access, shape, colour, pair};
  use canvas.{brush};
  resource session { close: func() -> result; }
  all: func(p: point, a: access, s: shape, c: colour, t: pair) -> result<point, shape>;
  nested: func(o: option<option<char>>) -> result<u8>;
  hold: func(b: borrow<brush>) -> session;
}
world tour {
  import canvas;
  import plain: interface { ping: func(); }
  import log: func(text: string);
  export api;
  export top: func(new: u8) -> result<string, string>;
}`;

function find(interfaces: readonly WitInterface[], name: string): WitInterface {
  const found = interfaces.find((it) => it.name === name);
  if (found === undefined) throw new Error(`${name} is not there`);
  return found;
}

describe("decode() of a world with every kind of type", async () => {
  const description = decode(await fromWit(tour, "tour"));
  const api = find(description.exports.interfaces, "a:b/api@1.2.3");
  const canvas = find(description.imports.interfaces, "a:b/canvas@1.2.3");

  it("decode() finds imported and exported interfaces with the parts of their names", () => {
    expect(description.imports.interfaces.map((it) => it.name)).toEqual([
      "a:b/types@1.2.3",
      "a:b/canvas@1.2.3",
      "plain",
    ]);
    expect(api.id).toEqual({ namespace: "a", package: "b", name: "api", version: "1.2.3" });
    expect(find(description.imports.interfaces, "plain").id).toBeNull();
  });

  it("decode() resolves the functions of an imported interface", () => {
    expect(canvas.functions.map(formatFunction)).toEqual([
      "[constructor]brush: func(width: u32) -> brush",
      "[method]brush.draw: func(self: borrow<brush>, at: point) -> result<_, shape>",
      "[static]brush.best: func() -> brush",
      "paint: func(%with: borrow<brush>, other: brush) -> list<point>",
    ]);
    expect(canvas.functions.map((it) => [it.kind, it.resource])).toEqual([
      ["constructor", "brush"],
      ["method", "brush"],
      ["static", "brush"],
      ["free", undefined],
    ]);
  });

  it("decode() resolves the functions of an exported interface through the nested component", () => {
    expect(api.functions.map(formatFunction)).toEqual([
      "[method]session.close: func(self: borrow<session>) -> result",
      "all: func(p: point, a: access, s: shape, c: colour, t: pair) -> result<point, shape>",
      "nested: func(o: option<option<char>>) -> result<u8>",
      "hold: func(b: borrow<brush>) -> session",
    ]);
    expect(api.types.map(formatDefinition)).toEqual([
      "record point { x: s32, is-XML: bool }",
      "flags access { read-it, to-string }",
      "variant shape { none-at, circle(f64), named(option<string>) }",
      "enum colour { red, green }",
      "type pair = tuple<u8, list<u64>>;",
    ]);
  });

  it("decode() names each resource after the interface that defines it", () => {
    const hold = api.functions.find((it) => it.name === "hold");
    expect(hold?.params[0]?.type).toMatchObject({
      kind: "borrow",
      resource: "brush",
      interface: "a:b/canvas@1.2.3",
    });
    expect(hold?.result).toMatchObject({ kind: "own", resource: "session", interface: "a:b/api@1.2.3" });
    expect(api.resources).toEqual([
      { name: "brush", alias: { resource: "brush", interface: "a:b/canvas@1.2.3" } },
      { name: "session" },
    ]);
  });

  it("decode() finds the functions of the world itself", () => {
    expect(description.imports.functions.map(formatFunction)).toEqual(["log: func(text: string)"]);
    expect(description.exports.functions.map(formatFunction)).toEqual([
      "top: func(new: u8) -> result<string, string>",
    ]);
  });

  it("decode() lists core modules with their place, imports and exports", () => {
    const [main] = description.coreModules;
    expect(main?.imports).toContainEqual({
      module: "cm32p2|a:b/canvas@1",
      name: "paint",
      kind: "func",
      signature: expect.stringMatching(/^(i32|i64|f32|f64)( (i32|i64|f32|f64))* -> /),
    });
    expect(main?.exports).toContainEqual({ name: "cm32p2_memory", kind: "memory" });
    expect(description.producers).toContainEqual(
      expect.objectContaining({ field: "processed-by", name: "wit-component" }),
    );
  });

  it("decode() gives frozen data that survives JSON", () => {
    expect(JSON.parse(JSON.stringify(description))).toEqual(description);
    const frozen = (value: unknown): boolean =>
      typeof value !== "object" ||
      value === null ||
      (Object.isFrozen(value) && Object.values(value).every(frozen));
    expect(frozen(description)).toBe(true);
  });
});

/** Prints a side as WIT again, so that the printed form can be built and decoded once more. */
function asWit(description: ComponentDescription): string {
  const packages = new Map<string, string[]>();
  for (const it of description.imports.interfaces) {
    if (it.id === null) continue;
    const key = `${it.id.namespace}:${it.id.package}@${it.id.version}`;
    packages.set(key, [...(packages.get(key) ?? []), interfaceAsWit(it)]);
  }
  const imports = description.imports.interfaces.map((it) => `import ${it.name};`).join("\n");
  const blocks = [...packages].map(([key, parts]) => `package ${key} {\n${parts.join("\n")}\n}`);
  return `package x:y;\nworld again {\n${imports}\n}\n${blocks.join("\n")}`;
}

function interfaceAsWit(it: WitInterface): string {
  // Handles are printed under the resource's first name, so that name is brought in beside the local one.
  const foreign = it.resources.filter(
    ({ alias }) => alias?.interface !== undefined && alias.interface !== it.name,
  );
  const uses = new Set(
    foreign.map(({ alias }) => `use ${localName(alias?.interface ?? "", it)}.{${alias?.resource}};`),
  );
  const aliases = it.resources
    .filter(({ name, alias }) => alias !== undefined && alias.resource !== name)
    .map(({ name, alias }) => `type ${name} = ${alias?.resource};`);
  const resources = it.resources.filter(({ alias }) => alias === undefined);
  const bodies = resources.map(({ name }) => {
    const members = it.functions.filter((func) => func.resource === name).map(memberAsWit);
    return `resource ${name} {\n${members.join("\n")}\n}`;
  });
  const free = it.functions.filter((func) => func.kind === "free").map((func) => `${formatFunction(func)};`);
  const types = [...namedTypes([it.types, it.functions])].map(([name, type]) =>
    formatDefinition({ name, type }),
  );
  return `interface %${it.id?.name} {\n${[...uses, ...aliases, ...types, ...bodies, ...free].join("\n")}\n}`;
}

/** An interface of the same package is referred to by its short name, or WIT sees a cycle. */
function localName(name: string, from: WitInterface): string {
  const own = `${from.id?.namespace}:${from.id?.package}/`;
  return name.startsWith(own) ? name.slice(own.length).replace(/@.*$/, "") : name;
}

/** All types with a name, at any depth: a type from another interface may be part of one that is used here. */
function namedTypes(value: unknown, found = new Map<string, WitType>()): Map<string, WitType> {
  if (typeof value !== "object" || value === null) return found;
  // Only types have both members; the test then prints them, which would fail for anything else.
  if ("kind" in value && "name" in value && !("params" in value)) {
    found.set(String(value.name), value as WitType);
  }
  for (const part of Object.values(value)) namedTypes(part, found);
  return found;
}

function memberAsWit(func: WitInterface["functions"][number]): string {
  const label = func.name.replace(/^.*[.\]]/, "");
  const text = formatFunction(func).slice(func.name.length + 2);
  if (func.kind === "constructor") return `constructor${text.slice(4).replace(/ -> .*$/, "")};`;
  if (func.kind === "static") return `%${label}: static ${text};`;
  return `%${label}: ${text.replace(/self: borrow<[^>]*>(, )?/, "")};`;
}

describe("decode() of all of WASI 0.2", async () => {
  const packages = wasiPackages();
  const world = `package x:y;
world all { ${["http/types", "http/outgoing-handler", "filesystem/types", "filesystem/preopens", "sockets/tcp", "sockets/udp", "sockets/ip-name-lookup", "sockets/tcp-create-socket", "sockets/udp-create-socket", "sockets/instance-network", "cli/environment", "cli/stdin", "cli/stdout", "cli/terminal-stdout", "clocks/wall-clock", "clocks/monotonic-clock", "random/random", "random/insecure-seed"].map((it) => `import wasi:${it}@0.2.12;`).join(" ")} }`;
  const bytes = await fromWit(`${world}\n${packages}`, "all");
  const description = decode(bytes);

  it("decode() finds every function that the WIT sources of http, filesystem and sockets declare", () => {
    for (const name of ["http/types", "filesystem/types", "sockets/tcp", "sockets/udp", "io/streams"]) {
      const decoded = find(description.imports.interfaces, `wasi:${name}@0.2.12`);
      const label = name.split("/")[1];
      const source = new RegExp(`^interface ${label} \\{[^]*?^\\}`, "m").exec(
        packages.slice(packages.indexOf(`package wasi:${name.split("/")[0]}@`)),
      )?.[0];
      // Unstable functions are behind a feature gate, so no component has them.
      const text = (source ?? "").replace(/\/\/.*$/gm, "").replace(/@unstable\([^)]*\)[^;]*;/g, "");
      const declared = [...text.matchAll(/:\s*(?:static )?func\(|\bconstructor\(/g)].length;
      expect(declared).toBeGreaterThan(10);
      expect(decoded.functions.length, name).toBe(declared);
    }
  });

  it("decode() gives types that, printed as WIT and built again, decode to the same", async () => {
    const again = decode(await fromWit(asWit(description), "again"));
    const functionChecks = checkImports(description, again).flatMap((check) => check.functions);
    expect(functionChecks.filter((check) => !check.served)).toEqual([]);
    const functions = (list: readonly WitInterface[]) =>
      list.flatMap((it) => it.functions.map((func) => `${it.name} ${JSON.stringify(func)}`)).sort();
    expect(functions(again.imports.interfaces)).toEqual(functions(description.imports.interfaces));
    expect(again.imports.interfaces.length).toBeGreaterThan(18);
  });
});

describe("decode() of forms that toolchains do not emit", () => {
  const cases: { title: string; wat: string; functions: readonly string[] }[] = [
    {
      title: "an exported instance put together by hand",
      wat: `(component (type $f (func (param "a" u8) (result string))) (import "f" (func $i (type $f)))
        (instance $x (export "go" (func $i))) (export "x:y/z" (instance $x)))`,
      functions: ["go: func(a: u8) -> string"],
    },
    {
      title: "an exported instance with an ascribed type",
      wat: `(component (import "i" (instance $i (export "go" (func (param "b" bool)))))
        (export "x:y/z@1.0.0" (instance $i) (instance (export "go" (func (param "b" bool))))))`,
      functions: ["go: func(b: bool)"],
    },
    {
      title: "a resource passed through two nested components",
      wat: `(component
        (import "r" (type $r (sub resource)))
        (import "f" (func $f (result (own $r))))
        (component $outer
          (import "r" (type $r (sub resource))) (import "f" (func $f (result (own $r))))
          (component $inner
            (import "r" (type $r (sub resource))) (import "f" (func $f (result (own $r))))
            (export "f" (func $f)))
          (instance $i (instantiate $inner (with "r" (type $r)) (with "f" (func $f))))
          (export "f" (func $i "f")))
        (instance $o (instantiate $outer (with "r" (type $r)) (with "f" (func $f))))
        (export "x:y/z" (instance $o)))`,
      functions: ["f: func() -> r"],
    },
    {
      title: "names that mean something to JavaScript",
      wat: `(component (import "i" (instance $i
        (export "constructor" (func)) (export "then" (func)) (export "to-string" (func))))
        (export "x:y/z" (instance $i)))`,
      functions: ["%constructor: func()", "then: func()", "to-string: func()"],
    },
  ];
  for (const { title, wat, functions } of cases) {
    it(`decode() resolves ${title}`, async () => {
      const description = decode(await fromWat(wat));
      expect(description.exports.interfaces[0]?.functions.map(formatFunction)).toEqual(functions);
    });
  }

  it("decode() gives two imports of one instance type resources of their own", async () => {
    const description = decode(
      await fromWat(`(component
        (type $t (instance (export "r" (type $r (sub resource))) (export "f" (func (result (own $r))))))
        (import "a:b/c" (instance (type $t))) (import "d:e/f" (instance (type $t))))`),
    );
    expect(description.imports.interfaces.map((it) => it.functions[0]?.result)).toEqual([
      { kind: "own", resource: "r", interface: "a:b/c" },
      { kind: "own", resource: "r", interface: "d:e/f" },
    ]);
  });

  it("decode() marks streams, futures and async functions", async () => {
    const description = decode(
      await fromWat(`(component (import "f" (func async (param "s" (stream u8)) (result (future)))))`),
    );
    expect(description.imports.functions).toEqual([
      {
        name: "f",
        kind: "free",
        params: [{ name: "s", type: { kind: "stream", element: { kind: "u8" } } }],
        result: { kind: "future" },
        async: true,
      },
    ]);
  });

  it("decode() reads the borders of core modules in nested components, at their true offset", async () => {
    const bytes = await fromWat(`(component (component (core module
      (import "a" "b" (table 1 externref)) (import "a" "c" (global (mut i64))) (export "m" (memory 0))
      (memory 1 2))))`);
    const [module] = decode(bytes).coreModules;
    expect(module?.imports).toEqual([
      { module: "a", name: "b", kind: "table" },
      { module: "a", name: "c", kind: "global" },
    ]);
    expect(module?.exports).toEqual([{ name: "m", kind: "memory" }]);
    const { offset = 0, byteLength = 0 } = module ?? {};
    expect(WebAssembly.validate(bytes.slice(offset, offset + byteLength))).toBe(true);
  });
});

describe("decode() of what is no component", () => {
  it("decode() says what to do with a core module", async () => {
    expect(refusal(await fromWat("(module)"))).toContain("this is a core module; build a component");
  });

  it("decode() names a WIT package in binary form", async () => {
    const wat = `(component (type $w (component (type $i (component (import "a:b/c" (func)) )) ))
      (export "w" (type $w)))`.replace('(import "a:b/c" (func))', "");
    expect(refusal(await fromWat(wat))).toContain("this is a WIT package in binary form");
  });

  it.each(["(borrow $r)", "(list (borrow $r))", "(option (tuple u8 (borrow $r)))"])(
    "decode() refuses a function that returns %s",
    async (type) => {
      const bytes = await fromWat(
        `(component (type $r (resource (rep i32))) (type (func (result ${type}))))`,
      );
      expect(decodeOrRefusal(bytes)).toContain("a function's result contains a borrowed handle");
    },
  );

  it("decode() accepts the empty component", () => {
    expect(decode(component()).imports.interfaces).toEqual([]);
  });
});
