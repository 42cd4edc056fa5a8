/**
 * What a caller is given when a run ended badly, as the policy declares it: the same failure and input, the same answer.
 * A fallback that can not be had is none: the bad end is told as it is.
 */
import type { RunIdentity } from "../accounts/index.ts";
import { canonicalJson, sha256Hex } from "../core/digest.ts";
import { GatewayError } from "../core/errors.ts";
import type { RunChild, RunFallback } from "../core/manifest/index.ts";
import type { JsonValue, PolicyRecord } from "../core/policy/index.ts";
import { type Caller, mayCall } from "./call-tool.ts";
import type { InvokeParts } from "./parts.ts";
import type { Admission } from "./predicate.ts";
import type { InvocationAnswer, InvocationRequest } from "./types.ts";

/** A fallback that applies. */
export interface Fallen {
  readonly kind: RunFallback["kind"];
  readonly value: JsonValue;
  /** What the manifest says of it. */
  readonly evidence: RunFallback;
  /** The run that gave it, when one ran for it. */
  readonly child?: RunChild;
}

/**
 * Finds the fallback of a run that ended badly.
 *
 * @param record the run's policy, narrowed by its caller's
 * @param runTool runs a function of another tool for this run, to its seal
 * @returns undefined when the policy declares none, or it can not be had
 */
export async function fallBack(
  parts: Pick<InvokeParts, "accounts" | "broker">,
  admission: Admission,
  record: PolicyRecord,
  identity: RunIdentity,
  traceparent: string,
  runTool: (request: InvocationRequest, caller: Caller) => Promise<InvocationAnswer>,
): Promise<Fallen | undefined> {
  const { fallback } = record.policy;
  switch (fallback.kind) {
    case "error":
      return undefined;
    case "static": {
      const { value } = fallback;
      return { kind: "static", value, evidence: { kind: "static", value_hash: digestOf(value) } };
    }
    case "last-good": {
      const found = await parts.accounts.answers.findLastGood(identity, fallback.max_age_seconds * 1000);
      return found && fromRun("last-good", found.value, found.run);
    }
    case "tool": {
      const { tool, function: name } = fallback;
      const caller = callerOf(parts, admission, record, tool, name);
      if (!mayCall(caller, tool)) return undefined;
      caller.family.runs += 1;
      const { input, purpose, task, tracestate } = admission.request;
      try {
        const answer = await runTool(
          {
            ...{ tool, function: name, input, purpose, traceparent },
            ...(task === undefined ? {} : { task }),
            ...(tracestate === undefined ? {} : { tracestate }),
          },
          caller,
        );
        const { run, receipt, outcome, output } = answer;
        const child = { run, digest: receipt.digest };
        if (outcome.kind !== "completed") return undefined;
        return { ...fromRun("tool", output, run), child };
      } catch (error) {
        // Refused: no such tool, denied, no budget left, or nobody could run it.
        if (error instanceof GatewayError) return undefined;
        throw error;
      }
    }
  }
}

/** The run as the caller of its own fallback: its policy with that function named, and a lease of its own. */
function callerOf(
  { broker }: Pick<InvokeParts, "broker">,
  { run, tool, caller }: Admission,
  { policy, policyId }: PolicyRecord,
  callee: string,
  name: string,
): Caller {
  const others = policy.tools?.filter((rule) => rule.tool !== callee) ?? [];
  return {
    run,
    policyId,
    policy: { ...policy, tools: [...others, { tool: callee, functions: [name], calls: 1 }] },
    chain: [...(caller?.chain ?? []), tool.name],
    family: caller?.family ?? { runs: 1 },
    // What the run had left may be nothing: that can be why it ended. Under another run it stays on that one's lease.
    open: caller?.open ?? ((opened) => broker.openRun(opened)),
  };
}

function fromRun(kind: "last-good" | "tool", value: JsonValue, run: string): Fallen {
  return { kind, value, evidence: { kind, value_hash: digestOf(value), run } };
}

function digestOf(value: JsonValue): string {
  return `sha256:${sha256Hex(canonicalJson(value))}`;
}
