/** Tools: listing them, describing one, and running a function of one. */
import { GatewayError } from "../../core/errors.ts";
import type { InvocationRequest } from "../../gateway/index.ts";
import { answerJson } from "../answers.ts";
import { principalOf } from "../authenticate.ts";
import type { App, AppContext, Route } from "../context.ts";
import { readIdempotencyKey } from "../idempotency-key.ts";
import { parseInvocation } from "../invocation.ts";
import { parseJsonBody } from "../json-text.ts";
import { readJsonBytes } from "../limits.ts";
import { readToolPage, refuseQuery } from "../query.ts";
import { rateLimits } from "../rate-limits.ts";
import { parseTraceparent, parseTracestate } from "../traceparent.ts";

const TOOL = /^[a-z][a-z0-9-]{0,62}$/;
const FUNCTION = /^[A-Za-z][A-Za-z0-9-]{0,127}(\/[A-Za-z][A-Za-z0-9-]{0,127})?$/;

/** Routes under `/v1/tools`. */
export function toolRoutes(app: App): readonly Route[] {
  const invocation = {
    method: "POST",
    scope: "invoke",
    // A run that was asked for is decided, and its denial signed, whatever the reason.
    decided: true,
    handler: (context: AppContext) => invoke(context, app),
  } as const;
  return [
    { method: "GET", path: "/v1/tools", scope: "invoke", handler: (context) => listTools(context, app) },
    {
      method: "GET",
      path: "/v1/tools/:tool",
      scope: "invoke",
      handler: (context) => describeTool(context, app),
    },
    { path: "/v1/tools/:tool/:function", ...invocation },
    { path: "/v1/tools/:tool/:interface/:function", ...invocation },
  ];
}

async function listTools(context: AppContext, app: App): Promise<Response> {
  const principal = principalOf(context);
  return answerJson(readToolPage(context, await app.gateway.listTools(principal), ({ name }) => name));
}

async function describeTool(context: AppContext, app: App): Promise<Response> {
  const principal = principalOf(context);
  refuseQuery(context);
  return answerJson(await app.gateway.describeTool(principal, toolName(context)));
}

/** Credentials first, so that a stranger can not make us read a body; then headers, size, form, schema. */
async function invoke(context: AppContext, app: App): Promise<Response> {
  const entry = context.get("entry");
  const principal = principalOf(context);
  refuseQuery(context);
  const idempotencyKey = readIdempotencyKey(context.req.header("idempotency-key"));
  const tool = toolName(context);
  const name = functionName(context);
  const body = parseInvocation(parseJsonBody(await readJsonBytes(context.req.raw, app)));
  const traceparent = parseTraceparent(context.req.header("traceparent"));
  // Of no trace it is the state of none.
  const tracestate = traceparent && parseTracestate(context.req.header("tracestate"));

  const request: InvocationRequest = {
    ...{ tool, function: name, ...body },
    ...(idempotencyKey && { idempotencyKey }),
    ...(traceparent && { traceparent }),
    ...(tracestate && { tracestate }),
  };
  const answer = await app.gateway.invoke(principal, request);

  entry.run = answer.run;
  entry.outcome = answer.outcome.kind;
  const { run, outcome, output, fallback, manifest, receipt } = answer;
  // Named one by one: what the gateway adds to its answer one day does not leave by accident.
  return answerJson({ run, outcome, output, ...(fallback && { fallback }), manifest, receipt }, 200, {
    traceparent: answer.traceparent,
    "writ-run": run,
    "writ-outcome": outcome.kind,
    ...(fallback && { "writ-fallback": fallback.kind }),
    ...(answer.replayed && { "idempotent-replayed": "true" }),
    ...rateLimits(answer.windows ?? [], app.clock.nowMs()),
  });
}

/**
 * A name that no tool can have is answered like one that no tool has.
 *
 * @throws {GatewayError} `unknown-tool`
 */
export function toolName(context: AppContext): string {
  const name = context.req.param("tool") ?? "";
  if (!TOOL.test(name)) throw unknown();
  return name;
}

/** `interface/function` from two segments, from one with an encoded slash, or a bare function from one without. */
function functionName(context: AppContext): string {
  const interfaceName = context.req.param("interface");
  const last = context.req.param("function") ?? "";
  const name = interfaceName === undefined ? last : `${interfaceName}/${last}`;
  if (!FUNCTION.test(name)) throw unknown();
  return name;
}

function unknown(): GatewayError {
  return new GatewayError("Cannot find the tool or function: the name is not of the form that names have", {
    code: "unknown-tool",
  });
}
