/** What does not fit together by the specification's rules is refused when it is decoded, though nothing would run it. */
import { describe, expect, it } from "vitest";
import { planLinks } from "../../../src/core/component/index.ts";
import { decodeOrRefusal, fromWat } from "./support.ts";

/** A component, and the refusal that it gets; `valid` is the nearest one that is right. */
interface Case {
  readonly name: string;
  readonly valid: string;
  readonly invalid: string;
  readonly refusal: RegExp;
}

const taking = (wanted: string, given: string) => `(component
  (component $c (type $t ${wanted}) (import "x" (type (eq $t))))
  (type $x ${given}) (instance (instantiate $c (with "x" (type $x)))))`;

const TYPES: readonly (readonly [wanted: string, given: string])[] = [
  ["(tuple u32 u32)", "(tuple string string)"],
  ["u32", `(record (field "f" u32))`],
  [`(record (field "x" u32))`, `(record (field "x" (tuple u8)))`],
  [`(record (field "a" u32))`, `(record (field "b" u32))`],
  [`(record (field "a" u32))`, `(record (field "a" u32) (field "b" u32))`],
  [`(variant (case "x" u32))`, `(variant (case "x"))`],
  [`(variant (case "x" u32))`, `(variant (case "x" s32))`],
  [`(flags "a")`, `(flags "x")`],
  [`(enum "a")`, `(enum "a" "b")`],
  ["(result u32)", "(result)"],
  ["(result (error s32))", "(result (error u32))"],
  ["(option (list string))", "(option (list char))"],
];

const MODULE = `(import "a" "f" (func)) (import "a" "g" (global i32)) (func (export "run")) (memory (export "mem") 1)`;
const WANTED = [`(import "a" "f" (func))`, `(import "a" "g" (global i32))`, `(export "run" (func))`];

/** A core module as an argument where one of another border is wanted. */
const takingModule = (...wanted: readonly string[]) => `(component
  (core module $m ${MODULE})
  (component $c (import "m" (core module ${wanted.join(" ")})))
  (instance (instantiate $c (with "m" (core module $m)))))`;

const MODULE_MISFITS: readonly (readonly [how: string, wanted: readonly string[]])[] = [
  ["wants more than it would be given", WANTED.slice(1)],
  ["wants a function where a global would be given", [`(import "a" "f" (global i32))`, ...WANTED.slice(1)]],
  ["has less than is used", [...WANTED, `(export "other" (func))`]],
  ["has a function where a memory is used", [...WANTED.slice(0, 2), `(export "run" (memory 1))`]],
];

