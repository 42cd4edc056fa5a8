/**
 * A guest of `wasi:sockets` 0.3, written by hand: looks a name up, connects, sends a stream and reads one, and tries what
 * it must not. An error is the number of its case.
 */
import { type CoreImport, HELPERS, importsText, wasi3Component } from "./wasi3-text.ts";

const WORLD = `
world guest {
  import wasi:sockets/types@0.3.0;
  import wasi:sockets/ip-name-lookup@0.3.0;
  /// Says a text and hears the answer; the socket is dropped before, and its streams go on.
  export talk: async func(name: string, port: u16, text: string) -> result<string, u8>;
  /// How many addresses there are.
  export look-up: async func(name: string) -> result<u32, u8>;
  /// Connects to an address, as a big-endian number, and drops it.
  export reach: async func(address: u32, port: u16) -> result<u8, u8>;
  /// Tries something; see the test.
  export probe: async func(what: u8, port: u16) -> u8;
}`;

const TYPES = "wasi:sockets/types@0.3.0";
const METHOD = "[method]tcp-socket";
/** A handle, an address of either kind, and where the result goes. */
const WITH_ADDRESS = `(param ${"i32 ".repeat(14)})`;

const IMPORTS: readonly CoreImport[] = [
  [
    "wasi:sockets/ip-name-lookup@0.3.0",
    "[async-lower]resolve-addresses",
    "resolve",
    "(param i32 i32 i32) (result i32)",
  ],
  [TYPES, "[static]tcp-socket.create", "create", "(param i32 i32)"],
  [TYPES, "[static]udp-socket.create", "create-udp", "(param i32 i32)"],
  [TYPES, "[resource-drop]tcp-socket", "drop", "(param i32)"],
  [TYPES, `${METHOD}.connect`, "connect", WITH_ADDRESS],
  [TYPES, `[async-lower]${METHOD}.connect`, "begin-connect", "(param i32 i32) (result i32)"],
  [TYPES, `${METHOD}.bind`, "bind", WITH_ADDRESS],
  [TYPES, `${METHOD}.listen`, "listen", "(param i32 i32)"],
  [TYPES, `${METHOD}.get-remote-address`, "far", "(param i32 i32)"],
  [TYPES, `${METHOD}.set-hop-limit`, "hops", "(param i32 i32 i32)"],
  [TYPES, `${METHOD}.send`, "send", "(param i32 i32) (result i32)"],
  [TYPES, `[stream-new-0]${METHOD}.send`, "line-new", "(result i64)"],
  [TYPES, `[async-lower][stream-write-0]${METHOD}.send`, "line-write", "(param i32 i32 i32) (result i32)"],
  [TYPES, `[stream-drop-writable-0]${METHOD}.send`, "line-end", "(param i32)"],
  [TYPES, `[future-read-1]${METHOD}.send`, "sent", "(param i32 i32) (result i32)"],
  [TYPES, `${METHOD}.receive`, "receive", "(param i32 i32)"],
  [TYPES, `[stream-read-0]${METHOD}.receive`, "read", "(param i32 i32 i32) (result i32)"],
  [TYPES, `[stream-drop-readable-0]${METHOD}.receive`, "read-end", "(param i32)"],
  [TYPES, `[future-read-1]${METHOD}.receive`, "received", "(param i32 i32) (result i32)"],
];

const NO_MORE = "(i32.const 0) ".repeat(6);

