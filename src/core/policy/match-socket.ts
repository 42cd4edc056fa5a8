/**
 * Whether a run's sockets may look a name up, or connect to a host's port. Asked by the broker for each of them; the
 * answer names the rule, or what the nearest rule lacks.
 */
import { hostMatches } from "./host-pattern.ts";
import { portMatches } from "./port-range.ts";
import type { SocketRule } from "./reach.ts";

/** Allowed by a rule, or denied with the clause that was missing. */
export type SocketMatch = {
  readonly allowed: boolean;
  /** `sockets[i]` of the first rule that permits it; else `sockets`, or `sockets[i].port` of the first that knows the host. */
  readonly clause: string;
};

/**
 * Matches a place against rules. Total: hostile values are denied, never thrown.
 *
 * @param rules of a `sockets` grant; none = nothing is permitted
 * @param host canonical spelling, IPv6 without brackets; any other spelling matches nothing
 * @param port absent = a look-up, which any rule of the host permits
 */
export function matchSocket(rules: readonly SocketRule[], host: string, port?: number): SocketMatch {
  const known = rules.findIndex((rule) => hostMatches(rule.host, host));
  if (known < 0) return { allowed: false, clause: "sockets" };
  if (port === undefined) return { allowed: true, clause: `sockets[${known}]` };
  const found = rules.findIndex((rule) => hostMatches(rule.host, host) && portMatches(rule.port, port));
  return found < 0
    ? { allowed: false, clause: `sockets[${known}].port` }
    : { allowed: true, clause: `sockets[${found}]` };
}
