/* A guest as a C vendor writes one: wasi-libc, a preview 1 command, adapted to a component afterwards. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv) {
  printf("hello from c, %d arguments\n", argc);
  printf("time is sane: %d\n", time(NULL) > 1600000000);
  srand((unsigned)time(NULL));
  printf("rand: %d\n", rand() >= 0);
  printf("HOME is %s\n", getenv("HOME") ? getenv("HOME") : "absent");
  FILE *file = fopen("/etc/passwd", "r");
  printf("fopen: %s\n", file ? "OPENED" : strerror(errno));
  char line[16];
  printf("fgets: %s\n", fgets(line, sizeof line, stdin) ? "READ" : "end of input");
  struct timespec nap = {0, 30000000};
  printf("nanosleep: %d\n", nanosleep(&nap, NULL));
  unsigned char entropy[16];
  printf("getentropy: %d\n", getentropy(entropy, sizeof entropy));
  char *block = malloc(20 << 20);
  if (!block) return 2;
  memset(block, 1, 20 << 20);
  unsigned long sum = 0;
  for (size_t i = 0; i < 20 << 20; i++) sum += block[i];
  printf("sum: %lu\n", sum);

  for (int i = 0; i < 3000; i++) printf("line %d of a long output that is flushed by the libc in pieces\n", i);
  fprintf(stderr, "about to return\n");
  return EXITCODE;
}
