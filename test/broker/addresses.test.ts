/** Which addresses are reachable: hostile spellings first, then every special block's first and last address. */
import { describe, expect, it } from "vitest";
import { checkAddress, parseBlock } from "../../src/broker/egress/index.ts";

/** Every way to write 127.0.0.1, 169.254.169.254 or 10.0.0.1 that some parser somewhere understands. */
const SPELLINGS = [
  "127.1",
  "127.0.1",
  "127",
  "2130706433",
  "017700000001",
  "0x7f000001",
  "0x7f.0.0.1",
  "0x7f.1",
  "0177.0.0.1",
  "0177.0.0.01",
  "127.0.0.01",
  "127.000.000.001",
  "00127.0.0.1",
  "127.0.0.1.",
  ".127.0.0.1",
  "127..0.1",
  "127.0.0.1 ",
  " 127.0.0.1",
  "127.0.0.1\n",
  "127.0.0.1\0",
  "127.0.0.1%00",
  "１２７.0.0.1",
  "127。0。0。1",
  "127.0.0.256",
  "127.0.0.-1",
  "127.0.0.1/8",
  "+127.0.0.1",
  "127.0.0.1:80",
  "[127.0.0.1]",
  "2852039166",
  "0xa9fea9fe",
  "0251.0376.0251.0376",
  "169.254.43518",
  "0xa9.0xfe.0xa9.0xfe",
  "012.0.0.1",
  "10.1",
  "167772161",
  "0x0a000001",
  "4294967296",
  "-1",
  "",
  "localhost",
  "127.0.0.1.nip.io",
  "[::1]",
  "::1%lo",
  "::1%25lo",
  "fe80::1%eth0",
  "::127.0.0.1",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "::ffff:0:127.0.0.1",
  "::ffff:0:7f00:1",
  "::7f00:1",
  "0:0:0:0:0:ffff:7f00:0001",
  "::FFFF:7F00:1",
  "0000:0000:0000:0000:0000:0000:0000:0001",
  "::0:1",
  "0::1",
  "::",
  "64:ff9b::7f00:1",
  "64:ff9b::127.0.0.1",
  "64:ff9b::a9fe:a9fe",
  "64:ff9b:1::7f00:1",
  "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
  "2002:7f00:1::",
  "2002:7f00:0001::1",
  "2002:a9fe:a9fe::1",
  "2002:0a00:0001::",
  "2001:0:7f00:1::",
  "2001::f5ff:fffe",
  "2001:0000:4136:e378:8000:63bf:3fff:fdd2",
  "2606:4700::5efe:7f00:1",
  "2606:4700::200:5efe:7f00:1",
  "2606:4700::0:5efe:10.0.0.1",
  "2a00:1:2:3:0200:5efe:a00:1",
  "fe80::5efe:7f00:1",
  "fe80::200:5efe:a9fe:a9fe",
  "fec0::1",
  "fec0:0:0:ffff::1",
  "fd00:ec2::254",
  "fd00:ec2::23",
  "fd20:ce::254",
  "168.63.129.16",
  "100.100.100.200",
  "192.0.0.192",
  "169.254.169.254",
  "169.254.170.2",
  "3ffe::1",
  "3ffe:ffff::1",
  "4000::1",
  "5f00::1",
  "6000::1",
  "8000::1",
  "a000::1",
  "c000::1",
  "e000::1",
  "f000::1",
  "f800::1",
  "1000::1",
  "0100::1",
  ":::1",
  "1::2::3",
  "12345::1",
  "g::1",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4:5:6:7",
];

