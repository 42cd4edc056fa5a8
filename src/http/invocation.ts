/** The body of an invocation: its schema, and how it is read. */
import { z } from "zod";
import { type Fault, GatewayError } from "../core/errors.ts";
import { type JsonValue, TASK_CLASSES } from "../core/policy/index.ts";
import type { Task } from "../gateway/index.ts";

/** The schema of the request body, as zod has it; published in the OpenAPI document. */
export const InvocationBody = z
  .strictObject({
    // Whatever JSON.parse gave is JSON; the function's own type is checked where the function is known.
    input: z
      .custom<JsonValue>((value) => value !== undefined, { error: "is missing" })
      .meta({ description: "What the function takes; its schema is in GET /v1/tools/{tool}" }),
    purpose: z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,62}$/)
      .meta({ description: "Why the function is run: one of the purposes that the policy allows" }),
    task: z
      .strictObject({
        id: z.string().regex(/^[\x21-\x7e]{1,128}$/),
        class: z.enum(TASK_CLASSES).meta({ description: "Whose share of the budgets it is paid from" }),
        confidence: z
          .number()
          .min(0)
          .max(1)
          .meta({
            description: "How confident the caller is of this run, 0 to 1: a policy may cap loops by it",
          })
          .optional(),
      })
      .meta({ description: "The piece of work that the run belongs to" })
      .optional(),
  })
  .meta({ id: "InvocationBody", description: "A request to run a function" });

/** A body, read. */
export interface Invocation {
  readonly input: JsonValue;
  readonly purpose: string;
  readonly task?: Task;
}

/**
 * @param body JSON from a stranger
 * @throws {GatewayError} `invalid-request`, with a pointer to every fault
 */
export function parseInvocation(body: JsonValue): Invocation {
  const parsed = InvocationBody.safeParse(body);
  if (!parsed.success) throw refuse(parsed.error.issues.flatMap(toFaults));
  const { input, purpose, task } = parsed.data;
  if (task === undefined) return { input, purpose };
  const { confidence, ...named } = task;
  return { input, purpose, task: confidence === undefined ? named : { ...named, confidence } };
}

/**
 * Refuses a request for what is wrong with it.
 *
 * @param faults at least one
 */
export function refuse(faults: readonly Fault[]): GatewayError {
  return new GatewayError("Cannot take the request: it does not match its schema", {
    code: "invalid-request",
    errors: faults,
  });
}

/**
 * One issue of zod's, in our words and without the caller's values; unknown members each get a fault of their own.
 *
 * @param issue from `safeParse` of any schema
 */
export function toFaults(issue: z.core.$ZodIssue): readonly Fault[] {
  const pointer = toPointer(issue.path);
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const at = toPointer([...issue.path, key]);
      return { pointer: at, detail: "is not a member that is known here" };
    });
  }
  return [{ pointer, detail: wantedBy(issue) }];
}

function wantedBy(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return /received undefined$/.test(issue.message) ? "is missing" : `has to be of type ${issue.expected}`;
    case "invalid_value":
      return `has to be one of ${issue.values.map((value) => JSON.stringify(value)).join(", ")}`;
    case "invalid_format":
      return `has to match ${issue.pattern ?? issue.format}`;
    default:
      return issue.message;
  }
}

function toPointer(path: readonly PropertyKey[]): string {
  return path.map((key) => `/${String(key).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