const CASES: readonly Case[] = [
  ...MODULE_MISFITS.map(([how, wanted]) => ({
    name: `a core module as an argument that ${how}`,
    valid: takingModule(...WANTED, `(export "mem" (memory 1))`),
    invalid: takingModule(...wanted),
    refusal: /the argument "m" is not what is wanted/,
  })),
  {
    name: "a core module that is not there as an argument",
    valid: takingModule(...WANTED),
    invalid: takingModule(...WANTED).replace("(core module $m))))", "(core module 7))))"),
    refusal: /there is no core module 7, only 1 so far/,
  },
  {
    name: "a module from outside, and one out of an instance, that do not fit either",
    valid: `(component (core module $m (func (export "f"))) (component $c
      (alias outer 1 $m (core module $o)) (instance $i (export "m" (core module $o))) (alias export $i "m" (core module $n))
      (component $d (import "m" (core module (export "f" (func))))) (instance (instantiate $d (with "m" (core module $n))))))`,
    invalid: `(component (core module $m (func (export "f"))) (component $c
      (alias outer 1 $m (core module $o)) (instance $i (export "m" (core module $o))) (alias export $i "m" (core module $n))
      (component $d (import "m" (core module (export "g" (func))))) (instance (instantiate $d (with "m" (core module $n))))))`,
    refusal: /the argument "m" is not what is wanted/,
  },
  ...TYPES.map(([wanted, given]) => ({
    name: `${given} as an argument where ${wanted} is wanted`,
    valid: taking(wanted, wanted),
    invalid: taking(wanted, given),
    refusal: /the argument "x" is not what is wanted/,
  })),
  {
    name: "two resources where one is wanted twice",
    valid: `(component (type $a (resource (rep i32)))
      (component $eq (import "a" (type $t (sub resource))) (import "b" (type (eq $t))))
      (instance (instantiate $eq (with "a" (type $a)) (with "b" (type $a)))))`,
    invalid: `(component (type $a (resource (rep i32))) (type $b (resource (rep i32)))
      (component $eq (import "a" (type $t (sub resource))) (import "b" (type (eq $t))))
      (instance (instantiate $eq (with "a" (type $a)) (with "b" (type $b)))))`,
    refusal: /the argument "b" is not what is wanted/,
  },
  {
    name: "an outer component's resource inside of a record",
    valid: `(component $c (type $t (record (field "h" u32)))
      (component (alias outer $c $t (type $a))))`,
    invalid: `(component $c (type $r (resource (rep i32))) (type $t (record (field "h" (own $r))))
      (component (alias outer $c $t (type $a))))`,
    refusal: /alias of a type with resources of an outer component/,
  },
  {
    name: "a function that is aliased inside of a type",
    valid: `(component (type (component (import "i" (instance $i (export "j" (instance))))
      (alias export $i "j" (instance $a)))))`,
    invalid: `(component (type (component (import "i" (instance $i (export "f" (func))))
      (alias export $i "f" (func $a)))))`,
    refusal: /a func can not be aliased inside of a type/,
  },
  {
    name: "a constructor of another resource",
    valid: `(component (import "a" (type $a (sub resource))) (import "[constructor]a" (func (result (own $a)))))`,
    invalid: `(component (import "b" (type $a (sub resource))) (import "[constructor]a" (func (result (own $a)))))`,
    refusal: /names a resource "a" that has no name here/,
  },
  {
    name: "a constructor that makes nothing",
    valid: `(component (import "a" (type $a (sub resource)))
      (import "[constructor]a" (func (result (result (own $a) (error string))))))`,
    invalid: `(component (import "a" (type $a (sub resource))) (import "[constructor]a" (func (result string))))`,
    refusal: /it makes no "a"/,
  },
  {
    name: "a method without a self",
    valid: `(component (import "a" (type $a (sub resource))) (import "[method]a.m" (func (param "self" (borrow $a)))))`,
    invalid: `(component (import "a" (type $a (sub resource))) (import "[method]a.m" (func (param "it" (borrow $a)))))`,
    refusal: /no "self" that borrows a "a"/,
  },
  {
    name: "a method on another's resource",
    valid: `(component (import "a" (type $a (sub resource))) (import "b" (type $b (sub resource)))
      (import "[method]b.m" (func (param "self" (borrow $b)))))`,
    invalid: `(component (import "a" (type $a (sub resource))) (import "b" (type $b (sub resource)))
      (import "[method]b.m" (func (param "self" (borrow $a)))))`,
    refusal: /no "self" that borrows a "b"/,
  },
  {
    name: "a static function of no resource",
    valid: `(component (import "a" (type (sub resource))) (import "[static]a.f" (func)))`,
    invalid: `(component (import "[static]a.f" (func)))`,
    refusal: /names a resource "a" that has no name here/,
  },
  {
    name: "a core import that is there twice",
    valid: `(component (core module (import "" "a" (func)) (import "" "b" (func))))`,
    invalid: `(component (core module (import "" "a" (func)) (import "" "a" (func))))`,
    refusal: /is there twice/,
  },
  {
    name: "a module type with a name twice",
    valid: `(component (core type (module (import "" "a" (func)) (export "a" (func)))))`,
    invalid: `(component (core type (module (export "a" (func)) (export "a" (func)))))`,
    refusal: /a module type has a name twice/,
  },
  {
    name: "a module type with more memory than can be addressed",
    valid: `(component (core type (module (import "" "m" (memory 65536)))))`,
    invalid: `(component (core type (module (import "" "m" (memory 65537)))))`,
    refusal: /limits beyond 65536/,
  },
  {
    name: "a core function's type for a module's",
    valid: `(component (core type $t (module)) (type (component (import "m" (core module (type $t))))))`,
    invalid: `(component (core type $t (func)) (type (component (import "m" (core module (type $t))))))`,
    refusal: /expected a core module type/,
  },
];

