/** What the broker asks of whoever can run another tool, and what it is told. Types only; the gateway implements it. */
import type { JsonValue } from "../core/policy/index.ts";
import type { RunHost } from "../ports/index.ts";
import type { OpenRun } from "./broker.ts";

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
