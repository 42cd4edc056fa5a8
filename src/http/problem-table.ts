/**
 * What every refusal code means, in one table: its status, its page, its schema in the OpenAPI document.
 * A code without a row does not compile.
 */
import type { RefusalCode } from "../core/errors.ts";

/** One extension member of a problem document. */
export interface ProblemMember {
  readonly name: string;
  readonly meaning: string;
  /** JSON Schema (2020-12). */
  readonly schema: object;
  readonly example: unknown;
}

/** One kind of problem. */
export interface ProblemEntry {
  readonly status: number;
  readonly title: string;
  readonly meaning: string;
  /** What the caller can do about it. */
  readonly remedy: string;
  readonly members: readonly ProblemMember[];
  /** Whether the answer carries Retry-After. */
  readonly retryAfter: boolean;
}

const BUDGET: ProblemMember = {
  name: "budget",
  meaning: "What there is too little of: runs, fuel, egress_bytes, wall_ms, retries or confidence.",
  schema: { type: "string" },
  example: "fuel",
};

const WINDOW: ProblemMember = {
  name: "window",
  meaning: "The window that is spent: its length, whose work it is for, its limit, and what is left of that.",
  schema: {
    type: "object",
    properties: {
      per_seconds: { type: "integer" },
      class: { type: "string" },
      limit: { type: "integer" },
      left: { type: "integer" },
    },
    required: ["per_seconds", "class", "limit", "left"],
  },
  example: { per_seconds: 3600, class: "exploratory", limit: 1000, left: 0 },
};

const KEY_RUN: ProblemMember = {
  name: "run",
  meaning: "The run that has the key.",
  schema: { type: "string" },
  example: "run_01JCA2N3VQ8T5W6X7Y8Z9ABCDE",
};

