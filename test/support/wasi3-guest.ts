/**
 * A guest of WASI 0.3, written by hand: an asynchronous export that posts a body as a stream, waits for the answer as a
 * subtask, reads the answer's stream, waits for the clock, and writes to standard output through a stream. Its text
 * is a core module; the toolchain makes a component of it by the WIT that stands here too.
 */
import { type CoreImport, HELPERS, importsText, wasi3Component } from "./wasi3-text.ts";

const WORLD = `
world guest {
  import wasi:http/types@0.3.0;
  import wasi:http/client@0.3.0;
  import wasi:clocks/monotonic-clock@0.3.0;
  import wasi:cli/stdout@0.3.0;
  import wasi:filesystem/types@0.3.0;
  import wasi:filesystem/preopens@0.3.0;
  /// The answer's body, or the number of an error's case.
  export post: async func(authority: string, path: string, body: string) -> result<string, u8>;
  /// Sleeps twice at once, and says how long it took in ms.
  export nap: async func(ms: u32) -> u32;
  /// Keeps a text in a file and reads it back; an error is the number of its case.
  export keep: async func(path: string, text: string) -> result<tuple<string, u32>, u8>;
  /// Writes a text to standard output; \`lasting\`: only after it has returned.
  export say: async func(text: string, lasting: bool) -> u32;
}`;

const TYPES = "wasi:http/types@0.3.0";
const FILES = "wasi:filesystem/types@0.3.0";
const STDOUT = "wasi:cli/stdout@0.3.0";

const IMPORTS: readonly CoreImport[] = [
  [TYPES, "[constructor]fields", "fields", "(result i32)"],
  [TYPES, "[static]request.new", "request", "(param i32 i32 i32 i32 i32 i32 i32)"],
  [TYPES, "[method]request.set-method", "set-method", "(param i32 i32 i32 i32) (result i32)"],
  [TYPES, "[method]request.set-scheme", "set-scheme", "(param i32 i32 i32 i32 i32) (result i32)"],
  [TYPES, "[method]request.set-authority", "set-authority", "(param i32 i32 i32 i32) (result i32)"],
  [TYPES, "[method]request.set-path-with-query", "set-path", "(param i32 i32 i32 i32) (result i32)"],
  [TYPES, "[static]response.consume-body", "consume", "(param i32 i32 i32)"],
  [TYPES, "[stream-new-0][static]request.new", "body-new", "(result i64)"],
  [
    TYPES,
    "[async-lower][stream-write-0][static]request.new",
    "body-write",
    "(param i32 i32 i32) (result i32)",
  ],
  [TYPES, "[stream-drop-writable-0][static]request.new", "body-end", "(param i32)"],
  [TYPES, "[future-new-1][static]request.new", "trailers-new", "(result i64)"],
  [
    TYPES,
    "[async-lower][future-write-1][static]request.new",
    "trailers-write",
    "(param i32 i32) (result i32)",
  ],
  [TYPES, "[future-drop-writable-1][static]request.new", "trailers-end", "(param i32)"],
  [TYPES, "[future-drop-readable-2][static]request.new", "sent-drop", "(param i32)"],
  [TYPES, "[future-new-0][static]response.consume-body", "handled-new", "(result i64)"],
  [
    TYPES,
    "[async-lower][future-write-0][static]response.consume-body",
    "handled-write",
    "(param i32 i32) (result i32)",
  ],
  [TYPES, "[future-drop-writable-0][static]response.consume-body", "handled-end", "(param i32)"],
  [TYPES, "[stream-read-1][static]response.consume-body", "answer-read", "(param i32 i32 i32) (result i32)"],
  [TYPES, "[stream-drop-readable-1][static]response.consume-body", "answer-end", "(param i32)"],
  [TYPES, "[future-read-2][static]response.consume-body", "answer-trailers", "(param i32 i32) (result i32)"],
  [TYPES, "[future-drop-readable-2][static]response.consume-body", "answer-trailers-end", "(param i32)"],
  ["wasi:http/client@0.3.0", "[async-lower]send", "send", "(param i32 i32) (result i32)"],
  ["wasi:clocks/monotonic-clock@0.3.0", "now", "now", "(result i64)"],
  ["wasi:clocks/monotonic-clock@0.3.0", "[async-lower]wait-for", "wait-for", "(param i64) (result i32)"],
  [STDOUT, "write-via-stream", "print", "(param i32) (result i32)"],
  [STDOUT, "[stream-new-0]write-via-stream", "line-new", "(result i64)"],
  [STDOUT, "[stream-write-0]write-via-stream", "line-write", "(param i32 i32 i32) (result i32)"],
  [STDOUT, "[stream-drop-writable-0]write-via-stream", "line-end", "(param i32)"],
  [STDOUT, "[future-read-1]write-via-stream", "printed", "(param i32 i32) (result i32)"],
  [STDOUT, "[future-drop-readable-1]write-via-stream", "printed-drop", "(param i32)"],
  ["wasi:filesystem/preopens@0.3.0", "get-directories", "roots", "(param i32)"],
  [FILES, "[method]descriptor.open-at", "open", "(param i32 i32 i32 i32 i32 i32 i32)"],
  [FILES, "[method]descriptor.write-via-stream", "write-file", "(param i32 i32 i64) (result i32)"],
  [FILES, "[stream-new-0][method]descriptor.write-via-stream", "file-new", "(result i64)"],
  [
    FILES,
    "[stream-write-0][method]descriptor.write-via-stream",
    "file-write",
    "(param i32 i32 i32) (result i32)",
  ],
  [FILES, "[stream-drop-writable-0][method]descriptor.write-via-stream", "file-end", "(param i32)"],
  [
    FILES,
    "[future-read-1][method]descriptor.write-via-stream",
    "file-written",
    "(param i32 i32) (result i32)",
  ],
  [FILES, "[method]descriptor.read-via-stream", "read-file", "(param i32 i64 i32)"],
  [
    FILES,
    "[stream-read-0][method]descriptor.read-via-stream",
    "file-read",
    "(param i32 i32 i32) (result i32)",
  ],
  [FILES, "[method]descriptor.read-directory", "list", "(param i32 i32)"],
  [
    FILES,
    "[stream-read-0][method]descriptor.read-directory",
    "list-read",
    "(param i32 i32 i32) (result i32)",
  ],
  ["[export]$root", "[task-return]say", "return-said", "(param i32)"],
];

