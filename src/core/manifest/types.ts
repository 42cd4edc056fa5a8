/**
 * The statement of one run: what the manifest signs. Field names are those of the signed JSON, so this file is
 * the schema's source in words; `schema.ts` says it in zod and publishes it as JSON Schema.
 */
import type { WindowAmounts } from "../budget/window.ts";
import type {
  BudgetName,
  Credential,
  Grant,
  IsolationLevel,
  JsonValue,
  Reason,
  TaskClass,
} from "../policy/types.ts";

/** Limits that every run has, whatever its policy says, and that end it as `exhausted`. */
export const HOST_LIMITS = [
  "lifted_bytes",
  "host_calls",
  "concurrent_calls",
  "handles",
  "table_elements",
  "call_depth",
  "random_bytes",
  "log_lines",
  "journal_bytes",
  "resident_bytes",
] as const;
/** One of {@link HOST_LIMITS}. */
export type HostLimit = (typeof HOST_LIMITS)[number];

/** How a run ended. All of these are signed, and answered with 200: the run happened. */
export type Outcome =
  /** The decision was deny: nothing ran, and that is what is signed. */
  | { readonly kind: "denied" }
  | { readonly kind: "completed" }
  /** The tool said so: the `err` of its result, as JSON. */
  | { readonly kind: "failed"; readonly error: JsonValue }
  /** The guest was stopped by a wasm trap, or its process died. `reason` is of a small vocabulary of ours. */
  | { readonly kind: "trapped"; readonly reason: string }
  | { readonly kind: "exhausted"; readonly budget: BudgetName | HostLimit }
  | { readonly kind: "timed-out"; readonly afterMs: number }
  | { readonly kind: "revoked"; readonly reason: string }
  /** It failed or trapped after an import call was denied; `target` says what it wanted, redacted. */
  | { readonly kind: "denied-import"; readonly import: string; readonly target: string }
  /** The gateway died while it ran; sealed by the reconciler. An outside effect may or may not have happened. */
  | { readonly kind: "indeterminate"; readonly reason: string };

/** The name of an {@link Outcome}. */
export type OutcomeKind = Outcome["kind"];

/** One thing that the broker saw the run do, in order. `seq` has no gaps and starts at 0. */
export interface RunEvent {
  readonly seq: number;
  /** Milliseconds since the run's start, whole. */
  readonly at_ms: number;
  /** Which import: `wasi:http/outgoing-handler#handle`, `wasi:http/client@0.3.0#send`, `writ:host/log#write` … */
  readonly import: string;
  readonly effect: "allowed" | "denied" | "failed";
  /** Whom it reached: `GET https://api.example.com:443/v1/forecast` without query; never a secret. */
  readonly target?: string;
  /** The clause that allowed or denied it. */
  readonly clause?: string;
  readonly bytes_in?: number;
  readonly bytes_out?: number;
  /** HTTP status, or a failure word of ours. */
  readonly result?: string;
  /** Of a denial: the smallest change of a policy or of the operator's settings that would allow it. */
  readonly change?: string;
}

/** What was granted and what was used of one budget. `used: null` = not knowable (the process was killed). */
export interface BudgetUse {
  readonly granted: number;
  readonly used: number | null;
}

/** A run that another one called: its id, and the sha256 of the exact bytes that its manifest signs. */
export interface RunChild {
  readonly run: string;
  readonly digest: string;
}

/** What a run took from windows that it shares with others. */
export interface RunLease {
  /** When what it took goes back by itself, should nobody see the run's end. */
  readonly expires_at: string;
  readonly windows: readonly {
    readonly class: TaskClass;
    readonly per_seconds: number;
    readonly starts_at: string;
    /** 0 where the policy sets no limit. */
    readonly taken: WindowAmounts;
  }[];
}

/** Where the value came from that the caller was given; `run`: the run whose output it is. */
export type RunFallback =
  | { readonly kind: "static"; readonly value_hash: string }
  | { readonly kind: "last-good"; readonly value_hash: string; readonly run: string }
  | { readonly kind: "tool"; readonly value_hash: string; readonly run: string };

