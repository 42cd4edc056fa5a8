/** Addresses of `wasi:sockets/network`: between the interface's numbers and the text that the broker takes. Pure. */
import { GuestError } from "../guard.ts";

/** `ip-address`. */
export type IpAddress =
  | { readonly tag: "ipv4"; readonly val: readonly number[] }
  | { readonly tag: "ipv6"; readonly val: readonly number[] };

/** `ip-socket-address`. */
export type IpSocketAddress =
  | { readonly tag: "ipv4"; readonly val: { readonly port: number; readonly address: readonly number[] } }
  | {
      readonly tag: "ipv6";
      readonly val: {
        readonly port: number;
        readonly flowInfo: number;
        readonly address: readonly number[];
        readonly scopeId: number;
      };
    };

/** `ip-address-family`. */
export type Family = IpAddress["tag"];

/**
 * Reads a canonical address, as the broker gives them.
 *
 * @param text dotted decimal, or RFC 5952
 */
export function addressOf(text: string): IpAddress {
  if (!text.includes(":")) return { tag: "ipv4", val: text.split(".").map(Number) };
  const [head = "", tail] = text.split("::");
  const groups = (part: string) =>
    (part === "" ? [] : part.split(":")).map((hex) => Number.parseInt(hex, 16));
  const [before, after] = [groups(head), groups(tail ?? "")];
  const zeroes = tail === undefined ? 0 : 8 - before.length - after.length;
  return { tag: "ipv6", val: [...before, ...Array.from({ length: zeroes }, () => 0), ...after] };
}

/**
 * Writes where a guest wants to connect to. Whether it may is not asked here.
 *
 * @throws {GuestError} `invalid-argument` for what no connection can lead to, as the interface has it
 */
export function placeOf(
  remote: IpSocketAddress,
  family: Family,
): { readonly address: string; readonly port: number } {
  const { port, address } = remote.val;
  const unspecified = address.every((part) => part === 0);
  // An IPv4 address in an IPv6 one would be a second spelling of it; a scope is an interface of this machine.
  const isMapped =
    remote.tag === "ipv6" && address.slice(0, 5).every((part) => part === 0) && address[5] === 0xffff;
  const isScoped = remote.tag === "ipv6" && remote.val.scopeId !== 0;
  if (remote.tag !== family || port === 0 || unspecified || isMapped || isScoped)
    throw new GuestError("invalid-argument");
  const text = remote.tag === "ipv4" ? address.join(".") : address.map((part) => part.toString(16)).join(":");
  return { address: text, port };
}

/** The near end of a connection: which address and port of this machine it has is not the guest's to know. */
export function nowhere(family: Family): IpSocketAddress {
  return family === "ipv4"
    ? { tag: "ipv4", val: { port: 0, address: [0, 0, 0, 0] } }
    : { tag: "ipv6", val: { port: 0, flowInfo: 0, address: [0, 0, 0, 0, 0, 0, 0, 0], scopeId: 0 } };
}
