/* The canonical ABI by hand, as a C vendor without wit-bindgen would do it; a reactor with a static constructor. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

__attribute__((export_name("cabi_realloc"))) void *cabi_realloc(void *old, size_t o, size_t align, size_t size) {
  (void)o; (void)align;
  void *at = size ? realloc(old, size) : (void *)align;
  if (!at) __builtin_trap();
  return at;
}
static int constructed;
__attribute__((constructor)) static void construct(void) { constructed = 42; srand((unsigned)time(NULL)); PRINT_AT_START }
static struct { char *at; size_t length; } answer;
__attribute__((export_name("guests:c/api@0.1.0#greet"))) void *greet(char *name, size_t length) {
  char *text;
  int n = asprintf(&text, "hello %.*s, %d", (int)length, name, constructed);
  answer.at = text; answer.length = n;
  printf("greeted\n");
  fflush(stdout);
  return &answer;
}
__attribute__((export_name("guests:c/api@0.1.0#spin"))) uint64_t spin(uint64_t n) {
  uint64_t h = 14695981039346656037ull;
  for (uint64_t i = 0; i < n; i++) h = (h ^ i) * 1099511628211ull;
  return h;
}
__attribute__((export_name("guests:c/api@0.1.0#recurse"))) uint32_t recurse(uint32_t n) {
  volatile char pad[64]; pad[0] = n;
  return n == 0 ? pad[0] : 1 + recurse(n - 1);
}
