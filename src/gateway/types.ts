/**
 * What the gateway can be asked, whoever carries the question: `http/` today, other doors later. Interfaces only;
 * the story behind `invoke` is in `invoke.ts`.
 *
 * Every method that takes a principal answers within that principal's tenant and nothing beyond it: another
 * tenant's run is as absent as one that never was.
 */
import type { ChargebackPage, ChargebackRequest, ClaimedWindow, TaskReport } from "../accounts/index.ts";
import type { Outcome, RunExplanation } from "../core/manifest/index.ts";
import type { TileName } from "../core/merkle/index.ts";
import type {
  CapabilityWord,
  JsonValue,
  Operation,
  Principal,
  Scope,
  TaskClass,
} from "../core/policy/index.ts";
import type { PreparationStep, TaskOutcome } from "../ports/index.ts";
import type { Operator } from "./operator.ts";

/** The gateway as its doors see it. Refusals are thrown as `GatewayError`; anything else thrown is a bug. */
export interface Gateway {
  /** For whoever may operate it, and nobody else. */
  readonly operator: Operator;

  /**
   * @param authorization the Authorization header, as sent; attacker-controlled
   * @throws {GatewayError} `unauthenticated`, in the same shape whatever was wrong
   */
  authenticate(authorization: string | undefined): Promise<Principal>;

  /**
   * Runs a function of a tool and answers once the evidence is durable.
   *
   * @throws {GatewayError} any code but `unauthenticated`. The pointers of `invalid-request` point into the request's
   *   body as a whole, so a fault of the input begins with `/input`. `decision` of `denied` is the id of the run that
   *   carries the signed decision
   */
  invoke(principal: Principal, request: InvocationRequest): Promise<InvocationAnswer>;

  /** Tools that a policy of the principal's tier names, by name. */
  listTools(principal: Principal): Promise<readonly ToolSummary[]>;

  /** @throws {GatewayError} `unknown-tool`, also when the principal may not know that it exists */
  describeTool(principal: Principal, tool: string): Promise<ToolDetail>;

  /**
   * Newest first. Needs scope `evidence`, as do the three below.
   *
   * @throws {GatewayError} `insufficient-scope` without it
   */
  listRuns(principal: Principal, page: RunPageRequest): Promise<RunPage>;

  /** @throws {GatewayError} `unknown-tool` when there is no such run in the principal's tenant */
  findRun(principal: Principal, run: string): Promise<RunSummary>;

  /**
   * @returns the execution manifest: JSON text of a Sigstore bundle v0.3, with the proof that the log has it
   * @throws {GatewayError} `unknown-tool`; `evidence-unavailable` while the run is open
   */
  findManifest(principal: Principal, run: string, proof?: "cosigned"): Promise<string>;

  /**
   * @returns why a run was allowed or denied what it asked for, and the smallest change that would allow what was denied
   * @throws {GatewayError} `unknown-tool`; `evidence-unavailable` while the run is open
   */
  explainRun(principal: Principal, run: string): Promise<RunExplanation>;

  /**
   * Reads the operator's files again and takes them over, all or nothing. Needs scope `operate`.
   *
   * @throws {GatewayError} `insufficient-scope`; `reload-refused` with every fault; `evidence-unavailable`
   */
  reload(principal: Principal): Promise<Reloaded>;

  /** What operators did, as it was signed, newest first; `before` is an action's id. Needs scope `operate`, as does the next. */
  listRecords(principal: Principal, page: RunPageRequest): Promise<RecordPage>;

  /** @throws {GatewayError} `insufficient-scope`, `unknown-tool`, `evidence-unavailable` */
  findRecord(principal: Principal, action: string): Promise<string>;

  /**
   * Says how a business task ended; one that succeeded is billed, once, whoever says it how often. Needs `invoke`.
   *
   * @throws {GatewayError} `insufficient-scope`; `unknown-tool` when no run of it is sealed; `task-closed`
   */
  reportOutcome(principal: Principal, task: string, outcome: TaskOutcome): Promise<TaskReport>;

  /**
   * What runs cost and tasks were billed. Needs `evidence`; of other tenants, `operate`.
   *
   * @param request `where.tenant`: default one's own; `*` = all
   * @throws {GatewayError} `insufficient-scope`, `invalid-request`
   */
  chargeback(principal: Principal, request: ChargebackRequest): Promise<ChargebackPage>;

