import { describe, expect, it } from "vitest";
import { decode, LIMITS } from "../../../src/core/component/index.ts";
import {
  component,
  coreModule,
  decodeOrRefusal,
  fromWat,
  fromWit,
  index,
  leb,
  name,
  refusal,
  section,
  vector,
  wasiPackages,
} from "./support.ts";

/** Far above what any machine needs, far below what doubling forty times would take: no measurement. */
const HANGING_MS = 15_000;

const U8 = 0x7d;
const coreFuncImport = (module: string, field: string) => [...name(module), ...name(field), 0x00, 0x00];
const importFunc = (text: string) => [0x00, ...name(text), 0x01, 0x00];
const funcType = [0x40, ...vector(), 0x01, 0x00];

const manyModules = (count: number) => Array.from({ length: count }, () => section(1, coreModule()));

/** A component whose only odd thing is a name in one particular place. */
const places: readonly { place: string; build: (text: string) => Uint8Array }[] = [
  {
    place: "core import module",
    build: (text) => component(section(1, coreModule(section(2, vector(coreFuncImport(text, "f")))))),
  },
  {
    place: "core import field",
    build: (text) => component(section(1, coreModule(section(2, vector(coreFuncImport("m", text)))))),
  },
  {
    place: "core export",
    build: (text) => component(section(1, coreModule(section(7, vector([...name(text), 0x00, 0x00]))))),
  },
  {
    place: "core export in a nested component",
    build: (text) =>
      component(
        section(4, [...component(section(1, coreModule(section(7, vector([...name(text), 0x00, 0x00])))))]),
      ),
  },
  {
    place: "second export section of a core module",
    build: (text) =>
      component(
        section(1, coreModule(section(7, vector()), section(7, vector([...name(text), 0x00, 0x00])))),
      ),
  },
  {
    place: "core instance argument",
    build: (text) => component(section(2, vector([0x00, 0x00, ...vector([...name(text), 0x12, 0x00])]))),
  },
  {
    place: "core instance export",
    build: (text) => component(section(2, vector([0x01, ...vector([...name(text), 0x00, 0x00])]))),
  },
  {
    place: "core module type",
    build: (text) =>
      component(
        section(3, vector([0x50, ...vector([0x01, 0x60, 0, 0], [0x00, ...coreFuncImport("m", text)])])),
      ),
  },
  {
    place: "core alias",
    build: (text) => component(section(6, vector([0x00, 0x00, 0x01, 0x00, ...name(text)]))),
  },
  {
    place: "import",
    build: (text) => component(section(7, vector(funcType)), section(10, vector(importFunc(text)))),
  },
  {
    place: "export",
    build: (text) =>
      component(
        section(7, vector(funcType)),
        section(10, vector(importFunc("f"))),
        section(11, vector([0x00, ...name(text), 0x01, 0x00, 0x00])),
      ),
  },
  {
    place: "export of an inline instance",
    build: (text) =>
      component(
        section(7, vector(funcType)),
        section(10, vector(importFunc("f"))),
        section(5, vector([0x01, ...vector([0x00, ...name(text), 0x01, 0x00])])),
      ),
  },
  {
    place: "export of an instance type",
    build: (text) =>
      component(
        section(7, vector([0x42, ...vector([0x01, ...funcType], [0x04, 0x00, ...name(text), 0x01, 0x00])])),
      ),
  },
  {
    place: "record field",
    build: (text) => component(section(7, vector([0x72, ...vector([...name(text), U8])]))),
  },
  {
    place: "variant case",
    build: (text) => component(section(7, vector([0x71, ...vector([...name(text), 0x00, 0x00])]))),
  },
  { place: "enum case", build: (text) => component(section(7, vector([0x6d, ...vector(name(text))]))) },
  { place: "flag", build: (text) => component(section(7, vector([0x6e, ...vector(name(text))]))) },
  {
    place: "parameter",
    build: (text) => component(section(7, vector([0x40, ...vector([...name(text), U8]), 0x01, 0x00]))),
  },
];

