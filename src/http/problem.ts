/**
 * The one place where failures become RFC 9457 documents.
 *
 * Strangers read these. What they see comes from the refusal's data and the table alone; an error's message, which may
 * name paths, rules or keys, goes to the log.
 */
import { type Fault, GatewayError, type Refusal } from "../core/errors.ts";
import { answerJson, type ExtraHeaders } from "./answers.ts";
import type { App, LogEntry } from "./context.ts";
import { PROBLEMS } from "./problem-table.ts";

const PROBLEM_TYPE = { "content-type": "application/problem+json" } as const;

const MAX_FAULTS = 20;
const MAX_POINTER = 256;
const MAX_REASON = 512;

/** Titles of the problems that HTTP itself defines and that have no type of ours. */
const PLAIN_TITLES = {
  400: "Bad Request",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  414: "URI Too Long",
  415: "Unsupported Media Type",
  421: "Misdirected Request",
  431: "Request Header Fields Too Large",
} as const;

/** Statuses that {@link PlainError} may carry. */
export type PlainStatus = keyof typeof PLAIN_TITLES;

/** A request that HTTP itself gives us a word for: answered as `about:blank`, never reaching the gateway. */
export class PlainError extends Error {
  override readonly name = "PlainError";
  readonly status: PlainStatus;
  readonly headers: ExtraHeaders;

  /** @param detail shown to the caller: no value of theirs is quoted back unchecked */
  constructor(status: PlainStatus, detail: string, headers: ExtraHeaders = {}) {
    super(detail);
    this.status = status;
    this.headers = headers;
  }
}

/**
 * Answers a failure, and notes it in the request's log entry.
 *
 * @param error whatever was thrown; anything but a `GatewayError` or a `PlainError` is a bug, and answered as `internal`
 */
export function answerProblem(error: unknown, app: App, entry: LogEntry): Response {
  if (error instanceof PlainError) return answerPlain(error, entry);
  if (!(error instanceof GatewayError) || error.code === "internal") return answerBug(error, app, entry);

  const { refusal } = error;
  const row = PROBLEMS[refusal.code];
  const { detail, members, headers } = describeRefusal(refusal);
  entry.code = refusal.code;
  // A message about the input quotes the input, which stays out of the log.
  if (refusal.code !== "invalid-request") entry.detail = error.message;
  if (error.cause !== undefined) entry.cause = describeCause(error.cause);
  const body = {
    type: `${app.baseUrl}/problems/${refusal.code}`,
    title: row.title,
    status: row.status,
    detail,
    ...members,
  };
  return answerJson(body, row.status, { ...PROBLEM_TYPE, ...headers });
}

/** What of a refusal is shown: a sentence, the extension members, and headers. */
interface Shown {
  readonly detail: string;
  readonly members: object;
  readonly headers: ExtraHeaders;
}

function describeRefusal(refusal: Refusal): Shown {
  switch (refusal.code) {
    case "invalid-request":
      return show(`${countOf(refusal.errors.length, "fault")} in the request`, {
        errors: bounded(refusal.errors),
      });
    case "unauthenticated":
      // No `error` parameter: RFC 6750 section 3.1 would have us say which, and that helps nobody but a guesser.
      return show(
        "This operation needs valid credentials",
        {},
        { "www-authenticate": 'Bearer realm="writ"' },
      );
    case "denied":
      return show("The policy does not allow this", { decision: refusal.decision, missing: refusal.missing });
    case "insufficient-scope":
      return show(
        `These credentials lack the scope "${refusal.scope}"`,
        { scope: refusal.scope, decision: refusal.decision },
        { "www-authenticate": `Bearer realm="writ", error="insufficient_scope", scope="${refusal.scope}"` },
      );
    case "unknown-tool":
      return show("There is no such tool, function, run or task for these credentials", {});
    case "run-conflict":
      return show(
        "The run of that idempotency key is under way; ask again with the same key",
        { run: refusal.run },
        retryAfter(refusal),
      );
    case "task-closed":
      return show(`The task was reported before: it ${refusal.outcome}`, { outcome: refusal.outcome });
    case "key-reused":
      return show("The idempotency key belongs to another request; give this one a key of its own", {
        run: refusal.run,
      });
    case "input-too-large":
      return show(`The body is larger than ${refusal.limitBytes} bytes`, { limitBytes: refusal.limitBytes });
    case "component-refused":
      return show("The component can not run on this host", { imports: refusal.imports });
    case "budget-spent":
    case "retry-budget-spent":
    case "loop-capped":
      return show(
        sentence(refusal.reason),
        {
          budget: refusal.budget,
          ...(refusal.code === "budget-spent" ? { window: refusal.window } : {}),
        },
        retryAfter(refusal),
      );
    case "reload-refused":
      return show("Nothing was changed: what was in force stays", { faults: refusal.faults });
    case "tool-suspended":
      return show("The tool may not run now", { reason: refusal.reason, since: refusal.since });
    case "internal":
      return show("A fault in the gateway", {});
    case "identity-unavailable":
      return show("The credentials can not be checked now", {}, retryAfter(refusal));
    case "sandbox-unavailable":
      return show("No executor that the tool's policy allows became free in time", {}, retryAfter(refusal));
    case "evidence-unavailable":
      return show("The evidence can not be recorded now", {}, retryAfter(refusal));
    default:
      return unreachable(refusal);
  }
}