  /**
   * Hands out an API key, with no more than the principal has. Needs `keys`; for another tenant or tier, `operate` too.
   *
   * @throws {GatewayError} `insufficient-scope`; `invalid-request`; `evidence-unavailable`: then there is no key
   */
  issueKey(principal: Principal, request: KeyRequest): Promise<IssuedKey>;

  /** Oldest first. Needs `keys`; of other tenants, `operate` too. @throws {GatewayError} `insufficient-scope` */
  listKeys(principal: Principal, page: KeyPageRequest): Promise<KeyPage>;

  /**
   * Takes a key back: it is refused from the moment this resolves. Needs `keys`; of other tenants, `operate` too.
   *
   * @throws {GatewayError} `insufficient-scope`; `unknown-tool`, also of another tenant's; `evidence-unavailable`: it is
   *   revoked all the same
   */
  revokeKey(principal: Principal, id: string): Promise<RevokedKey>;

  /** The public keys that verify manifests, as a JSON Web Key Set. Public. */
  jwks(): Promise<object>;

  /** JSON text of a Sigstore trusted root: the log's name and key. Public. */
  trustedRoot(): Promise<string>;

  /**
   * The log's newest checkpoint, a signed note. Public.
   *
   * @throws {GatewayError} `evidence-unavailable`
   */
  checkpoint(): Promise<string>;

  /**
   * One file of the log, as C2SP tlog-tiles cuts it. Public.
   *
   * @returns undefined when the log does not have all of it yet
   * @throws {GatewayError} `evidence-unavailable`
   */
  logTile(name: TileName): Promise<Uint8Array<ArrayBuffer> | undefined>;

  /** Whether an invocation sent now would be served. Public: names of checks, no reasons. */
  ready(): Promise<Readiness>;

  /**
   * Waits until no invocation is under way, those that nobody waits for any more included. For whoever is about to close
   * what the gateway is made of: a run is sealed also when its caller has gone.
   */
  settled(): Promise<void>;
}

/** One request to run a function, parsed. */
export interface InvocationRequest {
  /** Matches `^[a-z][a-z0-9-]{0,62}$`. */
  readonly tool: string;
  /** `interface/function`, or the bare function where that names only one. */
  readonly function: string;
  /** Not yet checked against the function's type. */
  readonly input: JsonValue;
  readonly purpose: string;
  readonly task?: Task;
  /** 1 to 128 characters: whoever sends it again for the same request is given the same answer, for a day. */
  readonly idempotencyKey?: string;
  /** A valid W3C traceparent of version 00, or absent: then a new trace begins. */
  readonly traceparent?: string;
  /** A valid W3C tracestate that came with it: goes along where the trace does, unchanged. */
  readonly tracestate?: string;
}

/** The piece of work a run belongs to, as the caller names it. */
export interface Task {
  readonly id: string;
  readonly class: TaskClass;
  /** How confident the caller is of this run, 0 to 1. */
  readonly confidence?: number;
}

/** A run that happened. Its end may be a bad one: `outcome` says. */
export interface InvocationAnswer {
  readonly run: string;
  readonly outcome: Outcome;
  /** What the guest returned, an `err` included; null when it did not return, or returns nothing. */
  readonly output: JsonValue;
  /** What the policy declared for a bad end; never put in `output`, so that nobody takes it for the tool's word. */
  readonly fallback?: { readonly kind: "static" | "last-good" | "tool"; readonly value: JsonValue };
  /** The execution manifest: a Sigstore bundle v0.3. */
  readonly manifest: object;
  readonly receipt: Receipt;
  /** This is what a request with the same idempotency key was answered before; nothing ran now. */
  readonly replayed?: true;
  /** What is left of each window that the run took from; absent when its policy names none. */
  readonly windows?: readonly ClaimedWindow[];
  /** The same trace with the gateway's own span: goes out as the `traceparent` header. */
  readonly traceparent: string;
}

/** What is told of a sealed run. */
export interface RunReceipt {
  /** Position in the gateway's record of runs, and in its log: from 0, without gaps. */
  readonly sequence: number;
  /** Hex sha256 of the exact bytes that were signed. */
  readonly digest: string;
  /** Key id in the JWKS. */
  readonly keyId: string;
}

/** What a caller keeps of a sealed run. */
export interface Receipt extends RunReceipt {
  /** Inclusion proof with its checkpoint: text, C2SP tlog-proof. */
  readonly proof: string;
}

/** A tool, in short. */
export interface ToolSummary {
  readonly name: string;
  readonly description: string;
  /** `sha256:<hex>` of the component. */
  readonly digest: string;
  /** Keys of its functions, sorted. */
  readonly functions: readonly string[];
}

