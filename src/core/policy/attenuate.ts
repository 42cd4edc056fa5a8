/**
 * Narrowing one policy by another: what a tool may do while another tool calls it.
 *
 * INVARIANT: what comes out allows nothing that either of the two does not allow. A caller can not reach through its
 * callee what it may not reach itself, and the callee gains nothing by being called. A test says so with random pairs.
 *
 * What belongs to the callee alone and reaches nobody else (its configuration, its variables and arguments, what it
 * keeps between runs, its fallback, what is kept of its runs, what its runs share in a window of time) stays as its own policy says. A clause that this file does not know is left out:
 * then it is not granted.
 */
import { intersectHeaders } from "./header-lists.ts";
import { intersectHosts } from "./host-pattern.ts";
import { intersectPorts } from "./port-range.ts";
import type { FilesystemClause, SocketRule, ToolRule } from "./reach.ts";
import {
  type Budget,
  ISOLATION_LEVELS,
  type IsolationLevel,
  type NetworkRule,
  type Policy,
  type PolicyRecord,
} from "./types.ts";

/** Most rules of an intersection. Two lists of 256 rules have 65,536 pairs; beyond this, what is left out is denied. */
const MOST_RULES = 1024;

/**
 * Narrows a callee's policy by its caller's.
 *
 * @param record the callee's; its id stays: it is what the operator reviewed
 * @param caller the caller's policy, itself narrowed by whoever called it
 * @returns the callee's policy as far as the caller's allows it: functions that the caller's `tools` name, common
 *   purposes, common network, common sockets, common tools, the same secret profile or none, the smaller of each budget and of the
 *   time to live, the stronger isolation, and all evidence that either requires
 */
export function attenuate(record: PolicyRecord, caller: Policy): PolicyRecord {
  const { policy } = record;
  const named = new Set(
    caller.tools?.filter(({ tool }) => tool === policy.tool_id).flatMap(({ functions }) => functions),
  );
  const tools = intersectTools(policy.tools, caller.tools);
  const sockets = intersectSockets(policy.sockets, caller.sockets);
  const operations = (policy.secret_operations ?? []).filter((operation) =>
    caller.secret_operations?.includes(operation),
  );
  // The stricter of the two, `redact` being what absence means.
  const echo = caller.on_secret_echo === "revoke" ? "revoke" : policy.on_secret_echo;
  const narrowed: Policy = {
    tool_id: policy.tool_id,
    tenant_tier: policy.tenant_tier.filter((tier) => caller.tenant_tier.includes(tier)),
    purpose: policy.purpose.filter((purpose) => caller.purpose.includes(purpose)),
    functions: Object.fromEntries(Object.entries(policy.functions).filter(([name]) => named.has(name))),
    network_allowlist: intersectRules(policy.network_allowlist, caller.network_allowlist),
    ...(policy.environment === undefined ? {} : { environment: policy.environment }),
    ...(policy.arguments === undefined ? {} : { arguments: policy.arguments }),
    ...(policy.config === undefined ? {} : { config: policy.config }),
    ...(policy.keyvalue === undefined ? {} : { keyvalue: policy.keyvalue }),
    ...(policy.filesystem === undefined
      ? {}
      : { filesystem: intersectMounts(policy.filesystem, caller.filesystem) }),
    ...(operations.length === 0 ? {} : { secret_operations: operations }),
    ...(echo === undefined ? {} : { on_secret_echo: echo }),
    ...(policy.evidence === undefined ? {} : { evidence: policy.evidence }),
    ...(policy.relaxed_simd === undefined || caller.relaxed_simd === undefined
      ? {}
      : { relaxed_simd: policy.relaxed_simd }),
    ...(sockets === undefined ? {} : { sockets }),
    ...(tools === undefined ? {} : { tools }),
    ...(policy.secret_profile === undefined || policy.secret_profile !== caller.secret_profile
      ? {}
      : { secret_profile: policy.secret_profile }),
    max_duration_ms: Math.min(policy.max_duration_ms, caller.max_duration_ms),
    budget: smaller(policy.budget, caller.budget),
    // The callee's own: a caller's windows bound its lease, out of which the callee is paid.
    ...(policy.windows === undefined ? {} : { windows: policy.windows }),
    ...(policy.retry_budget === undefined ? {} : { retry_budget: policy.retry_budget }),
    ...(policy.loop_cap === undefined ? {} : { loop_cap: policy.loop_cap }),
    required_observability_fields: [
      ...new Set([...policy.required_observability_fields, ...caller.required_observability_fields]),
    ].sort(),
    isolation_minimum: stronger(policy.isolation_minimum, caller.isolation_minimum),
    fallback: policy.fallback,
  };
  return Object.freeze({ ...record, policy: Object.freeze(narrowed) });
}

