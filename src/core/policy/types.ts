/**
 * What a policy says once it has been read, and what a decision says once it has been made: plain frozen data.
 * Nothing here can be said that nothing enforces; each field names its enforcer.
 */

import type { HeaderLists } from "./header-lists.ts";
import type { Ports } from "./port-range.ts";
import type {
  EchoPolicy,
  FilesystemClause,
  KeyvalueClause,
  SecretOperation,
  SocketRule,
  ToolRule,
} from "./reach.ts";
import type { Scope } from "./scopes.ts";

/** Whether a function changes the world. A write without an Idempotency-Key is never retried. */
export type Operation = "read" | "write";

/** Which capability a grant is about; also the name of its WIT interface's file and of its broker file. */
export type CapabilityWord =
  | "http-client"
  | "secrets"
  | "log"
  | "run-info"
  | "clocks"
  | "random"
  | "stdio"
  | "environment"
  | "config"
  | "keyvalue"
  | "filesystem"
  | "sockets"
  | "tools"
  | "signing"
  | "reveal";

/** HTTP methods a network rule may name. CONNECT and TRACE are not among them. */
export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";

/** One permitted kind of outgoing request. Enforced by `broker/egress` for every request, redirect targets included. */
export interface NetworkRule {
  /** Lower-case host name, `*.` and one for every host below it, or an IP literal where the operator really means one. */
  readonly host: string;
  readonly scheme: "http" | "https";
  /** 1 to 65535, or a range. */
  readonly port: Ports;
  /** Empty is not allowed: a rule that permits nothing is a mistake. */
  readonly methods: readonly HttpMethod[];
  /** Exact paths, or prefixes ending in `/*`. The query string is not part of a path. */
  readonly paths: readonly string[];
  /** Header fields of the guest that go out; absent = all that may at all. An injected secret is none of them. */
  readonly request_headers?: HeaderLists;
  /** Header fields that the guest sees of the response; absent = all that may at all. */
  readonly response_headers?: HeaderLists;
  /** Requests carry the run's W3C trace context, as the broker says it; absent = none. The guest neither sets nor sees it. */
  readonly trace_context?: "propagate";
}

/** What one run may spend. All are upper bounds; reaching one ends the run as `exhausted`, naming it. */
export interface Budget {
  /** Deterministic work units; see `core/metering`. At most 2^53 − 1, so that it survives JSON. */
  readonly fuel: number;
  /** Bytes of linear memory, all core modules together; enforced in the module and at process level. */
  readonly memory_bytes: number;
  /** Bytes on the wire, both ways, bodies and headers. */
  readonly egress_bytes: number;
  /** Outgoing requests; look-ups and connections of sockets count as one each. */
  readonly requests: number;
  /** Bytes of the output's JSON text. */
  readonly output_bytes: number;
  /** Bytes of log entries, stdout and stderr together. */
  readonly log_bytes: number;
}

/** Names of the budgets, and of the deadline. */
export type BudgetName = keyof Budget;

/** What the caller gets when the run ended badly. Deterministic: same failure and input, same answer. */
export type Fallback =
  | { readonly kind: "error" }
  | { readonly kind: "static"; readonly value: JsonValue }
  /** The last output of the same function for the same input, to the same tenant. */
  | { readonly kind: "last-good"; readonly max_age_seconds: number }
  /** The output of another tool's function for the same input; a run of its own, narrowed by this policy. */
  | { readonly kind: "tool"; readonly tool: string; readonly function: string };

/** Who sees what a task comes to. Each class has its own share of every window. */
export const TASK_CLASSES = ["exploratory", "customer_visible"] as const;
/** One of {@link TASK_CLASSES}. */
export type TaskClass = (typeof TASK_CLASSES)[number];

/** What the runs of one tenant may spend together in a span of time. Enforced in the transaction of each intent. */
export interface WindowRule {
  /** Seconds; windows begin at whole multiples of it since 1970. */
  readonly per: number;
  /** Absent = each class by itself. */
  readonly class?: TaskClass;
  readonly runs?: number;
  readonly fuel?: number;
  readonly egress_bytes?: number;
  readonly seconds?: number;
}