describe("decode() of a component that contradicts itself", () => {
  it.each(CASES)("refuses $name", async ({ valid, invalid, refusal }) => {
    expect(decodeOrRefusal(await fromWat(valid))).toBeTypeOf("object");
    expect(decodeOrRefusal(await fromWat(invalid))).toMatch(refusal);
  });

  it("compares types that share their parts in the time that they take to read", async () => {
    // Each is a pair of the one before: sixty of them have 2^60 leaves.
    const pairs = (prefix: string, leaf: string) =>
      Array.from(
        { length: 60 },
        (_, n) => `(type $${prefix}${n} (tuple ${n === 0 ? leaf : `$${prefix}${n - 1} $${prefix}${n - 1}`}))`,
      ).join(" ");
    const wat = (
      leaf: string,
    ) => `(component (component $c ${pairs("w", "u8 u8")} (import "x" (type (eq $w59))))
      ${pairs("g", leaf)} (instance (instantiate $c (with "x" (type $g59)))))`;
    expect(decodeOrRefusal(await fromWat(wat("u8 u8")))).toBeTypeOf("object");
    expect(decodeOrRefusal(await fromWat(wat("u8 s8")))).toMatch(/is not what is wanted/);
  });
});

/** Core functions at a border: of the signature that the canonical ABI gives them, and of another. */
const SIGNATURES: readonly (readonly [
  what: string,
  right: string,
  wrong: string,
  wat: (core: string) => string,
])[] = [
  [
    "what canon lift names",
    "(param i32 i64) (result i32)",
    "(param i32 i32) (result i32)",
    (core) => `(core module $m (func (export "f") ${core} unreachable)) (core instance $i (instantiate $m))
      (func (param "a" u8) (param "b" u64) (result s8) (canon lift (core func $i "f")))`,
  ],
  [
    "the realloc",
    "(param i32 i32 i32 i32) (result i32)",
    "(param i32 i32 i32 i64) (result i32)",
    (
      core,
    ) => `(core module $m (memory (export "m") 1) (func (export "f") (param i32 i32)) (func (export "r") ${core} unreachable))
      (core instance $i (instantiate $m))
      (func (param "a" string) (canon lift (core func $i "f") (memory (core memory $i "m")) (realloc (core func $i "r"))))`,
  ],
  [
    "the post-return",
    "(param i32)",
    "(param i64)",
    (core) => `(core module $m (func (export "f") (result i32) unreachable) (func (export "p") ${core}))
      (core instance $i (instantiate $m)) (func (result u8) (canon lift (core func $i "f") (post-return (core func $i "p"))))`,
  ],
  [
    "the destructor",
    "(param i32)",
    "(param f32)",
    (core) => `(core module $m (func (export "d") ${core})) (core instance $i (instantiate $m))
      (type (resource (rep i32) (dtor (core func $i "d"))))`,
  ],
  [
    `what is given for the core import "" "f"`,
    "(param i32 i64 i32)",
    "(param i32 i32 i32)",
    (core) => `(import "f" (func $f (param "a" u8) (param "b" s64) (result (tuple u8 u8))))
      (core module $l (memory (export "m") 1)) (core instance $l (instantiate $l))
      (core func $g (canon lower (func $f) (memory (core memory $l "m"))))
      (core module $m (import "" "f" (func ${core})))
      (core instance (instantiate $m (with "" (instance (export "f" (func $g))))))`,
  ],
];

describe("planLinks() of a component whose core functions have another type than their canonical definitions", () => {
  it.each(SIGNATURES)("refuses %s", async (what, right, wrong, wat) => {
    const bytes = async (core: string) => fromWat(`(component ${wat(core)})`);
    expect(planLinks(await bytes(right)).plan).toBeDefined();
    const refused = await bytes(wrong);
    expect(() => planLinks(refused)).toThrow(`${what} is`);
  });

  it("reads types of structs, arrays and recursion groups for what they are", async () => {
    const wat = (param: string) => `(component
      (core module $m
        (rec (type (struct (field i8) (field (mut i64)))) (type (sub (array (mut i16)))))
        (type $f (sub final (func (param i32)))) (type $g (func (param i64)))
        (func (export "f") (type ${param})))
      (core instance $i (instantiate $m))
      (func (param "a" u8) (canon lift (core func $i "f"))))`;
    expect(planLinks(await fromWat(wat("$f"))).plan).toBeDefined();
    const refused = await fromWat(wat("$g"));
    expect(() => planLinks(refused)).toThrow("of type (i64 -> ), wanted (i32 -> )");
  });
});