/** A tool, as far as a caller needs to know it in order to call it or to review it. */
export interface ToolDetail {
  readonly name: string;
  readonly description: string;
  readonly digest: string;
  readonly functions: readonly FunctionDetail[];
  readonly imports: readonly ImportDetail[];
  /** The policy that decides for the principal's tier. */
  readonly policyId: string;
  /** Purposes which that policy allows. */
  readonly purposes: readonly string[];
}

/** One exported function. */
export interface FunctionDetail {
  /** `interface/function`, or the function alone when the world itself exports it. */
  readonly name: string;
  readonly description: string;
  /** Null when the policy does not allow the function at all. */
  readonly operation: Operation | null;
  /** JSON Schemas (2020-12) of `input` and `output`. */
  readonly inputSchema: object;
  readonly outputSchema: object;
}

/** One imported interface, and what this host makes of it. */
export interface ImportDetail {
  /** As the component spells it, e.g. `wasi:http/types@0.2.12`. */
  readonly name: string;
  /** Null for plumbing without effect, and for what is present as a refusing stub only. */
  readonly capability: CapabilityWord | null;
  readonly served: boolean;
  /** Why it is not served. */
  readonly reason?: string;
}

/** Which runs to list. */
export interface RunPageRequest {
  /** 1 to 100. */
  readonly limit: number;
  /** A run id: only older ones are listed. */
  readonly before?: string;
}

/** Some runs, newest first. */
export interface RunPage {
  readonly runs: readonly RunSummary[];
  /** Pass as `before` for the page that follows; absent on the last. */
  readonly next?: string;
}

/** One run, in short. */
export interface RunSummary {
  readonly run: string;
  readonly tool: string;
  readonly function: string;
  /** Name of the outcome; `open` while it runs, or until the reconciler closes it. */
  readonly outcome: Outcome["kind"] | "open";
  /** RFC 3339, UTC. */
  readonly admittedAt: string;
  /** Absent while open. */
  readonly sealedAt?: string;
  readonly receipt?: RunReceipt;
}

/** Some actions of operators, newest first. */
export interface RecordPage {
  readonly records: readonly RecordSummary[];
  readonly next?: string;
}

/** One action, in short. */
export interface RecordSummary {
  readonly action: string;
  readonly kind: string;
  readonly actor: string;
  /** RFC 3339, UTC. */
  readonly at: string;
  /** The first of them: the manifest has all. */
  readonly changes: readonly string[];
}

/** What a reload changed. */
export interface Reloaded {
  /** Id of the operator's action that the log has; null when nothing changed. */
  readonly action: string | null;
  /** In words, a sentence each. */
  readonly changes: readonly string[];
  /** Of the tools that changed, those whose folder is not what is active, in words; absent = none. */
  readonly held?: readonly string[];
  /** Tools that had to be made ready to run first; absent where none had. */
  readonly prepared?: readonly Prepared[];
}

/** A tool that was made ready to run while somebody waited, step by step. */
export interface Prepared {
  readonly tool: string;
  readonly steps: readonly PreparationStep[];
}

/** The answer of `/readyz`. */
export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly { readonly name: string; readonly ok: boolean }[];
}

/** A key that is asked for. */
export interface KeyRequest {
  readonly scopes: readonly Scope[];
  readonly label: string;
  /** Absent = it does not expire. */
  readonly expiresInSeconds?: number;
  /** Default: the principal's own. */
  readonly tenant?: string;
  /** Default: the listed one of the tenant, or the principal's own. */
  readonly tier?: string;
}

/** A key, as it is shown: neither it nor its hash. Times are RFC 3339, UTC. */
export interface KeySummary {
  /** Public id. */
  readonly id: string;
  readonly tenant: string;
  readonly tier: string;
  readonly scopes: readonly string[];
  readonly label: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly revokedAt: string | null;
}

/** A key that was just issued; `key` is the key itself, shown once and kept nowhere. */
export interface IssuedKey extends KeySummary {
  readonly key: string;
}

/** Which keys to list, oldest first; `tenant`: `*` = of all. */
export interface KeyPageRequest {
  readonly limit: number;
  readonly after?: string;
  readonly tenant?: string;
}

/** Keys, and what to pass as `after` for the page that follows; absent on the last. */
export interface KeyPage {
  readonly keys: readonly KeySummary[];
  readonly next?: string;
}

/** A key that is refused from now on. */
export interface RevokedKey {
  readonly id: string;
  readonly revoked: true;
}
