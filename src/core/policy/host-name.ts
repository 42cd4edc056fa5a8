/**
 * The one spelling of a host that a rule may use. Two spellings of one host are two chances to be misread, so
 * everything a resolver or a URL parser would fold into something else is refused: `2130706433` and `0x7f.1` are
 * 127.0.0.1 to them.
 */
import ipaddr from "ipaddr.js";

/** What {@link isCanonicalHost} wants, as a phrase for messages. */
export const CANONICAL_HOST =
  "a host name in lower-case ASCII (punycode for other scripts) without wildcard, port, user or trailing dot, " +
  "or an IP address in its canonical spelling (IPv6 without brackets)";

const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
/** WHATWG URL, "ends in a number": such a host is read as IPv4, whatever it looks like. */
const NUMERIC_LABEL = /^([0-9]+|0x[0-9a-f]*)$/;
const IPV4 = /^(0|[1-9][0-9]{0,2})(\.(0|[1-9][0-9]{0,2})){3}$/;

/**
 * Tells whether a text is the canonical spelling of a host name or an IP address.
 *
 * @param host attacker-controlled text
 * @returns true for `api.example.com`, `xn--bcher-kva.example`, `127.0.0.1`, `2001:db8::1`
 * @see RFC 5952 for IPv6, WHATWG URL section 3.5 for hosts that end in a number
 */
export function isCanonicalHost(host: string): boolean {
  if (host.length === 0 || host.length > 253) return false;
  if (host.includes(":")) return isCanonicalIpv6(host);
  const labels = host.split(".");
  const last = labels.at(-1);
  if (last !== undefined && NUMERIC_LABEL.test(last)) {
    return IPV4.test(host) && labels.every((label) => Number(label) <= 255);
  }
  return labels.every((label) => LABEL.test(label));
}

/** IPv4-mapped addresses are refused: they are another spelling of an IPv4 address. */
function isCanonicalIpv6(host: string): boolean {
  if (!/^[0-9a-f:]+$/.test(host) || !ipaddr.IPv6.isValid(host)) return false;
  const address = ipaddr.IPv6.parse(host);
  return !address.isIPv4MappedAddress() && address.toRFC5952String() === host;
}
