// A guest whose bodies are all different: it sends bytes that only it has, and says what it made of those that came.
// The canonical ABI of wasi:http by hand. Built by build.sh; the .wasm beside this file is what runs.
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
#define EXPORT(name) __attribute__((export_name(name)))
#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define TYPES "wasi:http/types@0.2.12"
#define POLL "wasi:io/poll@0.2.12"
#define STREAMS "wasi:io/streams@0.2.12"

IMPORT(TYPES, "[constructor]fields") u32 new_fields(void);
IMPORT(TYPES, "[constructor]outgoing-request") u32 new_request(u32 fields);
IMPORT(TYPES, "[method]outgoing-request.set-method") u32 set_method(u32 self, u32 tag, const u8 *p, u32 n);
IMPORT(TYPES, "[method]outgoing-request.set-scheme") u32 set_scheme(u32 self, u32 some, u32 tag, const u8 *p, u32 n);
IMPORT(TYPES, "[method]outgoing-request.set-authority") u32 set_authority(u32 self, u32 some, const u8 *p, u32 n);
IMPORT(TYPES, "[method]outgoing-request.set-path-with-query") u32 set_path(u32 self, u32 some, const u8 *p, u32 n);
IMPORT(TYPES, "[method]outgoing-request.body") void request_body(u32 self, void *out);
IMPORT(TYPES, "[method]outgoing-body.write") void body_write(u32 self, void *out);
IMPORT(TYPES, "[static]outgoing-body.finish") void finish_body(u32 self, u32 some, u32 trailers, void *out);
IMPORT("wasi:http/outgoing-handler@0.2.12", "handle") void handle(u32 request, u32 some, u32 options, void *out);
IMPORT(TYPES, "[method]future-incoming-response.subscribe") u32 subscribe(u32 self);
IMPORT(TYPES, "[method]future-incoming-response.get") void get(u32 self, void *out);
IMPORT(TYPES, "[method]incoming-response.consume") void consume(u32 self, void *out);
IMPORT(TYPES, "[method]incoming-body.stream") void body_stream(u32 self, void *out);
IMPORT(POLL, "[method]pollable.block") void block(u32 self);
IMPORT(STREAMS, "[method]input-stream.blocking-read") void blocking_read(u32 self, u64 most, void *out);
IMPORT(STREAMS, "[method]output-stream.blocking-write-and-flush") void write_and_flush(u32 self, const u8 *p, u32 n, void *out);
IMPORT(TYPES, "[resource-drop]future-incoming-response") void drop_future(u32 self);
IMPORT(TYPES, "[resource-drop]incoming-response") void drop_response(u32 self);
IMPORT(TYPES, "[resource-drop]incoming-body") void drop_body(u32 self);
IMPORT(POLL, "[resource-drop]pollable") void drop_pollable(u32 self);
IMPORT(STREAMS, "[resource-drop]input-stream") void drop_input(u32 self);
IMPORT(STREAMS, "[resource-drop]output-stream") void drop_output(u32 self);

static u8 arena[1 << 20] __attribute__((aligned(16)));
static u32 used;
EXPORT("cabi_realloc") void *cabi_realloc(void *old, u32 old_bytes, u32 align, u32 bytes) {
  used = (used + align - 1) & ~(align - 1);
  if (used + bytes > sizeof arena) __builtin_trap();
  void *at = arena + used;
  used += bytes;
  return at;
}

static u32 out[16] __attribute__((aligned(8)));
static u8 piece_of[65536];

// What only this seed has at this place; no two blocks of it are the same.
static u8 byte_at(u32 seed, u32 at) { return (u8)(at * (2 * seed + 1) + (at >> 8) * 31 + (at >> 16) * 7 + seed); }

static void must(u32 tag) {
  if ((tag & 255) != 0) __builtin_trap();
}

EXPORT("exchange")
u32 exchange(const u8 *authority, u32 authority_bytes, const u8 *path, u32 path_bytes, u32 seed, u32 bytes, u32 piece) {
  u32 request = new_request(new_fields());
  set_method(request, 2, 0, 0);
  set_scheme(request, 1, 0, 0, 0);
  set_authority(request, 1, authority, authority_bytes);
  set_path(request, 1, path, path_bytes);
  request_body(request, out), must(out[0]);
  u32 body = out[1];
  body_write(body, out), must(out[0]);
  u32 sink = out[1];
  handle(request, 0, 0, out), must(out[0]);
  u32 future = out[2];
  // The interface lets a guest write 4096 bytes at once where it waits for them.
  u32 most = piece < 4096 ? piece : 4096;
  for (u32 at = 0; at < bytes;) {
    u32 n = bytes - at < most ? bytes - at : most;
    for (u32 i = 0; i < n; i++) piece_of[i] = byte_at(seed, at + i);
    write_and_flush(sink, piece_of, n, out), must(out[0]);
    // Whoever was given it must not see what becomes of it here.
    for (u32 i = 0; i < n; i++) piece_of[i] = 0xee;
    at += n;
  }
  drop_output(sink);
  finish_body(body, 0, 0, out), must(out[0]);
  u32 ready = subscribe(future);
  block(ready);
  drop_pollable(ready);
  get(future, out), must(out[2]), must(out[4]);
  u32 response = out[6];
  drop_future(future);
  consume(response, out);
  u32 incoming = out[1];
  body_stream(incoming, out);
  u32 stream = out[1];
  u32 digest = 2166136261u;
  for (u32 mark = used;; used = mark) {
    blocking_read(stream, piece, out);
    if ((out[0] & 255) != 0) break;
    const u8 *p = (const u8 *)out[1];
    for (u32 i = 0; i < out[2]; i++) digest = (digest ^ p[i]) * 16777619u;
  }
  // Its end, and not a failure.
  if ((out[1] & 255) == 0) __builtin_trap();
  drop_input(stream);
  drop_body(incoming);
  drop_response(response);
  return digest;
}
