/**
 * Shapes of the answers, for the OpenAPI document and for the tests that hold the answers against it. Answers are
 * built from typed values and not validated on their way out.
 */
import { z } from "zod";

export { IssuedKey, KeyList, RevokedKey } from "./key-schemas.ts";

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const runId = z.string().meta({ description: "Run id: run_ and 26 characters, ordered by time" });
const nextTool = z.string().meta({ description: "Pass as after for the page that follows" }).optional();
const jsonSchema = z.record(z.string(), z.unknown()).meta({ description: "A JSON Schema (2020-12)" });

const receiptShape = {
  sequence: z.int().min(0).meta({ description: "Position in the record of runs: from 0, without gaps" }),
  digest: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .meta({ description: "sha256 of the bytes that were signed" }),
  keyId: z.string().meta({ description: "Which key of /.well-known/jwks.json signed" }),
};

/** `receipt` of a run in a list. */
export const RunReceipt = z.object(receiptShape).meta({ id: "RunReceipt" });

/** `receipt` of an answer. */
export const Receipt = z
  .object({
    ...receiptShape,
    proof: z
      .string()
      .meta({ description: "Proof that the log has the run, with its checkpoint: C2SP tlog-proof" }),
  })
  .meta({ id: "Receipt" });

/** How a run ended; `kind` says which other members there are. */
export const Outcome = z
  .looseObject({
    kind: z.enum([
      "denied",
      "completed",
      "failed",
      "trapped",
      "exhausted",
      "timed-out",
      "revoked",
      "denied-import",
      "indeterminate",
    ]),
  })
  .meta({
    id: "Outcome",
    description: "How the run ended. A bad end is an answer too: it is signed, and paid for",
  });

/** A Sigstore bundle v0.3, as far as it is always the same. */
export const ExecutionManifest = z
  .looseObject({
    mediaType: z.literal("application/vnd.dev.sigstore.bundle.v0.3+json"),
    verificationMaterial: z.record(z.string(), z.unknown()),
    dsseEnvelope: z.record(z.string(), z.unknown()),
  })
  .meta({
    id: "ExecutionManifest",
    description: "A Sigstore bundle v0.3 around the signed statement of the run",
  });

/** Answer of an invocation. */
export const InvocationAnswer = z
  .object({
    run: runId,
    outcome: Outcome,
    output: z
      .unknown()
      .meta({ description: "What the function returned; null when it did not return, or returns nothing" }),
    fallback: z
      .object({ kind: z.enum(["static", "last-good", "tool"]), value: z.unknown() })
      .meta({ description: "What the policy declared for a bad end; not this run's word" })
      .optional(),
    manifest: ExecutionManifest,
    receipt: Receipt,
  })
  .meta({ id: "InvocationAnswer" });

/** One tool of a list. */
export const ToolSummary = z
  .object({ name: z.string(), description: z.string(), digest, functions: z.array(z.string()) })
  .meta({ id: "ToolSummary" });

/** Answer of `GET /v1/tools`. */
export const ToolList = z.object({ tools: z.array(ToolSummary), next: nextTool }).meta({ id: "ToolList" });

/** Answer of `GET /v1/tools/{tool}`. */
export const ToolDetail = z
  .object({
    name: z.string(),
    description: z.string(),
    digest,
    functions: z.array(
      z.object({
        name: z.string().meta({ description: "interface/function" }),
        description: z.string(),
        operation: z
          .enum(["read", "write"])
          .nullable()
          .meta({ description: "null: the policy does not allow it" }),
        inputSchema: jsonSchema,
        outputSchema: jsonSchema,
      }),
    ),
    imports: z.array(
      z.object({
        name: z.string().meta({ description: "The interface, as the component spells it" }),
        capability: z.string().nullable().meta({ description: "Which capability it belongs to" }),
        served: z.boolean(),
        reason: z.string().optional(),
      }),
    ),
    policyId: digest,
    purposes: z.array(z.string()),
  })
  .meta({ id: "ToolDetail" });

/** One run, in short. */
export const RunSummary = z
  .object({
    run: runId,
    tool: z.string(),
    function: z.string(),
    outcome: z.string().meta({ description: "Name of the outcome, or open" }),
    admittedAt: z.iso.datetime(),
    sealedAt: z.iso.datetime().optional(),
    receipt: RunReceipt.optional(),
  })
  .meta({ id: "RunSummary" });