function show(detail: string, members: object, headers: ExtraHeaders = {}): Shown {
  return { detail, members, headers };
}

/** With a capital, and bounded: a reason may quote the request. */
function sentence(reason: string): string {
  return `${reason.charAt(0).toUpperCase()}${reason.slice(1, MAX_REASON)}`;
}

/** Pointers repeat the caller's own member names: cut, so that a small request can not be answered with a huge one. */
function bounded(errors: readonly Fault[]): readonly Fault[] {
  return errors.slice(0, MAX_FAULTS).map(({ pointer, detail }) => ({
    pointer: pointer.length > MAX_POINTER ? `${pointer.slice(0, MAX_POINTER)}…` : pointer,
    detail,
  }));
}

/** Whole seconds, at least one: `Retry-After: 0` invites a tight loop. */
function retryAfter(refusal: { readonly retryAfterSeconds: number }): ExtraHeaders {
  return { "retry-after": String(Math.max(1, Math.ceil(refusal.retryAfterSeconds))) };
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

function unreachable(refusal: never): never {
  throw new TypeError(`Cannot describe refusal ${JSON.stringify(refusal)}: no such code`);
}

function answerPlain(error: PlainError, entry: LogEntry): Response {
  entry.code = `http-${error.status}`;
  const body = {
    type: "about:blank",
    title: PLAIN_TITLES[error.status],
    status: error.status,
    detail: error.message,
  };
  return answerJson(body, error.status, { ...PROBLEM_TYPE, ...error.headers });
}

/** The caller learns a name for this occurrence and nothing else; the log learns everything. */
function answerBug(error: unknown, app: App, entry: LogEntry): Response {
  const instance = `urn:uuid:${randomUuid(app.entropy.bytes(16))}`;
  entry.code = "internal";
  entry.instance = instance;
  app.log({
    event: "bug",
    instance,
    error: describeCause(error),
    stack: error instanceof Error ? error.stack : null,
  });
  const row = PROBLEMS.internal;
  const body = { type: `${app.baseUrl}/problems/internal`, title: row.title, status: row.status, instance };
  return answerJson(body, row.status, PROBLEM_TYPE);
}

/** An error and what is beneath it, in one line; at most four deep, since a cause may lead back to itself. */
function describeCause(cause: unknown, depth = 0): string {
  if (!(cause instanceof Error)) return String(cause);
  const line = `${cause.name}: ${cause.message}`;
  return cause.cause === undefined || depth === 3
    ? line
    : `${line} < ${describeCause(cause.cause, depth + 1)}`;
}

/** RFC 9562 section 5.4. */
function randomUuid(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte, index) =>
    (index === 6 ? (byte & 0x0f) | 0x40 : index === 8 ? (byte & 0x3f) | 0x80 : byte)
      .toString(16)
      .padStart(2, "0"),
  ).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
