/** Ways to write one address that some parser somewhere understands. All generated; nothing here is anybody's list. */
import { v4, wordsOf } from "./blocks.ts";

/** Every spelling of an IPv4 address that this file knows: about a hundred. */
export function spellingsOfV4(value: bigint): readonly string[] {
  const parts = v4(value).split(".").map(Number);
  const dotted = parts.join(".");
  const [a = 0, b = 0, c = 0, d = 0] = parts;
  const hex = value.toString(16).padStart(8, "0");
  const octal = (part: number) => `0${part.toString(8)}`;
  const inHex = (part: number) => `0x${part.toString(16)}`;
  const numeric = [
    String(value),
    `0${value.toString(8)}`,
    `0x${hex}`,
    `0X${hex.toUpperCase()}`,
    `0x00000000${hex}`,
    `${value + 2n ** 32n}`,
    `-${2n ** 32n - value}`,
    `+${value}`,
    `0b${value.toString(2)}`,
    `${value}.`,
    `${value}.0`,
    `${a}.${(b << 16) | (c << 8) | d}`,
    `${a}.${b}.${(c << 8) | d}`,
    `${inHex(a)}.${(b << 16) | (c << 8) | d}`,
    `${octal(a)}.${octal(b)}.${(c << 8) | d}`,
    `${a}..${b}`,
    `${a}`,
    `${a}.${d}`,
    `${a}.0.${d}`,
  ];
  const mixed = [
    parts.map(octal).join("."),
    parts.map(inHex).join("."),
    parts.map((part) => inHex(part).toUpperCase()).join("."),
    [octal(a), b, inHex(c), d].join("."),
    [inHex(a), octal(b), c, d].join("."),
    [a, inHex(b), c, octal(d)].join("."),
    parts.map((part) => `00${part}`).join("."),
    parts.map((part) => String(part).padStart(3, "0")).join("."),
    parts.map((part) => `0000${part.toString(8)}`).join("."),
    parts.map((part) => part + 256).join("."),
    [a, b, c, `0${d}`].join("."),
  ];
  const framed = [
    `${dotted}.`,
    `.${dotted}`,
    ` ${dotted}`,
    `${dotted} `,
    `\t${dotted}`,
    `${dotted}\n`,
    `${dotted}\0`,
    `${dotted}%00`,
    `${dotted}%0a`,
    `${dotted}%2f`,
    `${dotted}/32`,
    `${dotted}:80`,
    `${dotted}:0`,
    `[${dotted}]`,
    `(${dotted})`,
    `${dotted},1.1.1.1`,
    `${dotted};1.1.1.1`,
    `${dotted}#.example.com`,
    `${dotted}?.example.com`,
    `${dotted}\\.example.com`,
    `example.com@${dotted}`,
    `${dotted}@example.com`,
    `user:pass@${dotted}`,
    `%40${dotted}`,
    `//${dotted}`,
    `http://${dotted}`,
    `\\\\${dotted}`,
    `${dotted}%25lo`,
    `${dotted}%lo`,
  ];
  const names = [
    `${dotted}.nip.io`,
    `${dotted}.sslip.io`,
    `${parts.join("-")}.nip.io`,
    `${hex}.nip.io`,
    `${parts.toReversed().join(".")}.in-addr.arpa`,
    `xn--${dotted}`,
    `${dotted}.example.com`,
    `${dotted}.localhost`,
  ];
  const unicode = [
    shift(dotted, 0xff10),
    shift(dotted, 0x0660),
    shift(dotted, 0x06f0),
    shift(dotted, 0x0966),
    shift(dotted, 0x1d7ce),
    shift(dotted, 0x1d7d8),
    shift(dotted, 0x1d7f6),
    circled(dotted),
    dotted.replaceAll(".", "\u3002"),
    dotted.replaceAll(".", "\uff0e"),
    dotted.replaceAll(".", "\uff61"),
    dotted.replaceAll(".", "\u2024"),
    dotted.replaceAll(".", "%2e"),
    dotted.replaceAll(".", "%2E"),
    percent(dotted),
    percent(percent(dotted)),
    `${dotted}\u200b`,
    `\u200b${dotted}`,
    `\u00ad${dotted}`,
    `\ufeff${dotted}`,
    `\u202e${dotted}`,
    `${dotted}\u0301`,
  ];
  const low = [hex.slice(0, 4), hex.slice(4)];
  const mapped = [
    ...[
      "::ffff:",
      "::FFFF:",
      "0:0:0:0:0:ffff:",
      "0000:0000:0000:0000:0000:ffff:",
      "::",
      "::ffff:0:",
      "64:ff9b::",
      "64:ff9b:1::",
      "2002::",
    ].flatMap((prefix) => [`${prefix}${dotted}`, `${prefix}${low.join(":")}`]),
    `2002:${low.join(":")}::`,
    `2002:${low.join(":")}::1`,
    `2002:${low.join(":")}:0:0:0:0:1`,
    `2001:0:${low.join(":")}::`,
    `2001:0:4136:e378:8000:63bf:${low.map((word) => (Number.parseInt(word, 16) ^ 0xffff).toString(16)).join(":")}`,
    `fe80::5efe:${dotted}`,
    `fe80::5efe:${low.join(":")}`,
    `2606:4700::5efe:${low.join(":")}`,
    `2606:4700::200:5efe:${low.join(":")}`,
    `::ffff:${dotted}%eth0`,
    `::ffff:${parts.map(octal).join(".")}`,
    `::ffff:0x${low.join(":0x")}`,
    `0:0:0:0:0:0:${low.join(":")}`,
  ];
  const bracketed = mapped.flatMap((text) => [text, `[${text}]`, `[${text}]:80`]);
  return [...new Set([dotted, ...numeric, ...mixed, ...framed, ...names, ...unicode, ...bracketed])];
}

/** Eight spellings of an IPv6 address, and some that are none. */
export function spellingsOfV6(value: bigint): readonly string[] {
  const words = wordsOf(value);
  const plain = words.join(":");
  const short = compress(plain);
  const last = v4(value & 0xffffffffn);
  const dotted = `${words.slice(0, 6).join(":")}:${last}`;
  return [
    ...new Set([
      short,
      plain,
      plain.toUpperCase(),
      words.map((word) => word.padStart(4, "0")).join(":"),
      dotted,
      compress(dotted),
      `${short}%lo`,
      `${short}%25lo`,
      `[${short}]`,
      `[${plain}]`,
      `[${dotted}]`,
      `[${short}%25lo]`,
      `[${short}]:80`,
      percent(short),
      short.replaceAll(":", "\uff1a"),
      `${short}/128`,
    ]),
  ];
}

function compress(text: string): string {
  const longest = text.match(/(?:^|:)0(?::0)+(?=:|$)/g)?.toSorted((a, b) => b.length - a.length)[0];
  return longest === undefined ? text : text.replace(longest, "::").replace(/:{3,}/, "::");
}

function shift(text: string, zero: number): string {
  return text.replace(/\d/g, (digit) => String.fromCodePoint(zero + Number(digit)));
}

function circled(text: string): string {
  return text.replace(/\d/g, (digit) =>
    String.fromCodePoint(digit === "0" ? 0x24ea : 0x2460 + Number(digit) - 1),
  );
}

function percent(text: string): string {
  return Array.from(new TextEncoder().encode(text), (byte) => `%${byte.toString(16).padStart(2, "0")}`).join(
    "",
  );
}
