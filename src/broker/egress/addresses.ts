/**
 * Which IP addresses a guest's request may reach. Pure: text in, verdict out.
 *
 * Deny is the default: an address passes only when it is ordinary global unicast, or when the operator named a
 * block that holds it. DNS answers are attacker-controlled, so an address is judged by its bits and never by the
 * name that led to it.
 */
import ipaddr from "ipaddr.js";

type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/** A block of addresses that the operator opened, parsed from CIDR text. */
export interface AddressBlock {
  readonly base: Ip;
  /** Leading bits that count. */
  readonly prefix: number;
}

/**
 * Whether an address may be connected to. `address` is its one canonical spelling; `why` is for the operator, and `block`
 * is the smallest block that he would have to open: absent where his own list, or a spelling, stands in the way.
 */
export type AddressVerdict =
  | { readonly allowed: true; readonly address: string }
  | { readonly allowed: false; readonly why: string; readonly block?: string };

/**
 * Cloud metadata services, which hand out credentials to whoever can connect. A wide block never opens one of
 * these; only its own full-length prefix does. Some are inside ranges that are denied anyway; they are listed so
 * that an operator who opens `169.254.0.0/16` does not open the metadata service with it.
 */
const METADATA: ReadonlySet<string> = new Set([
  "169.254.169.254",
  "169.254.170.2",
  "169.254.170.23",
  "168.63.129.16",
  "100.100.100.200",
  "192.0.0.192",
  "fd00:ec2::254",
  "fd00:ec2::23",
  "fd20:ce::254",
]);

/** Why an address of the operator's own list is denied. */
export const BLOCKED = "blocked by the operator";

/** RFC 6052's well-known prefix: an IPv4 address lives in its last 32 bits. */
const NAT64 = parseBlock("64:ff9b::/96");

/** Everything global unicast has been handed out from so far (RFC 4291 section 2.4). */
const GLOBAL_V6 = parseBlock("2000::/3");

/** Inside 2000::/3, yet not ordinary global unicast; what ipaddr.js does not know or knows less widely. */
const DENIED_V6 = [
  "2001::/23",
  "2001:db8::/32",
  "2002::/16",
  "3ffe::/16",
  "3fff::/20",
  "2620:4f:8000::/48",
].map(parseBlock);

/**
 * Judges one address.
 *
 * @param text an address as a resolver or a socket gives it; anything but a plain spelling is denied
 * @param open blocks that the operator opened; default none
 * @param blocked blocks that the operator forbids, whatever is open; default none
 * @returns allowed with the canonical spelling, or denied with the reason
 */
export function checkAddress(
  text: string,
  open: readonly AddressBlock[] = [],
  blocked: readonly AddressBlock[] = [],
): AddressVerdict {
  const ip = parseAddress(text);
  if (ip === undefined) return { allowed: false, why: "not a plain spelling of an address" };
  const address = canonical(ip);
  if (blocked.some((block) => inBlock(ip, block))) return { allowed: false, why: BLOCKED };
  const block = `${address}/${bits(ip)}`;
  const opened = open.some(
    (block) => inBlock(ip, block) && (block.prefix === bits(ip) || !METADATA.has(address)),
  );
  if (ip instanceof ipaddr.IPv6 && inBlock(ip, NAT64)) {
    // An opened NAT64 prefix is a road to IPv4: what it leads to must pass by itself.
    if (!opened) return { allowed: false, why: "IPv6 transition prefix 64:ff9b::/96", block };
    const inner = checkAddress(ip.toByteArray().slice(12).join("."), open, blocked);
    return inner.allowed ? { allowed: true, address } : inner;
  }
  if (opened) return { allowed: true, address };
  const why = ip instanceof ipaddr.IPv4 ? whyNotV4(ip, address) : whyNotV6(ip, address);
  return why === undefined ? { allowed: true, address } : { allowed: false, why, block };
}

/**
 * Reads an operator's block.
 *
 * @param cidr `127.0.0.1/32`, `fd12::/16`; the prefix length is required
 * @throws {RangeError} when it is not CIDR text, or has bits set beyond its prefix
 */
export function parseBlock(cidr: string): AddressBlock {
  const match = /^([0-9a-fA-F:.]+)\/(0|[1-9][0-9]{0,2})$/.exec(cidr);
  const base = match?.[1] === undefined ? undefined : parseAddress(match[1]);
  const prefix = Number(match?.[2]);
  if (base === undefined || prefix > bits(base)) {
    throw new RangeError(`Cannot open address block "${cidr}": wanted CIDR text such as 127.0.0.1/32`);
  }
  const bytes = base.toByteArray();
  for (let bit = prefix; bit < bits(base); bit += 1) {
    if ((((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1) === 1) {
      throw new RangeError(
        `Cannot open address block "${cidr}": bits beyond /${prefix} are set, wanted none`,
      );
    }
  }
  return { base, prefix };
}

/**
 * The one spelling of an address that Writ uses: dotted decimal, or RFC 5952.
 *
 * @returns `undefined` when the text is not a plain spelling: octal, hexadecimal and short forms, zones and
 *   embedded dotted quads are not
 */
export function canonicalAddress(text: string): string | undefined {
  const ip = parseAddress(text);
  return ip === undefined ? undefined : canonical(ip);
}

function parseAddress(text: string): Ip | undefined {
  // `0177.0.0.1`, `0x7f.1`, `127.1` and `2130706433` all mean 127.0.0.1 to some parser and something else, or
  // nothing, to another: only the four-part decimal form without leading zeros is read at all.
  if (/^(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})$/.test(text)) {
    return ipaddr.IPv4.isValid(text) ? ipaddr.IPv4.parse(text) : undefined;
  }
  // A zone (`fe80::1%eth0`) names an interface of this machine; an embedded dotted quad is a second spelling.
  return /^[0-9a-fA-F:]{2,39}$/.test(text) && ipaddr.IPv6.isValid(text) ? ipaddr.IPv6.parse(text) : undefined;
}

function canonical(ip: Ip): string {
  return ip instanceof ipaddr.IPv6 ? ip.toRFC5952String() : ip.toString();
}

function bits(ip: Ip): 32 | 128 {
  return ip instanceof ipaddr.IPv6 ? 128 : 32;
}

function inBlock(ip: Ip, block: AddressBlock): boolean {
  return ip.kind() === block.base.kind() && ip.match(block.base, block.prefix);
}

function whyNotV4(ip: ipaddr.IPv4, address: string): string | undefined {
  if (METADATA.has(address)) return "metadata service";
  const range = ip.range();
  return range === "unicast" ? undefined : `IPv4 range ${range}`;
}

function whyNotV6(ip: ipaddr.IPv6, address: string): string | undefined {
  if (METADATA.has(address)) return "metadata service";
  if (!inBlock(ip, GLOBAL_V6)) return "IPv6 outside 2000::/3";
  const range = ip.range();
  if (range !== "unicast") return `IPv6 range ${range}`;
  if (DENIED_V6.some((block) => inBlock(ip, block))) return "IPv6 special-purpose block";
  // ISATAP (RFC 5214): interface identifier 0000:5efe or 0200:5efe, then an IPv4 address of the site.
  const [, , , , fifth = 0, sixth = 0] = ip.parts;
  return (fifth & 0xfdff) === 0 && sixth === 0x5efe ? "IPv6 ISATAP" : undefined;
}
