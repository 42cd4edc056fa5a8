/** The query part of a URL: what is not known is refused, never ignored. */
import { z } from "zod";
import { pageByName } from "../core/page.ts";
import type { RunPageRequest } from "../gateway/index.ts";
import type { AppContext } from "./context.ts";
import { refuse, toFaults } from "./invocation.ts";

/** Form of a run id. */
export const RUN_ID: RegExp = /^run_[0-9A-Za-z]{26}$/;

/** Query of `GET /v1/runs`. */
export const RunPageQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^([1-9]\d?|100)$/)
    .meta({ description: "How many runs at most: 1 to 100, default 20" })
    .optional(),
  before: z.string().regex(RUN_ID).meta({ description: "A run id: only older runs are listed" }).optional(),
});

/** Form of an operator's action's id. */
export const ACTION_ID: RegExp = /^act_[0-9A-Za-z]{26}$/;

/** Query of `GET /v1/operate/records`. */
export const RecordPageQuery = z.strictObject({
  limit: RunPageQuery.shape.limit.meta({ description: "How many actions at most: 1 to 100, default 20" }),
  before: z
    .string()
    .regex(ACTION_ID)
    .meta({ description: "An action's id: only older ones are listed" })
    .optional(),
});

/** Query of `GET /v1/tools` and `GET /v1/operate/tools`. */
export const ToolPageQuery = z.strictObject({
  limit: z
    .string()
    .regex(/^([1-9]\d{0,2}|1000)$/)
    .meta({ description: "How many tools at most: 1 to 1000, default 100" })
    .optional(),
  after: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/)
    .meta({ description: "next of the page before: only tools behind this name" })
    .optional(),
});

/** Query of `GET /v1/runs/{run}/manifest`. */
export const ManifestQuery = z.strictObject({
  proof: z
    .literal("cosigned")
    .meta({
      description: "The proof leads to a checkpoint that witnesses cosigned; 503 until one covers the run",
    })
    .optional(),
});

/** Some tools, by name. */
interface ToolPage<T> {
  readonly tools: readonly T[];
  readonly next?: string;
}

/** Query of everything else. */
const NoQuery = z.strictObject({});

/** @throws {GatewayError} `invalid-request`, naming the parameters */
export function readRunPage(context: AppContext): RunPageRequest {
  const { limit = "20", before } = readQuery(context, RunPageQuery);
  return before === undefined ? { limit: Number(limit) } : { limit: Number(limit), before };
}

/** @throws {GatewayError} `invalid-request`, naming the parameters */
export function readRecordPage(context: AppContext): RunPageRequest {
  const { limit = "20", before } = readQuery(context, RecordPageQuery);
  return before === undefined ? { limit: Number(limit) } : { limit: Number(limit), before };
}

/** The page of tools that is asked for. @throws {GatewayError} `invalid-request`, naming the parameters */
export function readToolPage<T>(
  context: AppContext,
  tools: readonly T[],
  nameOf: (tool: T) => string,
): ToolPage<T> {
  const { limit = "100", after } = readQuery(context, ToolPageQuery);
  const { items, ...next } = pageByName(tools, nameOf, Number(limit), after);
  return { tools: items, ...next };
}

/** @throws {GatewayError} `invalid-request` when there is any query at all */
export function refuseQuery(context: AppContext): void {
  if (context.req.url.includes("?")) readQuery(context, NoQuery);
}

/** @throws {GatewayError} `invalid-request`, naming the parameters */
export function readQuery<T>(context: AppContext, schema: z.ZodType<T>): T {
  const faults: { pointer: string; detail: string }[] = [];
  const values = Object.create(null);
  for (const [name, value] of new URL(context.req.url).searchParams) {
    if (name in values) faults.push({ pointer: "", detail: "a query parameter appears more than once" });
    values[name] = value;
  }
  const parsed = schema.safeParse({ ...values });
  if (!parsed.success) faults.push(...parsed.error.issues.flatMap(toFaults));
  if (!parsed.success || faults.length > 0) {
    const hints = schema instanceof z.ZodObject ? hintsOf(schema) : {};
    throw refuse(
      faults.map(({ pointer, detail }) => ({
        pointer: "",
        detail: `query${pointer}: ${detail}${hints[pointer] ?? ""}`,
      })),
    );
  }
  return parsed.data;
}

/** What each parameter is, in words, by its pointer: a pattern alone tells nobody what to send. */
function hintsOf({ shape }: z.ZodObject): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(shape).map(([name, parameter]) => {
      const words = parameter instanceof z.ZodOptional ? parameter.unwrap() : parameter;
      const description = words instanceof z.ZodType ? words.description : undefined;
      return [`/${name}`, description === undefined ? "" : ` (${description})`];
    }),
  );
}
