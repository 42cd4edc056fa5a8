/**
 * Canonical NaNs: every operator of the table by every kind of NaN, in both forms and as the operand of what follows;
 * operators that move bits move them still; fuel is what it was.
 */
import { expect, test } from "vitest";
import { instrument } from "../../../src/core/metering/index.ts";
import type { MeteredInstance } from "./support.ts";
import { assemble, instantiateMetered, ROOMY } from "./support.ts";

const CANONICAL = { limits: { ...ROOMY, canonicalNans: true, allowRelaxedSimd: true } };

/** Quiet and signalling NaNs of both signs with payloads, and numbers that make NaNs among themselves. */
const F32 = [
  0x7fc0_0000, 0xffc0_0000, 0x7fa0_1234, 0xffc1_2345, 0x7f80_0001, 0x7f80_0000, 0xff80_0000, 0xbf80_0000, 0,
];
const F64 = [
  0x7ff8_0000_0000_0000n,
  0xfff8_0000_0000_0000n,
  0x7ff4_0000_dead_beefn,
  0xffff_1234_5678_9abcn,
  0x7ff0_0000_0000_0001n,
  0x7ff0_0000_0000_0000n,
  0xfff0_0000_0000_0000n,
  0xbff0_0000_0000_0000n,
  0n,
];

const UNARY = ["ceil", "floor", "trunc", "nearest", "sqrt"] as const;
const BINARY = ["add", "sub", "mul", "div", "min", "max"] as const;

/** One function per operator: takes the bits of both operands, gives the bits of the result. */
function scalarModule(type: "f32" | "f64"): string {
  const int = type === "f32" ? "i32" : "i64";
  const [x, y] = ["0", "1"].map((i) => `(${type}.reinterpret_${int} (local.get ${i}))`);
  const unary = UNARY.map((name) => [name, `(${type}.${name} ${x})`]);
  const binary = BINARY.map((name) => [name, `(${type}.${name} ${x} ${y})`]);
  // What is looked at only behind the operators that follow: the sum of a product, through a block, a local, a branch.
  const shapes = [
    ["chain", `(${type}.sqrt (${type}.add (${type}.mul ${x} ${y}) ${y}))`],
    ["block", `(block $b (result ${type}) (br_if $b (${type}.mul ${x} ${y}) (i32.const 1)))`],
    ["tee", `(local.tee $t (${type}.div ${x} ${y}))`],
    ["signed", `(${type}.copysign (${type}.const 1) (${type}.sub ${x} ${y}))`],
    ["negated", `(${type}.neg (${type}.sub ${x} ${y}))`],
  ];
  const functions = [...unary, ...binary, ...shapes].map(
    ([name, code]) =>
      `(func (export "${name}") (param ${int} ${int}) (result ${int}) (local $t ${type}) (${int}.reinterpret_${type} ${code}))`,
  );
  return `(module ${functions.join("\n")})`;
}

for (const { type, values, nan, sign } of [
  { type: "f32", values: F32, nan: 0x7fc0_0000, sign: 0x8000_0000 },
  { type: "f64", values: F64, nan: 0x7ff8_0000_0000_0000n, sign: 1n << 63n },
] as const) {
  test(`instrument() with canonicalNans makes ${type} results canonical and changes no other`, async () => {
    const wasm = await assemble(scalarModule(type));
    const plain = instantiateMetered(wasm);
    const canonical = instantiateMetered(wasm, CANONICAL);
    const isNan = (bits: number | bigint) =>
      typeof bits === "bigint"
        ? (bits & 0x7fff_ffff_ffff_ffffn) > 0x7ff0_0000_0000_0000n
        : (bits & 0x7fff_ffff) >>> 0 > 0x7f80_0000;
    for (const name of Object.keys(canonical.exports).filter((each) => !each.startsWith("writ"))) {
      for (const x of values) {
        for (const y of values) {
          const [was, is] = [plain, canonical].map((each) => unsigned(each.call(name, x, y)));
          if (was === undefined || is === undefined) throw new TypeError("A call gave nothing");
          const wanted =
            name === "negated"
              ? typeof nan === "bigint"
                ? nan | BigInt(sign)
                : (nan | Number(sign)) >>> 0
              : nan;
          if (name === "signed") continue;
          expect(is, `${type}.${name} of ${x.toString(16)} and ${y.toString(16)}`).toBe(
            isNan(was) ? wanted : was,
          );
        }
      }
    }
    expect(canonical.used()).toBe(plain.used());
  });

  test(`instrument() with canonicalNans keeps the sign of a ${type} NaN from being seen`, async () => {
    const canonical = instantiateMetered(await assemble(scalarModule(type)), CANONICAL);
    const one = type === "f32" ? 0x3f80_0000 : 0x3ff0_0000_0000_0000n;
    const infinity = values[5];
    expect(unsigned(canonical.call("signed", infinity, infinity))).toBe(one);
    expect(unsigned(canonical.call("signed", values[3], infinity))).toBe(one);
  });

  test(`instrument() with canonicalNans moves ${type} bits as they are where operators only move them`, async () => {
    const int = type === "f32" ? "i32" : "i64";
    const move = instantiateMetered(
      await assemble(`(module (memory 1) (func (export "f") (param ${int}) (result ${int})
        (${int}.store (i32.const 0) (local.get 0))
        (${type}.store (i32.const 8) (${type}.load (i32.const 0)))
        (${type}.store (i32.const 16) (select (${type}.load (i32.const 8)) (${type}.const 0) (i32.const 1)))
        (${int}.reinterpret_${type} (${type}.neg (${type}.neg (${type}.load (i32.const 16)))))))`),
      CANONICAL,
    );
    for (const bits of values) expect(unsigned(move.call("f", bits))).toBe(bits);
  });
}

