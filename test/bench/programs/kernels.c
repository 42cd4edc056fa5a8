// Kernels of the metering benchmark: what compilers make of ordinary C. Each takes a size and gives a checksum.
// Built by build.sh; the .wasm beside this file is what runs.
#define EXPORT(name) __attribute__((export_name(#name), noinline)) int name
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

static u32 seed;
static u32 next(void) { seed = seed * 1664525u + 1013904223u; return seed >> 8; }

static double a[256 * 256], b[256 * 256], c[256 * 256];
EXPORT(matrix)(int n) {
  for (int i = 0; i < n * n; i++) { a[i] = i % 7; b[i] = i % 5; }
  for (int i = 0; i < n; i++)
    for (int j = 0; j < n; j++) {
      double sum = 0;
      for (int k = 0; k < n; k++) sum += a[i * n + k] * b[k * n + j];
      c[i * n + j] = sum;
    }
  return (int)c[n * n - 1];
}

static u8 bytes[1 << 20], other[1 << 20];
EXPORT(sieve)(int n) {
  int count = 0;
  for (int i = 0; i < n; i++) bytes[i] = 1;
  for (int i = 2; i < n; i++) {
    if (!bytes[i]) continue;
    count++;
    for (int j = i + i; j < n; j += i) bytes[j] = 0;
  }
  return count;
}

static int list[1 << 16];
static void sort(int *from, int *to) {
  while (to - from > 1) {
    int pivot = from[(to - from) / 2], *i = from, *j = to - 1;
    while (i <= j) {
      while (*i < pivot) i++;
      while (*j > pivot) j--;
      if (i <= j) { int t = *i; *i++ = *j; *j-- = t; }
    }
    sort(from, j + 1);
    from = i;
  }
}
EXPORT(quicksort)(int n) {
  seed = 1;
  for (int i = 0; i < n; i++) list[i] = next();
  sort(list, list + n);
  return list[n / 2];
}

static void sift(int *heap, int i, int n) {
  for (;;) {
    int child = 2 * i + 1;
    if (child >= n) return;
    if (child + 1 < n && heap[child + 1] > heap[child]) child++;
    if (heap[i] >= heap[child]) return;
    int t = heap[i]; heap[i] = heap[child]; heap[child] = t;
    i = child;
  }
}
EXPORT(heapsort)(int n) {
  seed = 2;
  for (int i = 0; i < n; i++) list[i] = next();
  for (int i = n / 2; i-- > 0;) sift(list, i, n);
  for (int i = n; i-- > 1;) { int t = list[0]; list[0] = list[i]; list[i] = t; sift(list, 0, i); }
  return list[n / 3];
}

static int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
EXPORT(fib)(int n) { return fibonacci(n); }

static int queens_from(int n, u32 columns, u32 left, u32 right) {
  u32 all = (1u << n) - 1, free = all & ~(columns | left | right);
  int count = 0;
  if (columns == all) return 1;
  while (free) {
    u32 bit = free & -free;
    free ^= bit;
    count += queens_from(n, columns | bit, (left | bit) << 1, (right | bit) >> 1);
  }
  return count;
}
EXPORT(queens)(int n) { return queens_from(n, 0, 0, 0); }

EXPORT(fannkuch)(int n) {
  int p[16], q[16], s[16], flips = 0, r = n;
  for (int i = 0; i < n; i++) p[i] = i;
  for (;;) {
    while (r != 1) { s[r - 1] = r; r--; }
    for (int i = 0; i < n; i++) q[i] = p[i];
    int count = 0;
    for (int k; (k = q[0]) != 0; count++)
      for (int i = 0, j = k; i < j; i++, j--) { int t = q[i]; q[i] = q[j]; q[j] = t; }
    if (count > flips) flips = count;
    for (;;) {
      if (r == n) return flips;
      int first = p[0];
      for (int i = 0; i < r; i++) p[i] = p[i + 1];
      p[r] = first;
      if (--s[r] > 0) break;
      r++;
    }
  }
}

EXPORT(mandelbrot)(int n) {
  int inside = 0;
  for (int y = 0; y < n; y++)
    for (int x = 0; x < n; x++) {
      double cr = 2.0 * x / n - 1.5, ci = 2.0 * y / n - 1, zr = 0, zi = 0;
      int i = 0;
      for (; i < 50 && zr * zr + zi * zi < 4; i++) { double t = zr * zr - zi * zi + cr; zi = 2 * zr * zi + ci; zr = t; }
      inside += i == 50;
    }
  return inside;
}

static struct { double x[3], v[3], mass; } bodies[5];
EXPORT(nbody)(int n) {
  for (int i = 0; i < 5; i++)
    for (int k = 0; k < 3; k++) { bodies[i].x[k] = i * 1.3 + k; bodies[i].v[k] = 0.1 * k - 0.05 * i; bodies[i].mass = 1 + i; }
  for (int step = 0; step < n; step++) {
    for (int i = 0; i < 5; i++)
      for (int j = i + 1; j < 5; j++) {
        double d[3], square = 0.01;
        for (int k = 0; k < 3; k++) { d[k] = bodies[i].x[k] - bodies[j].x[k]; square += d[k] * d[k]; }
        double m = 0.001 / (square * __builtin_sqrt(square));
        for (int k = 0; k < 3; k++) { bodies[i].v[k] -= d[k] * bodies[j].mass * m; bodies[j].v[k] += d[k] * bodies[i].mass * m; }
      }
    for (int i = 0; i < 5; i++) for (int k = 0; k < 3; k++) bodies[i].x[k] += 0.001 * bodies[i].v[k];
  }
  return (int)(bodies[0].x[0] * 1000000);
}