/** Every refusal code, with what it means. Order is that of the pages. */
export const PROBLEMS: Readonly<Record<RefusalCode, ProblemEntry>> = {
  "invalid-request": {
    status: 400,
    title: "The request does not match its schema",
    meaning: "The body, the query or a header is not what this operation takes. Nothing ran.",
    remedy: "Correct every fault listed in errors. GET /v1/tools/{tool} gives the JSON Schema of each input.",
    members: [
      {
        name: "errors",
        meaning:
          "Every fault found: a JSON Pointer into the body (empty: the request as a whole), and what is wrong.",
        schema: {
          type: "array",
          items: {
            type: "object",
            properties: { pointer: { type: "string" }, detail: { type: "string" } },
            required: ["pointer", "detail"],
          },
        },
        example: [{ pointer: "/input/place/latitude", detail: "is missing" }],
      },
    ],
    retryAfter: false,
  },
  unauthenticated: {
    status: 401,
    title: "No valid credentials",
    meaning:
      "The Authorization header is missing, or its key or token is malformed, unknown, expired, revoked or meant for somebody else. Which of these is never said.",
    remedy:
      "Send Authorization: Bearer with an API key of this gateway (the operator issues one with: writ keys issue) or a token of an issuer that it believes. The operator finds the reason in the log.",
    members: [],
    retryAfter: false,
  },
  denied: {
    status: 403,
    title: "Denied by policy",
    meaning: "The principal may not do this. The decision itself was signed and logged; nothing ran.",
    remedy:
      "Compare the request with the clauses named in missing. The operator can run writ policy explain; the signed decision is at /v1/runs/{decision}/manifest.",
    members: [
      {
        name: "decision",
        meaning: "Id of the run that carries the signed decision.",
        schema: { type: "string" },
        example: "run_01JCA2N3VQ8T5W6X7Y8Z9ABCDE",
      },
      {
        name: "missing",
        meaning: "Names of the clauses that did not allow it; never their text.",
        schema: { type: "array", items: { type: "string" } },
        example: ["purpose"],
      },
    ],
    retryAfter: false,
  },
  "insufficient-scope": {
    status: 403,
    title: "The credentials lack a scope",
    meaning:
      "Who asks is known, and may not do this with these credentials. Of a run that was asked for, the decision was signed and logged.",
    remedy:
      "Use credentials that have the scope. The operator issues a key with: writ keys issue --scopes; of a token, its issuer decides.",
    members: [
      {
        name: "scope",
        meaning: "The scope that is needed.",
        schema: { type: "string" },
        example: "evidence",
      },
      {
        name: "decision",
        meaning: "Id of the run that carries the signed decision; empty where none is recorded.",
        schema: { type: "string" },
        example: "",
      },
    ],
    retryAfter: false,
  },
  "unknown-tool": {
    status: 404,
    title: "No such tool, function, run or task",
    meaning: "There is none, or none that this principal may know of.",
    remedy: "GET /v1/tools lists the tools that these credentials reach, GET /v1/runs their runs.",
    members: [],
    retryAfter: false,
  },
  "run-conflict": {
    status: 409,
    title: "The same request is under way",
    meaning: "A run with this idempotency key has begun and has not ended. Nothing else ran.",
    remedy: "Send the same request again after Retry-After: it is answered with what that run came to.",
    members: [KEY_RUN],
    retryAfter: true,
  },
  "key-reused": {
    status: 422,
    title: "Idempotency key used for another request",
    meaning: "The key already belongs to a run that was asked for something else. Nothing ran.",
    remedy: "Use a new key for a new request, or read the run that has the key.",
    members: [KEY_RUN],
    retryAfter: false,
  },
  "task-closed": {
    status: 409,
    title: "The task has another outcome",
    meaning: "How the task ended was reported before, and the first report stays. Nothing was billed now.",
    remedy: "Work that goes on is a new task; what was billed wrongly is for the operator to settle.",
    members: [
      {
        name: "outcome",
        meaning: "How it was reported to have ended.",
        schema: { type: "string", enum: ["succeeded", "failed"] },
        example: "failed",
      },
    ],
    retryAfter: false,
  },
  "tool-suspended": {
    status: 409,
    title: "The tool is suspended",
    meaning: "The operator, or an automatic rule, has disabled this tool or version.",
    remedy: "Wait until the operator approves it again; a retry does not help.",
    members: [
      { name: "reason", meaning: "Why, in a word.", schema: { type: "string" }, example: "widened" },
      {
        name: "since",
        meaning: "Since when, RFC 3339.",
        schema: { type: "string", format: "date-time" },
        example: "2026-11-20T09:30:00.000Z",
      },
    ],
    retryAfter: false,
  },
  "reload-refused": {
    status: 409,
    title: "The operator's files can not be taken over",
    meaning:
      "Policies, profiles, tools and issuers are read whole or not at all, and something in them is wrong.",
    remedy: "Mend every fault, each of which names its file, and reload again. Runs go on as before.",
    members: [
      {
        name: "faults",
        meaning: "What is wrong, with the place.",
        schema: { type: "array", items: { type: "string" } },
        example: ["policies/weather.yaml:3:1 purpose: wanted a list"],
      },
    ],
    retryAfter: false,
  },
  "input-too-large": {
    status: 413,
    title: "The request body is too large",
    meaning: "The body is larger than this gateway reads. It was not parsed.",
    remedy: "Send less, or send the data where the tool can fetch it.",
    members: [
      {
        name: "limitBytes",
        meaning: "The largest body that is read, in bytes.",
        schema: { type: "integer" },
        example: 1_048_576,
      },
    ],
    retryAfter: false,
  },
  "component-refused": {
    status: 422,
    title: "The component is refused",
    meaning: "The tool's component is malformed, or imports what this host does not offer.",
    remedy: "The vendor runs writ inspect on the component: it names every import, and what would serve it.",
    members: [
      {
        name: "imports",
        meaning: "The imports at fault; empty when the binary itself is malformed.",
        schema: { type: "array", items: { type: "string" } },
        example: ["wasi:keyvalue/store@0.2.0"],
      },
    ],
    retryAfter: false,
  },
  "budget-spent": {
    status: 429,
    title: "No budget left",
    meaning:
      "What a run may take at most is set aside before it runs, and a window of time that runs share has no room for it. Nothing ran.",
    remedy:
      "Wait as long as Retry-After says, which is when the window begins anew; runs that end earlier give back what they did not use. Or ask the operator for more.",
    members: [BUDGET, WINDOW],
    retryAfter: true,
  },
  "retry-budget-spent": {
    status: 429,
    title: "Too many retries",
    meaning:
      "The share of requests that may be retries is used up, or this is a write that was tried before and is sent again without an Idempotency-Key. Nothing ran.",
    remedy:
      "Stop retrying until Retry-After is over: retries now make the trouble larger. Send writes with an Idempotency-Key.",
    members: [BUDGET],
    retryAfter: true,
  },
  "loop-capped": {
    status: 429,
    title: "The task repeats itself",
    meaning: "Too many runs of the task, one after another, were begun with little confidence. Nothing ran.",
    remedy:
      "Change the plan and state how confident it is, wait as long as Retry-After says (longer each time), or let a person look at the task.",
    members: [BUDGET],
    retryAfter: true,
  },
  internal: {
    status: 500,
    title: "A fault in the gateway",
    meaning:
      "This is a bug in the gateway, not in the request. If a run had begun, its record is closed by the reconciler.",
    remedy: "Report the instance: the operator finds the cause under it in the log.",
    members: [
      {
        name: "instance",
        meaning: "Names this occurrence, here and in the operator's log.",
        schema: { type: "string", format: "uri" },
        example: "urn:uuid:9f1c2c1e-4c0e-4a51-9d0c-1f6f3a0b7e55",
      },
    ],
    retryAfter: false,
  },
  "identity-unavailable": {
    status: 503,
    title: "The credentials can not be checked",
    meaning: "The keys of the token's issuer can not be had now, so nobody can say whether it is good.",
    remedy: "Keep the token, and try again after Retry-After.",
    members: [],
    retryAfter: true,
  },
  "sandbox-unavailable": {
    status: 503,
    title: "No executor is free",
    meaning:
      "No executor became free in time, or none here is isolated as the tool's policy asks (isolation_minimum). Nothing ran.",
    remedy:
      "Try again after Retry-After. If it stays so, the operator's log says what was wanted, and `writ serve` at its start which isolation was reached.",
    members: [],
    retryAfter: true,
  },
  "evidence-unavailable": {
    status: 503,
    title: "The evidence can not be recorded",
    meaning:
      "What happened, or what was about to, can not be made durable now, and without evidence there is no answer. A run may have happened: its record is completed later.",
    remedy:
      "Before repeating a write, look at GET /v1/runs: the run may be there. Then try again after Retry-After.",
    members: [],
    retryAfter: true,
  },
};

/** Every refusal code, in the table's order. */
export const REFUSAL_CODES: readonly RefusalCode[] = Object.keys(PROBLEMS)
  // The table's type says that its keys are the codes, all of them; Object.keys forgets it.
  .filter((code): code is RefusalCode => code in PROBLEMS);
