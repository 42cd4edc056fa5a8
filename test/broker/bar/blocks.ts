/**
 * IANA's special-purpose registries for IPv4 and IPv6, and what else is not ordinary unicast: CIDR blocks, and their
 * first and last addresses by plain arithmetic, independent of the library that the guard uses.
 */

/** Blocks of the IPv4 registry, multicast and the reserved class. */
export const V4_BLOCKS = [
  "0.0.0.0/8",
  "0.0.0.0/32",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.0.0/29",
  "192.0.0.8/32",
  "192.0.0.9/32",
  "192.0.0.10/32",
  "192.0.0.170/32",
  "192.0.0.171/32",
  "192.0.2.0/24",
  "192.31.196.0/24",
  "192.52.193.0/24",
  "192.88.99.0/24",
  "192.88.99.2/32",
  "192.168.0.0/16",
  "192.175.48.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
  "255.255.255.255/32",
] as const;

/** Blocks of the IPv6 registry, multicast, site-local, and the two ends of what was never handed out. */
export const V6_BLOCKS = [
  "::1/128",
  "::/128",
  "::/96",
  "::ffff:0:0/96",
  "::ffff:0:0:0/96",
  "64:ff9b::/96",
  "64:ff9b:1::/48",
  "100::/64",
  "100:0:0:1::/64",
  "2001::/23",
  "2001::/32",
  "2001:1::1/128",
  "2001:1::2/128",
  "2001:1::3/128",
  "2001:2::/48",
  "2001:3::/32",
  "2001:4:112::/48",
  "2001:10::/28",
  "2001:20::/28",
  "2001:30::/28",
  "2001:db8::/32",
  "2002::/16",
  "2620:4f:8000::/48",
  "3ffe::/16",
  "3fff::/20",
  "5f00::/16",
  "fc00::/7",
  "fe80::/10",
  "fec0::/10",
  "ff00::/8",
  "::/3",
  "4000::/3",
  "6000::/3",
  "8000::/3",
  "a000::/3",
  "c000::/3",
  "e000::/4",
  "f000::/5",
  "f800::/6",
] as const;

/** First and last address of a block, as numbers. */
export function endsOf(cidr: string): readonly [bigint, bigint] {
  const [base = "", length = "0"] = cidr.split("/");
  const v4 = !base.includes(":");
  const bits = BigInt(v4 ? 32 : 128) - BigInt(length);
  const first = v4 ? numberOfV4(base) : numberOfV6(base);
  return [first, first | ((1n << bits) - 1n)];
}

/** Dotted decimal to number. */
export function numberOfV4(text: string): bigint {
  return text.split(".").reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}

/** RFC 4291 text without embedded dotted quad to number. */
export function numberOfV6(text: string): bigint {
  const [head = "", tail] = text.split("::");
  const words = (part: string) => (part === "" ? [] : part.split(":"));
  const [before, after] = [words(head), words(tail ?? "")];
  const zeros = tail === undefined ? [] : Array<string>(8 - before.length - after.length).fill("0");
  return [...before, ...zeros, ...after].reduce((sum, word) => (sum << 16n) | BigInt(`0x${word}`), 0n);
}

/** Number to dotted decimal. */
export function v4(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join(".");
}

/** Number to its eight words, lower-case hexadecimal without leading zeros. */
export function wordsOf(value: bigint): readonly string[] {
  return Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(112 - 16 * index)) & 0xffffn).toString(16),
  );
}

/** Whether an address that was dialed is one that everybody may reach: an oracle of its own, block by block. */
export function isPublic(address: string): boolean {
  if (!address.includes(":")) {
    const value = numberOfV4(address);
    return !V4_BLOCKS.some((block) => within(value, block)) && address !== "168.63.129.16";
  }
  const value = numberOfV6(address);
  return (
    within(value, "2000::/3") &&
    !V6_BLOCKS.filter((block) => block !== "::/3").some((block) => within(value, block))
  );
}

function within(value: bigint, block: string): boolean {
  const [first, last] = endsOf(block);
  return value >= first && value <= last;
}
