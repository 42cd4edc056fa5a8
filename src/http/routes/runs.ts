/** Runs of the principal's own tenant, and their execution manifests. */

import { accepts } from "hono/accepts";
import { GatewayError } from "../../core/errors.ts";
import { BUNDLE_MEDIA_TYPE, explanationLines } from "../../core/manifest/index.ts";
import { answerJson, answerText } from "../answers.ts";
import { principalOf } from "../authenticate.ts";
import type { App, AppContext, Route } from "../context.ts";
import { ManifestQuery, RUN_ID, readQuery, readRunPage, refuseQuery } from "../query.ts";

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
    {
      method: "GET",
      path: "/v1/runs/:run/explain",
      scope: "evidence",
      handler: (context) => explainRun(context, app),
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
  const { proof } = readQuery(context, ManifestQuery);
  const run = runId(context);
  // Text, not an object: the bytes that were sealed are the bytes that are sent.
  return answerText(await app.gateway.findManifest(principal, run, proof), 200, {
    "content-type": BUNDLE_MEDIA_TYPE,
    "content-disposition": `attachment; filename="${run}.sigstore.json"`,
  });
}

/** JSON, or the text that `writ explain` prints if that is asked for. */
async function explainRun(context: AppContext, app: App): Promise<Response> {
  const principal = principalOf(context);
  refuseQuery(context);
  const explanation = await app.gateway.explainRun(principal, runId(context));
  const supports = ["application/json", "text/plain"];
  const type = accepts(context, { header: "Accept", supports, default: "application/json" });
  return type === "text/plain"
    ? answerText(`${explanationLines(explanation).join("\n")}\n`, 200, {
        "content-type": "text/plain; charset=utf-8",
        vary: "Accept",
      })
    : answerJson(explanation, 200, { vary: "Accept" });
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
