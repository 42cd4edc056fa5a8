/** From what the gateway knows to what the manifest says. Pure; the story is in `invoke.ts`. */
import { canonicalJson, sha256Hex } from "../core/digest.ts";
import type { RunChild, RunFallback, RunPredicate } from "../core/manifest/index.ts";
import { COST_TABLE_VERSION } from "../core/metering/host/index.ts";
import type { Decision, JsonValue, Policy, Principal } from "../core/policy/index.ts";
import type { KnownBeforeRun } from "../evidence/index.ts";
import type { Isolation, RunHost, SandboxEnd } from "../ports/index.ts";
import type { Tool, ToolFunction } from "../registry/index.ts";
import type { Caller } from "./call-tool.ts";
import type { InvocationRequest } from "./types.ts";
import type { Versions } from "./versions.ts";

/** What is settled about a run once the decision is made. */
export interface Admission {
  readonly run: string;
  readonly traceId: string;
  readonly principal: Principal;
  readonly request: InvocationRequest;
  readonly tool: Tool;
  readonly callee: ToolFunction;
  readonly decision: Decision;
  readonly startedAtMs: number;
  /** The same moment, or a little before it, by the clock that does not jump: its time to live counts from here. */
  readonly beganMs: number;
  /** The run that calls, when a run does and not a principal. */
  readonly caller?: Caller;
}

/** What can be said before anything runs. */
export function describeAdmission(
  admission: Admission,
  isolation: Isolation,
  versions: Versions,
  claims: Pick<RunPredicate, "lease" | "idempotency_key"> = {},
): KnownBeforeRun {
  const { principal, request, decision } = admission;
  const policy = decision.kind === "allow" ? decision.record.policy : undefined;
  return {
    run: admission.run,
    tenant: principal.tenant,
    principal: principal.id,
    tier: principal.tier,
    ...(principal.credential === undefined ? {} : { credential: principal.credential }),
    tool: admission.tool.name,
    function: admission.callee.key,
    purpose: request.purpose,
    ...(request.task === undefined ? {} : { task: request.task }),
    ...claims,
    trace_id: admission.traceId,
    policy_id: decision.record?.policyId ?? null,
    artifact_hash: admission.tool.digest,
    input_hash: digestJson(request.input),
    decision: { effect: decision.kind, reasons: decision.reasons },
    grants: decision.kind === "allow" ? decision.grants : [],
    budget: policy === undefined ? null : budgetOf(policy),
    cost_table: COST_TABLE_VERSION,
    ...(policy?.relaxed_simd === undefined ? {} : { relaxed_simd: true }),
    isolation: policy === undefined ? null : { level: isolation.level, verified: isolation.verified },
    ...(admission.caller === undefined
      ? {}
      : { parent: { run: admission.caller.run, policy_id: admission.caller.policyId } }),
    runtime: { ...versions, executor: policy === undefined ? null : isolation.executor },
    started_at: new Date(admission.startedAtMs).toISOString(),
  };
}

/** The statement of a decision that let nothing run. */
export function describeDenial(known: KnownBeforeRun, finishedAtMs: number): RunPredicate {
  return {
    ...known,
    output_hash: null,
    memory_peak_bytes: null,
    events: [],
    outcome: { kind: "denied" },
    finished_at: new Date(finishedAtMs).toISOString(),
  };
}

/** The statement of a run that ended. */
export function describeEnd(
  known: KnownBeforeRun,
  policy: Policy,
  end: SandboxEnd,
  host: RunHost,
  finishedAtMs: number,
  journalHash: string | null | undefined,
  children: readonly RunChild[] = [],
  fallback?: RunFallback,
): RunPredicate {
  const { usage } = host;
  const used = {
    fuel: end.fuelUsed,
    memory_bytes: end.memoryPeakBytes,
    egress_bytes: usage.egress_bytes,
    requests: usage.requests,
    output_bytes: end.outputBytes,
    log_bytes: usage.log_bytes,
    wall_ms: Math.round(end.wallMs),
  };
  return {
    ...known,
    budget: budgetOf(policy, used),
    output_hash: end.output === undefined ? null : digestJson(end.output),
    memory_peak_bytes: end.memoryPeakBytes,
    events: host.events,
    outcome: end.outcome,
    ...(journalHash === undefined ? {} : { journal_hash: journalHash }),
    ...(children.length === 0 ? {} : { children }),
    ...(fallback === undefined ? {} : { fallback }),
    finished_at: new Date(finishedAtMs).toISOString(),
  };
}

type Used = { readonly [name in keyof NonNullable<RunPredicate["budget"]>]: number | null };

function budgetOf(policy: Policy, used?: Used): NonNullable<RunPredicate["budget"]> {
  const { budget } = policy;
  const use = (name: keyof Used, granted: number) => ({ granted, used: used?.[name] ?? null });
  return {
    fuel: use("fuel", budget.fuel),
    memory_bytes: use("memory_bytes", budget.memory_bytes),
    egress_bytes: use("egress_bytes", budget.egress_bytes),
    requests: use("requests", budget.requests),
    output_bytes: use("output_bytes", budget.output_bytes),
    log_bytes: use("log_bytes", budget.log_bytes),
    wall_ms: use("wall_ms", policy.max_duration_ms),
  };
}

function digestJson(value: JsonValue): string {
  return `sha256:${sha256Hex(canonicalJson(value))}`;
}
