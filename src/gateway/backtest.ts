/**
 * Decides past runs again under other policies, from what their manifests say. Pure: nothing runs here; see
 * `backtest-run.ts` for what a journal adds.
 */
import { missingFields, type RunEvent, type RunPredicate } from "../core/manifest/index.ts";
import {
  type CapabilityWord,
  decide,
  ISOLATION_LEVELS,
  matchRequest,
  type Policy,
  type PolicyRecord,
  type Scope,
} from "../core/policy/index.ts";

/** A run of the past, as far as the new policies are asked about it. */
export interface PastRun {
  /** As it was signed. */
  readonly predicate: RunPredicate;
  /** The tenant's, then; undefined when nobody knows any more. */
  readonly tier: string | undefined;
  /** What the component's imports need; undefined when it is not here to be asked. */
  readonly needs: readonly CapabilityWord[] | undefined;
}

/**
 * What the new policies would have made of a run.
 *
 * - `same`: as far as its manifest says, the same end.
 * - `denied`: it ran, and would not have.
 * - `refused`: it ran, and would have been turned away before it did (isolation, evidence that is asked for).
 * - `request-denied`: something that it asked for was given, and would not have been.
 * - `exhausted`: it used more than it would have had.
 * - `allowed`: it was denied, and would have run.
 * - `unknown`: it would have gone on where nothing is known of what would have come.
 */
export type BacktestVerdict =
  | "same"
  | "denied"
  | "refused"
  | "request-denied"
  | "exhausted"
  | "allowed"
  | "unknown";

/** One past run under the new policies. */
export interface Backtested {
  readonly verdict: BacktestVerdict;
  /** Which clause makes the difference; absent when there is none. */
  readonly clause?: string;
  /** A sentence for the operator. */
  readonly detail?: string;
}

/** Verdicts that take something away from somebody. */
export const TAKING: readonly BacktestVerdict[] = ["denied", "refused", "request-denied", "exhausted"];

const SCOPES: readonly Scope[] = ["invoke"];
/** `GET https://api.example.com:443/v1/forecast`, as the broker writes it. */
const TARGET = /^([A-Z]+) (https?):\/\/([^/]+):([0-9]{1,5})(\/.*)$/;

/**
 * Decides one run again.
 *
 * @param policies all that would be in force
 */
export function backtest(past: PastRun, policies: readonly PolicyRecord[]): Backtested {
  const { predicate, tier } = past;
  if (tier === undefined) return { verdict: "unknown", detail: "nobody recorded the tenant's tier" };
  const { id, ...request } = {
    id: predicate.principal,
    tool: predicate.tool,
    function: predicate.function,
    purpose: predicate.purpose,
  };
  const principal = { id, tenant: predicate.tenant, tier, scopes: SCOPES };
  const decision = decide({ principal, ...request, needs: past.needs ?? needsThen(predicate) }, policies);
  const ran = predicate.decision.effect === "allow";
  if (decision.kind === "deny") {
    const [reason] = decision.reasons.filter(({ effect }) => effect === "deny");
    // The reasons of a denial are words about the request, and none of them is new to whoever was denied before.
    return ran
      ? {
          verdict: "denied",
          clause: reason?.clause ?? "policy",
          detail: reason?.detail ?? "no policy allows it",
        }
      : { verdict: "same" };
  }
  if (!ran)
    return { verdict: "allowed", detail: "it was denied, so nothing is known of what it would have done" };
  return judgeRun(predicate, decision.record.policy);
}

/** What it needed is what it was given, of a run that ran; of one that did not, nothing is known. */
function needsThen({ grants }: RunPredicate): readonly CapabilityWord[] {
  return grants.map(({ kind }) => kind);
}

function judgeRun(predicate: RunPredicate, policy: Policy): Backtested {
  return (
    judgeStart(predicate, policy) ??
    judgeRequests(predicate.events, policy) ??
    judgeBudget(predicate, policy) ??
    judgeFreedom(predicate, policy) ?? { verdict: "same" }
  );
}

function judgeStart(predicate: RunPredicate, policy: Policy): Backtested | undefined {
  const level = predicate.isolation?.level;
  if (
    level !== undefined &&
    ISOLATION_LEVELS.indexOf(level) < ISOLATION_LEVELS.indexOf(policy.isolation_minimum)
  ) {
    const detail = `isolation was ${level}`;
    return { verdict: "refused", clause: "isolation_minimum", detail };
  }
  // What only a good end has (an output) says nothing about whether the run may begin.
  const missing = missingFields(predicate, policy.required_observability_fields).filter(
    (field) => field === "task",
  );
  if (missing.length === 0) return undefined;
  return {
    verdict: "refused",
    clause: "required_observability_fields",
    detail: "the request states no task",
  };
}

function judgeRequests(events: readonly RunEvent[], policy: Policy): Backtested | undefined {
  for (const event of events) {
    const match = event.effect === "denied" ? undefined : matchEvent(event, policy);
    if (match === undefined || match.allowed) continue;
    return { verdict: "request-denied", clause: match.clause, detail: `${event.target}, event ${event.seq}` };
  }
  return undefined;
}

/** @returns undefined for what is no request, or is not spelled as one */
function matchEvent({ target = "" }: RunEvent, policy: Policy): ReturnType<typeof matchRequest> | undefined {
  const [, method = "", scheme = "", host = "", port = "", path = ""] = TARGET.exec(target) ?? [];
  if (method === "") return undefined;
  return matchRequest(policy.network_allowlist, { method, scheme, host, port: Number(port), path });
}

function judgeBudget({ budget }: RunPredicate, policy: Policy): Backtested | undefined {
  if (budget === null) return undefined;
  for (const [name, granted] of Object.entries({ ...policy.budget, wall_ms: policy.max_duration_ms })) {
    const used = Object.hasOwn(budget, name) ? budget[name as keyof typeof budget].used : null; // An own member.
    if (used === null || used <= granted) continue;
    const clause = name === "wall_ms" ? "max_duration_ms" : `budget.${name}`;
    return { verdict: "exhausted", clause, detail: `${used} were used, ${granted} would be granted` };
  }
  return undefined;
}

/** Where it was held back then, and would not have been: what comes after that is nowhere written. */
function judgeFreedom({ events, outcome, budget }: RunPredicate, policy: Policy): Backtested | undefined {
  const freed = events.find(
    (event) => event.effect === "denied" && matchEvent(event, policy)?.allowed === true,
  );
  if (freed !== undefined) {
    const detail = `${freed.target}, event ${freed.seq}, would be allowed`;
    return { verdict: "unknown", clause: "network_allowlist", detail };
  }
  const more = { ...policy.budget, wall_ms: policy.max_duration_ms };
  const name =
    outcome.kind === "exhausted" ? outcome.budget : outcome.kind === "timed-out" ? "wall_ms" : undefined;
  if (name === undefined || budget === null || !(name in more) || !Object.hasOwn(budget, name))
    return undefined;
  const budgetName = name as keyof typeof more; // A member of both, checked just now.
  if (more[budgetName] <= budget[budgetName].granted) return undefined;
  return { verdict: "unknown", clause: `budget.${name}`, detail: "it was spent, and there would be more" };
}
