/** Every operation that the OpenAPI document describes: one row per route, in the reader's order. */
import type { z } from "zod";
import type { RefusalCode } from "../core/errors.ts";
import { BUNDLE_MEDIA_TYPE } from "../core/manifest/index.ts";
import type { ScopeName } from "../core/policy/index.ts";
import { InvocationBody } from "./invocation.ts";
import { ManifestQuery, RecordPageQuery, RunPageQuery, ToolPageQuery } from "./query.ts";
import { ChargebackParameters, OutcomeBody } from "./routes/accounts.ts";
import { KeyBody, KeyPageQuery } from "./routes/keys.ts";
import { ActionPageQuery, ToolCommandBody, VersionPageQuery } from "./routes/operate.ts";
import {
  ActionList,
  Capabilities,
  Chargeback,
  CommandedTool,
  ExecutionManifest,
  Health,
  InvocationAnswer,
  IssuedKey,
  KeyList,
  KeySet,
  OperatedTool,
  Readiness,
  RecordList,
  Reloaded,
  RevokedKey,
  RunExplanation,
  RunList,
  RunSummary,
  SloReport,
  TaskReport,
  ToolDetail,
  ToolList,
  ToolStates,
} from "./schemas.ts";

/** One operation. */
export interface Operation {
  readonly id: string;
  readonly method: "get" | "post";
  /** In OpenAPI's notation. */
  readonly path: string;
  readonly summary: string;
  readonly body?: z.ZodType;
  /** Parameters behind the question mark; absent = none are taken. */
  readonly query?: z.ZodObject;
  /** Schema of the answer; absent for a document of another standard, or a page. */
  readonly answer?: z.ZodType;
  /** Default `application/json`. */
  readonly contentType?: string;
  /** Which refusals it may answer; `internal` goes without saying. */
  readonly refusals: readonly RefusalCode[];
  /** The scope that credentials need; `public` = it takes none. */
  readonly scope: ScopeName | "public";
}

const READ: readonly RefusalCode[] = [
  "invalid-request",
  "unauthenticated",
  "insufficient-scope",
  "identity-unavailable",
];
const INVOKE: readonly RefusalCode[] = [
  ...READ,
  "denied",
  "unknown-tool",
  "run-conflict",
  "key-reused",
  "tool-suspended",
  "input-too-large",
  "component-refused",
  "budget-spent",
  "retry-budget-spent",
  "loop-capped",
  "sandbox-unavailable",
  "evidence-unavailable",
];

const invocation = {
  method: "post",
  body: InvocationBody,
  answer: InvocationAnswer,
  refusals: INVOKE,
  scope: "invoke",
} as const;

const open = { method: "get", refusals: [], scope: "public" } as const;

