// Hash functions of the metering benchmark. Each takes a number of bytes and gives a part of their digest.
// Built by build.sh; the .wasm beside this file is what runs.
#define EXPORT(name) __attribute__((export_name(#name), noinline)) int name
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;

static u8 data[1 << 20];
static void fill(int n) { for (int i = 0; i < n; i++) data[i] = i * 7 + (i >> 8); }
static u32 rotr(u32 x, int n) { return x >> n | x << (32 - n); }
static u32 rotl(u32 x, int n) { return x << n | x >> (32 - n); }
static u32 be(const u8 *p) { return p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3]; }
static u32 le(const u8 *p) { return *(const u32 *)p; }

static const u32 K[64] = {
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be,
  0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa,
  0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
  0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3,
  0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f,
  0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2 };
EXPORT(sha256)(int n) {
  u32 h[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 }, w[64];
  fill(n);
  for (int at = 0; at + 64 <= n; at += 64) {
    for (int i = 0; i < 16; i++) w[i] = be(data + at + 4 * i);
    for (int i = 16; i < 64; i++) {
      u32 x = w[i - 15], y = w[i - 2];
      w[i] = w[i - 16] + w[i - 7] + (rotr(x, 7) ^ rotr(x, 18) ^ x >> 3) + (rotr(y, 17) ^ rotr(y, 19) ^ y >> 10);
    }
    u32 v[8];
    for (int i = 0; i < 8; i++) v[i] = h[i];
    for (int i = 0; i < 64; i++) {
      u32 t = v[7] + (rotr(v[4], 6) ^ rotr(v[4], 11) ^ rotr(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + K[i] + w[i];
      u32 u = (rotr(v[0], 2) ^ rotr(v[0], 13) ^ rotr(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
      v[7] = v[6]; v[6] = v[5]; v[5] = v[4]; v[4] = v[3] + t; v[3] = v[2]; v[2] = v[1]; v[1] = v[0]; v[0] = t + u;
    }
    for (int i = 0; i < 8; i++) h[i] += v[i];
  }
  return h[0];
}

EXPORT(sha1)(int n) {
  u32 h[5] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0 }, w[80];
  fill(n);
  for (int at = 0; at + 64 <= n; at += 64) {
    for (int i = 0; i < 16; i++) w[i] = be(data + at + 4 * i);
    for (int i = 16; i < 80; i++) w[i] = rotl(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    u32 a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 80; i++) {
      u32 f = i < 20 ? (b & c) | (~b & d) : i < 40 ? b ^ c ^ d : i < 60 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
      u32 k = i < 20 ? 0x5a827999 : i < 40 ? 0x6ed9eba1 : i < 60 ? 0x8f1bbcdc : 0xca62c1d6;
      u32 t = rotl(a, 5) + f + e + k + w[i];
      e = d; d = c; c = rotl(b, 30); b = a; a = t;
    }
    h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e;
  }
  return h[0];
}

static u32 table[256];
EXPORT(crc32)(int n) {
  fill(n);
  for (u32 i = 0; i < 256; i++) {
    u32 c = i;
    for (int k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ c >> 1 : c >> 1;
    table[i] = c;
  }
  u32 c = ~0u;
  for (int i = 0; i < n; i++) c = table[(c ^ data[i]) & 255] ^ c >> 8;
  return ~c;
}

EXPORT(fnv1a)(int n) {
  u64 h = 0xcbf29ce484222325ull;
  fill(n);
  for (int i = 0; i < n; i++) h = (h ^ data[i]) * 0x100000001b3ull;
  return h ^ h >> 32;
}

EXPORT(xxh32)(int n) {
  const u32 p1 = 2654435761u, p2 = 2246822519u, p3 = 3266489917u, p4 = 668265263u, p5 = 374761393u;
  u32 v1 = p1 + p2, v2 = p2, v3 = 0, v4 = 0 - p1;
  int i = 0;
  fill(n);
  for (; i + 16 <= n; i += 16) {
    v1 = rotl(v1 + le(data + i) * p2, 13) * p1;
    v2 = rotl(v2 + le(data + i + 4) * p2, 13) * p1;
    v3 = rotl(v3 + le(data + i + 8) * p2, 13) * p1;
    v4 = rotl(v4 + le(data + i + 12) * p2, 13) * p1;
  }
  u32 h = rotl(v1, 1) + rotl(v2, 7) + rotl(v3, 12) + rotl(v4, 18) + n;
  for (; i + 4 <= n; i += 4) h = rotl(h + le(data + i) * p3, 17) * p4;
  for (; i < n; i++) h = rotl(h + data[i] * p5, 11) * p1;
  h = (h ^ h >> 15) * p2;
  h = (h ^ h >> 13) * p3;
  return h ^ h >> 16;
}

static u64 rotl64(u64 x, int n) { return x << n | x >> (64 - n); }
#define SIP v0 += v1; v1 = rotl64(v1, 13) ^ v0; v0 = rotl64(v0, 32); v2 += v3; v3 = rotl64(v3, 16) ^ v2; \
  v0 += v3; v3 = rotl64(v3, 21) ^ v0; v2 += v1; v1 = rotl64(v1, 17) ^ v2; v2 = rotl64(v2, 32);
EXPORT(siphash)(int n) {
  u64 v0 = 0x736f6d6570736575ull, v1 = 0x646f72616e646f6dull, v2 = 0x6c7967656e657261ull, v3 = 0x7465646279746573ull;
  fill(n);
  for (int i = 0; i + 8 <= n; i += 8) {
    u64 m = *(const u64 *)(data + i);
    v3 ^= m; SIP SIP v0 ^= m;
  }
  v2 ^= 255; SIP SIP SIP SIP
  return v0 ^ v1 ^ v2 ^ v3;
}
