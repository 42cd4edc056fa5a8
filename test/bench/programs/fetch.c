// A guest that does nothing but GET: the canonical ABI of wasi:http by hand, so that what is timed is the host.
// Built by build.sh; the .wasm beside this file is what runs. Its types are in fetch.wit.
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
IMPORT(TYPES, "[method]outgoing-request.set-scheme") u32 set_scheme(u32 self, u32 some, u32 tag, const u8 *p, u32 n);
IMPORT(TYPES, "[method]outgoing-request.set-authority") u32 set_authority(u32 self, u32 some, const u8 *p, u32 n);
IMPORT(TYPES, "[method]outgoing-request.set-path-with-query") u32 set_path(u32 self, u32 some, const u8 *p, u32 n);
IMPORT("wasi:http/outgoing-handler@0.2.12", "handle") void handle(u32 request, u32 some, u32 options, void *out);
IMPORT(TYPES, "[method]future-incoming-response.subscribe") u32 subscribe(u32 self);
IMPORT(TYPES, "[method]future-incoming-response.get") void get(u32 self, void *out);
IMPORT(TYPES, "[method]incoming-response.consume") void consume(u32 self, void *out);
IMPORT(TYPES, "[method]incoming-body.stream") void body_stream(u32 self, void *out);
IMPORT(POLL, "[method]pollable.block") void block(u32 self);
IMPORT(STREAMS, "[method]input-stream.blocking-read") void blocking_read(u32 self, u64 most, void *out);
IMPORT(TYPES, "[resource-drop]future-incoming-response") void drop_future(u32 self);
IMPORT(TYPES, "[resource-drop]incoming-response") void drop_response(u32 self);
IMPORT(TYPES, "[resource-drop]incoming-body") void drop_body(u32 self);
IMPORT(POLL, "[resource-drop]pollable") void drop_pollable(u32 self);
IMPORT(STREAMS, "[resource-drop]input-stream") void drop_stream(u32 self);
IMPORT("wasi:io/error@0.2.12", "[resource-drop]error") void drop_error(u32 self);

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

// One GET, and the length of its answer. Whatever is not an answer ends the guest.
static u64 get_once(u32 scheme, const u8 *authority, u32 authority_bytes, const u8 *path, u32 path_bytes) {
  u32 request = new_request(new_fields());
  set_scheme(request, 1, scheme, 0, 0);
  set_authority(request, 1, authority, authority_bytes);
  set_path(request, 1, path, path_bytes);
  handle(request, 0, 0, out);
  if (((u8 *)out)[0] != 0) __builtin_trap();
  u32 future = out[2], ready = subscribe(future);
  block(ready);
  drop_pollable(ready);
  // option<result<result<incoming-response, error-code>>>, each tag at the next multiple of eight.
  get(future, out);
  if (((u8 *)out)[0] != 1 || ((u8 *)out)[8] != 0 || ((u8 *)out)[16] != 0) __builtin_trap();
  u32 response = out[6];
  drop_future(future);
  consume(response, out);
  u32 body = out[1];
  body_stream(body, out);
  u32 stream = out[1];
  u64 bytes = 0;
  for (u32 mark = used;; used = mark) {
    blocking_read(stream, 65536, out);
    if (((u8 *)out)[0] != 0) break;
    bytes += out[2];
  }
  if (((u8 *)out)[4] == 0) drop_error(out[2]), __builtin_trap();
  drop_stream(stream);
  drop_body(body);
  drop_response(response);
  return bytes;
}

static u64 get_times(u32 scheme, const u8 *authority, u32 authority_bytes, const u8 *path, u32 path_bytes, u32 times) {
  u64 bytes = 0;
  for (u32 mark = used; times > 0; times--, used = mark)
    bytes += get_once(scheme, authority, authority_bytes, path, path_bytes);
  return bytes;
}

EXPORT("fetch") u64 fetch(const u8 *authority, u32 authority_bytes, const u8 *path, u32 path_bytes, u32 times) {
  return get_times(0, authority, authority_bytes, path, path_bytes, times);
}

EXPORT("fetch-over-tls") u64 fetch_tls(const u8 *authority, u32 authority_bytes, const u8 *path, u32 path_bytes, u32 times) {
  return get_times(1, authority, authority_bytes, path, path_bytes, times);
}