const MODULE = `(module
  ${importsText(IMPORTS)}
  ${HELPERS}

  (func (export "post") (param $to i32) (param $to-n i32) (param $path i32) (param $path-n i32)
      (param $text i32) (param $text-n i32) (result i32)
    (local $body i64) (local $trailers i64) (local $handled i64)
    (local $request i32) (local $call i32) (local $in i32) (local $got i32) (local $start i32) (local $end i32)
    (local.set $body (call $body-new))
    (local.set $trailers (call $trailers-new))
    (call $request (call $fields) (i32.const 1) (call $low (local.get $body))
      (call $low (local.get $trailers)) (i32.const 0) (i32.const 0) (i32.const 32))
    (local.set $request (i32.load (i32.const 32)))
    (call $sent-drop (i32.load (i32.const 36)))
    (drop (call $set-method (local.get $request) (i32.const 2) (i32.const 0) (i32.const 0)))
    (drop (call $set-scheme (local.get $request) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0)))
    (drop (call $set-authority (local.get $request) (i32.const 1) (local.get $to) (local.get $to-n)))
    (drop (call $set-path (local.get $request) (i32.const 1) (local.get $path) (local.get $path-n)))
    (local.set $call (call $send (local.get $request) (i32.const 64)))
    ;; The body, while the request is under way; then that no trailers follow.
    (if (i32.eq (call $body-write (call $high (local.get $body)) (local.get $text) (local.get $text-n)) (i32.const -1))
      (then (drop (call $await (call $high (local.get $body))))))
    (call $body-end (call $high (local.get $body)))
    (memory.fill (i32.const 256) (i32.const 0) (i32.const 64))
    (if (i32.eq (call $trailers-write (call $high (local.get $trailers)) (i32.const 256)) (i32.const -1))
      (then (drop (call $await (call $high (local.get $trailers))))))
    (call $trailers-end (call $high (local.get $trailers)))
    (call $finish (local.get $call))
    (if (i32.load8_u (i32.const 64))
      (then
        (i32.store8 (i32.const 128) (i32.const 1))
        (i32.store8 (i32.const 132) (i32.load8_u (i32.const 72)))
        (return (i32.const 128))))
    ;; The answer's body.
    (local.set $handled (call $handled-new))
    (call $consume (i32.load (i32.const 72)) (call $low (local.get $handled)) (i32.const 32))
    (local.set $in (i32.load (i32.const 32)))
    (drop (call $handled-write (call $high (local.get $handled)) (i32.const 256)))
    (call $handled-end (call $high (local.get $handled)))
    (local.set $start (call $room (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 65536)))
    (local.set $end (local.get $start))
    (loop $more
      (local.set $got (call $answer-read (local.get $in) (local.get $end) (i32.const 1024)))
      (local.set $end (i32.add (local.get $end) (i32.shr_u (local.get $got) (i32.const 4))))
      (br_if $more (i32.eqz (i32.and (local.get $got) (i32.const 15)))))
    (call $answer-end (local.get $in))
    (drop (call $answer-trailers (i32.load (i32.const 36)) (i32.const 320)))
    (call $answer-trailers-end (i32.load (i32.const 36)))
    (i32.store8 (i32.const 128) (i32.const 0))
    (i32.store (i32.const 132) (local.get $start))
    (i32.store (i32.const 136) (i32.sub (local.get $end) (local.get $start)))
    (i32.const 128))

  (func (export "nap") (param $ms i32) (result i32) (local $from i64) (local $ns i64) (local $a i32) (local $b i32)
    (local.set $from (call $now))
    (local.set $ns (i64.mul (i64.extend_i32_u (local.get $ms)) (i64.const 1000000)))
    (local.set $a (call $wait-for (local.get $ns)))
    (local.set $b (call $wait-for (local.get $ns)))
    (call $finish (local.get $b))
    (call $finish (local.get $a))
    (i32.wrap_i64 (i64.div_u (i64.sub (call $now) (local.get $from)) (i64.const 1000000))))

  (func (export "keep") (param $path i32) (param $path-n i32) (param $text i32) (param $text-n i32) (result i32)
    (local $root i32) (local $file i32) (local $line i64) (local $at i32) (local $got i32)
    (call $roots (i32.const 32))
    (local.set $root (i32.load (i32.load (i32.const 32))))
    ;; Created; read and write.
    (call $open (local.get $root) (i32.const 0) (local.get $path) (local.get $path-n)
      (i32.const 1) (i32.const 3) (i32.const 64))
    (if (i32.load8_u (i32.const 64))
      (then
        (i32.store8 (i32.const 128) (i32.const 1))
        (i32.store8 (i32.const 132) (i32.load8_u (i32.const 68)))
        (return (i32.const 128))))
    (local.set $file (i32.load (i32.const 68)))
    (local.set $line (call $file-new))
    (local.set $got (call $write-file (local.get $file) (call $low (local.get $line)) (i64.const 0)))
    (drop (call $file-write (call $high (local.get $line)) (local.get $text) (local.get $text-n)))
    (call $file-end (call $high (local.get $line)))
    (drop (call $file-written (local.get $got) (i32.const 320)))
    (call $read-file (local.get $file) (i64.const 0) (i32.const 32))
    (local.set $at (call $room (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 4096)))
    (local.set $got (i32.shr_u (call $file-read (i32.load (i32.const 32)) (local.get $at) (i32.const 4096)) (i32.const 4)))
    (i32.store8 (i32.const 128) (i32.const 0))
    (i32.store (i32.const 132) (local.get $at))
    (i32.store (i32.const 136) (local.get $got))
    ;; How many names there are beside it.
    (call $list (local.get $root) (i32.const 32))
    (local.set $at (call $room (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 240)))
    (i32.store (i32.const 140)
      (i32.shr_u (call $list-read (i32.load (i32.const 32)) (local.get $at) (i32.const 10)) (i32.const 4)))
    (i32.const 128))

  (func (export "[async-lift-stackful]say") (param $text i32) (param $text-n i32) (param $lasting i32)
    (local $line i64) (local $printed i32)
    (if (local.get $lasting) (then (call $return-said (i32.const 7))))
    (local.set $line (call $line-new))
    (local.set $printed (call $print (call $low (local.get $line))))
    (drop (call $line-write (call $high (local.get $line)) (local.get $text) (local.get $text-n)))
    (call $line-end (call $high (local.get $line)))
    (drop (call $printed (local.get $printed) (i32.const 320)))
    (call $printed-drop (local.get $printed))
    (if (i32.eqz (local.get $lasting)) (then (call $return-said (i32.load8_u (i32.const 320))))))
)`;

/** Makes the component. */
export function wasi3Guest(): Promise<Uint8Array<ArrayBuffer>> {
  return wasi3Component(WORLD, MODULE);
}
