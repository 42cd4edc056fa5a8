/** Small guests that more than one test runs. */

/** `run` returns one random number. */
export const RANDOM_GUEST = `(component
  (import "wasi:random/random@0.2.12" (instance $random (export "get-random-u64" (func (result u64)))))
  (core func $draw (canon lower (func $random "get-random-u64")))
  (core module $guest (import "r" "draw" (func $draw (result i64))) (func (export "run") (result i64) call $draw))
  (core instance $guest (instantiate $guest (with "r" (instance (export "draw" (func $draw))))))
  (func (export "run") (result u64) (canon lift (core func $guest "run"))))`;

/** `run` returns its argument, after as many rounds of doing nothing. */
export const ECHO_GUEST = `(component
  (core module $guest
    (func (export "run") (param i32) (result i32) (local $left i32)
      (local.set $left (local.get 0))
      block $done
        loop $again
          (br_if $done (i32.eqz (local.get $left)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          br $again
        end
      end
      local.get 0))
  (core instance $guest (instantiate $guest))
  (func (export "run") (param "n" u32) (result u32) (canon lift (core func $guest "run"))))`;

/**
 * {@link ECHO_GUEST} inside of a component, called by another one through our code: there it can not be suspended.
 * `spin` never ends, and has to be killed.
 */
export const INNER_ECHO_GUEST = `(component
  (component $works
    (core module $guest
      (func (export "run") (param i32) (result i32) (local $left i32)
        (local.set $left (local.get 0))
        loop $again
          ;; Of none it is never done.
          (br_if $again (i32.eqz (local.get 0)))
          (br_if $again (local.tee $left (i32.sub (local.get $left) (i32.const 1))))
        end
        local.get 0))
    (core instance $guest (instantiate $guest))
    (func (export "run") (param "n" u32) (result u32) (canon lift (core func $guest "run"))))
  (component $asks
    (import "run" (func $run (param "n" u32) (result u32)))
    (core func $run (canon lower (func $run)))
    (core module $guest (import "h" "run" (func $run (param i32) (result i32)))
      (func (export "run") (param i32) (result i32) (call $run (local.get 0)))
      (func (export "spin") (drop (call $run (i32.const 0))) (unreachable)))
    (core instance $guest (instantiate $guest (with "h" (instance (export "run" (func $run))))))
    (func (export "run") (param "n" u32) (result u32) (canon lift (core func $guest "run")))
    (func (export "spin") (canon lift (core func $guest "spin"))))
  (instance $works (instantiate $works))
  (instance $asks (instantiate $asks (with "run" (func $works "run"))))
  (export "run" (func $asks "run"))
  (export "spin" (func $asks "spin")))`;

/** `run` traps at once. */
export const TRAP_GUEST = `(component
  (core module $guest (func (export "run") unreachable))
  (core instance $guest (instantiate $guest))
  (func (export "run") (canon lift (core func $guest "run"))))`;

/** `run` never ends. */
export const SPIN_GUEST = `(component
  (core module $guest (func (export "run") loop $again br $again end))
  (core instance $guest (instantiate $guest))
  (func (export "run") (canon lift (core func $guest "run"))))`;

/** The core functions `$subscribe` (nanoseconds to a pollable) and `$block` (on it), for guests that wait. */
export const WAIT_IMPORTS = `
  (import "wasi:io/poll@0.2.12" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.12" (instance $clock
    (alias outer 1 $pollable (type $p'))
    (export "pollable" (type $p (eq $p')))
    (export "subscribe-duration" (func (param "when" u64) (result (own $p))))))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))`;

/** `run` waits an hour. */
export const WAIT_GUEST = `(component
${WAIT_IMPORTS}
  (core module $guest
    (import "h" "subscribe" (func $subscribe (param i64) (result i32)))
    (import "h" "block" (func $block (param i32)))
    (func (export "run") (call $block (call $subscribe (i64.const 3600000000000)))))
  (core instance $guest (instantiate $guest (with "h" (instance
    (export "subscribe" (func $subscribe)) (export "block" (func $block))))))
  (func (export "run") (canon lift (core func $guest "run"))))`;

/**
 * `run` writes an empty log entry, so many times, then returns that number. Needs `LOG_IMPORT` and `MEMORY_MODULE` of
 * `components.ts` in front.
 */
export const LOGGING_PART = `
  (alias core export $libc "memory" (core memory $memory))
  (alias core export $libc "realloc" (core func $realloc))
  (core func $write (canon lower (func $write) (memory $memory) (realloc $realloc)))
  (core module $guest
    (import "host" "write" (func $write (param i32 i32 i32 i32 i32 i32)))
    (func (export "run") (param i32) (result i32) (local $left i32)
      (local.set $left (local.get 0))
      loop $again
        (call $write (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br_if $again (i32.gt_s (local.get $left) (i32.const 0)))
      end
      local.get 0))
  (core instance $guest (instantiate $guest (with "host" (instance (export "write" (func $write))))))
  (func (export "run") (param "n" u32) (result u32) (canon lift (core func $guest "run")))`;