/** The predicate of the in-toto statement. */
export interface RunPredicate {
  readonly run: string;
  readonly tenant: string;
  readonly principal: string;
  /** Tier of the tenant, by which the policy was chosen; absent in manifests of before it was recorded. */
  readonly tier?: string;
  /** What the principal proved itself with, by its public names; absent where nobody had to. */
  readonly credential?: Credential;
  readonly tool: string;
  readonly function: string;
  readonly purpose: string;
  /** `confidence`: from 0 to 1, as the caller stated it. */
  readonly task?: { readonly id: string; readonly class: TaskClass; readonly confidence?: number };
  /** 32 lower-case hex digits, W3C trace context. */
  readonly trace_id: string;
  /** Null when no policy names the tool and the tier: then the outcome is `denied`. */
  readonly policy_id: string | null;
  /** `sha256:<hex>` of the component that ran. */
  readonly artifact_hash: string;
  /** `sha256:<hex>` of the input's canonical JSON. */
  readonly input_hash: string;
  /** `sha256:<hex>` of the output's canonical JSON; null when there was none. */
  readonly output_hash: string | null;
  readonly decision: { readonly effect: "allow" | "deny"; readonly reasons: readonly Reason[] };
  readonly grants: readonly Grant[];
  /** Null when nothing ran. */
  readonly budget: { readonly [name in BudgetName | "wall_ms"]: BudgetUse } | null;
  readonly memory_peak_bytes: number | null;
  readonly cost_table: string;
  /** The policy let operators run whose results differ between machines; absent = it did not, and none could. */
  readonly relaxed_simd?: true;
  readonly events: readonly RunEvent[];
  readonly outcome: Outcome;
  /**
   * `sha256:<hex>` of the journal that the policy asked to keep; null when it would have been over its bound, and
   * nothing was kept. Absent when the policy asks for none.
   */
  readonly journal_hash?: string | null;
  /** The run that called this one, and the policy that narrowed this one's; absent when a principal called. */
  readonly parent?: { readonly run: string; readonly policy_id: string };
  /** Runs that this one called and that were sealed, in the order of their calls; absent when there are none. */
  readonly children?: readonly RunChild[];
  /** What it took from its policy's windows before it ran; absent when the policy names none. */
  readonly lease?: RunLease;
  /** The earlier run, for the same key or the same input, that did not end well; absent when this is no retry. */
  readonly retry_of?: string;
  /** `sha256:<hex>` of the caller's Idempotency-Key: whoever sends the key again is given this run's answer. */
  readonly idempotency_key?: string;
  /** What the caller was given instead of the output, when the policy's fallback applied. */
  readonly fallback?: RunFallback;
  /**
   * Present when this denial stands for many: under a flood they share a statement. What is said above of purpose, task,
   * trace and input is the first one's; `members` names all, the first included.
   */
  readonly aggregate?: {
    readonly count: number;
    readonly from: string;
    readonly until: string;
    /** How many were denied by which clause. */
    readonly reasons: Readonly<Record<string, number>>;
    /** `digest`: `sha256:<hex>` of the statement that would have been signed of this one alone. */
    readonly members: readonly { readonly run: string; readonly digest: string }[];
  };
  /** The level reached and the restrictions that the executor was seen to have; null when nothing ran. */
  readonly isolation: { readonly level: IsolationLevel; readonly verified: readonly string[] } | null;
  readonly runtime: { readonly host: string; readonly executor: string | null; readonly writ: string };
  /** RFC 3339 with milliseconds, UTC. */
  readonly started_at: string;
  readonly finished_at: string;
}

/** in-toto Statement v1. Subjects: `output`, `component`, `policy`, each by sha256. */
export interface Statement {
  readonly _type: "https://in-toto.io/Statement/v1";
  readonly subject: readonly { readonly name: string; readonly digest: { readonly sha256: string } }[];
  readonly predicateType: typeof PREDICATE_TYPE;
  readonly predicate: RunPredicate;
}

/** The predicate type of an execution manifest. An identifier: nothing is fetched from it. */
export const PREDICATE_TYPE = "https://writ.dev/execution-manifest/v1";

/** The payload type in the DSSE envelope. */
export const PAYLOAD_TYPE = "application/vnd.in-toto+json";