static int row[4096];
EXPORT(levenshtein)(int n) {
  seed = 3;
  for (int i = 0; i < n; i++) { bytes[i] = next() & 3; other[i] = next() & 3; }
  for (int j = 0; j <= n; j++) row[j] = j;
  for (int i = 0; i < n; i++) {
    int corner = row[0];
    row[0] = i + 1;
    for (int j = 0; j < n; j++) {
      int up = row[j + 1], best = corner + (bytes[i] != other[j]);
      if (up + 1 < best) best = up + 1;
      if (row[j] + 1 < best) best = row[j] + 1;
      corner = up;
      row[j + 1] = best;
    }
  }
  return row[n];
}

static int heads[4096];
EXPORT(compress)(int n) {
  seed = 4;
  for (int i = 0; i < n; i++) bytes[i] = (next() & 7) ? bytes[i > 40 ? i - 37 : 0] : next();
  for (int i = 0; i < 4096; i++) heads[i] = -1;
  int out = 0;
  for (int i = 0; i < n - 4;) {
    u32 hash = ((bytes[i] | bytes[i + 1] << 8 | bytes[i + 2] << 16) * 2654435761u) >> 20;
    int at = heads[hash], length = 0;
    heads[hash] = i;
    if (at >= 0) while (length < 255 && i + length < n && bytes[at + length] == bytes[i + length]) length++;
    if (length >= 4) { other[out++] = 255; other[out++] = i - at; other[out++] = length; i += length; }
    else other[out++] = bytes[i++];
  }
  return out;
}

EXPORT(base64)(int n) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  u32 sum = 0;
  for (int i = 0; i < n; i++) bytes[i] = i * 7;
  int out = 0;
  for (int i = 0; i + 2 < n; i += 3) {
    u32 group = bytes[i] << 16 | bytes[i + 1] << 8 | bytes[i + 2];
    other[out++] = digits[group >> 18];
    other[out++] = digits[group >> 12 & 63];
    other[out++] = digits[group >> 6 & 63];
    other[out++] = digits[group & 63];
  }
  for (int i = 0; i < out; i++) sum = sum * 31 + other[i];
  return sum;
}

EXPORT(tokens)(int n) {
  static const char text[] = "{\"name\": \"a \\\"b\\\" c\", \"values\": [1, 22, -3.5e7, true, null], \"nested\": {\"k\": []}}, ";
  int depth = 0, strings = 0, numbers = 0, words = 0, deepest = 0;
  for (int i = 0; i < n; i++) bytes[i] = text[i % (sizeof text - 1)];
  bytes[n] = 0;
  for (const u8 *p = bytes; *p;) {
    switch (*p) {
      case '{': case '[': if (++depth > deepest) deepest = depth; p++; break;
      case '}': case ']': depth--; p++; break;
      case ' ': case ',': case ':': p++; break;
      case '"': p++; while (*p && *p != '"') { if (*p == '\\') p++; p++; } if (*p) p++; strings++; break;
      case '-': case '0': case '1': case '2': case '3': case '4': case '5': case '6': case '7': case '8': case '9':
        while ((*p >= '0' && *p <= '9') || *p == '-' || *p == '.' || *p == 'e') p++;
        numbers++;
        break;
      default: while (*p >= 'a' && *p <= 'z') p++; words++; if (*p > 'z') p++; break;
    }
  }
  return strings * 10000 + numbers * 100 + words + deepest;
}

struct node { struct node *left, *right; };
static struct node nodes[1 << 17];
static int used;
static struct node *grow(int depth) {
  struct node *node = &nodes[used++];
  node->left = depth ? grow(depth - 1) : 0;
  node->right = depth ? grow(depth - 1) : 0;
  return node;
}
static int count(const struct node *node) { return 1 + (node->left ? count(node->left) + count(node->right) : 0); }
EXPORT(trees)(int depth) {
  int sum = 0;
  for (int i = 0; i < 4; i++) { used = 0; sum += count(grow(depth)); }
  return sum;
}

EXPORT(machine)(int n) {
  // count down from n: a small register machine with an operation per byte, as interpreters have them
  static const u8 program[] = { 0, 1, 1, 2, 2, 3, 3, 4, 4, 0, 5, 6, 1, 7, 2, 8, 9, 0 };
  u32 r[4] = { n, 1, 2, 3 };
  for (int pc = 0;;) {
    switch (program[pc++]) {
      case 0: r[1] += r[0]; break;
      case 1: r[2] ^= r[1]; break;
      case 2: r[3] = r[2] << 3 | r[2] >> 29; break;
      case 3: r[1] *= 5; break;
      case 4: r[2] -= r[3]; break;
      case 5: if (r[1] & 1) r[2]++; break;
      case 6: r[3] ^= r[1] >> 7; break;
      case 7: r[1] += r[3]; break;
      case 8: r[0]--; break;
      case 9: if (r[0]) pc = 0; else return r[1] ^ r[2] ^ r[3]; break;
    }
  }
}

typedef u32 (*step)(u32);
static u32 step_a(u32 x) { return x * 3 + 1; }
static u32 step_b(u32 x) { return x ^ x >> 5; }
static u32 step_c(u32 x) { return x + 0x9e3779b9; }
static u32 step_d(u32 x) { return x << 7 | x >> 25; }
static step steps[4] = { step_a, step_b, step_c, step_d };
EXPORT(callbacks)(int n) {
  u32 x = 1;
  for (int i = 0; i < n; i++) x = steps[x >> 3 & 3](x);
  return x;
}
