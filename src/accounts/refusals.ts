/** Claims that were refused, in the words that callers are told. */
import type { WindowMeasure } from "../core/budget/index.ts";
import { GatewayError } from "../core/errors.ts";
import type { ClaimRefusal } from "../ports/index.ts";
import type { RunIdentity } from "./claims.ts";

/** What a measure is called in sentences. */
const WORDS: Readonly<Record<WindowMeasure, string>> = {
  runs: "runs",
  fuel: "fuel",
  egress_bytes: "bytes over the network",
  wall_ms: "milliseconds of run time",
};

/** Room that only runs under way hold comes back with their ends: worth asking again soon. */
const SOON_SECONDS = 1;

/**
 * @param body hash of what this request asks for
 * @returns the refusal of a run that claimed too much, with when to come back
 */
export function refusalOf(
  refusal: ClaimRefusal,
  { run, tool, task, operation, idempotencyKey, startedAtMs }: RunIdentity,
  body: string,
): GatewayError {
  const what = `Cannot run "${tool}" as ${run}`;
  switch (refusal.kind) {
    case "budget-spent": {
      const { claim, spent } = refusal;
      const { measure, wanted, left, freesAtMs } = spent;
      const limit = claim.limit[measure] ?? 0;
      const forClass = claim.class === "exploratory" ? "exploratory" : "customer-visible";
      const reason = `${left} of ${limit} ${WORDS[measure]} are left for ${forClass} work until ${new Date(freesAtMs).toISOString()}, and a run needs ${wanted}`;
      return new GatewayError(`${what}: ${reason}`, {
        code: "budget-spent",
        retryAfterSeconds: Math.max(SOON_SECONDS, (freesAtMs - startedAtMs) / 1000),
        budget: measure,
        reason,
        window: { per_seconds: claim.per_seconds, class: claim.class, limit, left },
      });
    }
    case "retry-budget-spent": {
      const isKeyless = operation === "write" && idempotencyKey === undefined;
      const seconds = Math.ceil(refusal.freesInMs / 1000);
      const reason = isKeyless
        ? `this write was tried before, as ${refusal.of}, and did not end well; without an Idempotency-Key it can not be tried again safely`
        : `too many of the last ${operation}s are retries of runs that did not end well, as this one is of ${refusal.of}; wait ${seconds} s, or ask for something else`;
      return new GatewayError(`${what}: ${reason}`, {
        code: "retry-budget-spent",
        retryAfterSeconds: refusal.freesInMs / 1000,
        budget: "retries",
        reason,
      });
    }
    case "loop-capped": {
      const seconds = Math.ceil(refusal.freesInMs / 1000);
      const reason = `the last ${refusal.low} runs of task ${JSON.stringify(task?.id ?? "")} were begun with too little confidence; wait ${seconds} s, or change the plan and say how confident it is`;
      return new GatewayError(`${what}: ${reason}`, {
        code: "loop-capped",
        retryAfterSeconds: refusal.freesInMs / 1000,
        budget: "confidence",
        reason,
      });
    }
    case "key-in-use":
      return keyInUse(refusal.run, refusal.body === body);
    default:
      return unreachable(refusal);
  }
}

/**
 * The refusal of a key that another run has.
 *
 * @param isSame whether both ask for the same
 */
export function keyInUse(run: string, isSame: boolean): GatewayError {
  return isSame
    ? new GatewayError(`Cannot answer: run ${run} with that idempotency key is under way`, {
        code: "run-conflict",
        run,
        retryAfterSeconds: SOON_SECONDS,
      })
    : new GatewayError(
        `Cannot run: the idempotency key is that of run ${run}, which was asked for something else`,
        {
          code: "key-reused",
          run,
        },
      );
}

function unreachable(refusal: never): never {
  throw new TypeError(`Cannot describe refusal ${JSON.stringify(refusal)}: no such kind`);
}
