/** Words of `wasi:sockets/network.error-code` for what egress says went wrong. */
import type { ErrorCode } from "./egress/index.ts";

/** The cases that the broker gives. */
export type SocketError =
  | "unknown"
  | "access-denied"
  | "timeout"
  | "new-socket-limit"
  | "remote-unreachable"
  | "connection-refused"
  | "connection-reset"
  | "name-unresolvable"
  | "temporary-resolver-failure";

const WORDS: { readonly [tag in ErrorCode["tag"]]?: SocketError } = {
  "destination-IP-prohibited": "access-denied",
  "destination-unavailable": "remote-unreachable",
  "connection-refused": "connection-refused",
  "connection-terminated": "connection-reset",
  "connection-timeout": "timeout",
  "DNS-error": "temporary-resolver-failure",
  "DNS-timeout": "temporary-resolver-failure",
};

/** @returns `unknown` where there is no better word */
export function socketErrorOf({ tag, val }: ErrorCode): SocketError {
  // With a code there was an answer: the name has no address.
  if (tag === "DNS-error" && typeof val === "object" && val !== null && "rcode" in val)
    return "name-unresolvable";
  return WORDS[tag] ?? "unknown";
}
