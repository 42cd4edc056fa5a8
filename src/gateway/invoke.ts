/**
 * One invocation, top to bottom: who asks, may they, record the intent, run, seal, answer.
 *
 * A failure before the seal answers no output. What a crash leaves at each step is said beside the step.
 */

import type { Broker } from "../broker/index.ts";
import { checkInput } from "../core/component/index.ts";
import { GatewayError } from "../core/errors.ts";
import type { Outcome, RunPredicate } from "../core/manifest/index.ts";
import {
  type Decision,
  decide,
  ISOLATION_LEVELS,
  type Policy,
  type Principal,
} from "../core/policy/index.ts";
import type { Evidence, KnownBeforeRun } from "../evidence/index.ts";
import type { Journals } from "../journal/index.ts";
import type {
  Clock,
  Entropy,
  GuestSettings,
  Observer,
  RunHost,
  Sandbox,
  SandboxEnd,
} from "../ports/index.ts";
import { findFunction, type Registry, type Tool, type ToolFunction } from "../registry/index.ts";
import { type Caller, createToolCalls, policiesFor, type ToolCalls } from "./call-tool.ts";
import { guestSettings } from "./guest-settings.ts";
import { continueTrace, newRunId } from "./ids.ts";
import { beginJournal, type JournaledRun } from "./journal.ts";
import {
  type Admission,
  describeAdmission,
  describeDenial,
  describeEnd,
  type Versions,
} from "./predicate.ts";
import type { InvocationAnswer, InvocationRequest } from "./types.ts";

/** What an invocation needs of the rest of the house. */
export interface InvokeParts {
  /** What was in force when the run began; its callees are found in it too. */
  readonly registry: Registry;
  readonly broker: Broker;
  readonly sandbox: Sandbox;
  readonly evidence: Evidence;
  readonly journals: Journals;
  readonly observer: Observer;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly versions: Versions;
  /** Given what a guest logged and printed, bounded by its log budget: for the operator, never for the caller. */
  readonly diagnose: (run: string, diagnostics: RunHost["diagnostics"]) => void;
}

type Allowed = Extract<Decision, { kind: "allow" }>;

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

/** An answer, and what was signed about it. */
interface Performed {
  readonly answer: InvocationAnswer;
  readonly predicate: RunPredicate;
}