/** Answer of `GET /v1/runs/{run}/explain`. */
export const RunExplanation = z
  .looseObject({
    run: runId,
    tool: z.string(),
    function: z.string(),
    tenant: z.string(),
    purpose: z.string(),
    policy_id: z.string().nullable(),
    outcome: z.looseObject({ kind: z.string() }).meta({ description: "As the execution manifest has it" }),
    decision: z.looseObject({ effect: z.enum(["allow", "deny"]) }),
    denials: z.array(
      z.object({
        import: z.string(),
        target: z.string().optional(),
        missing: z.string().meta({ description: "The clause that is missing" }),
        times: z.int(),
        change: z
          .string()
          .optional()
          .meta({ description: "The smallest change that would allow it; absent when none can" }),
      }),
    ),
  })
  .meta({ id: "RunExplanation" });

/** Answer of `GET /v1/runs`. */
export const RunList = z
  .object({
    runs: z.array(RunSummary),
    next: z.string().meta({ description: "Pass as before for the page that follows" }).optional(),
  })
  .meta({ id: "RunList" });

/** Answer of `GET /v1/operate/records`. */
export const RecordList = z
  .object({
    records: z.array(
      z.object({
        action: z.string().meta({ description: "Its id: act_ and 26 characters, ordered by time" }),
        kind: z.string().meta({ description: "What was done: reload, activate, rollback …" }),
        actor: z.string().meta({ description: "A principal, file, signal, cli, or rule: and its name" }),
        at: z.iso.datetime(),
        changes: z.array(z.string()).meta({ description: "The first 20 changes, a sentence each" }),
      }),
    ),
    next: z.string().meta({ description: "Pass as before for the page that follows" }).optional(),
  })
  .meta({ id: "RecordList" });

/** Answer of `POST /v1/operate/reload`. */
export const Reloaded = z
  .object({
    action: z
      .string()
      .nullable()
      .meta({ description: "Id of the operator's action that the log has; null: nothing changed" }),
    changes: z.array(z.string()).meta({ description: "What changed, a sentence each" }),
    prepared: z
      .array(
        z.object({
          tool: z.string(),
          steps: z.array(
            z.object({
              step: z.string().meta({ description: "decode, plan, validate, meter or compile" }),
              ms: z.int().min(0),
            }),
          ),
        }),
      )
      .meta({ description: "Tools that had to be made ready to run, and what each step took; absent: none" })
      .optional(),
    held: z
      .array(z.string())
      .optional()
      .meta({ description: "Of the tools that changed, those of which another version is active" }),
  })
  .meta({ id: "Reloaded" });

const amount = z
  .string()
  .regex(/^\d+\.\d{9}$/)
  .meta({ description: "In the currency's unit, exactly" });
const currency = z.string().meta({ description: "ISO 4217; none where the operator has no prices" });
const sum = z.number().min(0);

/** Answer of `POST /v1/tasks/{task}/outcome`. */
export const TaskReport = z
  .object({
    task: z.string(),
    outcome: z.enum(["succeeded", "failed"]),
    reportedAt: z.iso.datetime().meta({ description: "When it was first reported" }),
    runs: z.int().min(0).meta({ description: "Runs of it that were sealed by now" }),
    currency,
    cost: amount,
    billed: amount,
    lines: z.array(z.object({ tool: z.string(), purpose: z.string(), class: z.string(), billed: amount })),
  })
  .meta({ id: "TaskReport" });

/** Answer of `GET /v1/chargeback`. */
export const Chargeback = z
  .object({
    currency,
    by: z.array(z.string()),
    from: z.iso.date(),
    until: z.iso.date().meta({ description: "Not in it" }),
    lines: z.array(
      z.object({
        keys: z.record(z.string(), z.string()).meta({ description: "What the line is of" }),
        runs: sum,
        bills: sum.meta({ description: "One for each tool of a task that succeeded" }),
        fuel: sum,
        egressBytes: sum,
        wallMs: sum,
        cost: amount,
        billed: amount,
        digest: z
          .string()
          .meta({ description: "sha256 of what the run's manifest signs, where lines are runs" })
          .optional(),
      }),
    ),
    next: z.string().meta({ description: "Pass as after for the page that follows" }).optional(),
  })
  .meta({ id: "Chargeback" });

/** Answer of `/readyz`. */
export const Readiness = z
  .object({ ready: z.boolean(), checks: z.array(z.object({ name: z.string(), ok: z.boolean() })) })
  .meta({ id: "Readiness" });

