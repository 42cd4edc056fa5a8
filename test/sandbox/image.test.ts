/** A module without its image behaves as it did: the same memory, the same start, the same traps. */
import { describe, expect, it } from "vitest";
import { instrument } from "../../src/core/metering/index.ts";
import { MEMORY_IMPORT, START_EXPORT, splitModule } from "../../src/sandbox/executor/image.ts";
import { createMemoryPool } from "../../src/sandbox/executor/memory-pool.ts";
import { assemble } from "../support/components.ts";

const RUN = `(func (export "run"))`;

/** Modules whose memory is taken out, and those that keep it. */
const TAKEN: Readonly<Record<string, string>> = {
  "one segment": `(memory (export "memory") 1) (data (i32.const 8) "abc") ${RUN}`,
  "a memory without data": `(memory (export "memory") 1) ${RUN}`,
  "a memory without pages": `(memory (export "memory") 0) ${RUN}`,
  "overlapping segments, the later one on top": `(memory (export "memory") 1)
    (data (i32.const 8) "abcdef") (data (i32.const 10) "XY") (data (i32.const 9) "Z") ${RUN}`,
  "segments in no order, near and far": `(memory (export "memory") 3)
    (data (i32.const 131072) "end") (data (i32.const 5) "b") (data (i32.const 3) "a") (data (i32.const 70000) "mid") ${RUN}`,
  "an empty segment at the very end": `(memory (export "memory") 1) (data (i32.const 65536) "") ${RUN}`,
  "a segment up to the last byte": `(memory (export "memory") 1) (data (i32.const 65530) "abcdef") ${RUN}`,
  "a passive segment, used and dropped": `(memory (export "memory") 1)
    (data $a (i32.const 0) "active") (data $p "passive")
    (func (export "run") (memory.init $p (i32.const 100) (i32.const 0) (i32.const 7)) (data.drop $p))`,
  "an active segment that is used once more": `(memory (export "memory") 1) (data $a (i32.const 0) "active")
    (func (export "run") (memory.init $a (i32.const 100) (i32.const 0) (i32.const 0)))`,
  "an active segment that is gone": `(memory (export "memory") 1) (data $a (i32.const 0) "active")
    (func (export "run") (memory.init $a (i32.const 100) (i32.const 0) (i32.const 1)))`,
  "a start function": `(memory (export "memory") 1) (data (i32.const 8) "abc")
    (func $s (i32.store8 (i32.const 9) (i32.load8_u (i32.const 8)))) (start $s) ${RUN}`,
  "a start function that traps": `(memory (export "memory") 1) (func $s unreachable) (start $s) ${RUN}`,
  "imports of every kind that a guest gets": `(import "h" "f" (func)) (import "h" "g" (global i32))
    (import "h" "t" (table 1 funcref)) (memory (export "memory") 1) (data (i32.const 1) "x") ${RUN}`,
};
const KEPT: Readonly<Record<string, string>> = {
  "no memory": RUN,
  "a segment whose place is a global": `(import "h" "g" (global $g i32)) (memory (export "memory") 1)
    (data (global.get $g) "abc") ${RUN}`,
  "a segment outside of the memory": `(memory (export "memory") 1) (data (i32.const 65534) "abc") ${RUN}`,
  "a segment at -1": `(memory (export "memory") 1) (data (i32.const -1) "a") ${RUN}`,
  "an imported memory": `(import "h" "memory" (memory 1)) (data (i32.const 0) "abc") ${RUN}`,
  "two memories": `(memory (export "memory") 1) (memory 1) (data (i32.const 0) "abc") ${RUN}`,
  "a 64-bit memory": `(memory (export "memory") i64 1) (data (i64.const 0) "abc") ${RUN}`,
};

function imports(memory?: WebAssembly.Memory): WebAssembly.Imports {
  return {
    h: {
      f: () => undefined,
      g: new WebAssembly.Global({ value: "i32" }, 5),
      t: new WebAssembly.Table({ element: "anyfunc", initial: 1 }),
      memory: new WebAssembly.Memory({ initial: 1, maximum: 10 }),
    },
    "writ:fuel": {
      left: new WebAssembly.Global({ value: "i64", mutable: true }, 1_000_000n),
      depth: new WebAssembly.Global({ value: "i32", mutable: true }, 0),
      ...(memory === undefined ? {} : { [MEMORY_IMPORT.name]: memory }),
    },
  };
}

/** What can be seen of an instance: whether it starts, whether it runs, what is in its memory. */
function behaviour(wasm: Uint8Array<ArrayBuffer>, start: boolean, memory?: WebAssembly.Memory): unknown {
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), imports(memory));
    const call = (name: string) => {
      const found = exports[name];
      if (typeof found !== "function") throw new TypeError(`no ${name}`);
      found();
    };
    if (start) call(START_EXPORT);
    let ran = "ran";
    try {
      call("run");
    } catch (error) {
      ran = String(error);
    }
    const seen = exports["memory"];
    return { ran, bytes: seen instanceof WebAssembly.Memory ? [...new Uint8Array(seen.buffer)] : null };
  } catch (error) {
    return String(error);
  }
}

const metered = async (wat: string) =>
  instrument(await assemble(`(module ${wat})`), { maxMemoryBytes: 1 << 20 }).wasm;

describe("splitModule()", () => {
  it.each([...Object.entries(TAKEN), ...Object.entries(KEPT)])(
    "changes nothing of %s",
    async (_what, wat) => {
      const wasm = await metered(wat);
      const split = splitModule(wasm);
      expect(WebAssembly.validate(split.wasm)).toBe(true);
      const memory =
        split.memory === null
          ? undefined
          : createMemoryPool([{ ...split.memory, image: split.image }]).take(0);
      expect(behaviour(split.wasm, split.start, memory)).toEqual(behaviour(wasm, false));
    },
  );

  it.each(Object.entries(TAKEN))("takes the memory out of a module with %s", async (_what, wat) => {
    expect(splitModule(await metered(wat)).memory).not.toBeNull();
  });

  it.each(Object.entries(KEPT))("leaves the memory in a module with %s", async (_what, wat) => {
    expect(splitModule(await metered(wat))).toMatchObject({ memory: null, image: new Uint8Array(0) });
  });

  it("merges segments that are near, and only those", async () => {
    const { memory } = splitModule(
      await metered(`(memory (export "memory") 1) (data (i32.const 0) "ab") (data (i32.const 4) "cd")
        (data (i32.const 2000) "ef") ${RUN}`),
    );
    expect(memory?.runs).toEqual([
      { at: 0, bytes: 6 },
      { at: 2000, bytes: 2 },
    ]);
  });
});
