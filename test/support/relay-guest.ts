/** A guest that calls another tool's function as it is told: `relay: func(tool, function, input) -> result<string, u32>`. */
import { MEMORY_MODULE } from "./components.ts";

/** Words of `tools-error`, in the order of their numbers in the answer. */
export const TOOLS_ERRORS = [
  "not-granted",
  "denied",
  "invalid-input",
  "calls-itself",
  "too-deep",
  "budget-spent",
  "unavailable",
  "ended",
] as const;

/**
 * The guest's text. Each `ok` is the callee's output; `err` is the number of the error's word.
 *
 * @param rounds of work that it does after the call, one unit of fuel and some each
 */
export const relayGuest = (rounds = 0): string => `(component
  (import "writ:host/tools@0.1.0" (instance $tools
    (type $call' (record (field "tool" string) (field "function" string) (field "input" string)
      (field "purpose" (option string))))
    (export "call" (type $call (eq $call')))
    (type $answer' (record (field "run" string) (field "output" string)))
    (export "answer" (type $answer (eq $answer')))
    (type $ending' (record (field "run" string) (field "outcome" string) (field "fallback" (option string))))
    (export "ending" (type $ending (eq $ending')))
    (type $error' (variant (case "not-granted") (case "denied") (case "invalid-input") (case "calls-itself")
      (case "too-deep") (case "budget-spent") (case "unavailable") (case "ended" $ending)))
    (export "tools-error" (type $error (eq $error')))
    (export "invoke" (func (param "call" $call) (result (result $answer (error $error)))))))
  (alias export $tools "invoke" (func $invoke))
  ${MEMORY_MODULE}
  (core func $invoke' (canon lower (func $invoke) (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $guest
    (import "h" "memory" (memory 0))
    (import "h" "invoke" (func $invoke (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
    (func (export "relay") (param i32 i32 i32 i32 i32 i32) (result i32)
      (local $left i32)
      (call $invoke (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
        (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))
      (local.set $left (i32.const ${rounds}))
      (block $done (loop $again
        (br_if $done (i32.eqz (local.get $left)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $again)))
      ;; The answer, at 128: result<string, u32>.
      (i32.store8 (i32.const 128) (i32.load8_u (i32.const 64)))
      (if (i32.load8_u (i32.const 64))
        (then (i32.store (i32.const 132) (i32.load8_u (i32.const 68))))
        (else
          (i32.store (i32.const 132) (i32.load (i32.const 76)))
          (i32.store (i32.const 136) (i32.load (i32.const 80)))))
      (i32.const 128)))
  (core instance $guest (instantiate $guest (with "h" (instance
    (export "memory" (memory $libc "memory")) (export "invoke" (func $invoke'))))))
  (func (export "relay") (param "tool" string) (param "function" string) (param "input" string)
    (result (result string (error u32)))
    (canon lift (core func $guest "relay") (memory (core memory $libc "memory")) (realloc (core func $libc "realloc")))))`;