/** IANA's special-purpose registries, and what is not unicast: first and last address of each block. */
const SPECIAL: readonly (readonly [string, string])[] = [
  ["0.0.0.0", "0.255.255.255"],
  ["10.0.0.0", "10.255.255.255"],
  ["100.64.0.0", "100.127.255.255"],
  ["127.0.0.0", "127.255.255.255"],
  ["169.254.0.0", "169.254.255.255"],
  ["172.16.0.0", "172.31.255.255"],
  ["192.0.0.0", "192.0.0.255"],
  ["192.0.2.0", "192.0.2.255"],
  ["192.31.196.0", "192.31.196.255"],
  ["192.52.193.0", "192.52.193.255"],
  ["192.88.99.0", "192.88.99.255"],
  ["192.168.0.0", "192.168.255.255"],
  ["192.175.48.0", "192.175.48.255"],
  ["198.18.0.0", "198.19.255.255"],
  ["198.51.100.0", "198.51.100.255"],
  ["203.0.113.0", "203.0.113.255"],
  ["224.0.0.0", "239.255.255.255"],
  ["240.0.0.0", "255.255.255.255"],
  ["::", "::1"],
  ["::ffff:0:0", "::ffff:ffff:ffff"],
  ["64:ff9b::", "64:ff9b::ffff:ffff"],
  ["64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff"],
  ["100::", "100::ffff:ffff:ffff:ffff"],
  ["100:0:0:1::", "100:0:0:1:ffff:ffff:ffff:ffff"],
  ["2001::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["2001:1::1", "2001:1::3"],
  ["2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff"],
  ["2001:3::", "2001:3:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["2001:4:112::", "2001:4:112:ffff:ffff:ffff:ffff:ffff"],
  ["2001:10::", "2001:1f:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["2001:20::", "2001:2f:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["2001:30::", "2001:3f:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff"],
  ["3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ["ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
];

/** Ordinary addresses, the neighbours of special blocks among them. */
const PUBLIC = [
  "1.1.1.1",
  "8.8.8.8",
  "9.255.255.255",
  "11.0.0.0",
  "100.63.255.255",
  "100.128.0.0",
  "126.255.255.255",
  "128.0.0.0",
  "169.253.255.255",
  "169.255.0.0",
  "172.15.255.255",
  "172.32.0.0",
  "192.0.1.0",
  "192.0.3.0",
  "192.167.255.255",
  "192.169.0.0",
  "198.17.255.255",
  "198.20.0.0",
  "223.255.255.255",
  "2606:4700::1111",
  "2a00:1450:4001:800::200e",
  "2001:200::",
  "2001:4860:4860::8888",
  "2003::1",
  "2600::",
  "2620:4f:8001::1",
];

describe("checkAddress()", () => {
  it.each(SPELLINGS)("denies the spelling %j", (text) => {
    expect(checkAddress(text)).toMatchObject({ allowed: false });
  });

  it("denies the first and last address of every special block, in every spelling of IPv6", () => {
    for (const address of SPECIAL.flat()) {
      for (const text of [address, address.toUpperCase(), full(address)]) {
        expect(checkAddress(text), text).toMatchObject({ allowed: false });
      }
    }
  });

  it("denies every special IPv4 address when it is wrapped in IPv6", () => {
    for (const address of SPECIAL.flat().filter((text) => text.includes("."))) {
      const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
      const hex = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
      const wrapped = [
        `::ffff:${address}`,
        `::ffff:${hex}`,
        `::${address}`,
        `::${hex}`,
        `64:ff9b::${hex}`,
        `2002:${hex}::1`,
        `2606:4700::5efe:${hex}`,
      ];
      for (const text of wrapped) expect(checkAddress(text), text).toMatchObject({ allowed: false });
    }
  });

  it.each(PUBLIC)("allows %s", (text) => {
    expect(checkAddress(text)).toEqual({ allowed: true, address: text });
  });

  it("allows what the operator opened, and nothing beside it", () => {
    const open = ["127.0.0.1/32", "fd12:3456::/32"].map(parseBlock);
    expect(checkAddress("127.0.0.1", open)).toEqual({ allowed: true, address: "127.0.0.1" });
    expect(checkAddress("fd12:3456:0::7", open)).toEqual({ allowed: true, address: "fd12:3456::7" });
    for (const text of ["127.0.0.2", "::ffff:127.0.0.1", "::ffff:7f00:1", "fd12:3457::1", "10.0.0.1"]) {
      expect(checkAddress(text, open), text).toMatchObject({ allowed: false });
    }
  });

  it("denies metadata services inside an opened block, unless each is named by itself", () => {
    const wide = ["169.254.0.0/16", "fd00::/8", "0.0.0.0/0"].map(parseBlock);
    for (const text of ["169.254.169.254", "fd00:ec2::254", "168.63.129.16", "100.100.100.200"]) {
      expect(checkAddress(text, wide), text).toMatchObject({ allowed: false });
    }
    expect(checkAddress("169.254.1.1", wide)).toMatchObject({ allowed: true });
    expect(checkAddress("169.254.169.254", [parseBlock("169.254.169.254/32")])).toMatchObject({
      allowed: true,
    });
  });

  it("judges the IPv4 address behind an opened NAT64 prefix", () => {
    const open = [parseBlock("64:ff9b::/96")];
    expect(checkAddress("64:ff9b::808:808", open)).toMatchObject({ allowed: true });
    expect(checkAddress("64:ff9b::7f00:1", open)).toMatchObject({ allowed: false });
    expect(checkAddress("64:ff9b::a9fe:a9fe", open)).toMatchObject({ allowed: false });
  });
});

describe("parseBlock()", () => {
  it.each([
    "127.0.0.1",
    "127.0.0.1/33",
    "127.1/8",
    "127.0.0.1/8",
    "::1/129",
    "::/01",
    "/8",
    "",
    "x/8",
    "10.0.0.0/-1",
    "::ffff:127.0.0.1/128",
  ])("refuses %j", (text) => {
    expect(() => parseBlock(text)).toThrow(RangeError);
  });
});

function full(address: string): string {
  if (!address.includes(":")) return address;
  const [head = "", tail = ""] = address.split("::");
  const left = head === "" ? [] : head.split(":");
  const right = tail === "" ? [] : tail.split(":");
  const zeros = Array<string>(address.includes("::") ? 8 - left.length - right.length : 0).fill("0");
  return [...left, ...zeros, ...right].map((part) => part.padStart(4, "0")).join(":");
}
