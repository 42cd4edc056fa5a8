/** Decides whether a run's rules permit a request, before anything is resolved or connected. Pure. */

import type { HeaderLists, NetworkRule } from "../../core/policy/index.ts";
import { matchRequest } from "../../core/policy/index.ts";
import type { ErrorCode } from "./errors.ts";
import { labelOf, parseTarget, type RawTarget, type Target } from "./target.ts";

/** Leave to make one request. `label` and `clause` are what its event says. */
export interface Permit {
  readonly kind: "permit";
  readonly method: Method;
  readonly target: Target;
  readonly label: string;
  readonly clause: string;
  /** Which of the guest's header fields go out, and which of the response's it sees; absent = all that may at all. */
  readonly requestHeaders?: HeaderLists;
  readonly responseHeaders?: HeaderLists;
  /** Whether the run's trace context goes along. */
  readonly traced: boolean;
}

/** A request that may not be made. */
export interface Denial {
  readonly kind: "denied";
  /** What the guest is told: never which rule, never how near it came. */
  readonly word: ErrorCode;
  readonly label: string;
  readonly clause: string;
  /** The address that it is for, where that is all that was written: no rule opens a block of addresses. */
  readonly address?: string;
}

/** Methods that exist at all. CONNECT would be a tunnel past every rule; TRACE echoes injected secrets. */
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** One of the methods that may be sent. */
export type Method = (typeof METHODS)[number];

/**
 * @param rules the run's network rules; none permits nothing
 * @param raw as the guest spelled it
 */
export function permitRequest(rules: readonly NetworkRule[], raw: RawTarget): Permit | Denial {
  const parsed = parseTarget(raw);
  if (!parsed.ok)
    return { kind: "denied", word: parsed.word, label: labelOf(raw), clause: `uri: ${parsed.why}` };
  const { target } = parsed;
  const label = labelOf(raw, target);
  const method = METHODS.find((known) => known === raw.method);
  if (method === undefined) {
    return {
      kind: "denied",
      word: { tag: "HTTP-request-method-invalid" },
      label,
      clause: "method: not offered",
    };
  }
  const { scheme, host, port, path } = target;
  const match = matchRequest(rules, { scheme, host, port, method, path });
  if (!match.allowed) {
    const address = target.literal ? { address: host } : {};
    return { kind: "denied", word: { tag: "HTTP-request-denied" }, label, clause: match.clause, ...address };
  }
  // The path goes out in the spelling that was judged.
  const judged = { ...target, path: match.path };
  const {
    request_headers: requestHeaders,
    response_headers: responseHeaders,
    trace_context: traceContext,
  } = rules[match.index] ?? {};
  return {
    kind: "permit",
    method,
    target: judged,
    label: labelOf(raw, judged),
    clause: match.clause,
    ...(requestHeaders === undefined ? {} : { requestHeaders }),
    ...(responseHeaders === undefined ? {} : { responseHeaders }),
    traced: traceContext === "propagate",
  };
}