/** Gives the bits of one operand's lanes, twice; reads those of the result. */
function vectorModule(code: string): string {
  return `(module (memory (export "memory") 1) (func (export "run") (local $t v128)
    (v128.store (i32.const 32) ${code.replaceAll("$x", "(v128.load (i32.const 0))").replaceAll("$y", "(v128.load (i32.const 16))")})))`;
}

const VECTORS = [
  ...(["f32x4", "f64x2"] as const).flatMap((shape) => [
    ...UNARY.map((name) => [shape, `(${shape}.${name} $x)`]),
    ...BINARY.map((name) => [shape, `(${shape}.${name} $x $y)`]),
    [shape, `(${shape}.sqrt (${shape}.add (${shape}.mul $x $y) $y))`],
    [shape, `(${shape}.relaxed_madd $x $y $x)`],
    [shape, `(${shape}.relaxed_nmadd $x $y $x)`],
    [shape, `(local.tee $t (${shape}.sub $x $y))`],
  ]),
  ["f64x2", "(f64x2.promote_low_f32x4 $x)"],
  ["f32x4", "(f32x4.demote_f64x2_zero $x)"],
] as const;

for (const [shape, code] of VECTORS) {
  test(`instrument() with canonicalNans makes lanes canonical: ${code}`, async () => {
    const wasm = await assemble(vectorModule(code ?? ""));
    const [plain, canonical] = [
      instantiateMetered(wasm, { limits: { ...ROOMY, allowRelaxedSimd: true } }),
      instantiateMetered(wasm, CANONICAL),
    ].map(runVector);
    for (const x of F64) {
      for (const y of F64) {
        const [was, is] = [plain?.(x, y), canonical?.(x, y)];
        expect(is, `${x.toString(16)} and ${y.toString(16)}`).toEqual(
          canonicalLanes(shape ?? "", was ?? new Uint8Array()),
        );
      }
    }
  });
}

test("instrument() with canonicalNans leaves vectors alone that operators only move", async () => {
  for (const code of ["(f64x2.pmin $x $y)", "(f32x4.abs (f32x4.neg $x))", "(v128.bitselect $x $y $x)"]) {
    const wasm = await assemble(vectorModule(code));
    const [plain, canonical] = [instantiateMetered(wasm), instantiateMetered(wasm, CANONICAL)].map(runVector);
    for (const x of F64) for (const y of F64) expect(canonical?.(x, y)).toEqual(plain?.(x, y));
  }
});

test("instrument() with canonicalNans adds nothing where no NaN can be seen", async () => {
  const wasm = await assemble(`(module (func (export "f") (param f64 f64) (result i32)
    (f64.lt (f64.sqrt (f64.add (local.get 0) (local.get 1))) (f64.mul (local.get 0) (local.get 1)))))`);
  const without = instrument(wasm, ROOMY).wasm.length;
  // The left side of the comparison is not on top when it is made: that one is looked at, three others are not.
  expect(instrument(wasm, CANONICAL.limits).wasm.length - without).toBeLessThan(30);
});

test("instrument() with canonicalNans is valid in dead code, and under every control operator", async () => {
  const wasm = await assemble(`(module (tag $e) (func (export "f") (param f64) (result f64)
    (block $caught (drop (try_table (result f64) (catch_all $caught) (f64.add (local.get 0) (f64.const nan)))))
    (block $b (result f64)
      (if (result f64) (f64.eq (local.get 0) (local.get 0)) (then (f64.sqrt (local.get 0))) (else (f64.neg (f64.sqrt (local.get 0)))))
      (br $b) (f64.add) (f64.sqrt) (drop) (unreachable) (f32.mul) (f64.promote_f32))))`);
  expect(WebAssembly.validate(wasm)).toBe(true);
  expect(WebAssembly.validate(instrument(wasm, CANONICAL.limits).wasm)).toBe(true);
});

function runVector({ exports, call }: MeteredInstance): (x: bigint, y: bigint) => Uint8Array {
  const { memory } = exports;
  if (!(memory instanceof WebAssembly.Memory)) throw new TypeError("The module exports no memory");
  const view = new DataView(memory.buffer);
  return (x, y) => {
    for (const [at, bits] of [
      [0, x],
      [8, y],
      [16, y],
      [24, x],
    ] as const)
      view.setBigUint64(at, bits, true);
    call("run");
    return new Uint8Array(memory.buffer.slice(32, 48));
  };
}

/** Replaces the NaN lanes of a vector, by the specification's words. */
function canonicalLanes(shape: string, bytes: Uint8Array): Uint8Array {
  const out = bytes.slice();
  const view = new DataView(out.buffer);
  for (let at = 0; at < 16; at += shape === "f32x4" ? 4 : 8) {
    if (shape === "f32x4" && Number.isNaN(view.getFloat32(at, true))) view.setUint32(at, 0x7fc0_0000, true);
    if (shape === "f64x2" && Number.isNaN(view.getFloat64(at, true)))
      view.setBigUint64(at, 0x7ff8_0000_0000_0000n, true);
  }
  return out;
}

function unsigned(bits: unknown): number | bigint {
  if (typeof bits === "bigint") return BigInt.asUintN(64, bits);
  if (typeof bits === "number") return bits >>> 0;
  throw new TypeError(`Not the bits of a number: ${String(bits)}`);
}
