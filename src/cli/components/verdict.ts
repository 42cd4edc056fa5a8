/** Whether a component can run here, and under which policy, in one sentence. */
import { formatFunction } from "../../core/component/index.ts";
import type { RiskClass } from "../../core/policy/index.ts";
import type { Intake } from "../../registry/index.ts";

/** What `inspect` concludes. */
export interface Verdict {
  readonly runs: boolean;
  readonly sentence: string;
  /** What else the operator or the vendor should know. */
  readonly notes: readonly string[];
  /** Clauses that its policy should have; without them what they unlock is denied at the call. */
  readonly clauses: readonly string[];
  /** The highest of what it would really have: stubs count for nothing, what nobody knows counts as R5. */
  readonly risk: RiskClass;
}

/** Judges an intake. Every doubt is a refusal, as it is when the gateway loads the component. */
export function judge({ functions, imports, uncallable }: Intake): Verdict {
  const refused = imports.filter(({ state }) => state === "refused");
  const stubs = imports.filter(({ state }) => state === "stub");
  const served = unique(imports.flatMap(({ capability: row }) => (row?.served ? [row] : [])));
  const clauses = unique(served.flatMap(({ clause, ambient }) => (ambient ? [] : (clause ?? []))));
  const empty = unique(served.flatMap(({ word, ambient }) => (ambient ? [word] : [])));
  // An interface that the table does not know is of the highest class; the names sort by it.
  const risk = imports
    .filter(({ state }) => state !== "stub")
    .map(({ capability }) => capability?.risk ?? "R5")
    .reduce(higher, "R0");
  const stubWords = unique(stubs.flatMap(({ capability }) => capability?.word ?? []));
  const emptyNote =
    empty.length === 0
      ? []
      : [
          `${empty.join(", ")}: empty unless the policy has the clause; language runtimes import it in any case`,
        ];
  const stubNote =
    stubWords.length === 0
      ? []
      : [`${stubWords.join(", ")}: present, and every call is refused; ask its vendor whether it needs them`];

  if (refused.length > 0) {
    const notes = refused.map(({ name, reason }) => `${name}: ${reason ?? "it is not offered"}`);
    const sentence = `nothing here serves ${refused.map(({ name }) => name).join(", ")}`;
    return { runs: false, sentence, notes, clauses, risk };
  }
  if (functions.length === 0) {
    const notes = uncallable.map(({ key, reason }) => `${key}: ${reason}`);
    return { runs: false, sentence: "it exports no function that JSON can call", notes, clauses, risk };
  }
  const sentence =
    clauses.length === 0
      ? `under any policy that names its functions; risk ${risk}`
      : `under a policy that names: ${clauses.join(", ")}; risk ${risk}`;
  return { runs: true, sentence, notes: [...emptyNote, ...stubNote], clauses, risk };
}

/** The functions that can be called, a line each, for whoever named one that can not. */
export function listFunctions({ functions }: Pick<Intake, "functions">): readonly string[] {
  const width = Math.max(0, ...functions.map(({ key }) => key.length));
  return functions.map(({ key, function: func }) => {
    const signature = formatFunction(func);
    return `${key.padEnd(width)}  ${signature.slice(signature.indexOf(":") + 1).trim()}`;
  });
}

function higher(one: RiskClass, other: RiskClass): RiskClass {
  return one < other ? other : one;
}

function unique<T>(items: readonly T[]): readonly T[] {
  return [...new Set(items)];
}
