/** Reading the operator's files again, and what operators did, as it was signed. */
import { GatewayError } from "../../core/errors.ts";
import { BUNDLE_MEDIA_TYPE } from "../../core/manifest/index.ts";
import { answerJson, answerText } from "../answers.ts";
import { principalOf } from "../authenticate.ts";
import type { App, AppContext, Route } from "../context.ts";
import { ACTION_ID, readRecordPage, refuseQuery } from "../query.ts";

/** Routes under `/v1/operate` that are about no single tool. */
export function recordRoutes(app: App): readonly Route[] {
  const scope = "operate";
  return [
    { method: "POST", path: "/v1/operate/reload", scope, handler: (context) => reload(context, app) },
    { method: "GET", path: "/v1/operate/records", scope, handler: (context) => listRecords(context, app) },
    {
      method: "GET",
      path: "/v1/operate/records/:action/manifest",
      scope,
      handler: (context) => findRecord(context, app),
    },
  ];
}

async function reload(context: AppContext, app: App): Promise<Response> {
  refuseQuery(context);
  return answerJson(await app.gateway.reload(principalOf(context)));
}

async function listRecords(context: AppContext, app: App): Promise<Response> {
  return answerJson(await app.gateway.listRecords(principalOf(context), readRecordPage(context)));
}

async function findRecord(context: AppContext, app: App): Promise<Response> {
  refuseQuery(context);
  const action = context.req.param("action") ?? "";
  // The form is checked before the name is used in a header.
  if (!ACTION_ID.test(action)) {
    const message = "Cannot find the record: the id is not of the form that they have";
    throw new GatewayError(message, { code: "unknown-tool" });
  }
  return answerText(await app.gateway.findRecord(principalOf(context), action), 200, {
    "content-type": BUNDLE_MEDIA_TYPE,
    "content-disposition": `attachment; filename="${action}.sigstore.json"`,
  });
}
