/**
 * What generated modules import: binaryen's fuzzing interface, and `IMPORTS_WAT` for those of wasm-smith. Every call is
 * logged, and what it gives depends on its arguments alone.
 */

/** The imports that wasm-smith may choose from. */
export const IMPORTS_WAT = `(module
  (import "host" "nop" (func))
  (import "host" "one" (func (param i32) (result i32)))
  (import "host" "mix" (func (param i64 f64 f32) (result f32)))
  (import "host" "two" (func (param i32) (result i32 i64)))
  (import "host" "throws" (func (param i32)))
  (import "host" "global" (global (mut i32)))
  (import "host" "constant" (global i64))
  (import "host" "memory" (memory 1 4))
  (import "host" "table" (table 4 20 funcref))
  (import "host" "tag" (tag (param i32))))`;

/** The imports of one instance. */
export interface FuzzHost {
  readonly imports: WebAssembly.Imports;
  /** What was logged since the last time. */
  takeLog(): string;
}

const JS_TAG = new WebAssembly.Tag({ parameters: ["externref"] });

/** @param exports what the instance exports, once there is one: some imports call back */
export function createFuzzHost(
  module: WebAssembly.Module,
  exports: () => WebAssembly.Exports | undefined,
): FuzzHost {
  const log: string[] = [];
  // Exports that call exports through the host can go on for hours within any stack.
  const note = (text: string): void => {
    log.push(text);
    if (log.length > 200) throw new Error("too many imports called");
  };
  return {
    imports: {
      __fuzz_import: foreign(module),
      "fuzzing-support": support(note, exports),
      host: smithHost(note),
    },
    takeLog: () => log.splice(0).join(),
  };
}

/** Imported globals: references, of which only those to strings may not be null. */
function foreign(module: WebAssembly.Module): WebAssembly.ModuleImports {
  const names = WebAssembly.Module.imports(module)
    .filter((each) => each.module === "__fuzz_import")
    .map(({ name }) => name);
  // A reference global takes any JavaScript value; TypeScript's types know numbers only.
  return Object.fromEntries(
    names.map((name) => [
      name,
      (name.startsWith("extern") ? name : null) as unknown as WebAssembly.ImportValue,
    ]),
  );
}

function smithHost(note: (text: string) => void): WebAssembly.ModuleImports {
  const tag = new WebAssembly.Tag({ parameters: ["i32"] });
  return {
    nop: () => note("nop"),
    one: (value: number) => {
      note(`one:${value}`);
      return value + 1;
    },
    mix: (a: bigint, b: number, c: number) => {
      note(`mix:${a}:${b}:${c}`);
      return Number(a % 1000n) + b + c;
    },
    two: (value: number) => {
      note(`two:${value}`);
      return [value ^ 5, BigInt(value) * 3n];
    },
    throws: (value: number) => {
      note(`throws:${value}`);
      if (value % 2 !== 0) throw new WebAssembly.Exception(tag, [value]);
    },
    global: new WebAssembly.Global({ value: "i32", mutable: true }, 7),
    constant: new WebAssembly.Global({ value: "i64" }, 11n),
    memory: new WebAssembly.Memory({ initial: 1, maximum: 4 }),
    table: new WebAssembly.Table({ initial: 4, maximum: 20, element: "anyfunc" }),
    // TypeScript's types of imports know no tags.
    tag: tag as unknown as WebAssembly.ImportValue,
  };
}

function support(
  note: (text: string) => void,
  exports: () => WebAssembly.Exports | undefined,
): WebAssembly.ModuleImports {
  const called = (index: number): unknown => {
    note("");
    const found = Object.values(exports() ?? {})[index];
    return typeof found === "function"
      ? found(...Array.from({ length: found.length }, () => "1"))
      : undefined;
  };
  const swallow = (action: () => unknown): number => {
    try {
      action();
      return 0;
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) throw error;
      return 1;
    }
  };
  const logs = ["i32", "i64", "f32", "f64", "anyref", "funcref", "externref", "v128"].map((type) => [
    `log-${type}`,
    (value: unknown): void =>
      note(`${type}:${typeof value === "object" || typeof value === "function" ? "ref" : String(value)}`),
  ]);
  return {
    ...Object.fromEntries(logs),
    throw: () => {
      throw new WebAssembly.Exception(JS_TAG, []);
    },
    "call-export": (index: number) => void called(index),
    "call-export-catch": (index: number) => swallow(() => called(index)),
    // A function reference that reaches the host has the threaded type: the host must not call it.
    "call-ref": () => note(""),
    "call-ref-catch": () => 0,
    sleep: (_: number, id: number) => id,
    "table-get": () => null,
    "table-set": () => {},
    wasmtag: new WebAssembly.Tag({ parameters: ["i32"] }),
    jstag: JS_TAG,
  };
}
