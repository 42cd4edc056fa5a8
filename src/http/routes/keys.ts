/** API keys: handed out, listed, taken back. The key itself is in one answer and nowhere else, our log included. */
import { z } from "zod";
import { GatewayError } from "../../core/errors.ts";
import { isScope, SCOPE_NAMES } from "../../core/policy/index.ts";
import type { KeyRequest } from "../../gateway/index.ts";
import { answerJson } from "../answers.ts";
import { principalOf } from "../authenticate.ts";
import type { App, AppContext, Route } from "../context.ts";
import { refuse, toFaults } from "../invocation.ts";
import { parseJsonBody } from "../json-text.ts";
import { readJsonBytes } from "../limits.ts";
import { readQuery, refuseQuery } from "../query.ts";

const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const KEY_ID = /^key_[0-9a-f]{8}$/;
const TEN_YEARS = 3650 * 86_400;
const name = z.string().max(64).regex(NAME);

/** Body of `POST /v1/keys`. */
export const KeyBody = z
  .strictObject({
    scopes: z
      .array(
        z
          .string()
          .refine(isScope, { error: `has to be one of ${SCOPE_NAMES.join(", ")}, or invoke:<tool>` })
          .meta({ description: `${SCOPE_NAMES.join(", ")}, or invoke:<tool>; only what one has oneself` }),
      )
      .min(1)
      .max(100),
    label: z
      .string()
      .regex(/^[^\p{Cc}]{1,200}$/u)
      .meta({ description: "What you call it" }),
    expiresInSeconds: z
      .int()
      .min(60)
      .max(TEN_YEARS)
      .meta({ description: "Time until it is refused; default: it does not expire" })
      .optional(),
    tenant: name
      .meta({ description: "Whose; default: one's own. Another's needs the scope operate" })
      .optional(),
    tier: name
      .meta({
        description: "Default: the tenant's in the list of tenants, or one's own; another needs operate",
      })
      .optional(),
  })
  .meta({ id: "KeyBody", description: "A key to be issued" });

/** Query of `GET /v1/keys`. */
export const KeyPageQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^([1-9]\d?|100)$/)
    .meta({ description: "How many keys at most: 1 to 100, default 20" })
    .optional(),
  after: z.string().regex(KEY_ID).meta({ description: "next of the page before" }).optional(),
  tenant: z
    .string()
    .regex(/^(\*|[a-z][a-z0-9-]{0,62})$/)
    .meta({ description: "Whose; default: one's own. Another's, or * for all, needs the scope operate" })
    .optional(),
});

/** Routes under `/v1/keys`. */
export function keyRoutes(app: App): readonly Route[] {
  const scope = "keys";
  return [
    { method: "POST", path: "/v1/keys", scope, handler: (context) => issue(context, app) },
    { method: "GET", path: "/v1/keys", scope, handler: (context) => list(context, app) },
    { method: "POST", path: "/v1/keys/:key/revoke", scope, handler: (context) => revoke(context, app) },
  ];
}

async function issue(context: AppContext, app: App): Promise<Response> {
  refuseQuery(context);
  const parsed = KeyBody.safeParse(parseJsonBody(await readJsonBytes(context.req.raw, app)));
  if (!parsed.success) throw refuse(parsed.error.issues.flatMap(toFaults));
  const { scopes, label, expiresInSeconds, tenant, tier } = parsed.data;
  const request: KeyRequest = {
    scopes: [...new Set(scopes)].filter(isScope),
    label,
    ...(expiresInSeconds === undefined ? {} : { expiresInSeconds }),
    ...(tenant === undefined ? {} : { tenant }),
    ...(tier === undefined ? {} : { tier }),
  };
  return answerJson(await app.gateway.issueKey(principalOf(context), request));
}

async function list(context: AppContext, app: App): Promise<Response> {
  const { limit = "20", after, tenant } = readQuery(context, KeyPageQuery);
  const page = {
    limit: Number(limit),
    ...(after === undefined ? {} : { after }),
    ...(tenant === undefined ? {} : { tenant }),
  };
  return answerJson(await app.gateway.listKeys(principalOf(context), page));
}

async function revoke(context: AppContext, app: App): Promise<Response> {
  refuseQuery(context);
  const id = context.req.param("key") ?? "";
  if (!KEY_ID.test(id)) {
    const message = "Cannot find the key: the id is not of the form that they have";
    throw new GatewayError(message, { code: "unknown-tool" });
  }
  return answerJson(await app.gateway.revokeKey(principalOf(context), id));
}