/** The operations. */
export const OPERATIONS: readonly Operation[] = [
  {
    id: "invoke",
    path: "/v1/tools/{tool}/{interface}/{function}",
    summary: "Run a function of a tool, and get its output with the signed manifest of the run",
    ...invocation,
  },
  {
    id: "invokeBare",
    path: "/v1/tools/{tool}/{function}",
    summary: "The same, for a function that the world itself exports, or whose name only one interface has",
    ...invocation,
  },
  {
    id: "listTools",
    method: "get",
    path: "/v1/tools",
    summary: "The tools that these credentials reach, by name",
    query: ToolPageQuery,
    answer: ToolList,
    refusals: READ,
    scope: "invoke",
  },
  {
    id: "describeTool",
    method: "get",
    path: "/v1/tools/{tool}",
    summary: "What a tool's functions take and give, and what its component may touch",
    answer: ToolDetail,
    refusals: [...READ, "unknown-tool"],
    scope: "invoke",
  },
  {
    id: "listRuns",
    method: "get",
    path: "/v1/runs",
    summary: "Runs of one's own tenant, newest first",
    query: RunPageQuery,
    answer: RunList,
    refusals: READ,
    scope: "evidence",
  },
  {
    id: "findRun",
    method: "get",
    path: "/v1/runs/{run}",
    summary: "One run",
    answer: RunSummary,
    refusals: [...READ, "unknown-tool"],
    scope: "evidence",
  },
  {
    id: "findManifest",
    method: "get",
    path: "/v1/runs/{run}/manifest",
    summary: "The execution manifest of a run, with the proof that the log has it",
    query: ManifestQuery,
    answer: ExecutionManifest,
    contentType: BUNDLE_MEDIA_TYPE,
    refusals: [...READ, "unknown-tool", "evidence-unavailable"],
    scope: "evidence",
  },
  {
    id: "explainRun",
    method: "get",
    path: "/v1/runs/{run}/explain",
    summary:
      "Why a run was allowed or denied what it asked for, and the smallest change that would allow what was denied; JSON, or text if text/plain is asked for",
    answer: RunExplanation,
    refusals: [...READ, "unknown-tool", "evidence-unavailable"],
    scope: "evidence",
  },
  {
    id: "listToolStates",
    method: "get",
    path: "/v1/operate/tools",
    summary: "What of each tool is in force, by name",
    query: ToolPageQuery,
    answer: ToolStates,
    refusals: READ,
    scope: "operate",
  },
  {
    id: "operatedTool",
    method: "get",
    path: "/v1/operate/tools/{tool}",
    summary: "A tool's state and versions, newest first",
    query: VersionPageQuery,
    answer: OperatedTool,
    refusals: [...READ, "unknown-tool"],
    scope: "operate",
  },
  {
    id: "commandTool",
    method: "post",
    path: "/v1/operate/tools/{tool}",
    summary: "Activate, try out, roll back, stop or floor a tool; every gateway follows within a second",
    body: ToolCommandBody,
    answer: CommandedTool,
    refusals: [...READ, "unknown-tool", "input-too-large"],
    scope: "operate",
  },
  {
    id: "listActions",
    method: "get",
    path: "/v1/operate/actions",
    summary: "What was done to tools, newest first; each is a signed record in the log",
    query: ActionPageQuery,
    answer: ActionList,
    refusals: READ,
    scope: "operate",
  },
  {
    id: "reload",
    method: "post",
    path: "/v1/operate/reload",
    summary:
      "Read policies, profiles, tools, tenants, issuers, prices and service levels again, and take them over: all or nothing",
    answer: Reloaded,
    refusals: [...READ, "reload-refused", "evidence-unavailable"],
    scope: "operate",
  },
  {
    id: "listRecords",
    method: "get",
    path: "/v1/operate/records",
    summary: "What operators did to this gateway as it was signed, newest first: each is an entry of the log",
    query: RecordPageQuery,
    answer: RecordList,
    refusals: READ,
    scope: "operate",
  },
  {
    id: "findRecord",
    method: "get",
    path: "/v1/operate/records/{action}/manifest",
    summary: "The signed statement of an operator's action, with the proof that the log has it",
    answer: ExecutionManifest,
    contentType: BUNDLE_MEDIA_TYPE,
    refusals: [...READ, "unknown-tool", "evidence-unavailable"],
    scope: "operate",
  },
  {
    id: "slo",
    method: "get",
    path: "/v1/slo",
    summary:
      "How service levels stand over all gateways: latency, rejections, evidence, rollbacks; and alerts",
    answer: SloReport,
    refusals: READ,
    scope: "operate",
  },
  {
    id: "metrics",
    method: "get",
    path: "/metrics",
    summary: "Counters and histograms of this gateway: OpenMetrics",
    contentType: "application/openmetrics-text",
    refusals: READ,
    scope: "operate",
  },
  {
    id: "reportOutcome",
    method: "post",
    path: "/v1/tasks/{task}/outcome",
    summary: "How a business task ended; one that succeeded is billed, once",
    body: OutcomeBody,
    answer: TaskReport,
    refusals: [...READ, "unknown-tool", "task-closed", "input-too-large"],
    scope: "invoke",
  },
  {
    id: "chargeback",
    method: "get",
    path: "/v1/chargeback",
    summary: "What runs cost and tasks were billed, summed by what one asks for; JSON, or CSV if asked for",
    query: ChargebackParameters,
    answer: Chargeback,
    refusals: READ,
    scope: "evidence",
  },
  {
    id: "issueKey",
    method: "post",
    path: "/v1/keys",
    summary: "Issue an API key, with no more than one has oneself; it is shown this once",
    body: KeyBody,
    answer: IssuedKey,
    refusals: [...READ, "input-too-large", "evidence-unavailable"],
    scope: "keys",
  },
  {
    id: "listKeys",
    method: "get",
    path: "/v1/keys",
    summary: "Keys of one's own tenant, oldest first: their names, never the keys",
    query: KeyPageQuery,
    answer: KeyList,
    refusals: READ,
    scope: "keys",
  },
  {
    id: "revokeKey",
    method: "post",
    path: "/v1/keys/{key}/revoke",
    summary: "Revoke a key: it is refused from then on, by every gateway",
    answer: RevokedKey,
    refusals: [...READ, "unknown-tool", "evidence-unavailable"],
    scope: "keys",
  },
  {
    id: "jwks",
    path: "/.well-known/jwks.json",
    summary: "The public keys that verify manifests",
    answer: KeySet,
    contentType: "application/jwk-set+json",
    ...open,
  },
  {
    id: "trustedRoot",
    path: "/trusted_root.json",
    summary: "The key that signs the log's checkpoints, as a Sigstore trusted root",
    ...open,
  },
  {
    id: "checkpoint",
    path: "/checkpoint",
    summary: "The log's newest checkpoint: a signed note (C2SP tlog-checkpoint)",
    contentType: "text/plain",
    ...open,
    refusals: ["evidence-unavailable"],
  },
  {
    id: "tile",
    path: "/tile/{tile}",
    summary: "Hashes or entries of the log (C2SP tlog-tiles); the path goes on with slashes",
    contentType: "application/octet-stream",
    ...open,
    refusals: ["evidence-unavailable"],
  },
  { id: "healthz", path: "/healthz", summary: "Whether the process is alive", answer: Health, ...open },
  {
    id: "readyz",
    path: "/readyz",
    summary: "Whether a run sent now would be served; 503 when not",
    answer: Readiness,
    ...open,
  },
  {
    id: "policySchema",
    path: "/schemas/policy.json",
    summary: "JSON Schema of a policy",
    contentType: "application/schema+json",
    ...open,
  },
  {
    id: "capabilities",
    path: "/capabilities",
    summary: "What policies can grant: which clause unlocks which imports, at what risk and cost",
    answer: Capabilities,
    ...open,
  },
  {
    id: "executionManifestSchema",
    path: "/schemas/execution-manifest.json",
    summary: "JSON Schema of what an execution manifest says",
    contentType: "application/schema+json",
    ...open,
  },
  {
    id: "executionManifest",
    path: "/execution-manifest/v1",
    summary: "What an execution manifest says, field by field; HTML, or the JSON Schema if JSON is asked for",
    contentType: "text/html",
    ...open,
  },
  { id: "openapi", path: "/openapi.json", summary: "This document", ...open },
  {
    id: "problem",
    path: "/problems/{code}",
    summary: "What a problem means and what to do; HTML, or JSON if asked for",
    contentType: "text/html",
    ...open,
  },
  { id: "home", path: "/", summary: "The front page", contentType: "text/html", ...open },
];
