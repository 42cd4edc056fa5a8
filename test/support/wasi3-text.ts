/** What guests of WASI 0.3 that are written by hand have in common: how they wait, and how they become components. */
import { componentEmbed, componentNew, parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { composeWit, readWitLibrary } from "../../src/toolchain/wit-text.ts";

/** What a core module imports: module, name, the name below, type. */
export type CoreImport = readonly [module: string, name: string, local: string, type: string];

const WAITING: readonly CoreImport[] = [
  ["$root", "[waitable-set-new]", "set", "(result i32)"],
  ["$root", "[waitable-set-wait]", "wait", "(param i32 i32) (result i32)"],
  ["$root", "[waitable-set-drop]", "set-drop", "(param i32)"],
  ["$root", "[waitable-join]", "join", "(param i32 i32)"],
  ["$root", "[subtask-drop]", "subtask-drop", "(param i32)"],
];

/** The imports, with those that {@link HELPERS} need. */
export function importsText(imports: readonly CoreImport[]): string {
  return [...imports, ...WAITING]
    .map(([module, name, local, type]) => `(import "${module}" "${name}" (func $${local} ${type}))`)
    .join("\n  ");
}

/** A memory, whose first 64 KiB are the guest's own to name places in, and functions that wait. */
export const HELPERS = `
  (memory (export "memory") 4)
  (global $free (mut i32) (i32.const 65536))
  (func $room (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  ;; Waits for one thing, and gives its event's payload.
  (func $await (param $it i32) (result i32) (local $set i32)
    (local.set $set (call $set))
    (call $join (local.get $it) (local.get $set))
    (drop (call $wait (local.get $set) (i32.const 16)))
    (call $join (local.get $it) (i32.const 0))
    (call $set-drop (local.get $set))
    (i32.load (i32.const 20)))
  ;; Waits for a call until it has returned.
  (func $finish (param $call i32) (local $sub i32)
    (if (i32.eq (i32.and (local.get $call) (i32.const 15)) (i32.const 2)) (then (return)))
    (local.set $sub (i32.shr_u (local.get $call) (i32.const 4)))
    (loop $again (br_if $again (i32.ne (call $await (local.get $sub)) (i32.const 2))))
    (call $subtask-drop (local.get $sub)))
  (func $low (param i64) (result i32) (i32.wrap_i64 (local.get 0)))
  (func $high (param i64) (result i32) (i32.wrap_i64 (i64.shr_u (local.get 0) (i64.const 32))))`;

/** Makes a component of a core module's text. @param world with the name `guest` */
export async function wasi3Component(world: string, module: string): Promise<Uint8Array<ArrayBuffer>> {
  const library = await readWitLibrary(".");
  const witSource = composeWit({ id: "test:guest", body: world }, library);
  const core = await componentEmbed({ binary: await parse(module), witSource, world: "guest" });
  return Uint8Array.from(await componentNew(core));
}