/** @param caller the run that calls, when a run does and not a principal */
async function perform(
  parts: InvokeParts,
  principal: Principal,
  request: InvocationRequest,
  caller?: Caller,
): Promise<Performed> {
  const { clock, entropy, evidence, observer, sandbox } = parts;
  const trace = continueTrace(request.traceparent, entropy);

  // Which function of which version of which tool.
  const { tool, callee } = findCallee(parts.registry, principal, request);

  // May they? A crash here leaves nothing, and nothing ran.
  const decision = decide(
    { principal, tool: tool.name, function: callee.key, purpose: request.purpose, needs: tool.needs },
    policiesFor(caller, tool.policies),
  );
  const admission: Admission = {
    run: newRunId(clock, entropy),
    traceId: trace.traceId,
    principal,
    request,
    tool,
    callee,
    decision,
    startedAtMs: clock.nowMs(),
    ...(caller === undefined ? {} : { caller }),
  };
  // Counted by somebody else than whoever keeps the evidence: what is missing there is missed here.
  await observer.admitted({ run: admission.run, tenant: principal.tenant, effect: decision.kind });
  const known = describeAdmission(admission, sandbox.isolation, parts.versions);
  if (decision.kind === "deny") {
    const { run } = await evidence.refuse(describeDenial(known, clock.nowMs()));
    throw denied(admission, decision, run);
  }
  const { policy } = decision.record;
  // The grants become live, under a lease of exactly the policy's budget; then the intent is durable before anything
  // runs. A crash after this line leaves an open run for the reconciler.
  const calls = openCalls(parts, admission, decision, trace.traceparent);
  const host = await begin(parts, admission, decision, known, calls);

  // What the policy asks to keep beside digests is noted while it runs.
  const settings = guestSettings(decision.grants, tool.name);
  const journal = beginJournal(parts, admission, decision.record, settings, host);
  const ended = await runGuest(sandbox, admission, policy, settings, journal);
  if (host.diagnostics.length > 0) parts.diagnose(admission.run, host.diagnostics);

  // Callees first: their seals are named in this run's. They live no longer than it may.
  const children = await calls.settled();

  // Sealed: signed, and durable with its sequence. If this fails the output is withheld.
  // A journal is durable before the seal that names it: a crash between the two leaves one that no manifest knows.
  const { end, hash, keep } = journal.finish(ended.end);
  const predicate = describeEnd(known, policy, end, host, clock.nowMs(), hash, children);
  const sealed = await evidence.seal(predicate, policy.required_observability_fields, keep);
  if (ended.refusal !== undefined) throw ended.refusal;

  const { outcome, output } = end;
  const { fallback } = policy;
  const answer: InvocationAnswer = {
    run: admission.run,
    outcome,
    output: output ?? null,
    ...(predicate.fallback !== undefined && fallback.kind === "static" ? { fallback } : {}),
    manifest: sealed.bundle,
    receipt: sealed.receipt,
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
  const { run, principal, tool, request, caller } = admission;
  const { clock } = parts;
  const startedAt = clock.monotonicMs();
  const leftMs = () => record.policy.max_duration_ms - (clock.monotonicMs() - startedAt);
  const own = { run, tool: tool.name, request, traceparent, record, leftMs, caller };
  return createToolCalls(own, async (asked, by) => {
    const { answer, predicate } = await perform(parts, principal, asked, by);
    const { outcome, fallback, receipt } = answer;
    // An `err` of the tool's own is an answer too, also where it came of a denial.
    const returned = predicate.output_hash !== null;
    return {
      run: answer.run,
      digest: receipt.digest,
      outcome: outcome.kind,
      output: returned ? answer.output : undefined,
      ...(fallback === undefined ? {} : { fallback: fallback.value }),
      fuelUsed: predicate.budget?.fuel.used ?? null,
    };
  });
}

function findCallee(
  registry: Registry,
  principal: Principal,
  request: InvocationRequest,
): { readonly tool: Tool; readonly callee: ToolFunction } {
  const tool = registry.find(request.tool);
  // A tool that no policy opens to this tier is as unknown as one that is not there.
  const callee =
    tool !== undefined && isOpenTo(tool, principal) ? findFunction(tool, request.function) : undefined;
  if (tool !== undefined && callee !== undefined) return { tool, callee };
  throw new GatewayError(
    `Cannot invoke "${request.tool}/${request.function}": tier "${principal.tier}" has no such function`,
    { code: "unknown-tool" },
  );
}

/** Whether any policy names the tool for the principal's tier. */
export function isOpenTo(tool: Tool, principal: Principal): boolean {
  return tool.policies.some(({ policy }) => policy.tenant_tier.includes(principal.tier));
}

/** @param run whose manifest carries the decision: under a flood, another denial's */
function denied(
  admission: Admission,
  decision: Extract<Decision, { kind: "deny" }>,
  run: string,
): GatewayError {
  const denials = decision.reasons.filter(({ effect }) => effect === "deny");
  const why = denials.map(({ detail }) => detail).join("; ");
  return new GatewayError(
    `Cannot invoke "${admission.callee.key}" of tool "${admission.tool.name}": ${why}`,
    {
      code: "denied",
      decision: run,
      missing: denials.map(({ clause }) => clause),
    },
  );
}

function requireIsolation(sandbox: Sandbox, policy: Policy): void {
  const { level } = sandbox.isolation;
  if (ISOLATION_LEVELS.indexOf(level) >= ISOLATION_LEVELS.indexOf(policy.isolation_minimum)) return;
  throw new GatewayError(
    `Cannot run "${policy.tool_id}": isolation reached is "${level}", its policy wants "${policy.isolation_minimum}"`,
    { code: "sandbox-unavailable", retryAfterSeconds: 60 },
  );
}

function requireValidInput({ callee, request }: Admission): void {
  const faults = checkInput(callee.function, request.input);
  if (faults.length === 0) return;
  throw new GatewayError(`Cannot invoke "${callee.key}": the input does not match its schema`, {
    code: "invalid-request",
    errors: faults.map(({ pointer, detail }) => ({ pointer: `/input${pointer}`, detail })),
  });
}

/** What the policy requires in the evidence and only the caller can give is asked for before anything runs. */
function requireTask(policy: Policy, request: InvocationRequest): void {
  if (request.task !== undefined || !policy.required_observability_fields.includes("task")) return;
  throw new GatewayError(
    `Cannot run "${policy.tool_id}": its policy requires a task, and the request states none`,
    {
      code: "invalid-request",
      errors: [{ pointer: "/task", detail: "is missing: the policy requires it in the evidence" }],
    },
  );
}

/** Everything that must hold before a run, and its intent. What is refused here is no run: the observer is told so. */
async function begin(
  parts: InvokeParts,
  admission: Admission,
  decision: Allowed,
  known: KnownBeforeRun,
  calls: ToolCalls,
): Promise<RunHost> {
  try {
    requireIsolation(parts.sandbox, decision.record.policy);
    requireValidInput(admission);
    requireTask(decision.record.policy, admission.request);
    const host = openHost(parts, admission, decision, calls);
    await admit(parts.evidence, known, host);
    return host;
  } catch (error) {
    const reason = error instanceof GatewayError ? error.code : "internal";
    // The caller is refused either way; without this line the run shows as one whose evidence is missing.
    await parts.observer.excluded(admission.run, reason).catch(() => undefined);
    throw error;
  }
}

function openHost(
  { broker, observer }: InvokeParts,
  admission: Admission,
  decision: Allowed,
  calls: ToolCalls,
): RunHost {
  const { startedAtMs, principal, tool, run, caller } = admission;
  const { policyId, policy } = decision.record;
  const owner = { tenant: principal.tenant, tool: tool.name };
  // Connections are shared by runs of one tenant under one policy, and by no others.
  const pool = `${principal.tenant} ${policyId}`;
  const observe = (target: string) => observer.leaving(run, target);
  const opened = {
    grants: decision.grants,
    owner,
    onSecretEcho: policy.on_secret_echo ?? "redact",
    budget: policy.budget,
    startedAtMs,
    pool,
    observe,
    callTool: calls.call,
  };
  return caller === undefined ? broker.openRun(opened) : caller.open(opened);
}

async function admit(evidence: Evidence, known: KnownBeforeRun, host: RunHost): Promise<void> {
  try {
    await evidence.admit(known);
  } catch (error) {
    host.close();
    throw error;
  }
}

/** An end that can be sealed, always; `refusal` is what the caller is told instead of an answer, once it is. */
interface Ended {
  readonly end: SandboxEnd;
  readonly refusal?: unknown;
}

async function runGuest(
  sandbox: Sandbox,
  admission: Admission,
  policy: Policy,
  settings: GuestSettings,
  { host, inputs }: JournaledRun,
): Promise<Ended> {
  const { run, principal, tool, callee, request, traceId } = admission;
  try {
    const end = await sandbox.run({
      run,
      tenant: principal.tenant,
      component: tool.component,
      interface: callee.interface,
      function: callee.function,
      input: request.input,
      fuel: policy.budget.fuel,
      memoryBytes: policy.budget.memory_bytes,
      outputBytes: policy.budget.output_bytes,
      timeToLiveMs: policy.max_duration_ms,
      settings,
      info: { traceId, tool: tool.name, purpose: request.purpose },
      host,
      ...(inputs && { inputs }),
    });
    return { end };
  } catch (refusal) {
    // No executor, or a component that cannot be prepared: nothing ran, and the open intent is closed saying so.
    const reason = refusal instanceof GatewayError ? refusal.code : "internal";
    return { end: notRun({ kind: "revoked", reason }), refusal };
  } finally {
    // Whatever happened: no request of this run outlives it, and the events are complete.
    host.close();
  }
}

function notRun(outcome: Outcome): SandboxEnd {
  return { outcome, fuelUsed: 0, memoryPeakBytes: 0, outputBytes: 0, wallMs: 0 };
}
