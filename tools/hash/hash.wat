;; The hash tool: two digests, written by hand so that the whole component is a few kilobytes.
;;
;; Canonical ABI: a list arrives as (pointer, length) in memory that the host asked `cabi_realloc` for, and a list
;; leaves as a pointer to its (pointer, length). Both live in this module's memory, laid out as
;;
;;      0  K       64 words  round constants of SHA-256
;;    256  H0       8 words  its initial state
;;    288  state    8 words  the running state; at the end the digest, big-endian
;;    320  W       64 words  message schedule
;;    576  tail   128 bytes  the last one or two blocks, padded
;;    704  result   2 words  (pointer, length) of a returned list
;;   1024  heap              arguments; given back when the function returns
(module
  (memory (export "memory") 1)

  (data (i32.const 0)
    "\98\2f\8a\42\91\44\37\71\cf\fb\c0\b5\a5\db\b5\e9\5b\c2\56\39\f1\11\f1\59\a4\82\3f\92\d5\5e\1c\ab"
    "\98\aa\07\d8\01\5b\83\12\be\85\31\24\c3\7d\0c\55\74\5d\be\72\fe\b1\de\80\a7\06\dc\9b\74\f1\9b\c1"
    "\c1\69\9b\e4\86\47\be\ef\c6\9d\c1\0f\cc\a1\0c\24\6f\2c\e9\2d\aa\84\74\4a\dc\a9\b0\5c\da\88\f9\76"
    "\52\51\3e\98\6d\c6\31\a8\c8\27\03\b0\c7\7f\59\bf\f3\0b\e0\c6\47\91\a7\d5\51\63\ca\06\67\29\29\14"
    "\85\0a\b7\27\38\21\1b\2e\fc\6d\2c\4d\13\0d\38\53\54\73\0a\65\bb\0a\6a\76\2e\c9\c2\81\85\2c\72\92"
    "\a1\e8\bf\a2\4b\66\1a\a8\70\8b\4b\c2\a3\51\6c\c7\19\e8\92\d1\24\06\99\d6\85\35\0e\f4\70\a0\6a\10"
    "\16\c1\a4\19\08\6c\37\1e\4c\77\48\27\b5\bc\b0\34\b3\0c\1c\39\4a\aa\d8\4e\4f\ca\9c\5b\f3\6f\2e\68"
    "\ee\82\8f\74\6f\63\a5\78\14\78\c8\84\08\02\c7\8c\fa\ff\be\90\eb\6c\50\a4\f7\a3\f9\be\f2\78\71\c6")
  (data (i32.const 256)
    "\67\e6\09\6a\85\ae\67\bb\72\f3\6e\3c\3a\f5\4f\a5\7f\52\0e\51\8c\68\05\9b\ab\d9\83\1f\19\cd\e0\5b")

  (global $free (mut i32) (i32.const 1024))

  ;; Gives `new` bytes, with the first `old` bytes of `from` in them. Nothing is reused before the call ends.
  ;; INVARIANT: what it gives lies within the memory; a request that can not be met traps here, before any pointer
  ;; is handed out.
  (func $realloc (export "cabi_realloc")
    (param $from i32) (param $old i32) (param $align i32) (param $new i32) (result i32)
    (local $at i32) (local $end i32) (local $pages i32)
    ;; at = free rounded up to align, a power of two
    (local.set $at (i32.and
      (i32.add (global.get $free) (i32.sub (local.get $align) (i32.const 1)))
      (i32.sub (i32.const 0) (local.get $align))))
    (local.set $end (i32.add (local.get $at) (local.get $new)))
    ;; a length near 4 GiB wraps around: refuse it
    (if (i32.lt_u (local.get $end) (local.get $at)) (then unreachable))
    (local.set $pages (i32.add
      (i32.shr_u (local.get $end) (i32.const 16))
      (i32.ne (i32.and (local.get $end) (i32.const 0xffff)) (i32.const 0))))
    (if (i32.gt_u (local.get $pages) (memory.size))
      (then
        (if (i32.eq (memory.grow (i32.sub (local.get $pages) (memory.size))) (i32.const -1))
          (then unreachable))))
    (if (local.get $old)
      (then
        (memory.copy (local.get $at) (local.get $from)
          (select (local.get $old) (local.get $new) (i32.lt_u (local.get $old) (local.get $new))))))
    (global.set $free (local.get $end))
    (local.get $at))

  (func (export "writ:hash/hash@0.1.0#fnv1a64") (param $data i32) (param $length i32) (result i64)
    (local $hash i64) (local $end i32)
    (local.set $hash (i64.const 0xcbf29ce484222325))
    (local.set $end (i32.add (local.get $data) (local.get $length)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $data) (local.get $end)))
        (local.set $hash (i64.mul
          (i64.xor (local.get $hash) (i64.load8_u (local.get $data)))
          (i64.const 0x100000001b3)))
        (local.set $data (i32.add (local.get $data) (i32.const 1)))
        (br $next)))
    (global.set $free (i32.const 1024))
    (local.get $hash))

  (func (export "writ:hash/hash@0.1.0#sha256") (param $data i32) (param $length i32) (result i32)
    (local $at i32) (local $left i32) (local $tail i32) (local $i i32)
    (memory.copy (i32.const 288) (i32.const 256) (i32.const 32))
    (local.set $at (local.get $data))
    (local.set $left (local.get $length))
    (block $done
      (loop $next
        (br_if $done (i32.lt_u (local.get $left) (i32.const 64)))
        (call $compress (local.get $at))
        (local.set $at (i32.add (local.get $at) (i32.const 64)))
        (local.set $left (i32.sub (local.get $left) (i32.const 64)))
        (br $next)))

    ;; padding: the bit 1, zeros, and the length in bits as 64 bits big-endian; two blocks when 9 bytes do not fit
    (memory.fill (i32.const 576) (i32.const 0) (i32.const 128))
    (memory.copy (i32.const 576) (local.get $at) (local.get $left))
    (i32.store8 offset=576 (local.get $left) (i32.const 0x80))
    (local.set $tail (select (i32.const 128) (i32.const 64) (i32.gt_u (local.get $left) (i32.const 55))))
    (i32.store offset=568 (local.get $tail)
      (call $swap (i32.shr_u (local.get $length) (i32.const 29))))
    (i32.store offset=572 (local.get $tail)
      (call $swap (i32.shl (local.get $length) (i32.const 3))))
    (call $compress (i32.const 576))
    (if (i32.eq (local.get $tail) (i32.const 128)) (then (call $compress (i32.const 640))))

    (loop $words
      (i32.store offset=288 (local.get $i) (call $swap (i32.load offset=288 (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 4)))
      (br_if $words (i32.lt_u (local.get $i) (i32.const 32))))
    (global.set $free (i32.const 1024))
    ;; the digest stays where it is until the next call: no post-return is needed
    (i32.store (i32.const 704) (i32.const 288))
    (i32.store (i32.const 708) (i32.const 32))
    (i32.const 704))

  ;; FIPS 180-4 section 6.2.2, over the 64 bytes at `block`.
  (func $compress (param $block i32)
    (local $t i32) (local $x i32) (local $y i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32)
    (local $e i32) (local $f i32) (local $g i32) (local $h i32)

    ;; W[0..15] are the block's words; t counts bytes, four to a word
    (loop $load
      (i32.store offset=320 (local.get $t)
        (call $swap (i32.load align=1 (i32.add (local.get $block) (local.get $t)))))
      (local.set $t (i32.add (local.get $t) (i32.const 4)))
      (br_if $load (i32.lt_u (local.get $t) (i32.const 64))))
    ;; W[t] = s1(W[t-2]) + W[t-7] + s0(W[t-15]) + W[t-16]; the offsets are 320 less 4 times the distance
    (loop $extend
      (local.set $x (i32.load offset=312 (local.get $t)))
      (local.set $y (i32.load offset=260 (local.get $t)))
      (i32.store offset=320 (local.get $t)
        (i32.add
          (i32.add
            (i32.xor
              (i32.xor (i32.rotr (local.get $x) (i32.const 17)) (i32.rotr (local.get $x) (i32.const 19)))
              (i32.shr_u (local.get $x) (i32.const 10)))
            (i32.load offset=292 (local.get $t)))
          (i32.add
            (i32.xor
              (i32.xor (i32.rotr (local.get $y) (i32.const 7)) (i32.rotr (local.get $y) (i32.const 18)))
              (i32.shr_u (local.get $y) (i32.const 3)))
            (i32.load offset=256 (local.get $t)))))
      (local.set $t (i32.add (local.get $t) (i32.const 4)))
      (br_if $extend (i32.lt_u (local.get $t) (i32.const 256))))

    (local.set $a (i32.load (i32.const 288)))
    (local.set $b (i32.load (i32.const 292)))
    (local.set $c (i32.load (i32.const 296)))
    (local.set $d (i32.load (i32.const 300)))
    (local.set $e (i32.load (i32.const 304)))
    (local.set $f (i32.load (i32.const 308)))
    (local.set $g (i32.load (i32.const 312)))
    (local.set $h (i32.load (i32.const 316)))
    (local.set $t (i32.const 0))
    (loop $round
      ;; x = h + S1(e) + Ch(e, f, g) + K[t] + W[t]
      (local.set $x (i32.add
        (i32.add
          (i32.add
            (local.get $h)
            (i32.xor
              (i32.xor (i32.rotr (local.get $e) (i32.const 6)) (i32.rotr (local.get $e) (i32.const 11)))
              (i32.rotr (local.get $e) (i32.const 25))))
          (i32.xor
            (local.get $g)
            (i32.and (local.get $e) (i32.xor (local.get $f) (local.get $g)))))
        (i32.add (i32.load (local.get $t)) (i32.load offset=320 (local.get $t)))))
      ;; y = S0(a) + Maj(a, b, c)
      (local.set $y (i32.add
        (i32.xor
          (i32.xor (i32.rotr (local.get $a) (i32.const 2)) (i32.rotr (local.get $a) (i32.const 13)))
          (i32.rotr (local.get $a) (i32.const 22)))
        (i32.or
          (i32.and (local.get $a) (local.get $b))
          (i32.and (local.get $c) (i32.or (local.get $a) (local.get $b))))))
      (local.set $h (local.get $g))
      (local.set $g (local.get $f))
      (local.set $f (local.get $e))
      (local.set $e (i32.add (local.get $d) (local.get $x)))
      (local.set $d (local.get $c))
      (local.set $c (local.get $b))
      (local.set $b (local.get $a))
      (local.set $a (i32.add (local.get $x) (local.get $y)))
      (local.set $t (i32.add (local.get $t) (i32.const 4)))
      (br_if $round (i32.lt_u (local.get $t) (i32.const 256))))

    (call $add (i32.const 288) (local.get $a))
    (call $add (i32.const 292) (local.get $b))
    (call $add (i32.const 296) (local.get $c))
    (call $add (i32.const 300) (local.get $d))
    (call $add (i32.const 304) (local.get $e))
    (call $add (i32.const 308) (local.get $f))
    (call $add (i32.const 312) (local.get $g))
    (call $add (i32.const 316) (local.get $h)))

  (func $add (param $at i32) (param $value i32)
    (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (local.get $value))))

  ;; The four bytes of a word in the other order: SHA-256 is big-endian, WebAssembly little-endian.
  (func $swap (param $x i32) (result i32)
    (i32.or
      (i32.and (i32.rotl (local.get $x) (i32.const 8)) (i32.const 0x00ff00ff))
      (i32.and (i32.rotr (local.get $x) (i32.const 8)) (i32.const 0xff00ff00))))
)