/** @returns the smaller of each budget */
export function smaller(a: Budget, b: Budget): Budget {
  return {
    fuel: Math.min(a.fuel, b.fuel),
    memory_bytes: Math.min(a.memory_bytes, b.memory_bytes),
    egress_bytes: Math.min(a.egress_bytes, b.egress_bytes),
    requests: Math.min(a.requests, b.requests),
    output_bytes: Math.min(a.output_bytes, b.output_bytes),
    log_bytes: Math.min(a.log_bytes, b.log_bytes),
  };
}

/** Rules that permit exactly what both lists permit. Header lists are joined: a field crosses when both let it. */
function intersectRules(a: readonly NetworkRule[], b: readonly NetworkRule[]): readonly NetworkRule[] {
  // In the order of both: of two rules that permit one request the first decides about its headers, in each list.
  const rules = a.flatMap((left) => b.flatMap((right) => intersectRule(left, right) ?? []));
  return rules.slice(0, MOST_RULES);
}

function intersectRule(a: NetworkRule, b: NetworkRule): NetworkRule | undefined {
  const host = intersectHosts(a.host, b.host);
  const port = intersectPorts(a.port, b.port);
  const methods = a.methods.filter((method) => b.methods.includes(method));
  const paths = [
    ...new Set(a.paths.flatMap((left) => b.paths.flatMap((right) => intersectPaths(left, right) ?? []))),
  ].sort();
  if (host === undefined || port === undefined || a.scheme !== b.scheme) return undefined;
  if (methods.length === 0 || paths.length === 0) return undefined;
  const request = intersectHeaders(a.request_headers, b.request_headers);
  const response = intersectHeaders(a.response_headers, b.response_headers);
  return {
    host,
    scheme: a.scheme,
    port,
    methods,
    paths,
    ...(request === undefined ? {} : { request_headers: request }),
    ...(response === undefined ? {} : { response_headers: response }),
    ...(a.trace_context === undefined || b.trace_context === undefined
      ? {}
      : { trace_context: a.trace_context }),
  };
}

function intersectPaths(a: string, b: string): string | undefined {
  if (covers(a, b)) return b;
  return covers(b, a) ? a : undefined;
}

/** Whether every path of `narrow` is one of `wide`. */
function covers(wide: string, narrow: string): boolean {
  if (!wide.endsWith("/*")) return wide === narrow;
  return narrow.startsWith(wide.slice(0, -1));
}

/** The scratch and the volume are the callee's own; folders of the operator are open to it only if to both. */
function intersectMounts(own: FilesystemClause, caller: FilesystemClause | undefined): FilesystemClause {
  const names = new Set(caller?.mounts.map(({ name }) => name));
  return { ...own, mounts: own.mounts.filter(({ name }) => names.has(name)) };
}

function intersectSockets(
  a: readonly SocketRule[] | undefined,
  b: readonly SocketRule[] | undefined,
): readonly SocketRule[] | undefined {
  if (a === undefined || b === undefined) return undefined;
  const rules = a.flatMap((left) =>
    b.flatMap((right): readonly SocketRule[] => {
      const host = intersectHosts(left.host, right.host);
      const port = intersectPorts(left.port, right.port);
      return host === undefined || port === undefined ? [] : [{ host, port }];
    }),
  );
  return rules.slice(0, MOST_RULES);
}

function intersectTools(
  a: readonly ToolRule[] | undefined,
  b: readonly ToolRule[] | undefined,
): readonly ToolRule[] | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a.flatMap((left) => {
    const right = b.find(({ tool }) => tool === left.tool);
    const functions = left.functions.filter((name) => right?.functions.includes(name));
    if (right === undefined || functions.length === 0) return [];
    return [{ tool: left.tool, functions, calls: Math.min(left.calls, right.calls) }];
  });
}

function stronger(a: IsolationLevel, b: IsolationLevel): IsolationLevel {
  return ISOLATION_LEVELS.indexOf(a) < ISOLATION_LEVELS.indexOf(b) ? b : a;
}
