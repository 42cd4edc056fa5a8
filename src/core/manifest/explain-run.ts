/**
 * Why a run was allowed or denied what it asked for, and the smallest change that would allow what was denied: from its
 * manifest alone, as data and as text. It proposes and changes nothing, and it checks no signature.
 */
import { alignColumns, printable } from "../plain-text.ts";
import { changeForDecision, changeForImport } from "../policy/index.ts";
import type { RunEvent, RunPredicate } from "./types.ts";

/** One denied import call, or several that one change would allow. */
export interface Denial {
  readonly import: string;
  readonly target?: string;
  /** The clause that is missing. */
  readonly missing: string;
  readonly times: number;
  /** Absent when no policy and no setting can allow it. */
  readonly change?: string;
}

/** A run, explained. */
export type RunExplanation = Pick<
  RunPredicate,
  | "run"
  | "tool"
  | "function"
  | "tenant"
  | "purpose"
  | "policy_id"
  | "outcome"
  | "decision"
  | "parent"
  | "children"
> & { readonly denials: readonly Denial[] };

/** Explains a run. */
export function explainRun(predicate: RunPredicate): RunExplanation {
  const { run, tool, purpose, tenant, decision, outcome, policy_id, parent, children } = predicate;
  return {
    run,
    tool,
    function: predicate.function,
    tenant,
    purpose,
    policy_id,
    outcome,
    decision,
    ...(parent === undefined ? {} : { parent }),
    ...(children === undefined ? {} : { children }),
    denials: denialsOf(predicate),
  };
}

/** The same as lines of text; headings do not begin with a space. */
export function explanationLines(explanation: RunExplanation): readonly string[] {
  const {
    run,
    tool,
    tenant,
    purpose,
    decision,
    outcome,
    policy_id: policy,
    parent,
    children = [],
  } = explanation;
  const facts = [
    ["function", `${tool} ${explanation.function}`],
    ["asked by", `${tenant}, for ${purpose}`],
    ["policy", policy ?? "none"],
    ...(parent === undefined ? [] : [["called by", `${parent.run}, under policy ${parent.policy_id}`]]),
    ...children.map(({ run: child }) => ["called", child]),
  ];
  const reasons = decision.reasons.map(({ effect, clause, detail }) => [effect, clause, detail]);
  return [
    `${run} ${outcome.kind}`,
    ...alignColumns(facts.map((row) => row.map(printable))),
    `decision ${decision.effect}`,
    ...alignColumns(reasons.map((row) => row.map(printable))),
    `denials  ${explanation.denials.length}`,
    ...explanation.denials.flatMap(({ import: name, target = "", missing, times, change }) => [
      `  ${printable(name)}  ${printable(target)}${times > 1 ? `  ${times} times` : ""}`,
      `    missing   ${printable(missing)}`,
      `    to allow  ${printable(change ?? "no policy and no setting can: the request itself is refused")}`,
    ]),
  ];
}

function denialsOf(predicate: RunPredicate): readonly Denial[] {
  const decided: Denial[] = predicate.decision.reasons
    .filter(({ effect }) => effect === "deny")
    .map((reason) =>
      denial("the run itself", reason.detail, reason.clause, changeForDecision(reason, predicate)),
    );
  const called = predicate.events
    .filter(({ effect }) => effect === "denied")
    // Recomputed: the event of a repeated denial does not repeat its change.
    .map((event: RunEvent) => denial(event.import, event.target, missingOf(event), changeForImport(event)));
  const merged = new Map<string, Denial>();
  for (const one of [...decided, ...called]) {
    const key = JSON.stringify([one.import, one.target, one.missing]);
    merged.set(key, { ...one, times: (merged.get(key)?.times ?? 0) + 1 });
  }
  return [...merged.values()];
}

/** A rule permitted the request; what its host resolves to is the operator's to open. */
function missingOf({ clause = "", result }: RunEvent): string {
  return result === "destination-IP-prohibited" && clause.startsWith("egressAllow")
    ? `${clause}; or allow_addresses of the profile`
    : clause;
}

function denial(
  name: string,
  target: string | undefined,
  missing: string,
  change: string | undefined,
): Denial {
  return {
    import: name,
    ...(target === undefined ? {} : { target }),
    missing,
    times: 1,
    ...(change === undefined ? {} : { change }),
  };
}