describe("decode() and hostile names", () => {
  const hostile = [
    "x'];steal();['",
    'a"b',
    "a`b",
    "a\\b",
    "a$" + "{b}",
    "a*/b",
    "a\nb",
    "a\u2028b",
    "ä",
    "a\u0000",
  ];
  for (const { place, build } of places) {
    it(`decode() refuses every name outside the alphabet as ${place}`, () => {
      for (const text of hostile) expect(refusal(build(text)), text).toMatch(/at byte 0x[0-9a-f]+ \(\d+\)/);
    });
    it(`decode() reads an ordinary name as ${place}`, () => {
      const result = decodeOrRefusal(build("ordinary"));
      expect(typeof result === "string" ? result : "").toBe("");
    });
  }

  const grammar = [
    ["url=<https://a.b/c>", "asks the host to fetch"],
    ["locked-dep=<a:b@1.0.0>", "asks the host to fetch"],
    ["integrity=<sha256-x>", "asks the host to fetch"],
    ["Snake_case", "neither a kebab-case name"],
    ["__proto__", "neither a kebab-case name"],
    ["toString", "neither a kebab-case name"],
    ["a:b/c@1.x", "no semantic version"],
    ["a:b/c", "does not fit a func"],
    ["a:b", "not of the form namespace:package/interface"],
    ["[method]a", "a resource name, a dot and a function name"],
    ["[future]a", "unknown annotation"],
    ["", "neither a kebab-case name"],
  ] as const;
  for (const [text, reason] of grammar) {
    it(`decode() refuses a function import named "${text}"`, () => {
      const bytes = component(section(7, vector(funcType)), section(10, vector(importFunc(text))));
      expect(refusal(bytes)).toContain(reason);
    });
  }

  it("decode() refuses names that collide in generated JavaScript", () => {
    const record = (...labels: string[]) =>
      component(section(7, vector([0x72, ...vector(...labels.map((label) => [...name(label), U8]))])));
    expect(refusal(record("a-1", "a1"))).toContain("too like another name");
    expect(refusal(record("is-xml", "is-XML"))).toContain("too like another name");
    const imports = component(
      section(7, vector(funcType)),
      section(10, vector(importFunc("is-xml"), importFunc("is-XML"))),
    );
    expect(refusal(imports)).toContain("too like another name");
  });
});

describe("decode() and hostile sizes", () => {
  const types = (...definitions: readonly number[][]) => section(7, vector(...definitions));
  const previous = (i: number) => (i === 0 ? [U8] : index(i - 1));
  const doubling = (count: number) =>
    Array.from({ length: count }, (_, i) => [0x6f, ...vector(previous(i), previous(i))]);
  const chain = (count: number) => Array.from({ length: count }, (_, i) => [0x6b, ...previous(i)]);
  const nest = (levels: number): Uint8Array => {
    let inner = component();
    for (let i = 0; i < levels; i++) inner = component(section(4, [...inner]));
    return inner;
  };
  const nestTypes = (levels: number): number[] => {
    let inner: number[] = [0x42, ...vector()];
    for (let i = 0; i < levels; i++) inner = [0x42, ...vector([0x01, ...inner])];
    return inner;
  };
  // Each instance type holds two instances of the one before: 2^n resources, were they all made.
  const instanceBomb = (count: number) => {
    const first = [0x42, ...vector([0x04, 0x00, ...name("r"), 0x03, 0x01])];
    const twice = (outer: number) => [
      0x42,
      ...vector(
        [0x02, 0x03, 0x02, 0x01, ...leb(outer)],
        [0x04, 0x00, ...name("a"), 0x05, 0x00],
        [0x04, 0x00, ...name("b"), 0x05, 0x00],
      ),
    ];
    return types(first, ...Array.from({ length: count }, (_, i) => twice(i)));
  };

  const cases: readonly { title: string; bytes: () => Uint8Array; reason: string }[] = [
    {
      title: "a type that is 2^64 leaves when written out",
      bytes: () =>
        component(
          types(...doubling(64), [0x40, ...vector([...name("p"), ...index(63)]), 0x01, 0x00]),
          section(10, vector([0x00, ...name("f"), 0x01, 64])),
        ),
      reason: "more than 8388608 descriptionChars",
    },
    { title: "a type 101 levels deep", bytes: () => component(types(...chain(101))), reason: "levels deep" },
    { title: "components nested 33 deep", bytes: () => nest(33), reason: "nested deeper than 32" },
    { title: "types nested 33 deep", bytes: () => component(types(nestTypes(33))), reason: "nested deeper" },
    { title: "instances that double 40 times", bytes: () => component(instanceBomb(40)), reason: "copies" },
    {
      title: "a vector that claims 4 billion entries",
      bytes: () => component(section(7, [0xff, 0xff, 0xff, 0xff, 0x0f])),
      reason: "vector of 4294967295 entries does not fit",
    },
    {
      title: "a LEB128 number of six bytes",
      bytes: () => component(section(7, [0x80, 0x80, 0x80, 0x80, 0x80, 0x00])),
      reason: "integer longer than 32 bits",
    },
    {
      title: "a name longer than the limit",
      bytes: () => component(section(0, name("n".repeat(LIMITS.nameBytes + 1)))),
      reason: "name of 4097 bytes",
    },
    {
      title: "100,001 types",
      bytes: () => component(section(7, [...leb(100_001), ...new Array<number>(100_001).fill(U8)])),
      reason: "more than 100000 types",
    },
    { title: "a section longer than the file", bytes: () => component([7, 5, 0]), reason: "does not fit" },
    { title: "bytes left in a section", bytes: () => component(section(7, [0, 0])), reason: "left over" },
    { title: "an unknown section", bytes: () => component([13, 0]), reason: "unknown section 13" },
    { title: "a start section", bytes: () => component([9, 0]), reason: "start section" },
    {
      title: "an index of something not there yet",
      bytes: () => component(types([0x70, 0x00])),
      reason: "there is no type 0, only 0 so far",
    },
    {
      title: "an error-context",
      bytes: () => component(types([0x64])),
      reason: "error-context is not supported",
    },
    { title: "a list of fixed length", bytes: () => component(types([0x67, U8, 4])), reason: "fixed length" },
    {
      title: "33 flags",
      bytes: () =>
        component(types([0x6e, ...vector(...Array.from({ length: 33 }, (_, i) => name(`f${i}`)))])),
      reason: "33 flags, more than 32",
    },
    {
      title: "a core module instead of a nested component",
      bytes: () => component(section(4, coreModule())),
      reason: "is no component",
    },
    {
      title: "an alias out of the component",
      bytes: () => component(section(6, vector([0x03, 0x02, 0x05, 0x00]))),
      reason: "alias reaches out of the component",
    },
    {
      title: "name attributes",
      bytes: () => component(types(funcType), section(10, vector([0x02, ...name("f"), 0x00, 0x01, 0x00]))),
      reason: "name attributes",
    },
    {
      title: "more core modules than anyone needs",
      bytes: () => component(...manyModules(LIMITS.coreModules + 1)),
      reason: `more than ${LIMITS.coreModules} coreModules`,
    },
    {
      title: "more functions than a compiler should be asked to take",
      bytes: () =>
        component(section(1, coreModule([0x03, ...leb(5), ...leb(LIMITS.coreFunctions + 1), 0, 0]))),
      reason: `more than ${LIMITS.coreFunctions} coreFunctions`,
    },
    {
      title: "a function body that no engine compiles",
      bytes: () => component(section(1, coreModule(section(10, [1, ...leb(LIMITS.functionBytes + 1)])))),
      reason: `body of ${LIMITS.functionBytes + 1} bytes, the limit of this gateway is ${LIMITS.functionBytes}`,
    },
  ];
  for (const { title, bytes, reason } of cases) {
    it(`decode() refuses ${title}, and does not hang`, () => {
      const input = bytes();
      const start = performance.now();
      expect(refusal(input)).toContain(reason);
      expect(performance.now() - start).toBeLessThan(HANGING_MS);
    });
  }

  it("decode() accepts what is just within the limits", () => {
    expect(decode(component(types(...chain(99)))).exports.types).toEqual([]);
    expect(decode(nest(32)).coreModules).toEqual([]);
    const modules = manyModules(LIMITS.coreModules);
    expect(decode(component(...modules)).coreModules).toHaveLength(LIMITS.coreModules);
  });

  it("decode() names section and offset of the fault", () => {
    expect(refusal(component(section(7, vector([0x70, 0x05]))))).toBe(
      "Cannot decode component: type section at byte 0xc (12): there is no type 5, only 0 so far",
    );
  });
});

