/** The accounts of one gateway: what `gateway/invoke.ts` asks about claims, answers kept, and settlements. */
import type { Prices } from "../core/budget/index.ts";
import type { GatewayError } from "../core/errors.ts";
import type { RunPredicate } from "../core/manifest/index.ts";
import type { Policy } from "../core/policy/index.ts";
import { beginRounds } from "../core/rounds.ts";
import type {
  AnswerVault,
  Claimed,
  ClaimRefusal,
  Clock,
  RunClaims,
  RunSettlement,
  Store,
} from "../ports/index.ts";
import { Answers } from "./answers.ts";
import { type Books, createBooks } from "./books.ts";
import {
  bodyHash,
  type ClaimedWindow,
  claimsOf,
  describeClaims,
  leftOf,
  type RunIdentity,
} from "./claims.ts";
import { refusalOf } from "./refusals.ts";
import { settlementOf } from "./settlement.ts";

/** Between rounds of giving back. */
const ROUND_MS = 5_000;
/** Rounds between two of forgetting, which reads whole tables. */
const FORGET_EVERY = 12;

/** What accounts are made of. */
export interface AccountsParts {
  readonly store: Pick<Store, "accounts" | "findRun" | "ledger">;
  readonly vault: AnswerVault;
  readonly clock: Clock;
  /** Those of this moment: an operator may change them while the gateway runs. */
  readonly prices: () => Prices;
}

/** See {@link createAccounts}. */
export interface Accounts {
  readonly answers: Answers;
  readonly books: Books;
  claimsOf(identity: RunIdentity, policy: Policy): RunClaims;
  describeClaims(claims: RunClaims): Pick<RunPredicate, "lease" | "idempotency_key">;
  leftOf(claims: RunClaims, claimed: Extract<Claimed, { kind: "ok" }>): readonly ClaimedWindow[];
  refusalOf(refusal: ClaimRefusal, identity: RunIdentity): GatewayError;
  settlementOf(predicate: RunPredicate): RunSettlement;
  /**
   * Whether the host may make a request of a run a second time: that is a retry like any other, and is charged as one.
   * Where nobody can say what is left, it is not made.
   */
  mayResend(identity: RunIdentity, policy: Policy): Promise<boolean>;
  /**
   * Gives back what runs held that nobody will end any more, and forgets what is over, again and again.
   *
   * @param onError told of rounds that failed; the next one tries again
   * @returns stops it, and waits for the round under way
   */
  watch(onError: (error: unknown) => void): () => Promise<void>;
}

/** The accounts of one store. */
export function createAccounts({ store, vault, clock, prices }: AccountsParts): Accounts {
  return {
    answers: new Answers(store, vault, clock),
    books: createBooks(store, clock, prices),
    // By the accounts' own clock, which all gateways of a database share: theirs may differ.
    claimsOf: (identity, policy) => claimsOf({ ...identity, startedAtMs: clock.nowMs() }, policy),
    describeClaims,
    leftOf,
    refusalOf: (refusal, identity) => refusalOf(refusal, identity, bodyHash(identity)),
    settlementOf: (predicate) => settlementOf(predicate, prices()),
    async mayResend({ tenant, tool, operation, idempotencyKey }, { retry_budget: budget }) {
      if (budget === undefined) return true;
      if (operation === "write" && idempotencyKey === undefined) return false;
      try {
        return (
          (await store.accounts.takeRetry({ tenant, tool }, operation, budget, clock.nowMs())).kind === "ok"
        );
      } catch {
        return false;
      }
    },
    watch(onError) {
      let rounds = 0;
      const work = async (): Promise<void> => {
        await store.accounts.expire(clock.nowMs()).catch(onError);
        if (++rounds % FORGET_EVERY === 0) await store.accounts.forget(clock.nowMs());
      };
      return beginRounds({ clock, everyMs: () => ROUND_MS, work, onError });
    },
  };
}