/** How many runs may be retries. Enforced in the transaction of each intent. */
export interface RetryBudget {
  /** Retries for each request that is none. */
  readonly ratio: number;
  readonly min_per_second: number;
  /** How long a request counts. */
  readonly ttl_seconds: number;
}

/** When a task that goes on without confidence has to wait. */
export interface LoopCap {
  readonly confidence_below: number;
  readonly runs: number;
  readonly backoff_seconds: number;
}

/** JSON as values. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

/**
 * Isolation levels, weakest first. `process+permissions` means the runtime's own permission model holds too;
 * `process+os`, that the operating system refuses the same by itself, whatever becomes of the runtime.
 */
export const ISOLATION_LEVELS = ["process", "process+permissions", "process+os"] as const;
/** One of {@link ISOLATION_LEVELS}. */
export type IsolationLevel = (typeof ISOLATION_LEVELS)[number];

/** Manifest fields that a policy may require; a run whose statement lacks one is not answered. */
export const OBSERVABILITY_FIELDS = [
  "trace_id",
  "policy_id",
  "artifact_hash",
  "tenant",
  "purpose",
  "principal",
  "task",
  "input_hash",
  "output_hash",
  "fuel",
] as const;
/** One of {@link OBSERVABILITY_FIELDS}. */
export type ObservabilityField = (typeof OBSERVABILITY_FIELDS)[number];

/**
 * A policy, read and checked, in normal form. Field names are those of the document, so that errors and reviews
 * point at it. Lists whose order says nothing are sorted and without repetition; `network_allowlist` keeps its order.
 */
export interface Policy {
  readonly tool_id: string;
  readonly tenant_tier: readonly string[];
  readonly purpose: readonly string[];
  /** Keyed `interface/function`; what is not named may not be invoked. */
  readonly functions: Readonly<Record<string, { readonly operation: Operation }>>;
  readonly network_allowlist: readonly NetworkRule[];
  /** Variables of `wasi:cli/environment`; absent = none. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Arguments after the program's name; absent = not even that name. */
  readonly arguments?: readonly string[];
  /** What `wasi:config/store` answers; absent = a component that imports it is denied. */
  readonly config?: Readonly<Record<string, string>>;
  /** What `wasi:keyvalue` keeps between runs; absent = a component that imports it is denied. */
  readonly keyvalue?: KeyvalueClause;
  /** What `wasi:filesystem` finds open; absent = nothing. */
  readonly filesystem?: FilesystemClause;
  /** Outgoing TCP through `wasi:sockets`; absent = every look-up and connection is denied. */
  readonly sockets?: readonly SocketRule[];
  /** Other tools' functions that may be called, each tool once; absent = a component that imports `writ:host/tools` is denied. */
  readonly tools?: readonly ToolRule[];
  /** What may be done with the profile's secret besides sending it; absent = nothing. */
  readonly secret_operations?: readonly SecretOperation[];
  /** What a secret that is found in a response or an output means; absent = `redact`. */
  readonly on_secret_echo?: EchoPolicy;
  /** Name of an operator-side profile; absent = no secrets. */
  readonly secret_profile?: string;
  /** Time to live of a run in ms, queueing and host calls included. */
  readonly max_duration_ms: number;
  readonly budget: Budget;
  /** What runs of one tenant may spend together; absent = only each run is bounded. */
  readonly windows?: readonly WindowRule[];
  /** Absent = retries are not told apart. */
  readonly retry_budget?: RetryBudget;
  /** Absent = a task's confidence says nothing. */
  readonly loop_cap?: LoopCap;
  readonly required_observability_fields: readonly ObservabilityField[];
  readonly isolation_minimum: IsolationLevel;
  readonly fallback: Fallback;
  /** Absent = nothing is kept of a run but what is signed. Enforced by `gateway/journal.ts`. */
  readonly evidence?: EvidenceClause;
  /** Absent = a component with relaxed SIMD operators, whose results differ between machines, is refused. */
  readonly relaxed_simd?: "allow";
}

