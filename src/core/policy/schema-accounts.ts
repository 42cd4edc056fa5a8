/**
 * The clauses of a policy that look beyond one run: windows of time that runs share, retries, loops, and what a caller
 * gets when a run ends badly.
 */
import * as z from "zod";
import { functionName, integer, name, size } from "./schema-parts.ts";
import { TASK_CLASSES } from "./types.ts";

const SPAN = "a span from 1 second to 31 days, as seconds or as text such as 30s, 5m, 1h, 7d";
const SPAN_TEXT = /^([1-9][0-9]{0,6})(s|m|h|d)$/;
const SPAN_UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };
const LONGEST_SPAN = 31 * 86_400;

const bound = { error: SPAN };
const span = z
  .union(
    [z.int(bound).min(1, bound).max(LONGEST_SPAN, bound), z.string(bound).regex(SPAN_TEXT, bound)],
    bound,
  )
  .transform((written) => {
    if (typeof written === "number") return written;
    const [, count = "", unit = ""] = SPAN_TEXT.exec(written) ?? [];
    return Number(count) * (SPAN_UNITS[unit] ?? Number.NaN);
  })
  .refine((seconds) => seconds >= 1 && seconds <= LONGEST_SPAN, bound);

const WINDOW = "a mapping of per and at least one of runs, fuel, egress_bytes, seconds";
const windowRule = z
  .strictObject(
    {
      per: span.describe(`Length of the window, which begins anew at whole multiples of it: ${SPAN}`),
      class: z
        .enum(TASK_CLASSES, { error: `one of ${TASK_CLASSES.join(", ")}` })
        .exactOptional()
        .describe("Only runs of this class; default: each class by itself, under the same limits"),
      runs: integer("Runs", 1, Number.MAX_SAFE_INTEGER).exactOptional(),
      fuel: integer("Fuel of all runs", 1, Number.MAX_SAFE_INTEGER).exactOptional(),
      egress_bytes: size(
        "Bytes on the wire of all runs, both ways",
        0,
        Number.MAX_SAFE_INTEGER,
      ).exactOptional(),
      seconds: integer("Wall time of all runs", 1, 1_000_000_000).exactOptional(),
    },
    { error: WINDOW },
  )
  .refine(
    ({ runs, fuel, egress_bytes, seconds }) =>
      [runs, fuel, egress_bytes, seconds].some((limit) => limit !== undefined),
    { error: WINDOW },
  );

/** Keys that a window may have, for "did you mean". */
export const WINDOW_KEYS: readonly string[] = ["per", "class", "runs", "fuel", "egress_bytes", "seconds"];

/** `windows`: what the runs of one tenant may spend together. */
export const windows = z
  .array(windowRule, { error: "a list of windows" })
  .min(1, { error: "at least one window" })
  .max(8, { error: "at most 8 windows" })
  .refine(
    (rules) => {
      const keys = rules.flatMap((rule) =>
        (rule.class === undefined ? TASK_CLASSES : [rule.class]).map((of) => `${rule.per} ${of}`),
      );
      return new Set(keys).size === keys.length;
    },
    { error: "for each length at most one window of each class" },
  )
  .describe(
    "What the runs of one tenant may spend together in a window of time, exploratory and customer_visible work apart",
  );

const ratio = z
  .number({ error: "a number from 0 to 10" })
  .min(0, { error: "a number from 0 to 10" })
  .max(10, { error: "a number from 0 to 10" });

/** `retry_budget`: retries as a share of requests. */
export const retryBudget = z
  .strictObject(
    {
      ratio: ratio.describe("Retries for each request that is none; 0.2 = one for five"),
      min_per_second: z
        .number({ error: "a number from 0 to 1000" })
        .min(0, { error: "a number from 0 to 1000" })
        .max(1000, { error: "a number from 0 to 1000" })
        .default(0)
        .describe("Retries a second beside that"),
      ttl_seconds: integer("How long a request counts, and a retry", 1, 300).default(10),
    },
    { error: "a mapping of ratio, min_per_second, ttl_seconds" },
  )
  .describe(
    "How many runs may be retries of runs that ended badly, apart for each tenant and for reads and writes; a write without an Idempotency-Key may not be retried at all",
  );

const confidence = { error: "a number above 0, at most 1" };

/** `loop_cap`: tasks that go on without confidence. */
export const loopCap = z
  .strictObject(
    {
      confidence_below: z
        .number(confidence)
        .gt(0, confidence)
        .max(1, confidence)
        .describe("Confidence below which a run counts"),
      runs: integer("Runs in a row of one task that may be below it", 1, 10_000),
      backoff_seconds: integer("First wait; each further one is twice as long", 1, 86_400),
    },
    { error: "a mapping of confidence_below, runs, backoff_seconds" },
  )
  .describe("When a task whose runs are begun with little confidence, one after another, has to wait");

/** `fallback`: what a caller gets. */
export const fallback = z
  .discriminatedUnion(
    "kind",
    [
      z.strictObject({ kind: z.literal("error") }),
      z.strictObject({ kind: z.literal("static"), value: z.json() }),
      z.strictObject({
        kind: z.literal("last-good"),
        max_age_seconds: integer("How old the output may be", 1, 31 * 86_400),
      }),
      z.strictObject({
        kind: z.literal("tool"),
        tool: name.describe("Another tool, which runs under its own policy narrowed by this one"),
        function: functionName.describe("Its function; takes the same input"),
      }),
    ],
    {
      error: "kind: error, kind: static with a value, kind: last-good with max_age_seconds, or kind: tool",
    },
  )
  .describe(
    "What the caller gets when the run ended badly: nothing, a value, the last output for the same input, or another tool's output",
  );

/** Keys that a fallback may have, for "did you mean". */
export const FALLBACK_KEYS: readonly string[] = ["kind", "value", "max_age_seconds", "tool", "function"];
