/** For operators: versions of tools, what was done about them, and figures of all tenants. */
import { z } from "zod";
import type { ToolCommand } from "../../core/rollout/index.ts";
import { answerJson, answerText } from "../answers.ts";
import { principalOf } from "../authenticate.ts";
import type { App, AppContext, Route } from "../context.ts";
import { refuse, toFaults } from "../invocation.ts";
import { parseJsonBody } from "../json-text.ts";
import { readJsonBytes } from "../limits.ts";
import { readQuery, readToolPage, refuseQuery } from "../query.ts";
import { toolName } from "./tools.ts";

const version = z.int().min(1).max(1e9).meta({ description: "Number of a version" });
const tenant = z.string().regex(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);

/** Body of `POST /v1/operate/tools/{tool}`. */
export const ToolCommandBody = z
  .strictObject({
    command: z.discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("activate"), version }),
      z.strictObject({
        kind: z.literal("canary"),
        version,
        basisPoints: z
          .int()
          .min(0)
          .max(10_000)
          .meta({ description: "Of 10,000 runs, how many; cut by the run's id" }),
        tenants: z.array(tenant).max(1000).meta({ description: "All of whose runs are given it" }),
      }),
      z.strictObject({ kind: z.literal("rollback") }),
      z.strictObject({
        kind: z.literal("suspend"),
        reason: z
          .string()
          .regex(/^[a-z][a-z0-9-]{0,62}$/)
          .meta({ description: "In a word: callers are told it" }),
      }),
      z.strictObject({ kind: z.literal("resume") }),
      z.strictObject({
        kind: z.literal("floor"),
        tenant: z.union([z.literal("*"), tenant]).meta({ description: "Whom it is for; * = everyone" }),
        version: z
          .int()
          .min(0)
          .max(1e9)
          .meta({ description: "The oldest that may be given; 0 takes the floor away" }),
      }),
    ]),
    note: z.string().max(1000).meta({ description: "Why, for the record" }).optional(),
  })
  .meta({ id: "ToolCommandBody", description: "A command about a tool" });

const limit = z
  .string()
  .regex(/^([1-9]\d?|100)$/)
  .meta({ description: "How many at most: 1 to 100, default 20" })
  .optional();

/** Query of `GET /v1/operate/tools/{tool}`. */
export const VersionPageQuery = z.strictObject({
  limit,
  before: z
    .string()
    .regex(/^[1-9]\d{0,8}$/)
    .meta({ description: "Only versions older than this number" })
    .optional(),
});

/** Query of `GET /v1/operate/actions`. */
export const ActionPageQuery = z.strictObject({
  limit,
  before: z
    .string()
    .regex(/^act_[0-9A-Z]{26}$/)
    .meta({ description: "Only what was done before this action" })
    .optional(),
  tool: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/)
    .meta({ description: "Only about this tool" })
    .optional(),
});

/** Routes under `/v1/operate`, and the metrics. */
export function operateRoutes(app: App): readonly Route[] {
  const { operator } = app.gateway;
  const route = (
    method: Route["method"],
    path: string,
    handler: (context: AppContext) => Promise<Response>,
  ): Route => ({ method, path, scope: "operate", handler });
  return [
    route("GET", "/v1/operate/tools", async (context) => {
      return answerJson(readToolPage(context, await operator.listTools(), ({ tool }) => tool));
    }),
    route("GET", "/v1/operate/tools/:tool", async (context) => {
      const { limit = "20", before } = readQuery(context, VersionPageQuery);
      const page = { limit: Number(limit), ...(before === undefined ? {} : { before: Number(before) }) };
      return answerJson(await operator.describeTool(toolName(context), page));
    }),
    route("POST", "/v1/operate/tools/:tool", async (context) => {
      refuseQuery(context);
      const tool = toolName(context);
      const { command, note = "" } = readCommand(parseJsonBody(await readJsonBytes(context.req.raw, app)));
      return answerJson(await operator.commandTool(principalOf(context), tool, command, note));
    }),
    route("GET", "/v1/operate/actions", async (context) => {
      const { limit = "20", before, tool } = readQuery(context, ActionPageQuery);
      const page = {
        limit: Number(limit),
        ...(before === undefined ? {} : { before }),
        ...(tool === undefined ? {} : { tool }),
      };
      return answerJson(await operator.listActions(page));
    }),
    route("GET", "/v1/slo", async (context) => {
      refuseQuery(context);
      const { objectives, alerts } = await operator.slo();
      return answerJson({ objectives, alerts });
    }),
    route("GET", "/metrics", async (context) => {
      refuseQuery(context);
      const { contentType, text } = await operator.metrics();
      return answerText(text, 200, { "content-type": contentType });
    }),
  ];
}

function readCommand(body: unknown): { readonly command: ToolCommand; readonly note?: string } {
  const parsed = ToolCommandBody.safeParse(body);
  if (!parsed.success) throw refuse(parsed.error.issues.flatMap(toFaults));
  const { command, note } = parsed.data;
  return note === undefined ? { command } : { command, note };
}
