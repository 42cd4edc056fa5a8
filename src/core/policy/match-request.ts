/**
 * Whether one outgoing request is permitted by a run's network rules. Asked by the broker for every request, each
 * redirect's target included; the answer names the rule, or what the nearest rule lacks.
 */
import { hostMatches } from "./host-pattern.ts";
import { portMatches } from "./port-range.ts";
import type { NetworkRule } from "./types.ts";
import { type CanonicalPath, canonicalPath } from "./url-path.ts";

/** An outgoing request as the egress code has parsed it. Everything in it is the guest's choice. */
export interface OutgoingRequest {
  readonly scheme: string;
  /** Lower-case ASCII; an IPv6 address may stand in brackets. Any other spelling matches no rule. */
  readonly host: string;
  /** Explicit: the caller puts the scheme's own port when the guest gave none. */
  readonly port: number;
  /** Case matters: `get` is not `GET`. */
  readonly method: string;
  /** Without query. */
  readonly path: string;
}

/** Allowed by a rule, or denied with the clause that was missing. */
export type RequestMatch =
  | {
      readonly allowed: true;
      /** Index into the rules; the first that permits the request. */
      readonly index: number;
      /** `network_allowlist[i]`. */
      readonly clause: string;
      /** Canonical spelling of the path: send this one, so that what was judged is what is asked. */
      readonly path: string;
    }
  | {
      readonly allowed: false;
      /** `network_allowlist`, or the field of the nearest rule: `network_allowlist[0].methods`. */
      readonly clause: string;
      /** A sentence for the operator; quotes nothing of the policy. */
      readonly detail: string;
    };

/** Fields of a rule in the order in which they are compared. */
const STEPS = ["host", "scheme", "port", "methods", "paths"] as const;
type Step = (typeof STEPS)[number];

/**
 * Matches a request against rules. Total: hostile values are denied, never thrown.
 *
 * @param rules the `rules` of an `http-client` grant; none = every request is denied
 * @param request the request
 * @returns the permitting rule, or the nearest miss
 */
export function matchRequest(rules: readonly NetworkRule[], request: OutgoingRequest): RequestMatch {
  const path = canonicalPath(request.path);
  let nearest = { reached: 0, index: 0 };
  for (const [index, rule] of rules.entries()) {
    const missing = STEPS.findIndex((step) => !holds(step, rule, request, path));
    if (missing === -1 && path.kind === "ok") {
      return { allowed: true, index, clause: `network_allowlist[${index}]`, path: path.path };
    }
    if (missing > nearest.reached) nearest = { reached: missing, index };
  }
  return describeMiss(STEPS[nearest.reached] ?? "paths", nearest.index, request, path);
}

function holds(step: Step, rule: NetworkRule, request: OutgoingRequest, path: CanonicalPath): boolean {
  switch (step) {
    case "host":
      return hostMatches(rule.host, withoutBrackets(request.host));
    case "scheme":
      return rule.scheme === request.scheme;
    case "port":
      return portMatches(rule.port, request.port);
    case "methods":
      return rule.methods.some((method) => method === request.method);
    case "paths":
      return path.kind === "ok" && rule.paths.some((pattern) => pathMatches(pattern, path.path));
  }
}

/** `/v1/*` covers everything below `/v1/` and not `/v1` itself, and never `/v10`. */
function pathMatches(pattern: string, path: string): boolean {
  return pattern.endsWith("/*") ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}

function withoutBrackets(host: string): string {
  return host.startsWith("[") && host.endsWith("]") && host.includes(":") ? host.slice(1, -1) : host;
}

function describeMiss(
  step: Step,
  index: number,
  request: OutgoingRequest,
  path: CanonicalPath,
): Extract<RequestMatch, { allowed: false }> {
  const rule = `network_allowlist[${index}]`;
  const miss = (detail: string) => ({ allowed: false, clause: `${rule}.${step}`, detail }) as const;
  switch (step) {
    case "host":
      return { allowed: false, clause: "network_allowlist", detail: "host is not in network_allowlist" };
    case "scheme":
      return miss(`scheme ${shorten(request.scheme)} is not that of ${rule}`);
    case "port":
      return miss(`port ${request.port} is not that of ${rule}`);
    case "methods":
      return miss(`method ${shorten(request.method)} is not in methods of ${rule}`);
    case "paths":
      return miss(path.kind === "refused" ? path.detail : `path is not in paths of ${rule}`);
  }
}

/** Attacker-controlled text in an operator's log: only what can not forge a line of it. */
function shorten(text: string): string {
  return text.slice(0, 20).replace(/[^\x21-\x7e]/g, "?");
}