const MODULE = `(module
  ${importsText(IMPORTS)}
  ${HELPERS}

  ;; Results of calls are at 64, of exports at 128. One is \`ok\` when its first byte is 0.
  (func $answer (param $case i32) (result i32)
    (i32.store8 (i32.const 128) (i32.const 1))
    (i32.store8 (i32.const 132) (local.get $case))
    (i32.const 128))
  (func $socket (result i32)
    (call $create (i32.const 0) (i32.const 64))
    (i32.load (i32.const 68)))
  ;; To four bytes and a port. The result: 0, or the case of the error and 256.
  (func $to (param $socket i32) (param $at i32) (param $port i32) (result i32)
    (call $connect (local.get $socket) (i32.const 0) (local.get $port)
      (i32.load8_u (local.get $at)) (i32.load8_u (i32.add (local.get $at) (i32.const 1)))
      (i32.load8_u (i32.add (local.get $at) (i32.const 2))) (i32.load8_u (i32.add (local.get $at) (i32.const 3)))
      ${NO_MORE} (i32.const 64))
    (if (result i32) (i32.load8_u (i32.const 64))
      (then (i32.or (i32.load8_u (i32.const 68)) (i32.const 256)))
      (else (i32.const 0))))
  ;; A socket that is connected to 127.0.0.1.
  (func $home (param $port i32) (result i32) (local $socket i32)
    (local.set $socket (call $socket))
    (i32.store (i32.const 200) (i32.const 0x0100007f))
    (drop (call $to (local.get $socket) (i32.const 200) (local.get $port)))
    (local.get $socket))
  ;; Reads a future of a result into 320. The result: the case of the error and 256, or 0.
  (func $outcome (result i32)
    (if (result i32) (i32.load8_u (i32.const 320))
      (then (i32.or (i32.load8_u (i32.const 324)) (i32.const 256)))
      (else (i32.const 0))))

  (func (export "talk") (param $name i32) (param $name-n i32) (param $port i32) (param $text i32) (param $text-n i32)
      (result i32)
    (local $socket i32) (local $got i32) (local $line i64) (local $sent i32) (local $in i32) (local $start i32)
    (local $end i32)
    (call $finish (call $resolve (local.get $name) (local.get $name-n) (i32.const 64)))
    (if (i32.load8_u (i32.const 64)) (then (return (call $answer (i32.load8_u (i32.const 68))))))
    (local.set $start (i32.add (i32.load (i32.const 68)) (i32.const 2)))
    (local.set $socket (call $socket))
    (local.set $got (call $to (local.get $socket) (local.get $start) (local.get $port)))
    (if (local.get $got) (then (return (call $answer (local.get $got)))))
    (call $receive (local.get $socket) (i32.const 32))
    (local.set $in (i32.load (i32.const 32)))
    (local.set $line (call $line-new))
    (local.set $sent (call $send (local.get $socket) (call $low (local.get $line))))
    (call $drop (local.get $socket))
    (if (i32.eq (call $line-write (call $high (local.get $line)) (local.get $text) (local.get $text-n)) (i32.const -1))
      (then (drop (call $await (call $high (local.get $line))))))
    (call $line-end (call $high (local.get $line)))
    (drop (call $sent (local.get $sent) (i32.const 320)))
    (if (call $outcome) (then (return (call $answer (call $outcome)))))
    (local.set $start (call $room (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 131072)))
    (local.set $end (local.get $start))
    (loop $more
      (local.set $got (call $read (local.get $in) (local.get $end) (i32.const 1024)))
      (local.set $end (i32.add (local.get $end) (i32.shr_u (local.get $got) (i32.const 4))))
      (br_if $more (i32.eqz (i32.and (local.get $got) (i32.const 15)))))
    (call $read-end (local.get $in))
    (drop (call $received (i32.load (i32.const 36)) (i32.const 320)))
    (if (call $outcome) (then (return (call $answer (call $outcome)))))
    (i32.store8 (i32.const 128) (i32.const 0))
    (i32.store (i32.const 132) (local.get $start))
    (i32.store (i32.const 136) (i32.sub (local.get $end) (local.get $start)))
    (i32.const 128))

  (func (export "look-up") (param $name i32) (param $name-n i32) (result i32)
    (call $finish (call $resolve (local.get $name) (local.get $name-n) (i32.const 64)))
    (if (i32.load8_u (i32.const 64)) (then (return (call $answer (i32.load8_u (i32.const 68))))))
    (i32.store8 (i32.const 128) (i32.const 0))
    (i32.store (i32.const 132) (i32.load (i32.const 72)))
    (i32.const 128))

  (func (export "reach") (param $address i32) (param $port i32) (result i32) (local $socket i32) (local $got i32)
    (i32.store8 (i32.const 200) (i32.shr_u (local.get $address) (i32.const 24)))
    (i32.store8 (i32.const 201) (i32.shr_u (local.get $address) (i32.const 16)))
    (i32.store8 (i32.const 202) (i32.shr_u (local.get $address) (i32.const 8)))
    (i32.store8 (i32.const 203) (local.get $address))
    (local.set $socket (call $socket))
    (local.set $got (call $to (local.get $socket) (i32.const 200) (local.get $port)))
    (call $drop (local.get $socket))
    (i32.store8 (i32.const 128) (i32.ne (local.get $got) (i32.const 0)))
    (i32.store8 (i32.const 129) (local.get $got))
    (i32.const 128))

  ;; What each answers: the case of its error, or 255 for none.
  (func (export "probe") (param $what i32) (param $port i32) (result i32)
    (local $socket i32) (local $line i64) (local $call i32)
    (i32.store8 (i32.const 320) (i32.const 0))
    (block $told
      (block $read-twice (block $sent-twice (block $unconnected-read (block $unconnected-send (block $hops
      (block $connected-again (block $connecting (block $far (block $udp (block $listen (block $bind
        (br_table $bind $listen $udp $far $connecting $connected-again $hops $unconnected-send $unconnected-read
          $sent-twice $read-twice (local.get $what)))
      (call $bind (call $socket) (i32.const 0) (local.get $port) (i32.const 127) (i32.const 0) (i32.const 0) (i32.const 1)
        ${NO_MORE} (i32.const 320))
      (br $told))
      (call $listen (call $socket) (i32.const 320))
      (br $told))
      (call $create-udp (i32.const 0) (i32.const 320))
      (br $told))
      (call $far (call $socket) (i32.const 320))
      (br $told))
      ;; Twice at once: of the second one the answer is looked at.
      (local.set $socket (call $socket))
      (i32.store (i32.const 400) (local.get $socket))
      (i32.store8 (i32.const 404) (i32.const 0))
      (i32.store16 (i32.const 408) (local.get $port))
      (i32.store (i32.const 410) (i32.const 0x0100007f))
      (local.set $call (call $begin-connect (i32.const 400) (i32.const 480)))
      (drop (call $to (local.get $socket) (i32.const 410) (local.get $port)))
      (i64.store (i32.const 320) (i64.load (i32.const 64)))
      (call $finish (local.get $call))
      (br $told))
      (drop (call $to (call $home (local.get $port)) (i32.const 200) (local.get $port)))
      (i64.store (i32.const 320) (i64.load (i32.const 64)))
      (br $told))
      (call $hops (call $socket) (i32.const 0) (i32.const 320))
      (br $told))
      (local.set $line (call $line-new))
      (drop (call $sent (call $send (call $socket) (call $low (local.get $line))) (i32.const 320)))
      (br $told))
      (call $receive (call $socket) (i32.const 32))
      (drop (call $received (i32.load (i32.const 36)) (i32.const 320)))
      (br $told))
      (local.set $socket (call $home (local.get $port)))
      (drop (call $send (local.get $socket) (call $low (call $line-new))))
      (local.set $line (call $line-new))
      (drop (call $sent (call $send (local.get $socket) (call $low (local.get $line))) (i32.const 320)))
      (br $told))
      (local.set $socket (call $home (local.get $port)))
      (call $receive (local.get $socket) (i32.const 32))
      (call $receive (local.get $socket) (i32.const 32))
      (drop (call $received (i32.load (i32.const 36)) (i32.const 320))))
    (if (result i32) (i32.load8_u (i32.const 320))
      (then (i32.load8_u (i32.const 324)))
      (else (i32.const 255))))
)`;

/** Makes the component. */
export function wasi3SocketsGuest(): Promise<Uint8Array<ArrayBuffer>> {
  return wasi3Component(WORLD, MODULE);
}
