/** Runs of the principal's own tenant, and their execution manifests. */
import { GatewayError } from "../../core/errors.ts";
import { BUNDLE_MEDIA_TYPE } from "../../core/manifest/index.ts";
import { answerJson, answerText } from "../answers.ts";
import { principalOf } from "../authenticate.ts";
import type { App, AppContext, Route } from "../context.ts";
import { RUN_ID, readRunPage, refuseQuery } from "../query.ts";

/** Routes under `/v1/runs`. */
export function runRoutes(app: App): readonly Route[] {
  return [
    { method: "GET", path: "/v1/runs", scope: "evidence", handler: (context) => listRuns(context, app) },
    { method: "GET", path: "/v1/runs/:run", scope: "evidence", handler: (context) => findRun(context, app) },
    {
      method: "GET",
      path: "/v1/runs/:run/manifest",
      scope: "evidence",
      handler: (context) => findManifest(context, app),
    },
  ];
}

async function listRuns(context: AppContext, app: App): Promise<Response> {
  const principal = principalOf(context);
  return answerJson(await app.gateway.listRuns(principal, readRunPage(context)));
}

async function findRun(context: AppContext, app: App): Promise<Response> {
  const principal = principalOf(context);
  refuseQuery(context);
  return answerJson(await app.gateway.findRun(principal, runId(context)));
}

async function findManifest(context: AppContext, app: App): Promise<Response> {
  const principal = principalOf(context);
  refuseQuery(context);
  const run = runId(context);
  // Text, not an object: the bytes that were sealed are the bytes that are sent.
  return answerText(await app.gateway.findManifest(principal, run), 200, {
    "content-type": BUNDLE_MEDIA_TYPE,
    "content-disposition": `attachment; filename="${run}.sigstore.json"`,
  });
}

/** The form is checked before the name is used in a header or a log line. */
function runId(context: AppContext): string {
  const run = context.req.param("run") ?? "";
  if (!RUN_ID.test(run)) {
    throw new GatewayError("Cannot find the run: the id is not of the form that run ids have", {
      code: "unknown-tool",
    });
  }
  context.get("entry").run = run;
  return run;
}
