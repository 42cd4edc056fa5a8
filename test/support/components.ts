/** Hostile guests as text: assembled in memory, then taken through the same intake as any vendor's component. */
import { parse } from "@bytecodealliance/jco-transpile/wasm-tools";
import { runtime } from "#runtime";
import { decode, type WitFunction } from "../../src/core/component/index.ts";
import type { SandboxComponent } from "../../src/ports/index.ts";
import { admitComponent, inspectComponent } from "../../src/registry/index.ts";

/** Assembled text, by text: assembling costs more than running. */
const assembled = new Map<string, Promise<Uint8Array<ArrayBuffer>>>();

/** Assembles WAT, a core module or a component. */
export function assemble(wat: string): Promise<Uint8Array<ArrayBuffer>> {
  const known = assembled.get(wat);
  if (known !== undefined) return known;
  const made = parse(wat).then((bytes) => new Uint8Array(bytes));
  assembled.set(wat, made);
  return made;
}

/** Takes a component through intake: decoded, its imports compared with what this host offers. */
export async function admit(bytes: Uint8Array<ArrayBuffer>): Promise<SandboxComponent> {
  offer ??= readOffer();
  return admitComponent(await inspectComponent(bytes, await offer), bytes);
}

let offer: ReturnType<typeof readOffer> | undefined;

async function readOffer() {
  const bytes = await runtime.files.read("wit/offer.wasm");
  if (bytes === undefined) throw new TypeError("Cannot read wit/offer.wasm");
  return decode(bytes);
}

/** {@link assemble}, then {@link admit}. */
export async function componentOf(wat: string): Promise<SandboxComponent> {
  return admit(await assemble(wat));
}

/** A built sample tool. */
export async function sampleTool(name: string): Promise<SandboxComponent> {
  const bytes = await runtime.files.read(`.writ/tools/${name}/${name}.wasm`);
  if (bytes === undefined) throw new TypeError(`Cannot read the sample tool ${name}: it is not built`);
  return admit(bytes);
}

/** An exported function and the interface that it stands in. */
export interface Exported {
  readonly interface: string | null;
  readonly function: WitFunction;
}

/** Finds an exported function by its bare name. */
export function exported(component: SandboxComponent, name: string): Exported {
  for (const scope of component.exports) {
    const found = scope.functions.find((func) => func.name === name);
    if (found !== undefined) return { interface: scope.interface, function: found };
  }
  throw new TypeError(`Cannot find the exported function ${name}`);
}

/** Core modules of a guest whose memory has to exist before its imports are lowered. */
export const MEMORY_MODULE = `
  (core module $libc
    (memory (export "memory") 32)
    (global $next (mut i32) (i32.const 1048576))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (local $at i32)
      ;; Round and round in half a megabyte: nothing here lives long.
      (if (i32.gt_u (global.get $next) (i32.const 1572864)) (then (global.set $next (i32.const 1048576))))
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get 3)))
      (local.get $at)))
  (core instance $libc (instantiate $libc))`;

/** What `writ:host/log` looks like from inside a component; `$write` is the function. */
export const LOG_IMPORT = `
  (import "writ:host/log@0.1.0" (instance $log
    (type $level' (enum "debug" "info" "warn" "error"))
    (export "level" (type $level (eq $level')))
    (type $fields (list (tuple string string)))
    (type $entry' (record (field "level" $level) (field "message" string) (field "fields" $fields)))
    (export "entry" (type $entry (eq $entry')))
    (type $error' (variant (case "budget-spent")))
    (export "log-error" (type $error (eq $error')))
    (export "write" (func (param "entry" $entry) (result (result (error $error)))))))
  (alias export $log "write" (func $write))`;

/** `writ:host/run-info`: an import that never waits; `$describe` is the function. */
export const RUN_INFO_IMPORT = `
  (import "writ:host/run-info@0.1.0" (instance $info
    (type $run-info' (record (field "run-id" string) (field "trace-id" string) (field "tool" string)
      (field "function" string) (field "purpose" string) (field "remaining-ms" u64) (field "fuel-budget" u64)))
    (export "run-info" (type $run-info (eq $run-info')))
    (export "describe" (func (result $run-info)))))
  (alias export $info "describe" (func $describe))`;