describe("decode() of damaged components", async () => {
  const wasi = `package x:y; world w { import wasi:filesystem/types@0.2.12; export wasi:http/incoming-handler@0.2.12; }`;
  const bytes = await fromWit(`${wasi}\n${wasiPackages()}`, "w");

  it("decode() refuses every truncation or decodes it, and does nothing else", async () => {
    const small = await fromWit(
      `package a:b; interface i { resource r { m: func(); } } world w { import i; export f: func(a: list<u8>); }`,
      "w",
    );
    // A cut between two sections leaves a well-formed component, so not all can be refused.
    let refused = 0;
    for (let length = 0; length < small.length; length++) {
      if (typeof decodeOrRefusal(small.subarray(0, length)) === "string") refused++;
    }
    expect(refused).toBeGreaterThan(small.length * 0.95);
    for (let length = 0; length < bytes.length; length += 211) decodeOrRefusal(bytes.subarray(0, length));
  });

  it("decode() refuses or decodes each of 2,000 damaged copies, and hangs on none", () => {
    let seed = 20_250_101;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((seed / 2 ** 32) * below);
    };
    const outcomes = { refused: 0, decoded: 0 };
    for (let i = 0; i < 2000; i++) {
      const copy = bytes.slice();
      const flips = 1 + random(3);
      for (let flip = 0; flip < flips; flip++) copy[random(copy.length)] = random(256);
      const start = performance.now();
      const result = decodeOrRefusal(copy);
      expect(performance.now() - start).toBeLessThan(HANGING_MS);
      outcomes[typeof result === "string" ? "refused" : "decoded"]++;
    }
    expect(outcomes.refused).toBeGreaterThan(500);
    expect(outcomes.decoded).toBeGreaterThan(10);
  });

  it("decode() does not change the bytes it reads", async () => {
    const input = await fromWat(`(component (import "f" (func)))`);
    const before = input.slice();
    decode(input);
    expect(input).toEqual(before);
  });
});
