/**
 * What runs owe and are owed: budgets over windows of time, retries, loops, answers kept for idempotency keys and as
 * last good ones, and the ledger. Kept by the Store, in its transactions: what a run claims is taken when its intent is
 * stored or not at all, and settled when it is sealed, exactly once.
 *
 * Duties of an implementation: those of the store; and every guard holds for any number of gateways on one database.
 */
import type { RetryCharge, WindowAmounts, WindowClaim, WindowSpent } from "../core/budget/index.ts";
import type { LoopCap, Operation, RetryBudget, TaskClass } from "../core/policy/index.ts";

/** What a run claims before it may run. */
export interface RunClaims {
  readonly run: string;
  readonly tenant: string;
  readonly tool: string;
  readonly function: string;
  readonly atMs: number;
  readonly windows: readonly WindowClaim[];
  /** When what was taken goes back by itself: later than the run can end. */
  readonly expiresAtMs: number;
  readonly key?: KeyClaim;
  readonly attempt?: AttemptClaim;
  readonly loop?: LoopClaim;
}

/** That the run is the one of an idempotency key. */
export interface KeyClaim {
  /** `sha256:<hex>`: the key itself is the caller's, and not kept. */
  readonly hash: string;
  /** `sha256:<hex>` of what was asked for with it. */
  readonly body: string;
  readonly expiresAtMs: number;
}

/** That the run may be a retry. */
export interface AttemptClaim {
  /** Of whatever makes two requests the same one tried again. */
  readonly fingerprint: string;
  readonly operation: Operation;
  readonly budget: RetryBudget;
  /** False: it may be no retry at all. */
  readonly mayRetry: boolean;
}

/** That the run belongs to a task which may go round in circles. */
export interface LoopClaim {
  readonly task: string;
  readonly cap: LoopCap;
  readonly confidence?: number;
}

/** Why claims were refused. Nothing was taken then, and no intent stored. */
export type ClaimRefusal =
  | { readonly kind: "budget-spent"; readonly claim: WindowClaim; readonly spent: WindowSpent }
  | { readonly kind: "retry-budget-spent"; readonly of: string; readonly freesInMs: number }
  | { readonly kind: "loop-capped"; readonly low: number; readonly freesInMs: number }
  | { readonly kind: "key-in-use"; readonly run: string; readonly body: string };

/** The answer to claims. */
export type Claimed =
  | {
      readonly kind: "ok";
      /** The run that this one tries again. */
      readonly retryOf?: string;
      /** What is held of each window claimed, this run's part included, in the order of the claims. */
      readonly held: readonly WindowAmounts[];
    }
  | { readonly kind: "refused"; readonly refusal: ClaimRefusal };

/** Text of a tenant's, encrypted under its key. */
export interface Kept {
  readonly keyId: string;
  readonly content: Uint8Array<ArrayBuffer>;
}

/** What a run comes to, written in the transaction that seals it. */
export interface RunSettlement {
  /** Null = nobody knows: then all of it goes back, but that there was a run. */
  readonly used: WindowAmounts | null;
  /** Whether it ended well: then trying again is no retry. */
  readonly good: boolean;
  /** What becomes of its idempotency key: an answer for whoever sends it again, or nothing, as if it was never sent. */
  readonly key?: { readonly kind: "answer"; readonly answer: Kept } | { readonly kind: "release" };
  /** Its output, for a later run that ends badly. */
  readonly lastGood?: { readonly place: AnswerPlace; readonly output: Kept; readonly atMs: number };
  readonly cost: RunCost;
}

/** What the ledger says of a run. */
export interface RunCost {
  readonly tenant: string;
  readonly tool: string;
  readonly purpose: string;
  readonly class: TaskClass;
  readonly task?: string;
  readonly fuel: number;
  readonly egressBytes: number;
  readonly wallMs: number;
  /** Billionths of the currency's unit. */
  readonly amount: number;
  readonly atMs: number;
}

/** Which function of a tenant's tool was asked what. */
export interface AnswerPlace {
  readonly tenant: string;
  readonly tool: string;
  readonly function: string;
  /** `sha256:<hex>` of the input. */
  readonly input: string;
}

/** What an idempotency key stands for. */
export interface KeyedRun {
  readonly run: string;
  readonly body: string;
  /** Absent while it runs, and where no answer was released. */
  readonly answer?: Kept;
}

/** A kept output. */
export interface LastGood {
  readonly run: string;
  readonly output: Kept;
  readonly atMs: number;
}

/** Books of all tenants, beside what {@link RunClaims} and {@link RunSettlement} write. */
export interface AccountStore {
  /** @returns undefined when the key was never used, or is expired */
  findKey(
    place: Pick<AnswerPlace, "tenant" | "tool" | "function">,
    hash: string,
    nowMs: number,
  ): Promise<KeyedRun | undefined>;
  findLastGood(place: AnswerPlace): Promise<LastGood | undefined>;
  /** What is held of a window; undefined = nothing was ever taken from it. */
  heldOf(
    owner: { readonly tenant: string; readonly tool: string },
    window: Pick<WindowClaim, "class" | "per_seconds" | "starts_at_ms">,
  ): Promise<WindowAmounts | undefined>;
  /**
   * Charges a retry that is no run of its own to the budget that a tenant's runs of a tool are charged when they are
   * retries.
   */
  takeRetry(
    owner: { readonly tenant: string; readonly tool: string },
    operation: Operation,
    budget: RetryBudget,
    nowMs: number,
  ): Promise<Pick<RetryCharge, "kind">>;
  /**
   * Gives back what expired leases hold, each exactly once; a few hundred at a time.
   *
   * @returns how many leases were given back
   */
  expire(nowMs: number): Promise<number>;
  /** Forgets keys, attempts, windows, tasks and outputs that are over. */
  forget(nowMs: number): Promise<void>;
}

/** Encrypts tenants' texts under their own keys, so that they can be erased with them. */
export interface AnswerVault {
  /** @param place what the text belongs to: it opens nowhere else */
  seal(tenant: string, place: string, text: string): Promise<Kept>;
  /** @throws {GatewayError} `evidence-unavailable` when its key is gone, or it is not of that place */
  open(tenant: string, place: string, kept: Kept): Promise<string>;
}