/** What is kept of a run beside digests: encrypted, and erasable. */
export interface EvidenceClause {
  /** `full`: all that the run depends on and all that it did, so that it can be replayed. */
  readonly journal: "none" | "full";
  /** With a full journal always both. */
  readonly keep: readonly ("input" | "output")[];
  /** What may be kept of one run. */
  readonly journal_bytes: number;
  /** When it would be more: the run ends as exhausted, or nothing is kept. */
  readonly journal_over: "stop" | "drop";
  readonly retention_days: number;
}

/** A policy with its identity and its origin. */
export interface PolicyRecord {
  /** `sha256:<hex>` of the RFC 8785 canonical JSON of `policy`, exactly as it stands here. */
  readonly policyId: string;
  readonly policy: Policy;
  /** Where it was read from, for the operator's eyes only. */
  readonly source: string;
}

/** One permission with its constraints: what a decision hands to the broker. */
export type Grant =
  | {
      readonly kind: "http-client";
      readonly rules: readonly NetworkRule[];
      /** Profile whose secret is injected into requests to its own audience. */
      readonly secretProfile?: string;
    }
  | { readonly kind: "secrets"; readonly profile: string }
  | { readonly kind: "log" }
  | { readonly kind: "run-info" }
  | { readonly kind: "clocks" }
  | { readonly kind: "random" }
  | { readonly kind: "stdio" }
  | {
      readonly kind: "environment";
      /** Absent = none, as the policy says. */
      readonly variables?: Readonly<Record<string, string>>;
      readonly arguments?: readonly string[];
    }
  | { readonly kind: "config"; readonly values: Readonly<Record<string, string>> }
  | ({ readonly kind: "keyvalue" } & KeyvalueClause)
  | ({ readonly kind: "filesystem" } & FilesystemClause)
  | { readonly kind: "sockets"; readonly rules: readonly SocketRule[] }
  | { readonly kind: "tools"; readonly tools: readonly ToolRule[] }
  | { readonly kind: "signing"; readonly profile: string; readonly operations: readonly SecretOperation[] }
  | { readonly kind: "reveal"; readonly profile: string };

/** Who asks. Made by `identity` from credentials; never from the request's body. */
export interface Principal {
  /** Stable id: `key:7f3a…`, or the operator's name of an issuer, a colon and the subject, e.g. `corp:alice`. */
  readonly id: string;
  readonly tenant: string;
  readonly tier: string;
  /** What the credential may do at all. */
  readonly scopes: readonly Scope[];
  /** What it proved itself with; absent where nobody had to, as in `writ run`. */
  readonly credential?: Credential;
}

/** A credential, by its public names alone. */
export type Credential =
  | { readonly kind: "api-key"; readonly id: string }
  /** A token: who issued it about whom, and which of the issuer's keys signed it. */
  | { readonly kind: "token"; readonly issuer: string; readonly subject: string; readonly key: string };

/** What `decide` is asked. */
export interface DecisionRequest {
  readonly principal: Principal;
  /** Tool name. */
  readonly tool: string;
  /**
   * The tool that the principal itself called, when a run of that calls this one: the credential's scope is about what it
   * calls itself. Default `tool`.
   */
  readonly entered?: string;
  /** `interface/function`. */
  readonly function: string;
  readonly purpose: string;
  /** Capability words that the component's imports need; from the decoded binary, not from the vendor's word. */
  readonly needs: readonly CapabilityWord[];
}

/** One clause that took part in a decision. */
export interface Reason {
  /**
   * Which clause: a field name of the policy; `scope` for what the credential may do; `needs` for a capability
   * that is not known; `policy` when two policies claim the case.
   */
  readonly clause: string;
  readonly policyId?: string;
  readonly effect: "allow" | "deny";
  /**
   * A sentence. It is signed with the manifest, which the caller holds: it may quote the request and never the
   * policy's rules or where the policy was read from. `explain` is the place for those.
   */
  readonly detail: string;
}

/** The answer of `decide`. Deny is the answer to every doubt. */
export type Decision =
  | {
      readonly kind: "allow";
      readonly record: PolicyRecord;
      readonly operation: Operation;
      readonly grants: readonly Grant[];
      readonly reasons: readonly Reason[];
    }
  | {
      readonly kind: "deny";
      /** The policy that came nearest, when one names the tool and the tier. */
      readonly record?: PolicyRecord;
      readonly reasons: readonly Reason[];
    };
