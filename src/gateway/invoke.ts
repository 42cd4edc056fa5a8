/**
 * One invocation, top to bottom: who asks, may they, have they asked before, take their budgets and record the intent,
 * run, fall back, seal and settle, answer.
 *
 * A failure before the seal answers no output. What a crash leaves at each step is said beside the step.
 */
import type { ReleasedOutput } from "../accounts/index.ts";
import type { RunPredicate } from "../core/manifest/index.ts";
import { decide, type Principal } from "../core/policy/index.ts";
import { begin } from "./begin.ts";
import { type Caller, createToolCalls, policiesFor, type ToolCalls } from "./call-tool.ts";
import { denied, findCallee } from "./callee.ts";
import { findEarlier, identityOf, keepOutputs } from "./earlier.ts";
import { fallBack } from "./fallback.ts";
import { continueTrace, newRunId } from "./ids.ts";
import type { Allowed, InvokeParts } from "./parts.ts";
import { type Admission, describeAdmission, describeDenial, describeEnd } from "./predicate.ts";
import type { InvocationAnswer, InvocationRequest } from "./types.ts";

/**
 * @param principal authenticated
 * @param request matches its schema; the input is not yet checked against the function
 * @throws {GatewayError} when nothing ran, or when what ran cannot be proven
 */
export async function invoke(
  parts: InvokeParts,
  principal: Principal,
  request: InvocationRequest,
): Promise<InvocationAnswer> {
  const { answer } = await perform(parts, principal, request);
  return answer;
}

/** An answer, and what was signed about it; absent when it was signed before, and nothing ran now. */
interface Performed {
  readonly answer: InvocationAnswer;
  readonly predicate?: RunPredicate;
}

/** @param caller the run that calls, when a run does and not a principal */
async function perform(
  parts: InvokeParts,
  principal: Principal,
  request: InvocationRequest,
  caller?: Caller,
): Promise<Performed> {
  const { accounts, clock, entropy, evidence, observer, sandbox } = parts;
  const trace = continueTrace(request.traceparent, entropy);
  // From here on its time to live is spent: by the store and by waiting for an executor as well as by the guest.
  const beganMs = clock.monotonicMs();

  // Which function of which version of which tool.
  const run = newRunId(parts.time ?? clock, entropy);
  const { tool, callee } = findCallee(parts.registry, principal, request, run);
  parts.watcher?.span(run, trace.spanId);

  // May they? A crash here leaves nothing, and nothing ran.
  const decision = decide(
    {
      principal,
      tool: tool.name,
      // A scope is about the tool that the principal called, not about what that calls.
      entered: caller?.chain[0] ?? tool.name,
      function: callee.key,
      purpose: request.purpose,
      needs: tool.needs,
    },
    policiesFor(caller, tool.policies),
  );
  // Asked before under the same key: answered with what was answered then. Whoever may not ask is not told either.
  if (decision.kind === "allow" && request.idempotencyKey !== undefined) {
    const earlier = await findEarlier(parts, principal, request, callee.key, trace.traceparent);
    if (earlier !== undefined) return earlier;
  }
  const admission: Admission = {
    run,
    traceId: trace.traceId,
    principal,
    request,
    tool,
    callee,
    decision,
    startedAtMs: clock.nowMs(),
    beganMs,
    ...(caller === undefined ? {} : { caller }),
  };
  // Counted by somebody else than whoever keeps the evidence: what is missing there is missed here. Nothing is stored before.
  const observed = observer.admitted({ run: admission.run, tenant: principal.tenant, effect: decision.kind });
  // Whoever is refused before waits for it no more.
  observed.catch(() => undefined);
  if (decision.kind === "deny") {
    await observed;
    const asked = describeAdmission(admission, sandbox.isolation, parts.versions);
    const recorded = await evidence.refuse(describeDenial(asked, clock.nowMs()));
    throw denied(admission, decision, recorded.run);
  }
  const { policy } = decision.record;
  const identity = identityOf(admission, decision);
  const claims = accounts.claimsOf(identity, policy);

  // The grants become live, under a lease of exactly the policy's budget. Then the intent is stored, and with it what the
  // run takes from the budgets that it shares, while its guest computes; both are durable before anything has an effect,
  // which is before the first call of the host. A crash after this line leaves an open run for the reconciler, and what it
  // took goes back when that seals it, or when the lease expires.
  const calls = openCalls(parts, admission, decision, trace.traceparent);
  const begun = await begin(parts, admission, decision, observed, calls, identity, claims, trace);
  const { host, claimed, journal } = begun;
  const known = claimed.retryOf === undefined ? begun.known : { ...begun.known, retry_of: claimed.retryOf };

  const ended = await begun.ended;
  if (host.diagnostics.length > 0) parts.diagnose(admission.run, host.diagnostics);

  // Callees first: their seals are named in this run's. They live no longer than it may.
  const children = await calls.settled();
  const { end, hash, keep } = journal.finish(ended.end);

  // A bad end, and the policy has an answer for it: declared, deterministic, and marked as what it is. A refusal has
  // none: nothing ran, and whoever asks again may be served.
  const fallen =
    end.outcome.kind === "completed" || ended.refusal !== undefined
      ? undefined
      : await fallBack(parts, admission, decision.record, identity, trace.traceparent, async (asks, by) => {
          return (await perform(parts, principal, asks, by)).answer;
        });

  // Sealed: signed, and durable with its sequence, its settlement and its line in the ledger. If this fails the output
  // is withheld. A journal is durable before the seal that names it: a crash between the two leaves one that no
  // manifest knows.
  const callees = fallen?.child === undefined ? children : [...children, fallen.child];
  const predicate = describeEnd(known, policy, end, host, clock.nowMs(), hash, callees, fallen?.evidence);
  const released: ReleasedOutput = {
    outcome: end.outcome,
    output: end.output ?? null,
    ...(fallen === undefined ? {} : { fallback: { kind: fallen.kind, value: fallen.value } }),
  };
  const outputs = () => keepOutputs(accounts, identity, policy, released, ended.refusal !== undefined);
  const sealed = await evidence.seal(predicate, policy.required_observability_fields, keep, outputs);
  if (ended.refusal !== undefined) throw ended.refusal;

  const windows = accounts.leftOf(claims, claimed);
  const answer: InvocationAnswer = {
    run: admission.run,
    ...released,
    manifest: sealed.bundle,
    receipt: sealed.receipt,
    ...(windows.length === 0 ? {} : { windows }),
    traceparent: trace.traceparent,
  };
  return { answer, predicate };
}

/** The functions of other tools that this run's guest may call. */
function openCalls(
  parts: InvokeParts,
  admission: Admission,
  { record }: Allowed,
  traceparent: string,
): ToolCalls {
  const { run, principal, tool, request, caller, beganMs } = admission;
  const { clock } = parts;
  const leftMs = () => record.policy.max_duration_ms - (clock.monotonicMs() - beganMs);
  const own = { run, tool: tool.name, request, traceparent, record, leftMs, caller };
  return createToolCalls(own, async (asked, by) => {
    const { answer, predicate } = await perform(parts, principal, asked, by);
    const { outcome, fallback, receipt } = answer;
    // An `err` of the tool's own is an answer too, also where it came of a denial.
    const returned = predicate !== undefined && predicate.output_hash !== null;
    return {
      run: answer.run,
      digest: receipt.digest,
      outcome: outcome.kind,
      output: returned ? answer.output : undefined,
      ...(fallback === undefined ? {} : { fallback: fallback.value }),
      fuelUsed: predicate?.budget?.fuel.used ?? null,
    };
  });
}