/** Answer of `/healthz`. */
export const Health = z.object({ status: z.literal("ok") }).meta({ id: "Health" });

/** Answer of `/.well-known/jwks.json`. */
export const KeySet = z.object({ keys: z.array(z.record(z.string(), z.unknown())) }).meta({ id: "KeySet" });

/** Answer of `/capabilities`. */
export const Capabilities = z
  .object({
    capabilities: z.array(
      z.object({
        word: z.string(),
        served: z.boolean(),
        risk: z.string().meta({ description: "R0 pure to R5 files, secrets in the open, or unknown" }),
        clause: z.string().nullable().meta({ description: "Clause of a policy that unlocks it" }),
        ambient: z.boolean().optional().meta({ description: "There and empty without its clause" }),
        interfaces: z.array(z.string()).meta({ description: "Imports it stands for, without versions" }),
        sentence: z.string(),
        cost: z.string(),
        broker: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: "Capabilities" });

/** What of a tool is in force. */
export const ToolState = z
  .object({
    tool: z.string(),
    active: z.int().meta({ description: "Number of the version that runs are given" }),
    activatedAtMs: z.int(),
    earlier: z.array(z.int()).meta({ description: "Versions that were active before, the latest last" }),
    canary: z
      .object({
        version: z.int(),
        basisPoints: z.int(),
        tenants: z.array(z.string()),
        sinceMs: z.int(),
      })
      .optional(),
    suspended: z.object({ reason: z.string(), sinceMs: z.int() }).optional(),
    floors: z.array(z.object({ tenant: z.string(), version: z.int() })),
    wentBack: z.literal(true).optional().meta({ description: "Whether the active one was gone back to" }),
    folders: z
      .object({ count: z.int(), versions: z.array(z.int()) })
      .optional()
      .meta({ description: "What gateways' folders had, in order: how many, and the last of them" }),
  })
  .meta({ id: "ToolState" });

/** Answer of `GET /v1/operate/tools`. */
export const ToolStates = z.object({ tools: z.array(ToolState), next: nextTool }).meta({ id: "ToolStates" });

/** Answer of `GET /v1/operate/tools/{tool}`. */
export const OperatedTool = z
  .object({
    state: ToolState,
    versions: z.array(
      z.object({
        version: z.int(),
        digest: digest.meta({ description: "Over component and policies" }),
        component: digest,
        policies: z.array(digest),
        firstSeen: z.iso.datetime(),
      }),
    ),
    next: z.int().meta({ description: "Pass as before for the page that follows" }).optional(),
  })
  .meta({ id: "OperatedTool" });

/** Answer of `POST /v1/operate/tools/{tool}`. */
export const CommandedTool = z
  .object({
    changed: z.boolean(),
    state: ToolState,
    action: z.string().meta({ description: "Name of the signed record in the log" }).optional(),
  })
  .meta({ id: "CommandedTool" });

/** Answer of `GET /v1/operate/actions`. */
export const ActionList = z
  .object({
    actions: z.array(
      z.object({
        action: z.string(),
        tool: z.string(),
        kind: z.string(),
        by: z.string(),
        at: z.iso.datetime(),
        changes: z.array(z.string()),
        settledMs: z
          .int()
          .meta({ description: "ms until the last run of what it took out of force was admitted" })
          .optional(),
      }),
    ),
    next: z.string().meta({ description: "Pass as before for the page that follows" }).optional(),
  })
  .meta({ id: "ActionList" });

const rate = z.number().nullable();

/** Answer of `GET /v1/slo`. */
export const SloReport = z
  .object({
    objectives: z.array(
      z.object({
        name: z.enum(["latency", "rejection-rate", "evidence-completeness", "rollback-activation"]),
        tool: z.string().optional(),
        value: rate.meta({ description: "What was measured; null when there was nothing to measure" }),
        target: z.number(),
        unit: z.enum(["ms", "share"]),
        met: z.boolean().nullable(),
        budgetLeft: rate.meta({ description: "What is left of the error budget, of 1; below 0 = overspent" }),
        events: z.int(),
      }),
    ),
    alerts: z.array(
      z.object({
        name: z.string(),
        firing: z.boolean(),
        burn: z
          .object({ long: rate, short: rate })
          .nullable()
          .meta({ description: "How fast the error budget is spent in both windows; 1 = as fast as it may" }),
        detail: z.string(),
      }),
    ),
  })
  .meta({ id: "SloReport" });
