/**
 * One run as the broker is told of it, and what the broker asks of whoever can run another tool. Types only; the gateway
 * implements the latter.
 */
import type { Budget, EchoPolicy, Grant, JsonValue } from "../core/policy/index.ts";
import type { RunHost } from "../ports/index.ts";
import type { CallLimits } from "./book.ts";
import type { RunTrace } from "./trace-context.ts";

/** The tenant and the tool of a run. */
export interface Owner {
  readonly tenant: string;
  readonly tool: string;
}

/** One run, as the broker needs to know it. */
export interface OpenRun {
  readonly grants: readonly Grant[];
  /** Whose run it is; needed by grants to keep anything. */
  readonly owner?: Owner;
  /** What a secret that is found in a response or the output means; default `redact`. */
  readonly onSecretEcho?: EchoPolicy;
  readonly budget: Budget;
  /** Wall clock at the run's start; events count from here. */
  readonly startedAtMs: number;
  /** Runs of one such name may share connections: tenant and policy. Default: each request has its own. */
  readonly pool?: string;
  /** Told of each request and connection before it leaves; what it rejects does not leave. Default: nobody is told. */
  readonly observe?: (target: string) => Promise<void>;
  /** Runs other tools' functions for this run; absent = every such call is answered `unavailable`. */
  readonly callTool?: (call: ToolCall) => Promise<ToolCallEnd>;
  /** The trace that the run is part of, for requests whose rule lets it go along; absent = none does. */
  readonly trace?: RunTrace;
  /**
   * Asked before a request is made a second time, which happens when a kept connection turns out to be dead. Default: it
   * may be, once.
   */
  readonly mayResend?: () => Promise<boolean>;
  /** Default: 10,000 events, 1,000,000 calls. */
  readonly limits?: Partial<CallLimits>;
}

/** A call that the caller's grant allows. */
export interface ToolCall {
  readonly tool: string;
  /** As the grant spells it. */
  readonly function: string;
  /** Not yet checked against the function's type. */
  readonly input: JsonValue;
  /** Absent = the caller's. */
  readonly purpose?: string;
  /** What is left of the caller's budgets. */
  readonly left: {
    readonly fuel: number;
    readonly egress_bytes: number;
    readonly requests: number;
    readonly log_bytes: number;
  };
  /** Opens the callee's run on the caller's lease; instead of `Broker.openRun`, which would give it one of its own. */
  readonly open: (run: OpenRun) => RunHost;
}

/** Why nothing ran, in the words of `writ:host/tools`. */
export type ToolRefusal =
  | "not-granted"
  | "denied"
  | "invalid-input"
  | "calls-itself"
  | "too-deep"
  | "budget-spent"
  | "unavailable";

/** What came of a call. */
export type ToolCallEnd =
  /** It returned, an `err` of its own included. */
  | {
      readonly kind: "answered";
      readonly run: string;
      readonly output: JsonValue;
      readonly fuelUsed: number;
      readonly outcome: string;
    }
  /** It ran and did not return. */
  | {
      readonly kind: "ended";
      readonly run: string;
      readonly outcome: string;
      readonly fallback?: JsonValue;
      readonly fuelUsed: number;
    }
  /** Nothing ran; `run` is the id of the signed decision, when there is one. */
  | { readonly kind: "refused"; readonly why: ToolRefusal; readonly run?: string };
