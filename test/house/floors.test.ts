/** The floor rule: a file imports from its own room or a lower floor, and enters other rooms by their index. */
import { describe, expect, it } from "vitest";
import { readSources, resolveImport } from "./source-tree.ts";

/** Floors of the rooms under `src/`; files beside the rooms are the roof. */
const FLOORS: Readonly<Record<string, number>> = {
  core: 0,
  ports: 1,
  accounts: 2,
  broker: 2,
  demo: 2,
  evidence: 2,
  identity: 2,
  journal: 2,
  registry: 2,
  runtime: 2,
  sandbox: 2,
  stores: 2,
  telemetry: 2,
  toolchain: 2,
  gateway: 3,
  cli: 4,
  http: 4,
  wiring: 5,
};
const ROOF = 6;

/** The one ring there is: a task has threads, which belong to it, and wait in an instance, as the component model has it. */
const RING = [
  "src/sandbox/executor/linker/async/scheduler.ts",
  "src/sandbox/executor/linker/async/task.ts",
  "src/sandbox/executor/linker/async/thread.ts",
  "src/sandbox/executor/linker/component-instance.ts",
];

/** npm packages, and the only places that may name them. */
const PACKAGE_HOMES: Readonly<Record<string, readonly string[]>> = {
  "@bytecodealliance/componentize-js": ["src/toolchain/"],
  "@bytecodealliance/jco-transpile": ["src/toolchain/"],
  "@bytecodealliance/preview2-shim": ["src/toolchain/"],
  "@hono/node-server": ["src/runtime/node.ts"],
  "@noble/hashes": ["src/core/"],
  "@opentelemetry/otlp-transformer": ["src/telemetry/"],
  canonicalize: ["src/core/"],
  commander: ["src/cli/"],
  "componentize-qjs": ["src/toolchain/"],
  hono: ["src/http/"],
  "ipaddr.js": ["src/broker/egress/", "src/core/policy/"],
  jose: ["src/identity/", "src/broker/profile-tls.ts"],
  kysely: ["src/stores/"],
  pg: ["src/runtime/postgres.ts"],
  "prom-client": ["src/telemetry/"],
  tldts: ["src/core/policy/"],
  undici: ["src/broker/egress/"],
  yaml: ["src/accounts/", "src/broker/", "src/core/policy/", "src/toolchain/"],
  zod: [
    "src/accounts/",
    "src/core/",
    "src/http/",
    "src/broker/",
    "src/registry/",
    "src/cli/",
    "src/toolchain/",
    "src/identity/",
  ],
};

const sources = readSources("src");

function roomOf(path: string): string | undefined {
  const [, room, rest] = path.split("/");
  return rest === undefined ? undefined : room;
}

function floorOf(path: string): number {
  const room = roomOf(path);
  if (room === undefined) return ROOF;
  const floor = FLOORS[room];
  if (floor === undefined) throw new TypeError(`Room "${room}" has no floor: give it one in this test`);
  return floor;
}

function packageOf(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

describe("floors", () => {
  it("reads the sources it judges", () => {
    expect(sources.length).toBeGreaterThan(100);
    expect(sources.flatMap(({ imports }) => imports).length).toBeGreaterThan(300);
  });

  it("a file imports from its own room or a lower floor", () => {
    const faults = sources.flatMap(({ path, imports }) =>
      imports
        .filter((specifier) => specifier.startsWith("."))
        .map((specifier) => resolveImport(path, specifier))
        .filter((target) => roomOf(target) !== roomOf(path) && floorOf(target) >= floorOf(path))
        .map((target) => `${path} imports ${target}`),
    );
    expect(faults).toEqual([]);
  });

  it("no files import one another in a ring", () => {
    const imports = new Map(
      sources.map((source) => [
        source.path,
        source.imports
          .filter((specifier) => specifier.startsWith("."))
          .map((specifier) => resolveImport(source.path, specifier)),
      ]),
    );
    // Whoever is left once those who import nobody, or whom nobody imports, are gone is in a ring or between two.
    for (let before = 0; before !== imports.size; ) {
      before = imports.size;
      for (const [path, targets] of imports) {
        const isImported = [...imports].some(([from, of]) => from !== path && of.includes(path));
        if (!isImported || !targets.some((target) => imports.has(target))) imports.delete(path);
      }
    }
    expect([...imports.keys()]).toEqual(RING);
  });

  it("an executor that serves runs loads nothing that prepares or rewrites components", () => {
    const imports = new Map(sources.map((source) => [source.path, source.imports]));
    const loaded = new Set<string>();
    const left = ["src/sandbox/executor/index.ts"];
    for (let path = left.pop(); path !== undefined; path = left.pop()) {
      if (loaded.has(path)) continue;
      loaded.add(path);
      for (const specifier of imports.get(path) ?? [])
        if (specifier.startsWith(".")) left.push(resolveImport(path, specifier));
    }
    expect(loaded).toContain("src/sandbox/executor/run.ts");
    expect(loaded).not.toContain("src/core/metering/index.ts");
    expect(loaded).not.toContain("src/core/metering/instrument.ts");
    expect(loaded).not.toContain("src/sandbox/executor/preparer/prepare.ts");
  });

  it("a room is entered by its index", () => {
    const faults = sources.flatMap(({ path, imports }) =>
      imports
        .filter((specifier) => specifier.startsWith("."))
        .map((specifier) => resolveImport(path, specifier))
        .filter((target) => roomOf(target) !== roomOf(path) && roomOf(target) !== undefined)
        .filter((target) => !target.endsWith("/index.ts"))
        // Some files of core are no rooms but words that every room speaks.
        .filter(
          (target) =>
            !["bytes", "digest", "errors", "page", "rounds"].some((word) => target === `src/core/${word}.ts`),
        )
        .map((target) => `${path} imports ${target}`),
    );
    expect(faults).toEqual([]);
  });

  it("the runtime is named by the roof alone", () => {
    const faults = sources
      .filter(
        ({ path, imports }) =>
          imports.some((specifier) => specifier.startsWith("#")) && floorOf(path) !== ROOF,
      )
      .map(({ path }) => path);
    expect(faults).toEqual([]);
  });

  it("node modules are imported by runtime and toolchain alone", () => {
    const faults = sources
      .filter(({ path }) => !path.startsWith("src/runtime/") && !path.startsWith("src/toolchain/"))
      .flatMap(({ path, imports }) =>
        imports.filter((name) => name.startsWith("node:")).map((name) => `${path} imports ${name}`),
      )
      // The egress module is where connections are made; it makes them with these.
      .filter((fault) => !/^src\/broker\/egress\/.* imports node:(net|stream|tls)$/.test(fault));
    expect(faults).toEqual([]);
  });

  it("npm packages stay in their homes", () => {
    const faults = sources.flatMap(({ path, imports }) =>
      imports
        .filter((specifier) => !/^[.#]|^node:/.test(specifier))
        .map(packageOf)
        .filter((name) => !(PACKAGE_HOMES[name] ?? []).some((home) => path.startsWith(home)))
        .map((name) => `${path} imports ${name}`),
    );
    expect(faults).toEqual([]);
  });
});
