/**
 * Every refusal Writ can speak, as one union: a refusal means that we will not or cannot do what was asked.
 * A guest's bad end (trapped, exhausted …) is no refusal but an outcome, and a bug is a plain `TypeError` or
 * `RangeError`. `http/problem.ts` is the one place where refusals become RFC 9457 documents.
 */

/** Where a document fails its schema, and how: `pointer` is an RFC 6901 JSON Pointer into it. */
export interface Fault {
  readonly pointer: string;
  readonly detail: string;
}

/** What went wrong, as data. The members beside `code` are the extension members of the problem document. */
export type Refusal =
  /** Input that does not match its schema. */
  | { readonly code: "invalid-request"; readonly errors: readonly Fault[] }
  /** Missing, expired or wrong credentials; deliberately never says which. */
  | { readonly code: "unauthenticated" }
  /** The decision is deny. `decision` is the id of the signed decision, `missing` names the clauses. */
  | { readonly code: "denied"; readonly decision: string; readonly missing: readonly string[] }
  /** The credential lacks the scope. `decision` is the id of the signed decision, or empty where none is recorded. */
  | { readonly code: "insufficient-scope"; readonly scope: string; readonly decision: string }
  /** No such tool, function or run, or none that this principal may know of. */
  | { readonly code: "unknown-tool" }
  /** An idempotency key sent again while its run is under way. */
  | { readonly code: "run-conflict"; readonly run: string; readonly retryAfterSeconds: number }
  /** An idempotency key used again for something else. */
  | { readonly code: "key-reused"; readonly run: string }
  | { readonly code: "input-too-large"; readonly limitBytes: number }
  /** Malformed, or imports what the broker does not offer; `imports` names them. */
  | { readonly code: "component-refused"; readonly imports: readonly string[] }
  /** `budget`: what there is too little of; `reason`: a sentence for people, which may quote the request. */
  | {
      readonly code: "budget-spent";
      readonly retryAfterSeconds: number;
      readonly budget: string;
      readonly reason: string;
      readonly window: {
        readonly per_seconds: number;
        readonly class: string;
        readonly limit: number;
        readonly left: number;
      };
    }
  | {
      readonly code: "retry-budget-spent" | "loop-capped";
      readonly retryAfterSeconds: number;
      readonly budget: string;
      readonly reason: string;
    }
  /** What the operator's files say can not be taken over; a line for each fault. What was in force stays. */
  | { readonly code: "reload-refused"; readonly faults: readonly string[] }
  /** A task whose outcome was reported before, as something else. */
  | { readonly code: "task-closed"; readonly outcome: string }
  | { readonly code: "tool-suspended"; readonly reason: string; readonly since: string }
  | { readonly code: "internal" }
  /** Whoever vouches for the credential can not be asked now: it may be good. */
  | { readonly code: "identity-unavailable"; readonly retryAfterSeconds: number }
  | { readonly code: "sandbox-unavailable"; readonly retryAfterSeconds: number }
  | { readonly code: "evidence-unavailable"; readonly retryAfterSeconds: number };

/** The code of a {@link Refusal}; also the last segment of its problem type. */
export type RefusalCode = Refusal["code"];

/**
 * A refusal on its way to the caller.
 *
 * `message` is for the operator's log: it names the action that failed, the value, and what was wanted.
 * What the caller sees is decided in `http/problem.ts` from `refusal` alone, so a path or a rule's text in
 * the message never reaches a stranger.
 */
export class GatewayError extends Error {
  override readonly name = "GatewayError";
  readonly refusal: Refusal;

  /**
   * @param message for the operator: action, value, current and wanted state
   * @param refusal what the caller is told
   * @param options `cause`: the error beneath, for the log only
   */
  constructor(message: string, refusal: Refusal, options?: { cause?: unknown }) {
    super(message, options);
    this.refusal = refusal;
  }

  /** The refusal's code, for a caller's `switch`. */
  get code(): RefusalCode {
    return this.refusal.code;
  }
}

/**
 * Refuses a component, naming the imports at fault.
 *
 * @param message what is wrong with it, and where in the binary when that is known
 * @param imports the imports at fault; empty when the binary itself is malformed
 */
export function refuseComponent(message: string, imports: readonly string[] = []): GatewayError {
  return new GatewayError(message, { code: "component-refused", imports });
}
