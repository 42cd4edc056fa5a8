/**
 * The operator's file of service levels: what is promised, when somebody is told that it is not kept, whom, and when a
 * version is taken back by itself. Every member is used or refused; what is left out has the defaults of `DEFAULTS`.
 */
import { z } from "zod";
import { readDocument } from "../policy/document.ts";

const share = (wanted: string) =>
  z.number({ error: wanted }).gt(0, { error: wanted }).lt(1, { error: wanted });
const SHARE = "a share between 0 and 1, such as 0.05";
const TOOL = "a tool's name, or * for every tool that is not named";
const tool = z.string({ error: TOOL }).regex(/^(\*|[a-z][a-z0-9-]{0,62})$/, { error: TOOL });
const ms = z.int({ error: "whole milliseconds" }).min(1, { error: "whole milliseconds" }).max(600_000);
const SPAN = "a span such as 5m, 6h or 3d: minutes up to 60m, hours and days beyond";
const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const span = z
  .string({ error: SPAN })
  .regex(/^[1-9][0-9]{0,2}[mhd]$/, { error: SPAN })
  .transform((text, context) => {
    const spanMs = Number(text.slice(0, -1)) * (UNIT_MS[text.slice(-1)] ?? 0);
    const isMinutes = text.endsWith("m");
    if ((isMinutes && spanMs > 3_600_000) || spanMs > 35 * 86_400_000)
      context.addIssue({ code: "custom", message: SPAN });
    return spanMs;
  });

const rule = z
  .strictObject({
    name: z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, { error: "a word" }),
    long: span,
    short: span,
    burn: z.number().gt(0).max(10_000),
    /** Events in the long window below which nothing is concluded. */
    least: z.int().min(1).default(20),
  })
  .refine(({ long, short }) => short < long, { error: "a short window that is shorter than the long one" });

const sloFile = z.strictObject({
  period: span.default(30 * 86_400_000),
  latency: z
    .array(
      z.strictObject({
        tool,
        percentile: z.number().gt(0).lt(100).default(95),
        within_ms: ms,
      }),
    )
    .max(500)
    .default([{ tool: "*", percentile: 95, within_ms: 2_000 }]),
  rejection_rate: z.strictObject({ most: share(SHARE) }).default({ most: 0.25 }),
  evidence_completeness: z.strictObject({ least: share(SHARE) }).default({ least: 0.9999 }),
  rollback_activation_ms: z.strictObject({ most: ms }).default({ most: 1_000 }),
  alerts: z
    .array(rule)
    .max(20)
    .default([
      { name: "fast", long: 3_600_000, short: 300_000, burn: 14.4, least: 20 },
      { name: "slow", long: 6 * 3_600_000, short: 1_800_000, burn: 6, least: 20 },
      { name: "creeping", long: 72 * 3_600_000, short: 6 * 3_600_000, burn: 1, least: 20 },
    ]),
  webhooks: z
    .array(
      z.strictObject({
        url: z.string().regex(/^https?:\/\/[^\s?#@]+$/, {
          error: "a URL without credentials, query and fragment",
        }),
        /** File that holds the shared secret, base64; `whsec_` before it is allowed. */
        secret_file: z.string().min(1),
        allow_addresses: z
          .array(z.string().regex(/^[0-9a-fA-F:.]+\/[0-9]{1,3}$/, { error: "a CIDR block" }))
          .max(16)
          .default([]),
        /** Secret profile whose header, authorities and client certificate go along. */
        profile: z.string().min(1).max(64).optional(),
      }),
    )
    .max(16)
    .default([]),
  /** When a canary, or a version that was just activated, is taken back by itself. */
  rollback: z
    .array(
      z
        .strictObject({
          tool,
          trap_rate: share(SHARE).optional(),
          burn: z.number().gt(0).max(10_000).optional(),
          least_runs: z.int().min(1).default(20),
          /** How long after it came into force a version is watched: at most 60m. */
          within: span.refine((value) => value <= 3_600_000, { error: "at most 60m" }).default(3_600_000),
        })
        .refine(({ trap_rate, burn }) => trap_rate !== undefined || burn !== undefined, {
          error: "trap_rate, burn, or both",
        }),
    )
    .max(500)
    .default([]),
});

/** What an operator promises, read. */
export type SloFile = z.output<typeof sloFile>;
/** One multi-window rule: both windows have to burn so fast. */
export type BurnRule = SloFile["alerts"][number];
/** When a version is taken back. */
export type RollbackRule = SloFile["rollback"][number];

/** What is promised where there is no file. */
export const DEFAULT_SLOS: SloFile = sloFile.parse({});

/**
 * Reads the file.
 *
 * @param text YAML 1.2 or JSON; hostile
 * @returns the file, or every fault with its place
 */
export function readSloFile(
  text: string,
):
  | { readonly ok: true; readonly file: SloFile }
  | { readonly ok: false; readonly faults: readonly string[] } {
  const document = readDocument(text);
  if (document.kind === "faults") {
    const faults = document.faults.map(({ line, column, detail }) => `${line}:${column} ${detail}`);
    return { ok: false, faults };
  }
  const { placeOf } = document;
  const parsed = sloFile.safeParse(document.value ?? {});
  if (parsed.success) return { ok: true, file: parsed.data };
  return {
    ok: false,
    faults: parsed.error.issues.map(({ path, message }) => {
      const { line, column } = placeOf(path, "value");
      return `${line}:${column} /${path.map(String).join("/")} ${message}`;
    }),
  };
}

/** The JSON Schema of the file. */
export function sloFileSchema(): object {
  return z.toJSONSchema(sloFile, { io: "input", unrepresentable: "any" });
}
