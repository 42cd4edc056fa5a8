import { beforeAll, expect, test } from "vitest";
import type { ComponentDescription } from "../../src/core/component/index.ts";
import { GatewayError } from "../../src/core/errors.ts";
import { admitComponent, inspectComponent } from "../../src/registry/index.ts";
import { assemble, CORE, mathWat, readOffer } from "./support.ts";

let offer: ComponentDescription;
beforeAll(async () => {
  offer = await readOffer();
});

const random = (func: string, version = "0.2.6") =>
  `(import "wasi:random/random@${version}" (instance ${func}))`;
const goodRandom = '(export "get-random-u64" (func (result u64)))';

/** An import, the state it gets, and what its reason says. */
const IMPORTS: readonly (readonly [what: string, wat: string, state: string, reason?: RegExp])[] = [
  ["an interface that is offered", random(goodRandom), "served"],
  ["an interface at another patch version", random(goodRandom, "0.2.0"), "served"],
  ["an interface of WASI 0.3", random(goodRandom, "0.3.2"), "served"],
  [
    "an interface at another minor version",
    random(goodRandom, "0.4.0"),
    "refused",
    /is offered as wasi:random\/random@0\.2.*, wasi:random\/random@0\.3.* only; .* capability random/,
  ],
  [
    "a function with another type",
    random('(export "get-random-u64" (func (result u32)))'),
    "refused",
    /u32.*capability random, unlocked by every policy$/,
  ],
  [
    "a draft that is not offered",
    '(import "wasi:keyvalue/store@0.2.0" (instance))',
    "refused",
    /is offered as .*capability keyvalue, unlocked by keyvalue$/,
  ],
  ["a function that nobody offers", random('(export "get-dice" (func (result u64)))'), "refused", /get-dice/],
  [
    "an interface that nobody offers",
    '(import "wasi:blobstore/blobstore@0.2.0" (instance))',
    "refused",
    /not offered; no policy unlocks it$/,
  ],
  [
    "an interface of the same name elsewhere",
    '(import "evil:random/random@0.2.6" (instance))',
    "refused",
    /not offered/,
  ],
  ["files, which a policy can grant", `(import "wasi:filesystem/types@0.2.6" (instance))`, "served"],
  ["datagrams, which are a stub", '(import "wasi:sockets/udp@0.2.6" (instance))', "stub", /refus/],
  ["a plain instance called constructor", '(import "constructor" (instance))', "refused", /not offered/],
  ["a function of the world", '(import "print" (func))', "refused", /print/],
];

test.for(IMPORTS)("inspectComponent() finds %s", async ([, wat, state, reason]) => {
  const bytes = await assemble(mathWat(wat));
  const intake = await inspectComponent(bytes, offer);
  expect(intake.imports.map((it) => it.state)).toEqual([state]);
  if (reason !== undefined) expect(intake.imports[0]?.reason).toMatch(reason);

  if (state === "refused") {
    const name = intake.imports[0]?.name;
    expect(() => admitComponent(intake, bytes)).toThrowError(
      expect.objectContaining({ refusal: { code: "component-refused", imports: [name] } }),
    );
  } else {
    expect(admitComponent(intake, bytes).imports.map(({ served }) => served)).toEqual([state === "served"]);
  }
});

test("admitComponent() names every import at fault and why, in one refusal", async () => {
  const bytes = await assemble(
    mathWat(
      `(import "wasi:blobstore/blobstore@0.2.0" (instance)) ${random(goodRandom)} (import "a:b/c" (instance))`,
    ),
  );
  const intake = await inspectComponent(bytes, offer);
  const admit = () => admitComponent(intake, bytes);
  expect(admit).toThrowError(GatewayError);
  expect(admit).toThrowError(/"wasi:blobstore\/blobstore@0\.2\.0": .*"a:b\/c": /);
});

test("inspectComponent() keys functions by interface name and function, with schemas", async () => {
  const intake = await inspectComponent(await assemble(mathWat("", '(export "main" (func $f))')), offer);
  expect(intake.functions.map(({ key, interface: name }) => [key, name])).toEqual([
    ["main", null],
    ["math/add", "test:tiny/math@0.1.0"],
    ["math/sub", "test:tiny/math@0.1.0"],
  ]);
  expect(intake.functions[0]).toMatchObject({
    inputSchema: { type: "object", properties: {} },
    outputSchema: { type: "integer", minimum: 0, maximum: 4294967295 },
  });
  expect(intake.needs).toEqual([]);
  expect(intake.digest).toMatch(/^[0-9a-f]{64}$/);
});

test("inspectComponent() refuses two interfaces that would share a key", async () => {
  const exports = '(export "other:place/math@2.0.0" (instance $exported))';
  await expect(
    assemble(mathWat("", exports)).then((bytes) => inspectComponent(bytes, offer)),
  ).rejects.toThrowError(/"math\/add": both "test:tiny\/math@0\.1\.0" and "other:place\/math@2\.0\.0"/);
});

test("inspectComponent() sets functions with resources aside, and says why", async () => {
  const wat = `(component
    (type $r (resource (rep i32)))
    (core func $drop (canon resource.drop $r))
    (core module $m (func (export "f") (result i32) i32.const 0))
    (core instance $i (instantiate $m))
    (func $make (result (own $r)) (canon lift (core func $i "f")))
    (instance $exported (export "thing" (type $r)))
    (export $thing "thing" (type $r))
    (export "make" (func $make) (func (result (own $thing)))))`;
  const intake = await inspectComponent(await assemble(wat), offer);
  expect(intake.functions).toEqual([]);
  expect(intake.uncallable).toEqual([
    { key: "make", reason: expect.stringMatching(/handle of the resource "thing"/) },
  ]);
});

test.for([
  ["nothing", new Uint8Array()],
  ["a core module", Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)],
  ["text", new TextEncoder().encode(CORE)],
] as const)("inspectComponent() refuses %s", async ([, bytes]) => {
  await expect(inspectComponent(bytes, offer)).rejects.toMatchObject({ code: "component-refused" });
});
