/** Business tasks: how they ended, and what they cost. */
import { accepts } from "hono/accepts";
import { z } from "zod";
import { type ChargebackRequest, chargebackCsv } from "../../accounts/index.ts";
import { CHARGEBACK_KEYS, type ChargebackKey } from "../../core/budget/index.ts";
import { GatewayError } from "../../core/errors.ts";
import { TASK_CLASSES } from "../../core/policy/index.ts";
import { answerJson, answerText } from "../answers.ts";
import { principalOf } from "../authenticate.ts";
import type { App, AppContext, Route } from "../context.ts";
import { refuse, toFaults } from "../invocation.ts";
import { parseJsonBody } from "../json-text.ts";
import { readJsonBytes } from "../limits.ts";
import { readQuery, refuseQuery } from "../query.ts";

const TASK = /^[\x21-\x7e]{1,128}$/;
const NAME = /^[a-z][a-z0-9-]{0,62}$/;
const DAY = z.iso.date();

/** Body of `POST /v1/tasks/{task}/outcome`. */
export const OutcomeBody = z
  .strictObject({
    outcome: z
      .enum(["succeeded", "failed"])
      .meta({ description: "A task that succeeded is billed, once; the first report stays" }),
  })
  .meta({ id: "OutcomeBody", description: "How a business task ended" });

const KEYS = CHARGEBACK_KEYS.join(", ");

/** Query of `GET /v1/chargeback`. */
export const ChargebackParameters = z.strictObject({
  by: z
    .string()
    .refine((text) => readKeys(text) !== undefined, {
      error: `has to be some of ${KEYS}, by comma, each once`,
    })
    .meta({ description: `What lines are summed by: some of ${KEYS}, by comma; default tool,class` })
    .optional(),
  from: DAY.meta({ description: "First day, UTC; default: the first of this month" }).optional(),
  until: DAY.meta({ description: "First day that is not in it; default: tomorrow" }).optional(),
  tenant: z
    .string()
    .regex(/^(\*|[a-z][a-z0-9-]{0,62})$/)
    .meta({ description: "Whose; default: one's own. Another's, or * for all, needs the scope operate" })
    .optional(),
  purpose: z.string().regex(NAME).meta({ description: "Only this purpose" }).optional(),
  tool: z.string().regex(NAME).meta({ description: "Only this tool" }).optional(),
  class: z.enum(TASK_CLASSES).meta({ description: "Only this class of work" }).optional(),
  task: z.string().regex(TASK).meta({ description: "Only this task" }).optional(),
  format: z.enum(["json", "csv"]).meta({ description: "default: as Accept says, else json" }).optional(),
  limit: z
    .string()
    .regex(/^([1-9]\d{0,2}|1000)$/)
    .meta({ description: "How many lines at most: 1 to 1000, default 100" })
    .optional(),
  after: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,2000}$/)
    .meta({ description: "next of the page before" })
    .optional(),
});

/** Routes of tasks and of the chargeback. */
export function accountRoutes(app: App): readonly Route[] {
  return [
    {
      method: "POST",
      path: "/v1/tasks/:task/outcome",
      scope: "invoke",
      handler: (context) => reportOutcome(context, app),
    },
    {
      method: "GET",
      path: "/v1/chargeback",
      scope: "evidence",
      handler: (context) => chargeback(context, app),
    },
  ];
}

async function reportOutcome(context: AppContext, app: App): Promise<Response> {
  const principal = principalOf(context);
  refuseQuery(context);
  const task = context.req.param("task") ?? "";
  if (!TASK.test(task))
    throw new GatewayError("Cannot find the task: its name is not of the form that names have", {
      code: "unknown-tool",
    });
  const parsed = OutcomeBody.safeParse(parseJsonBody(await readJsonBytes(context.req.raw, app)));
  if (!parsed.success) throw refuse(parsed.error.issues.flatMap(toFaults));
  return answerJson(await app.gateway.reportOutcome(principal, task, parsed.data.outcome));
}

async function chargeback(context: AppContext, app: App): Promise<Response> {
  const principal = principalOf(context);
  const { by, limit, format, from, until, after, ...named } = readQuery(context, ChargebackParameters);
  const where = Object.fromEntries(Object.entries(named).filter(([, value]) => value !== undefined));
  const request: ChargebackRequest = {
    by: readKeys(by ?? "tool,class") ?? [],
    where,
    limit: Number(limit ?? "100"),
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
    ...(after === undefined ? {} : { after }),
  };
  const page = await app.gateway.chargeback(principal, request);
  const supports = ["application/json", "text/csv"];
  const accepted = accepts(context, { header: "Accept", supports, default: "application/json" });
  const isCsv = format === undefined ? accepted === "text/csv" : format === "csv";
  const headers = {
    vary: "Accept",
    ...(page.next === undefined ? {} : { link: `<${nextUrl(context, page.next)}>; rel="next"` }),
  };
  return isCsv
    ? answerText(chargebackCsv(page, after === undefined), 200, {
        ...headers,
        "content-type": "text/csv; charset=utf-8",
        "content-disposition": `attachment; filename="chargeback-${page.from}.csv"`,
      })
    : answerJson(page, 200, headers);
}

/** Relative: whatever host the caller knows this gateway by. */
function nextUrl(context: AppContext, next: string): string {
  const url = new URL(context.req.url);
  url.searchParams.set("after", next);
  return `${url.pathname}${url.search}`;
}

function readKeys(text: string): readonly ChargebackKey[] | undefined {
  const keys = text.split(",").map((word) => CHARGEBACK_KEYS.find((key) => key === word));
  const known = keys.filter((key) => key !== undefined);
  return known.length === keys.length && new Set(known).size === known.length ? known : undefined;
}
